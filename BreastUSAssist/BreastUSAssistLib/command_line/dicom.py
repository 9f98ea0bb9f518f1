"""`breastusassist dicom seg|sr|read`: DICOM objects of cases that were analyzed, and plain files of DICOM objects."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import print_json, subcommand, tell

if TYPE_CHECKING:
    from pydicom import Dataset

    from ..ultrasound.frame import Clip


def add_to(commands: Any) -> None:
    """Add the command and its parts."""
    parser = commands.add_parser(
        "dicom",
        help="write DICOM SEG and SR of analyzed cases, or read them",
        description="Writes DICOM SEG and SR of cases that were analyzed, and reads those of any program. Research use "
        "only, not for diagnosis.",
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_seg(parts)
    _add_sr(parts)
    read = subcommand(
        parts,
        "read",
        run_read,
        "read a Segmentation into PNG masks, or a report into findings",
        "breastusassist dicom read seg.dcm --source study/ --out masks",
    )
    read.add_argument("file", type=Path, metavar="FILE", help="DICOM SEG or SR on ultrasound, of any program")
    _add_source(read)
    read.add_argument("--out", type=Path, required=True, metavar="DIR", help="new, empty, or of an earlier run")


def _add_seg(parts: Any) -> None:
    seg = subcommand(
        parts,
        "seg",
        run_seg,
        "write the outlines of one or several cases of a study as a DICOM Segmentation",
        "breastusassist dicom seg --from results/still/analysis.json --source still.dcm --out seg.dcm",
    )
    seg.add_argument(
        "--from",
        dest="cases",
        nargs="+",
        type=Path,
        required=True,
        metavar="JSON",
        help="analysis.json of each case, its masks beside it",
    )
    _add_source(seg)
    seg.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FILE",
        help="file to write; for images of several sizes there is one a size, FILE_<rows>x<columns>",
    )
    seg.add_argument(
        "--geometry",
        choices=("source", "made-up"),
        default="source",
        help="made-up: invent positions for programs that refuse a Segmentation without them, marked as such "
        "(default: source, positions only where the images have them)",
    )


def _add_sr(parts: Any) -> None:
    sr = subcommand(
        parts,
        "sr",
        run_sr,
        "write the report of a case as a DICOM SR; verified where reading.json beside it was accepted",
        "breastusassist dicom sr --from results/still/analysis.json --source still.dcm --out sr.dcm",
    )
    sr.add_argument("--from", dest="case", type=Path, required=True, metavar="JSON", help="analysis.json of the case")
    _add_source(sr)
    sr.add_argument("--out", type=Path, required=True, metavar="FILE", help="file to write")


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--source",
        nargs="+",
        type=Path,
        required=True,
        metavar="DICOM",
        help="the images: files, folders or archives; those needed are found by their UIDs",
    )


def run_seg(options: argparse.Namespace) -> int:
    """Write one Segmentation for each size of image; 3 when a source could not be opened or is missing."""
    from datetime import UTC, datetime

    from ..dicom.writing import write_dataset
    from ..service.case_folder import read_case_folder
    from ..service.case_objects import segmentations_of_cases

    cases = [read_case_folder(path) for path in options.cases]
    folders = [case.folder for case in cases]
    with _Sources(options.source) as sources:
        _check_out(options.out, folders, sources)
        datasets = segmentations_of_cases(
            cases,
            sources.clips,
            created=datetime.now(UTC).astimezone(),
            geometry="made_up" if options.geometry == "made-up" else "source",
        )
        paths = _paths(options.out, datasets)
        for path in paths:
            _check_out(path, folders, sources)
    written = []
    for dataset, path in zip(datasets, paths, strict=True):
        write_dataset(path, dataset)
        written.append(_summary(path, dataset))
        segments, frames = written[-1]["segments"], written[-1]["frames"]
        lesions = f"{segments} lesion{'s' if segments != 1 else ''}"
        tell(f"{path}: {lesions} in {frames} stored frame{'s' if frames != 1 else ''}")
    if options.json:
        print_json({"files": written, "failures": [str(failure) for failure in sources.failures]})
    return sources.code


def run_sr(options: argparse.Namespace) -> int:
    """Write the report of one case; 3 when a source could not be opened or is missing."""
    from datetime import UTC, datetime

    from ..dicom.writing import write_dataset
    from ..service.case_folder import read_case_folder
    from ..service.case_objects import headers_of_case
    from ..service.report_folder import report_of_folder

    case = read_case_folder(options.case)
    with _Sources(options.source) as sources:
        _check_out(options.out, [case.folder], sources)
        headers = headers_of_case(case, sources.clips)
        dataset = report_of_folder(options.case, headers, datetime.now(UTC).astimezone())
    write_dataset(options.out, dataset)
    state = str(dataset.VerificationFlag).lower()
    tell(f"{options.out}: report, {state}")
    if options.json:
        written = {"file": str(options.out), "sop_instance_uid": str(dataset.SOPInstanceUID), "state": state}
        print_json({"files": [written], "failures": [str(failure) for failure in sources.failures]})
    return sources.code


def run_read(options: argparse.Namespace) -> int:
    """Read a Segmentation or a report; 3 when it or a source could not be read."""
    import json

    from ..service.object_reading import read_object

    with _Sources(options.source) as sources:
        written = read_object(options.file, sources.clips, options.out)
    tell(f"{options.file}: read into {written.parent}")
    if options.json:
        print_json(json.loads(written.read_text("utf-8")))
    return sources.code


class _Sources:
    """The images named by --source, open while their archives are unpacked; each that is bad is told at once."""

    def __init__(self, inputs: Sequence[Path]) -> None:
        import tempfile

        self._folder = tempfile.TemporaryDirectory(prefix="breastusassist-")
        self.inputs = inputs
        self.clips: list[Clip] = []
        self.failures: list[Exception] = []

    def __enter__(self) -> "_Sources":
        from ..service.case_objects import open_sources

        try:
            clips, failures = open_sources(self.inputs, Path(self._folder.name))
        except BaseException:
            self._folder.cleanup()
            raise
        self.clips, self.failures = clips, list(failures)
        for failure in failures:
            tell(f"breastusassist: {failure}")
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()

    @property
    def code(self) -> int:
        from . import BAD_INPUT, DONE

        return BAD_INPUT if self.failures else DONE


def _check_out(out: Path, folders: Sequence[Path], sources: _Sources) -> None:
    """Neither an image nor a file of a case may be overwritten."""
    images = (path for clip in sources.clips for path in clip.paths)
    read = [
        *sources.inputs,
        *images,
        *(folder / name for folder in folders for name in ("analysis.json", "reading.json")),
    ]
    if out.is_dir():
        raise UsageError(f"--out {out} is a folder; name the file to write.")
    if any(out.resolve() == path.resolve() for path in read):
        raise UsageError(f"--out {out} would overwrite a file that is read; name another.")


def _paths(out: Path, datasets: "Sequence[Dataset]") -> list[Path]:
    if len(datasets) == 1:
        return [out]
    return [out.with_name(f"{out.stem}_{one.Rows}x{one.Columns}{out.suffix}") for one in datasets]


def _summary(path: Path, dataset: "Dataset") -> dict[str, Any]:
    return {
        "file": str(path),
        "sop_instance_uid": str(dataset.SOPInstanceUID),
        "rows": int(dataset.Rows),
        "columns": int(dataset.Columns),
        "segments": len(dataset.SegmentSequence),
        "frames": int(dataset.NumberOfFrames),
    }
