"""The images of a study that was pulled, opened as cases a frame at a time."""

import hashlib
import re
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .session import Session
from .signals import Signal
from .stepper import Stepper

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..mrml.source import UltrasoundSource
    from ..ultrasound.dicom_frames import DicomFrames


MOST_TOLD = 3
"""Sentences about single files."""


@dataclass
class _Opened:
    sources: "list[UltrasoundSource]" = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Sentences about what could not be opened."""
    others: int = 0
    """Objects that are no images."""


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
        self._steps.run(self._opening([Path(str(path)) for path in pulled["files"]]), self._finished, self._failed)

    def cancel(self) -> None:
        """Open no more; what is open stays."""
        if self.running:
            self._steps.stop()
            self._end(_("Stopped; the files are kept, and what was opened stays open."))

    def _opening(self, files: list[Path]) -> Generator[None, None, _Opened]:
        """Sources of all images, a header or a frame a step."""
        from ..mrml.case_list import cases_of
        from ..mrml.volume_loading import loading
        from ..ultrasound.dicom_clip import clip_of_file, clip_of_series, grouped

        there = {uid: source for source in cases_of(self._session.scene) for uid in source.instance_uids}
        opened = _Opened()
        for group in grouped((yield from self._read(files, opened))):
            known = there.get(str(group[0].sop_instance_uid or ""))
            # A study may have got further images of a series since: what is open would not show them.
            if known is not None and set(known.instance_uids) >= {str(one.sop_instance_uid or "") for one in group}:
                opened.sources.append(known)
                continue
            name = case_name(group[0].source.header)
            clip = clip_of_series(name, group) if len(group) > 1 else clip_of_file(name, group[0])
            try:
                opened.sources.append((yield from self._counted(loading(self._session.scene, clip))))
            except BreastUSAssistError as error:
                opened.problems.append(str(error))
        return opened

    def _read(self, files: list[Path], opened: _Opened) -> "Generator[None, None, list[DicomFrames]]":
        """Headers of the images among the files."""
        from ..ultrasound.dicom_clip import frames_of
        from ..ultrasound.dicom_source import NoPictureError, read_dicom_source

        found = []
        for path in files:
            try:
                found.append(frames_of(read_dicom_source(path)))
            except NoPictureError:
                opened.others += 1
            except BreastUSAssistError as error:
                opened.problems.append(str(error))
            yield
        return found

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

    def _finished(self, opened: _Opened) -> None:
        count = len(opened.sources)
        sentences = [_("{count} images are open as cases.").format(count=count)]
        if count == 1:
            sentences = [_("1 image is open as a case.")]
        elif count == 0:
            sentences = [_("The study has no image that can be opened here.")]
        if opened.others:
            text = _("{count} other objects of the study are kept beside the images.")
            if opened.others == 1:
                text = _("1 other object of the study is kept beside the images.")
            sentences.append(text.format(count=opened.others))
        self._end(" ".join([*sentences, *opened.problems[:MOST_TOLD], *self._skipped[:MOST_TOLD]]))
        if count:
            self._session.choose(opened.sources[0].volume, quietly=True)

    def _failed(self, error: Exception) -> None:
        if not isinstance(error, BreastUSAssistError):
            self._end(_("The images were not opened; please report this."))
            raise error
        self._end(f"✖ {error}")

    def _end(self, words: str) -> None:
        self.running, self.words = False, words
        self.changed.emit()


def case_name(header: "Dataset") -> str:
    """A short name for an image of a PACS, whose file is named by its UID: modality, series, number, and six digits.

    The digits are of the UID, so that images of two studies never share a name; of the patient nothing is in it.
    """
    modality, uid = str(header.get("Modality") or ""), str(header.get("SOPInstanceUID") or "")
    numbers = [str(header.get(key) or "") for key in ("SeriesNumber", "InstanceNumber")]
    told = [modality if re.fullmatch(r"[A-Z]{2,4}", modality) else "US"]
    told += [number for number in numbers if re.fullmatch(r"[0-9]{1,6}", number)]
    return "-".join([*told, hashlib.sha256(uid.encode()).hexdigest()[:6]])
