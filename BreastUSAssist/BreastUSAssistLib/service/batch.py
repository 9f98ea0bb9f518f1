"""Many inputs to many case folders: each bad file is named, the good ones are still done."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from ..birads.analysis import Analysis, AnalysisSettings
from ..birads.clinical import ClinicalParameters, age_from_dicom
from ..birads.lexicon import Lexicon
from ..errors import BreastUSAssistError, InputError, OutputError, UsageError
from ..model.predictor import Predictor
from ..ultrasound.frame import Clip
from ..ultrasound.reading import open_clips
from .analyze import LesionReader, Progress, analyze_clip, check_settings
from .case_files import FORMATS, write_case


@dataclass
class BatchOutcome:
    """What became of the inputs."""

    cases: list[tuple[Path, Analysis]] = field(default_factory=list)
    """Folder and analysis of each case that was done."""
    failures: list[str] = field(default_factory=list)
    """One sentence for each file or case that could not be done."""


@dataclass(frozen=True)
class BatchOptions:
    """How cases are analysed and written."""

    ignore_gates: bool = False
    fractional: bool = False
    report: bool = True
    """Whether report.html is written; its pictures take longer than the analysis of a still."""
    debug: bool = False
    """Let an unexpected error stop the run with its traceback, which may quote the file, in place of one sentence."""
    goes_on_without_disk: bool = True
    """Whether a case that could not be written is a failure like others; else its OutputError ends the run."""
    prevalence: float | None = None
    """Share of malignant among the lesions seen at the site."""
    clinical: ClinicalParameters | Literal["dicom"] | None = None
    """Of the one patient whom all inputs show, or the age in each DICOM header."""


def analyze_inputs(
    inputs: Sequence[Path],
    out: Path,
    *,
    predictor: Predictor,
    reader: LesionReader | None = None,
    lexicon: Lexicon,
    now: Callable[[], datetime],
    new_uid: Callable[[], str],
    options: BatchOptions = BatchOptions(),
    tell: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
) -> BatchOutcome:
    """Analyse every case found in `inputs` (files, folders, zips) and write each to `out`/<case>/.

    `tell` gets one line for each case and each failure as it happens.

    Raises:
        UsageError: `out` lies inside an input folder, so that results would be read as inputs; or a prevalence or
            clinical parameters are given without a reader model that takes them.
        OutputError: see BatchOptions.goes_on_without_disk.
    """
    _refuse_output_among_inputs(inputs, out)
    asked = ClinicalParameters() if options.clinical is not None else None
    check_settings(AnalysisSettings(prevalence=options.prevalence, clinical=asked), reader)
    outcome = BatchOutcome()
    patients: set[str] = set()

    def one_case(clip: Clip) -> None:
        started, created = clock(), now()
        _refuse_other_patient(clip, options, patients)
        settings = AnalysisSettings(
            prevalence=options.prevalence,
            clinical=_clinical(clip, options, tell),
            ignore_gates=options.ignore_gates,
        )
        result = analyze_clip(
            clip,
            predictor,
            lexicon,
            created=created,
            new_uid=new_uid,
            reader=reader,
            settings=settings,
            progress=progress,
            clock=clock,
        )
        formats = [name for name in FORMATS if options.report or name != "report.html"]
        written = write_case(out, clip, result, created=created, fractional=options.fractional, formats=formats)
        outcome.cases.append((written.folder, result.analysis))
        tell(f"{summary(result.analysis)}  {(clock() - started) * 1000:.0f} ms  {written.folder}")
        for note in written.notes:
            tell(note)

    with tempfile.TemporaryDirectory(prefix="breastusassist-") as workspace:
        for clip in open_clips(inputs, Path(workspace)):
            try:
                if isinstance(clip, InputError):
                    raise clip
                one_case(clip)
            except BreastUSAssistError as error:
                if isinstance(error, OutputError) and not options.goes_on_without_disk:
                    raise
                outcome.failures.append(str(error))
                tell(str(error))
            except Exception as error:
                if options.debug or not isinstance(clip, Clip):
                    raise
                # One broken case must not cost the others, and the error's own words may quote patient data.
                what = type(error).__name__
                told = (
                    f"{clip.paths[0]} could not be analysed ({what}); run it with --debug and report what that shows."
                )
                outcome.failures.append(told)
                tell(told)
    return outcome


def summary(analysis: Analysis) -> str:
    """One line: case, frames, what was outlined, gates."""
    frames = f"{len(analysis.frames)} frames" if len(analysis.frames) > 1 else "1 frame"
    count = len(analysis.lesions)
    outlined = "no lesion outlined" if not count else f"{count} lesion{'s' if count > 1 else ''} outlined"
    suggested = [lesion.assessment.category for lesion in analysis.lesions if lesion.assessment.category]
    categories = f", suggested {', '.join(suggested)}" if suggested else ""
    gates = [gate.code for gate in analysis.gates if gate.severity != "note"]
    return f"{analysis.case}: {frames}, {outlined}{categories}" + (f" [{', '.join(gates)}]" if gates else "")


def _clinical(clip: Clip, options: BatchOptions, tell: Callable[[str], None]) -> ClinicalParameters | None:
    """What is known of this case's patient; the age of a header is used where the user asked for it, and never told."""
    if options.clinical != "dicom":
        return options.clinical
    age = next((age for header in clip.headers if (age := age_from_dicom(header.get("PatientAge"))) is not None), None)
    if age is None:
        tell(f"{clip.name}: no usable age in the DICOM header, so the image stands alone")
        return None
    return ClinicalParameters(age_years=age)


def _refuse_other_patient(clip: Clip, options: BatchOptions, patients: set[str]) -> None:
    """One file of clinical parameters is of one patient: another one must not be judged by it."""
    if not isinstance(options.clinical, ClinicalParameters):
        return
    patients.update(str(header.get("PatientID") or "") for header in clip.headers)
    if len(patients - {""}) > 1:
        raise UsageError(
            f"{clip.paths[0]} shows another patient than the inputs before it, but --clinical describes one; analyse"
            " each patient alone."
        )


def _refuse_output_among_inputs(inputs: Sequence[Path], out: Path) -> None:
    target = out.resolve()
    for given in inputs:
        folder = given.resolve()
        if folder.is_dir() and target.is_relative_to(folder):
            raise UsageError(f"--out {out} lies inside the input folder {given}; choose a folder outside it.")
