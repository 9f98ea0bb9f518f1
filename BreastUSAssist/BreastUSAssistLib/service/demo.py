"""The whole main job, as far as it exists, on cases that the project makes itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ..birads.analysis import Analysis
from ..birads.lexicon import load_lexicon
from ..dicom.segmentation_reading import read_segmentation
from ..errors import BreastUSAssistError
from ..learning.click_simulation import next_click
from ..model.predictor import Predictor
from ..model.prompt import Prompt
from ..model.refiner import Refiner
from ..ultrasound.phantom import render, save_dicom, save_png, standard_cases
from ..ultrasound.reading import open_clip
from .analyze import LesionReader
from .batch import analyze_inputs

DEMO_CASES = ("irregular-spiculated", "oval-circumscribed", "cine")
"""The first is shown in the README."""
DEMO_CLICKS = 2


@dataclass(frozen=True)
class DemoCase:
    """One case of the demo, next to its truth."""

    folder: Path
    analysis: Analysis
    dice: float
    """Of the draft with the phantom's true mask, over all frames together."""
    corrected_dice: float | None
    """The same of a still after `DEMO_CLICKS` simulated clicks; None for a cine or where no lesion was found."""
    segmentation_frames: int
    """Frames read back from seg.dcm, each found identical to the label images; 0 where there was no lesion."""


def run_demo(
    out: Path,
    predictor: Predictor,
    reader: LesionReader | None = None,
    *,
    cases: Sequence[str] = DEMO_CASES,
    now: Callable[[], datetime],
    new_uid: Callable[[], str],
    tell: Callable[[str], None],
) -> list[DemoCase]:
    """Make phantoms, analyse and correct them, read the DICOM SEG back and compare everything with the truth.

    Raises:
        BreastUSAssistError: a case could not be done, or a mask read back differs from the one written.
    """
    specs = standard_cases()
    inputs, truths = [], {}
    for name in cases:
        phantom = render(specs[name])
        inputs.append(save_dicom(phantom, out / "input" / f"{name}.dcm"))
        save_png(phantom, out / "truth" / name)
        truths[name] = phantom.masks
        tell(f"made {inputs[-1]}")
    outcome = analyze_inputs(
        inputs,
        out / "results",
        predictor=predictor,
        reader=reader,
        lexicon=load_lexicon("birads-us-2013"),
        now=now,
        new_uid=new_uid,
        tell=tell,
    )
    if outcome.failures:
        raise BreastUSAssistError(outcome.failures[0])
    refiner = Refiner(predictor.bundle, predictor.backend)
    return [
        _compared(folder, analysis, source, truths[analysis.case], refiner)
        for (folder, analysis), source in zip(outcome.cases, inputs, strict=True)
    ]


def demo_table(cases: Sequence[DemoCase]) -> str:
    """What the demo found, one line a case, for the terminal."""
    lines = [
        "case                    lesions  suggested     longest axis  Dice with truth  "
        f"after {DEMO_CLICKS} clicks  SEG read back"
    ]
    for case in cases:
        lesions = case.analysis.lesions
        categories = ", ".join(lesion.assessment.category or "-" for lesion in lesions) or "-"
        axis = lesions[0].measurements.longest_axis if lesions else None
        size = "-" if axis is None else f"{axis.mm:.1f} mm" if axis.mm is not None else f"{axis.px:.0f} px"
        count = case.segmentation_frames
        read = f"{count} frame{'s' if count > 1 else ''} identical" if count else "no lesion, no SEG"
        clicked = "-" if case.corrected_dice is None else f"{case.corrected_dice:.3f}"
        lines.append(
            f"{case.analysis.case:<24}{len(lesions):<9}{categories:<14}{size:<14}{case.dice:<17.3f}{clicked:<16}{read}"
        )
    return "\n".join(lines)


def _compared(folder: Path, analysis: Analysis, source: Path, truth: np.ndarray, refiner: Refiner) -> DemoCase:
    from PIL import Image

    labels = np.stack([np.asarray(Image.open(folder / frame.mask)) for frame in analysis.frames])
    overlap = 2 * np.count_nonzero((labels > 0) & (truth > 0))
    both = np.count_nonzero(labels) + np.count_nonzero(truth)
    frames = 0
    if analysis.lesions:
        read = read_segmentation(folder / "seg.dcm", open_clip(source).headers)
        if not np.array_equal(read.labels, labels):
            raise BreastUSAssistError(
                f"{folder / 'seg.dcm'} does not hold the masks that were written; please report this."
            )
        frames = len(labels)
    corrected = None
    if len(labels) == 1 and len(analysis.lesions) == 1:
        corrected = _after_clicks(source, labels[0] > 0, truth[0] > 0, refiner)
    return DemoCase(folder, analysis, overlap / both if both else 1.0, corrected, frames)


def _after_clicks(source: Path, draft: np.ndarray, truth: np.ndarray, refiner: Refiner) -> float:
    """Dice with the truth after a simulated reader has clicked where the outline is most wrong."""
    session = refiner.open(open_clip(source).frame(0).grey)
    marks: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    outline = draft
    for _ in range(DEMO_CLICKS):
        click = next_click(truth, outline)
        if click is None:
            break
        marks[click.positive].append((click.row, click.column))
        outline = session.refine(Prompt(tuple(marks[True]), tuple(marks[False]), mask=outline)).pixels
    return float(2 * np.count_nonzero(outline & truth) / (np.count_nonzero(outline) + np.count_nonzero(truth)))
