"""A case as the reader left it, written as files: the reader's outlines and terms, not the draft's."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ..birads.analysis import Analysis, FrameResult, mask_name
from ..birads.lesion import Lesion
from ..birads.read_case import ReadCase
from ..errors import BreastUSAssistError, InputError, OutputError, UsageError
from ..ultrasound.frame import Clip
from .analysis_file import read_analysis
from .case_files import DRAFTS, FORMATS, READING, CaseMaterial, WrittenCase, folder_written_whole, write_files
from .report import KeyPicture

DICOM = frozenset({"seg.dcm", "sr.dcm"})
NETWORK_TOOLS = frozenset({"click", "box", "scribble"})
"""Tools with which a network draws what the reader points at."""


@dataclass(frozen=True, eq=False)
class ExportedReading:
    """What is written of a case: the whole clip, the analysis with the reader's changes, and the reader's outlines."""

    clip: Clip
    analysis: Analysis
    """See birads.reading_view.effective_analysis; frames are numbered as in `clip`."""
    labels: np.ndarray
    """uint8 (frames of the clip, rows, columns): 0 background, n lesion number n."""
    read: ReadCase | None = None
    """What the reader said; then reading.json and drafts.json are written too."""


def export_reading(
    out: Path,
    reading: ExportedReading,
    formats: Sequence[str] = FORMATS,
    *,
    created: datetime,
    attend: Callable[[], None] = lambda: None,
) -> WrittenCase:
    """Write the chosen formats to `out`/<case>/, whole: an older export of the same images is replaced, nothing else.

    The report shows the key frames with the reader's outlines. DICOM objects are written where the clip has DICOM
    headers; else a note says why not.

    Args:
        out: folder, made where it is missing.
        reading: what to write.
        formats: among case_files.FORMATS.
        created: date and time of the DICOM objects.
        attend: called between files; may raise to stop, and then nothing is left.

    Raises:
        UsageError: no format is chosen, or one that does not exist.
        InputError: the labels do not fit the clip.
        OutputError: the folder cannot be written, or holds files that are not of such an export.
    """
    if not formats:
        raise UsageError("No file format is chosen; choose at least one to export.")
    clip = reading.clip
    _check_labels(reading)
    target = Path(out) / clip.name
    _check_target(target, reading.analysis)
    analysis, labels, notes = _outlined_alone(reading)
    chosen = set(formats)
    if not clip.headers and chosen & DICOM:
        left_out = " and ".join(sorted(chosen & DICOM))
        notes.append(f"{left_out} not written: DICOM objects need the DICOM file that the image came from.")
        chosen -= DICOM
    if "seg.dcm" in chosen and not analysis.lesions:
        notes.append("seg.dcm not written: no lesion is outlined, and a DICOM SEG cannot be empty.")
        chosen.discard("seg.dcm")
    material = CaseMaterial(
        clip, analysis, labels, _pictures(clip, analysis, labels, chosen), created, read=reading.read
    )
    with folder_written_whole(target, "choose another folder") as folder:
        notes += write_files(folder, material, chosen, attend)
        attend()
    return WrittenCase(target, tuple(notes))


def _check_labels(reading: ExportedReading) -> None:
    clip, labels = reading.clip, reading.labels
    first = clip.frame(0)
    if labels.dtype != np.uint8 or labels.shape != (len(clip), first.rows, first.columns):
        raise InputError("The outlines do not fit the images; open the case again before you export it.")
    if reading.analysis.source.frame_count != len(clip):
        raise InputError("The findings are of another number of frames than the images; open the case again.")


def _check_target(target: Path, analysis: Analysis) -> None:
    """Refuse a folder whose replacement would lose something that is no older export of these images."""
    if not target.exists():
        return
    if not target.is_dir():
        raise OutputError(f"{target} is a file where the folder of the case would be; choose another folder.")
    known = re.compile(r"|".join(map(re.escape, (*FORMATS, READING, DRAFTS))))
    try:
        foreign = sorted(path.name for path in target.iterdir() if not known.fullmatch(path.name))
    except OSError as error:
        raise OutputError(f"{target} could not be read ({error.strerror}); choose another folder.") from error
    if foreign:
        raise OutputError(f"{target} holds files that are not of an export ({foreign[0]}); choose another folder.")
    if not (target / "analysis.json").is_file():
        return
    try:
        older = read_analysis(target / "analysis.json").source
    except BreastUSAssistError:
        # Damaged or of an older version: it cannot tell, and it is only replaced by the same case's name.
        return
    source = analysis.source
    same = (older.sop_instance_uids, older.files, older.rows, older.columns, older.frame_count) == (
        source.sop_instance_uids,
        source.files,
        source.rows,
        source.columns,
        source.frame_count,
    )
    if not same:
        raise OutputError(f"{target} holds the export of another image of that name; choose another folder.")


def _outlined_alone(reading: ExportedReading) -> tuple[Analysis, np.ndarray, list[str]]:
    """Analysis and labels that agree: lesions with pixels, pixels of lesions, one result a frame.

    A lesion whose key frame shows it no more is measured elsewhere by the caller; here it is left out with a note.
    """
    analysis, labels = reading.analysis, reading.labels
    outlined = [set(np.unique(frame[frame > 0]).tolist()) for frame in labels]
    notes, lesions = [], []
    for lesion in analysis.lesions:
        if lesion.key_frame <= len(labels) and lesion.number in outlined[lesion.key_frame - 1]:
            lesions.append(lesion)
        elif any(lesion.number in found for found in outlined):
            notes.append(
                _left_out(lesion.number, f"it is not outlined in frame {lesion.key_frame}, where it was measured")
            )
    described = {lesion.number for lesion in analysis.lesions}
    for number in sorted(set().union(*outlined) - described):
        notes.append(_left_out(number, "it has not been measured yet"))
    kept = {lesion.number for lesion in lesions}
    if any(found - kept for found in outlined):
        labels = np.where(np.isin(labels, list(kept)), labels, 0).astype(np.uint8)
    frames = tuple(_frame_result(reading, index, labels[index]) for index in range(len(labels)))
    in_frames = {number: tuple(index + 1 for index, found in enumerate(outlined) if number in found) for number in kept}
    lesions = [
        one.model_copy(update={"frames": in_frames[one.number], "origin": _origin(one, reading.read)})
        for one in lesions
    ]
    updated = analysis.model_copy(
        update={"case": reading.clip.name, "frames": frames, "lesions": tuple(lesions)},
    )
    return updated, labels, notes


def _frame_result(reading: ExportedReading, index: int, labels: np.ndarray) -> FrameResult:
    """Of frame `index` from 0; class probabilities are those of the frame's analysis, where it had one."""
    number, count = index + 1, len(reading.clip)
    known = next((frame for frame in reading.analysis.frames if frame.frame_number == number), None)
    numbers, areas = np.unique(labels[labels > 0], return_counts=True)
    times = reading.clip.times_ms
    return FrameResult(
        frame_number=number,
        time_ms=known.time_ms if known else times[index] if times else None,
        mask=mask_name(reading.clip.name, number, count),
        normal=known.normal if known else None,
        benign=known.benign if known else None,
        malignant=known.malignant if known else None,
        lesions=tuple(int(lesion) for lesion in numbers),
        areas_px=tuple(float(area) for area in areas),
    )


def _origin(lesion: Lesion, read: ReadCase | None) -> str:
    """Who drew the outline, also where it was edited and not described anew since."""
    own = read.lesion(lesion) if read is not None else None
    if own is None or lesion.origin != "automatic":
        return lesion.origin
    if own.run is None and not set(own.tools) & NETWORK_TOOLS:
        return "manual"
    return "semiautomatic" if own.run is None or own.edited_frames else "automatic"


def _left_out(number: int, why: str) -> str:
    return f"Lesion {number} was left out: {why}; select it so that it is measured, then export again."


def _pictures(clip: Clip, analysis: Analysis, labels: np.ndarray, formats: set[str]) -> list[KeyPicture]:
    """Of each key frame, or of the middle frame where there is no lesion; without the band of a draft's outline."""
    if "report.html" not in formats:
        return []
    shown = sorted({lesion.key_frame for lesion in analysis.lesions}) or [len(clip) // 2 + 1]
    return [
        KeyPicture(
            clip.frame(number - 1).pixels,
            labels[number - 1],
            number,
            tuple(lesion.number for lesion in analysis.lesions if lesion.key_frame == number),
        )
        for number in shown
    ]
