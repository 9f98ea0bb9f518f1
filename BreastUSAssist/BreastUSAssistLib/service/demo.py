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
from ..model.predictor import Predictor
from ..ultrasound.phantom import render, save_dicom, save_png, standard_cases
from ..ultrasound.reading import open_clip
from .batch import analyze_inputs

DEMO_CASES = ("irregular-spiculated", "oval-circumscribed", "cine")
"""The first is shown in the README."""


@dataclass(frozen=True)
class DemoCase:
    """One case of the demo, next to its truth."""

    folder: Path
    analysis: Analysis
    dice: float
    """Of the draft with the phantom's true mask, over all frames together."""
    segmentation_frames: int
    """Frames read back from seg.dcm, each found identical to the label images; 0 where there was no lesion."""


def run_demo(
    out: Path,
    predictor: Predictor,
    *,
    cases: Sequence[str] = DEMO_CASES,
    now: Callable[[], datetime],
    new_uid: Callable[[], str],
    tell: Callable[[str], None],
) -> list[DemoCase]:
    """Make phantoms, analyse them, read the DICOM SEG back and compare everything with the truth.

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
        lexicon=load_lexicon("birads-us-2013"),
        now=now,
        new_uid=new_uid,
        tell=tell,
    )
    if outcome.failures:
        raise BreastUSAssistError(outcome.failures[0])
    return [
        _compared(folder, analysis, source, truths[analysis.case])
        for (folder, analysis), source in zip(outcome.cases, inputs, strict=True)
    ]


def demo_table(cases: Sequence[DemoCase]) -> str:
    """What the demo found, one line a case, for the terminal."""
    lines = ["case                    lesions  suggested     longest axis  Dice with truth  SEG read back"]
    for case in cases:
        lesions = case.analysis.lesions
        categories = ", ".join(lesion.assessment.category or "-" for lesion in lesions) or "-"
        axis = lesions[0].measurements.longest_axis if lesions else None
        size = "-" if axis is None else f"{axis.mm:.1f} mm" if axis.mm is not None else f"{axis.px:.0f} px"
        count = case.segmentation_frames
        read = f"{count} frame{'s' if count > 1 else ''} identical" if count else "no lesion, no SEG"
        lines.append(f"{case.analysis.case:<24}{len(lesions):<9}{categories:<14}{size:<14}{case.dice:<17.3f}{read}")
    return "\n".join(lines)


def _compared(folder: Path, analysis: Analysis, source: Path, truth: np.ndarray) -> DemoCase:
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
    return DemoCase(folder, analysis, overlap / both if both else 1.0, frames)
