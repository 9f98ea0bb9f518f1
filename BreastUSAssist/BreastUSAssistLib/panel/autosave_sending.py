"""Work in progress on its way into the label folder: prepared a frame at a time, sent to the child process."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import BreastUSAssistError
from ..mrml.case_keeping import WorkPacker, run_told
from .frame_sending import sent_clip
from .label_settings import LabelSettings
from .picture_notes import PictureNotes
from .session import Session
from .stepper import Stepper

if TYPE_CHECKING:
    from ..mrml.source import UltrasoundSource
    from ..service.case_content import CaseContent, StoredRun
    from ..service.worker_protocol import WorkerEvent

MOST_CASES = 3
"""Of which outlines that were packed already are remembered."""


@dataclass(frozen=True, eq=False)
class Work:
    """What a reader left, as it was at one moment: the scene may go on, or be gone, meanwhile."""

    source: "UltrasoundSource"
    content: "CaseContent"
    settings: LabelSettings
    spacing: dict[str, Any] | None
    """row_mm, column_mm and source; None where unknown."""

    @property
    def uid(self) -> str:
        """Of the case in the scene."""
        return str(self.content.uid)


@dataclass(eq=False)
class _Known:
    """What the label folder has of a case."""

    packer: WorkPacker = field(default_factory=WorkPacker)
    runs: "tuple[StoredRun, ...]" = ()
    version: int | None = None
    """That has these runs."""
    has_image: bool = False
    """Whether it was heard in this session that the frames are there."""


class WorkSending:
    """Sends one piece of work after the other; of a case the newest alone waits."""

    def __init__(
        self,
        session: Session,
        pictures: PictureNotes,
        kept: Callable[[Work, str, bool], None],
        failed: Callable[[Work, str], None],
    ) -> None:
        """Take who is told: `kept` with the work, the version's name and whether it is new; `failed` with why not."""
        self._session, self._pictures, self._kept, self._failed = session, pictures, kept, failed
        self._stepper = Stepper()
        self._waiting: dict[str, Work] = {}
        self._preparing: Work | None = None
        self._sent: list[Work] = []
        self._known: dict[str, _Known] = {}

    @property
    def busy(self) -> bool:
        """Whether anything is on its way."""
        return bool(self._waiting or self._sent or self._preparing is not None)

    def is_on_its_way(self, uid: str) -> bool:
        """Whether work on a case is."""
        here = [*self._waiting.values(), *self._sent, *([self._preparing] if self._preparing is not None else [])]
        return any(work.uid == uid for work in here)

    def put(self, work: Work, *, at_once: bool = False) -> None:
        """Send work; `at_once`: all is handed to the child process on return, since the images are about to go."""
        self._waiting.pop(work.uid, None)
        self._waiting[work.uid] = work
        if not at_once:
            self._next()
            return
        self._stepper.finish()
        while self._waiting:
            self._prepare(self._waiting.pop(next(iter(self._waiting))), last_chance=True)
            self._stepper.finish()

    def learn(self, uid: str, runs: "tuple[StoredRun, ...]", version: int | None, has_image: bool) -> None:
        """Remember what the label folder has of a case."""
        known = self._known_of(uid)
        known.runs, known.version, known.has_image = runs, version, has_image

    def forget(self) -> None:
        """The label folder is another one."""
        self._known.clear()

    def close(self) -> None:
        """Stop; what was sent is not waited for."""
        self._stepper.stop()
        self._waiting.clear()
        self._sent.clear()
        self._preparing = None

    def _next(self) -> None:
        if self._preparing is None and not self._sent and self._waiting:
            self._prepare(self._waiting.pop(next(iter(self._waiting))))

    def _prepare(self, work: Work, *, last_chance: bool = False, lacks_image: bool = False) -> None:
        """Make the request and send it, with the images where the label folder lacks them.

        That it has them is believed where the images name their case: the answer says if it is not so, and they are
        sent then, unless this is the last chance to send them.
        """
        from ..mrml.label_origin import label_origin

        origin = label_origin(work.source)
        unsure = last_chance and not self._known_of(work.uid).has_image
        with_clip = origin is None or lacks_image or unsure
        self._preparing = work
        self._stepper.run(
            self._request(work, with_clip, origin), lambda request: self._on_ready(work, request), self._on_failed
        )

    def _request(self, work: Work, with_clip: bool, origin: Any) -> Generator[Any, None, dict[str, Any]]:
        known = self._known_of(work.uid)
        reading = work.content.reading.model_copy(update={"reader": work.settings.reader})
        packed = yield from known.packer.packing(work.content)
        request: dict[str, Any] = {
            "store": str(work.settings.folder),
            "encrypted": work.settings.encrypted,
            "kind": "autosaved",
            "reading": reading.model_dump_json(),
            "packed": list(packed.labels),
            "hidden": list(packed.hidden),
        }
        if with_clip:
            source = work.source
            clip = yield from sent_clip(self._session.client.exchange, source, range(source.frame_count))
            request["clip"] = clip.to_json()
        else:
            request |= {"case": origin.case, "spacing": work.spacing, "parent": origin.parent}
        # The very runs that a version has need not be sent again.
        if not with_clip and known.version is not None and _same(known.runs, work.content.runs):
            request["runs_of"] = known.version
        else:
            request["runs"] = [run_told(run) for run in work.content.runs]
        return request

    def _on_ready(self, work: Work, request: dict[str, Any]) -> None:
        self._preparing = None
        self._sent.append(work)
        self._session.ask("keep_label", request, lambda event: self._on_event(work, event))

    def _on_failed(self, error: Exception) -> None:
        work, self._preparing = self._preparing, None
        if not isinstance(error, BreastUSAssistError):
            raise error
        if work is not None:
            self._failed(work, str(error))
        self._next()

    def _on_event(self, work: Work, event: "WorkerEvent") -> None:
        if event.kind == "progress" or work not in self._sent:
            return
        self._sent.remove(work)
        if event.kind != "done":
            self._failed(work, event.message)
        elif event.result.get("needs_frames"):
            self._known.pop(work.uid, None)
            self._prepare(work, lacks_image=True)
            return
        else:
            self._take(work, event.result)
        self._next()

    def _take(self, work: Work, result: dict[str, Any]) -> None:
        from ..mrml.label_origin import LabelOrigin, label_origin, set_label_origin

        # What another decided gets no version by this work: it is kept beside, as version 0, until it is decided.
        beside = bool(result.get("beside"))
        self.learn(work.uid, work.content.runs, 0 if beside else int(result["version"]), has_image=True)
        if work.source.in_scene:
            before = label_origin(work.source)
            same = before if before is not None and before.case == result["case"] else None
            parent = (same.parent if same is not None else None) if beside else int(result["version"])
            origin = LabelOrigin(str(result["case"]), parent, same is not None and same.settles)
            set_label_origin(work.source, origin)
        self._pictures.note(work.source, result.get("picture"))
        self._kept(work, str(result["name"]), bool(result.get("new", True)))

    def _known_of(self, uid: str) -> _Known:
        known = self._known.pop(uid, None) or _Known()
        self._known[uid] = known
        while len(self._known) > MOST_CASES:
            del self._known[next(iter(self._known))]
        return known


def _same(one: "tuple[StoredRun, ...]", other: "tuple[StoredRun, ...]") -> bool:
    return len(one) == len(other) and all(a is b for a, b in zip(one, other, strict=True))
