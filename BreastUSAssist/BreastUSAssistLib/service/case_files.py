"""The files of one analysed case: written into a folder beside, which then takes the place of the old one."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from PIL import Image

from ..birads.findings import write_findings_csv
from ..dicom.provenance import laterality
from ..dicom.segmentation import write_segmentation
from ..dicom.slicer_segmentation import write_slicer_segmentation
from ..dicom.structured_report import write_report as write_structured_report
from ..errors import OutputError, UsageError
from ..ultrasound.frame import Clip
from .analysis_file import write_analysis
from .analyze import CaseResult
from .report import KeyPicture, write_report


@dataclass(frozen=True)
class WrittenCase:
    """Folder of a case, and what could not be part of it."""

    folder: Path
    notes: tuple[str, ...] = ()
    """One sentence for each file that the source does not allow."""


def write_case(
    out: Path, clip: Clip, result: CaseResult, *, created: datetime, fractional: bool = False
) -> WrittenCase:
    """Write everything of one case to `out`/<case>/; an older one of that name is replaced.

    Files: analysis.json, findings.csv, masks/*.png, seg.nrrd, report.html, and where the source is DICOM seg.dcm (there
    is none without a lesion: a SEG cannot be empty) and sr.dcm.

    Raises:
        OutputError: the folder cannot be written; nothing half-written is left.
    """
    with folder_written_whole(out / clip.name) as folder:
        _write_masks(folder, result)
        write_analysis(folder / "analysis.json", result.analysis)
        write_findings_csv(folder / "findings.csv", result.analysis)
        _write_slicer_segmentation(folder / "seg.nrrd", clip, result)
        notes = []
        write_report(folder / "report.html", result.analysis, key_pictures(result))
        if clip.headers:
            try:
                _write_dicom(folder, clip, result, created, fractional)
            except UsageError as error:
                notes.append(f"{clip.name}: not all DICOM files were written. {error}")
    return WrittenCase(out / clip.name, tuple(notes))


@contextmanager
def folder_written_whole(target: Path) -> Iterator[Path]:
    """Yield a new folder beside `target` that takes its place at the end, or vanishes on any failure.

    Raises:
        OutputError: the disk is full or not writable.
    """
    beside: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=".", suffix=".part"))
        beside.chmod(0o755)
        yield beside
        _replace(beside, target)
    except (OSError, OutputError) as error:
        # A file's own OutputError names a temporary path that means nothing to the reader.
        cause = error.__cause__ if isinstance(error, OutputError) else error
        reason = getattr(cause, "strerror", None) or type(cause).__name__
        raise OutputError(f"{target} could not be written ({reason}); free space or choose another --out.") from error
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def _replace(beside: Path, target: Path) -> None:
    older = beside.with_suffix(".old")
    if target.exists():
        target.rename(older)
    try:
        beside.rename(target)
    except OSError:
        if older.exists():
            older.rename(target)
        raise
    shutil.rmtree(older, ignore_errors=True)


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


def _write_masks(folder: Path, result: CaseResult) -> None:
    (folder / "masks").mkdir()
    for frame, labels in zip(result.analysis.frames, result.labels, strict=True):
        Image.fromarray(labels).save(folder / frame.mask, optimize=False)


def _write_slicer_segmentation(path: Path, clip: Clip, result: CaseResult) -> None:
    analysis = result.analysis
    spacing = analysis.source.spacing
    write_slicer_segmentation(
        path,
        result.labels,
        analysis.lesions,
        (spacing.row_mm, spacing.column_mm, clip.slice_mm or 1.0) if spacing else None,
        clip.kind,
        side=laterality(clip.headers),
        algorithm=analysis.model.name,
    )


def _write_dicom(folder: Path, clip: Clip, result: CaseResult, created: datetime, fractional: bool) -> None:
    analysis = result.analysis
    if analysis.lesions:
        probability = result.probability.astype(np.float32) / 255 if fractional else None
        write_segmentation(
            folder / "seg.dcm",
            clip.headers,
            result.labels,
            analysis.lesions,
            analysis.model,
            probability=probability,
            fractional=fractional,
            created=created,
        )
    write_structured_report(folder / "sr.dcm", clip.headers, analysis, result.labels, created=created)
