"""Many inputs to many case folders: each bad file is named, the good ones are still done."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from ..birads.analysis import Analysis
from ..birads.lexicon import Lexicon
from ..errors import BreastUSAssistError, UsageError
from ..model.predictor import Predictor
from ..ultrasound.reading import open_clips
from .analyze import Progress, analyze_clip
from .case_files import write_case


@dataclass
class BatchOutcome:
    """What became of the inputs."""

    cases: list[tuple[Path, Analysis]] = field(default_factory=list)
    """Folder and analysis of each case that was done."""
    failures: list[str] = field(default_factory=list)
    """One sentence for each file or case that could not be done."""


def analyze_inputs(
    inputs: Sequence[Path],
    out: Path,
    *,
    predictor: Predictor,
    lexicon: Lexicon,
    now: Callable[[], datetime],
    new_uid: Callable[[], str],
    ignore_gates: bool = False,
    fractional: bool = False,
    tell: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, total: None,
    clock: Callable[[], float] = time.perf_counter,
) -> BatchOutcome:
    """Analyse every case found in `inputs` (files, folders, zips) and write each to `out`/<case>/.

    `tell` gets one line for each case and each failure as it happens.

    Raises:
        UsageError: `out` lies inside an input folder, so that results would be read as inputs.
    """
    _refuse_output_among_inputs(inputs, out)
    outcome = BatchOutcome()
    with tempfile.TemporaryDirectory(prefix="breastusassist-") as workspace:
        for clip in open_clips(inputs, Path(workspace)):
            if isinstance(clip, BreastUSAssistError):
                outcome.failures.append(str(clip))
                tell(str(clip))
                continue
            started = clock()
            try:
                created = now()
                result = analyze_clip(
                    clip,
                    predictor,
                    lexicon,
                    created=created,
                    new_uid=new_uid,
                    ignore_gates=ignore_gates,
                    progress=progress,
                    clock=clock,
                )
                written = write_case(out, clip, result, created=created, fractional=fractional)
            except BreastUSAssistError as error:
                outcome.failures.append(str(error))
                tell(str(error))
                continue
            outcome.cases.append((written.folder, result.analysis))
            tell(f"{summary(result.analysis)}  {(clock() - started) * 1000:.0f} ms  {written.folder}")
            for note in written.notes:
                tell(note)
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


def _refuse_output_among_inputs(inputs: Sequence[Path], out: Path) -> None:
    target = out.resolve()
    for given in inputs:
        folder = given.resolve()
        if folder.is_dir() and target.is_relative_to(folder):
            raise UsageError(f"--out {out} lies inside the input folder {given}; choose a folder outside it.")
