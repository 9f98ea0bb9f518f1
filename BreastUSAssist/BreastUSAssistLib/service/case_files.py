"""The files of one analysed case: written into a folder beside, which then takes the place of the old one."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from ..birads.analysis import Analysis
from ..birads.findings import write_findings_csv
from ..birads.read_case import ReadCase
from ..dicom.provenance import laterality
from ..dicom.report_state import is_verified
from ..dicom.segmentation import write_segmentation
from ..dicom.slicer_segmentation import write_slicer_segmentation
from ..dicom.structured_report import write_report as write_structured_report
from ..errors import UsageError
from ..files import folder_written_whole
from ..ultrasound.frame import Clip
from .analysis_file import write_analysis
from .analyze import CaseResult
from .drafts_file import Drafts, write_drafts
from .reading_file import write_reading
from .report import KeyPicture, write_report

FORMATS = ("analysis.json", "findings.csv", "masks", "seg.nrrd", "report.html", "seg.dcm", "sr.dcm")
"""Files of a case, and the folder of its masks."""
READING = "reading.json"
"""What the reader said, beside analysis.json in every export of a reading."""
DRAFTS = "drafts.json"
"""What the AI drafted, beside reading.json where it is known."""
NOT_DICOM = tuple(name for name in FORMATS if not name.endswith(".dcm"))
"""Those that any source allows."""


@dataclass(frozen=True)
class WrittenCase:
    """Folder of a case, and what could not be part of it."""

    folder: Path
    notes: tuple[str, ...] = ()
    """One sentence for each file that the source does not allow."""


@dataclass(frozen=True, eq=False)
class CaseMaterial:
    """What the files of a case are made from."""

    clip: Clip
    analysis: Analysis
    labels: np.ndarray
    """Label images uint8 (frames, rows, columns) of all frames of the clip: 0 background, n lesion number n."""
    pictures: Sequence[KeyPicture]
    created: datetime
    """Of the DICOM objects."""
    probability: np.ndarray | None = None
    """Foreground probability in 1/255, uint8 like the labels, for a fractional seg.dcm; None for a binary one."""
    read: ReadCase | None = None
    """What the reader said; None for a draft that nobody has read."""


def write_case(
    out: Path,
    clip: Clip,
    result: CaseResult,
    *,
    created: datetime,
    fractional: bool = False,
    formats: Sequence[str] = FORMATS,
) -> WrittenCase:
    """Write everything of one case to `out`/<case>/; an older one of that name is replaced.

    Files: analysis.json, findings.csv, masks/*.png, seg.nrrd, report.html, and where the source is DICOM seg.dcm (there
    is none without a lesion: a SEG cannot be empty) and sr.dcm; of these the chosen `formats`.

    Raises:
        OutputError: the folder cannot be written; nothing half-written is left.
    """
    probability = result.probability if fractional else None
    pictures = key_pictures(result) if "report.html" in formats else []
    material = CaseMaterial(clip, result.analysis, result.labels, pictures, created, probability)
    with folder_written_whole(out / clip.name) as folder:
        notes = write_files(folder, material, [name for name in formats if clip.headers or name in NOT_DICOM])
    return WrittenCase(out / clip.name, tuple(notes))


def write_files(
    folder: Path, case: CaseMaterial, formats: Iterable[str], attend: Callable[[], None] = lambda: None
) -> list[str]:
    """Write the chosen `formats` of a case into `folder`, which exists; one sentence for each that the source forbids.

    Where there is a reading, reading.json and drafts.json are written whatever was chosen.
    `attend` is called between two files; it may raise to stop.

    Raises:
        UsageError: there is no such format.
        OutputError: a file cannot be written.
    """
    writers: dict[str, Callable[[Path, CaseMaterial], None]] = {
        "masks": _write_masks,
        "analysis.json": lambda path, case: write_analysis(path, case.analysis),
        "findings.csv": lambda path, case: write_findings_csv(path, case.analysis, case.read),
        "seg.nrrd": _write_slicer_segmentation,
        "report.html": lambda path, case: write_report(path, case.analysis, case.pictures, case.read),
        "seg.dcm": _write_segmentation,
        "sr.dcm": _write_structured_report,
    }
    wanted = set(formats)
    if unknown := sorted(wanted - set(writers)):
        raise UsageError(f"There is no format {unknown[0]}; choose among {', '.join(writers)}.")
    if case.read is not None:
        attend()
        write_reading(folder / READING, case.read.reading)
        if case.read.beside:
            write_drafts(folder / DRAFTS, Drafts(case=case.read.reading.case, lesions=case.read.beside))
    notes = []
    for name, write in writers.items():
        if name not in wanted:
            continue
        attend()
        try:
            write(folder / name, case)
        except UsageError as error:
            if not name.endswith(".dcm"):
                raise
            notes.append(f"{case.clip.name}: {name} was not written. {error}")
    return notes


def key_pictures(result: CaseResult) -> list[KeyPicture]:
    """Pictures for the report: each key frame with the lesions that are measured in it."""
    pictures = []
    for number, frame in sorted(result.key_frames.items()):
        lesions = tuple(lesion.number for lesion in result.analysis.lesions if lesion.key_frame == number)
        pictures.append(
            KeyPicture(
                frame.pixels,
                result.labels[number - 1],
                number,
                lesions,
                probability=result.probability[number - 1],
                levels=result.band,
            )
        )
    return pictures


def _write_masks(path: Path, case: CaseMaterial) -> None:
    path.mkdir()
    for frame, labels in zip(case.analysis.frames, case.labels, strict=True):
        Image.fromarray(labels).save(path.parent / frame.mask, optimize=False)


def _write_slicer_segmentation(path: Path, case: CaseMaterial) -> None:
    spacing = case.analysis.source.spacing
    write_slicer_segmentation(
        path,
        case.labels,
        case.analysis.lesions,
        (spacing.row_mm, spacing.column_mm, case.clip.slice_mm or 1.0) if spacing else None,
        case.clip.kind,
        side=laterality(case.clip.headers),
        algorithm=case.analysis.model.name,
    )


def _write_segmentation(path: Path, case: CaseMaterial) -> None:
    if not case.analysis.lesions:
        return
    write_segmentation(
        path,
        case.clip.headers,
        case.labels,
        case.analysis.lesions,
        case.analysis.model,
        probability=case.probability,
        fractional=case.probability is not None,
        created=case.created,
        accepted=case.read is not None and is_verified(case.read.reading),
    )


def _write_structured_report(path: Path, case: CaseMaterial) -> None:
    write_structured_report(path, case.clip.headers, case.analysis, case.labels, created=case.created, read=case.read)
