"""After an outline was corrected the AI measures and describes it anew, in the background; the draft stays beside."""

from typing import TYPE_CHECKING, Any

import numpy as np
import qt

from ..errors import BreastUSAssistError
from .frame_sending import model_choice, sent_clip, slice_mm_of
from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..birads.lesion import Lesion
    from ..birads.reading import LesionReading
    from ..mrml.case import Case, CaseChange
    from ..service.worker_protocol import WorkerEvent

PAUSE_MS = 400
"""Without another edit before it is described: a reader draws in several strokes."""


class Revising:
    """Notices corrected outlines of the session's case and asks for their description."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._waiting: set[int] = set()
        self._asked: tuple[Case, int] | None = None
        self._timer = qt.QTimer()
        self._timer.setSingleShot(True)
        self._timer.setInterval(PAUSE_MS)
        self._timer.timeout.connect(self._next)
        self.idle = Signal()
        """Nothing waits for a description any more."""
        session.case_changed.connect(self._on_case)
        session.selection_changed.connect(self._on_selected)

    @property
    def busy(self) -> bool:
        """Whether a description is waited for."""
        return bool(self._waiting) or self._asked is not None

    def _on_case(self) -> None:
        self._waiting.clear()
        self._timer.stop()
        case = self._session.case
        if case is not None and self._on_change not in case.on_change:
            case.on_change.append(self._on_change)
        self._on_selected()
        if not self.busy:
            self.idle.emit()

    def _on_selected(self) -> None:
        """A lesion may still be without its description: packages were missing, or the scene was saved too soon."""
        case = self._session.case
        if case is None or case.closed or case.reading.decision != "open":
            return
        lesion = case.reading.lesion(self._session.selected)
        if lesion is not None and lesion.revised is None and case.has_segmentation and _is_the_readers(lesion):
            self._waiting.add(lesion.number)
            self._timer.start()

    def _on_change(self, change: "CaseChange") -> None:
        if change.what == "outline" and change.number is not None:
            self._waiting.add(change.number)
            self._timer.start()

    def _next(self) -> None:
        case = self._session.case
        if self._asked is not None or not self._waiting or case is None or case.closed:
            return
        if self._session.stepper.busy:
            self._timer.start()
            return
        number = min(self._waiting)
        self._waiting.discard(number)
        try:
            request = _request(case, number, self._session)
        except BreastUSAssistError as error:
            self._session.say(str(error), "error")
            request = None
        if request is None:
            self._again()
            return
        self._asked = (case, number)
        self._session.ask("describe", request, self._on_event)

    def _on_event(self, event: "WorkerEvent") -> None:
        if event.kind == "progress":
            return
        (case, number), self._asked = self._asked or (None, 0), None
        if event.kind == "error":
            self._session.say(event.message, "error")
        elif event.kind == "done" and case is not None and not case.closed and number not in self._waiting:
            from ..birads.lesion import Lesion

            lesion = Lesion.model_validate(event.result["lesion"])
            # A description that comes after the decision is late: it would open the case again.
            if case is self._session.case and case.reading.decision == "open":
                self._session.change(lambda: case.set_revised(_through_slices(case, lesion)))
        self._again()

    def _again(self) -> None:
        if self._waiting:
            self._timer.start()
        else:
            self.idle.emit()


def _request(case: "Case", number: int, session: Session) -> dict[str, Any] | None:
    """What to ask for a lesion as it is outlined now; None where it has no pixel left, or was taken back."""
    from ..service.worker_protocol import write_array

    reading = next((one for one in case.reading.lesions if one.number == number and one.present), None)
    if reading is None or not _is_the_readers(reading):
        return None
    areas = {frame: int(case.mask(frame, number).sum()) for frame in case.record.masked_frames(number)}
    areas = {frame: area for frame, area in areas.items() if area}
    if not areas:
        return None
    # The frame that was measured stays the key frame while the lesion is still in it: numbers stay comparable.
    draft = reading.revised or next((one.ai for one in case.lesions if one.number == number), None)
    kept = draft.key_frame - 1 if draft is not None else -1
    key = kept if kept in areas else max(areas, key=lambda frame: areas[frame])
    exchange = session.client.exchange
    steps = sent_clip(exchange, case.source, [key])
    try:
        while True:
            next(steps)
    except StopIteration as end:
        clip = end.value
    mask = case.mask(key, number).astype(np.uint8)
    last = case.runs[-1].settings if case.runs else None
    return {
        "clip": clip.to_json(),
        "mask": str(write_array(exchange(), "mask", mask)),
        "number": number,
        "tracking_uid": reading.tracking_uid,
        "frames": [frame + 1 for frame in sorted(areas)],
        "key_frame": key + 1,
        "origin": case.segmentation.origin(number, key) or "semiautomatic",
        "settings": last.model_dump() if last is not None else None,
        **model_choice(session.parameters),
    }


def _is_the_readers(lesion: "LesionReading") -> bool:
    """Whether the outline is not the draft's, which has its description."""
    return bool(lesion.edited_frames) or lesion.run is None


def _through_slices(case: "Case", lesion: "Lesion") -> "Lesion":
    """With its three axes, where the case is a volume: one slice was described, and the lesion runs through several."""
    if case.source.kind != "volume":
        return lesion
    from ..birads.volume_axes import measure_volume
    from ..mrml.pixel_calibration import calibration_of

    masks = {frame + 1: case.mask(frame, lesion.number) for frame in case.record.masked_frames(lesion.number)}
    axes = measure_volume(masks, calibration_of(case.source).spacing, slice_mm_of(case.source))
    return lesion.model_copy(update={"volume_axes": axes})
