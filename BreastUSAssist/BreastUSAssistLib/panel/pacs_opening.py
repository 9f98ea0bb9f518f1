"""The images of a study that was pulled, opened as cases a frame at a time."""

import hashlib
import re
import tempfile
from collections.abc import Generator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .session import Session
from .signals import Signal
from .stepper import Stepper

if TYPE_CHECKING:
    from ..mrml.source import UltrasoundSource
    from ..ultrasound.frame import Clip


class StudyOpening:
    """Opens one study at a time; what the scene has already is not opened twice."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._steps = Stepper()
        self._skipped: tuple[str, ...] = ()
        self.running = False
        self.done = 0
        self.total = 0
        self.words = ""
        """What is being opened, or how it ended."""
        self.changed = Signal()

    def start(self, pulled: dict[str, Any]) -> None:
        """Open what request "pacs_pull" brought."""
        self._skipped = tuple(str(sentence) for sentence in pulled.get("skipped") or ())
        self.running, self.done, self.total, self.words = True, 0, 0, _("Opening the images…")
        self.changed.emit()
        self._steps.run(self._opening(Path(str(pulled["folder"]))), self._finished, self._failed)

    def cancel(self) -> None:
        """Open no more; what is open stays."""
        if self.running:
            self._steps.stop()
            self._end(_("Stopped; the files are kept, and what was opened stays open."))

    def _opening(self, folder: Path) -> Generator[None, None, "tuple[list[UltrasoundSource], list[str]]"]:
        """Sources of all images of the folder, and sentences about those that could not be opened."""
        from ..mrml.case_list import cases_of
        from ..mrml.volume_loading import loading
        from ..ultrasound.reading import open_clips

        there = {uid: source for source in cases_of(self._session.scene) for uid in source.instance_uids}
        sources: list[UltrasoundSource] = []
        problems: list[str] = []
        with tempfile.TemporaryDirectory(prefix="breastusassist-") as workspace:
            for clip in open_clips([folder], Path(workspace)):
                if isinstance(clip, BreastUSAssistError):
                    problems.append(str(clip))
                    continue
                known = there.get(_instance_uid(clip))
                if known is not None:
                    sources.append(known)
                    continue
                named = replace(clip, name=case_name(clip))
                try:
                    sources.append((yield from self._counted(loading(self._session.scene, named))))
                except BreastUSAssistError as error:
                    problems.append(str(error))
        return sources, problems

    def _counted(
        self, steps: "Generator[tuple[int, int], None, UltrasoundSource]"
    ) -> "Generator[None, None, UltrasoundSource]":
        while True:
            try:
                self.done, self.total = next(steps)
            except StopIteration as end:
                source: UltrasoundSource = end.value
                return source
            yield

    def _finished(self, outcome: "tuple[list[UltrasoundSource], list[str]]") -> None:
        sources, problems = outcome
        sentences = [_("{count} images are open as cases.").format(count=len(sources))]
        if len(sources) == 1:
            sentences = [_("1 image is open as a case.")]
        elif not sources:
            sentences = [_("The study has no image that can be opened here.")]
        self._end(" ".join([*sentences, *problems[:3], *self._skipped[:3]]))
        if sources:
            self._session.choose(sources[0].volume, quietly=True)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, BreastUSAssistError):
            self._end(_("The images were not opened; please report this."))
            raise error
        self._end(f"✖ {error}")

    def _end(self, words: str) -> None:
        self.running, self.words = False, words
        self.changed.emit()


def case_name(clip: "Clip") -> str:
    """A short name for an image of a PACS, whose file is named by its UID: modality, series, number, and six digits.

    The digits are of the UID, so that images of two studies never share a name; of the patient nothing is in it.
    """
    header = clip.headers[0] if clip.headers else {}
    modality = str(header.get("Modality") or "")
    numbers = [str(header.get(key) or "") for key in ("SeriesNumber", "InstanceNumber")]
    told = [modality if re.fullmatch(r"[A-Z]{2,4}", modality) else "US"]
    told += [number for number in numbers if re.fullmatch(r"[0-9]{1,6}", number)]
    return "-".join([*told, hashlib.sha256(_instance_uid(clip).encode()).hexdigest()[:6]])


def _instance_uid(clip: "Clip") -> str:
    return str(clip.headers[0].get("SOPInstanceUID") or "") if clip.headers else ""
