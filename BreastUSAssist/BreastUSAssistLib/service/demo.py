"""The whole main job, as far as it exists, on cases that the project makes itself."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ..birads.analysis import Analysis
from ..birads.lexicon import load_lexicon
from ..dicom.segmentation_reading import read_segmentation
from ..errors import BreastUSAssistError
from ..labels.image_identity import identity_of
from ..labels.masks import MaskStack
from ..labels.new_label import NewLabel
from ..labels.store import LabelStore
from ..model.predictor import Predictor
from ..model.refiner import Refiner
from ..ultrasound.frame import Clip
from ..ultrasound.phantom import render, save_dicom, save_png, standard_cases
from ..ultrasound.reading import open_clip
from .analyze import LesionReader
from .batch import analyze_inputs
from .demo_reading import DEMO_CLICKS, DemoReading, export_as_demo, read_as_demo

DEMO_CASES = ("irregular-spiculated", "oval-circumscribed", "cine")
"""The first is shown in the README."""


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
    label: str
    """Record in the label store that keeps draft and outlines, corrected where they were."""
    accepted: str
    """What came back of the SEG and SR of the accepted case."""


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
    shutil.rmtree(out / "labels", ignore_errors=True)
    # Phantoms are nobody's, so their labels need no key.
    with LabelStore.create(out / "labels", encrypted=False) as store:
        done = [
            _compared(folder, analysis, source, truths[analysis.case], refiner, predictor, reader, store, now())
            for (folder, analysis), source in zip(outcome.cases, inputs, strict=True)
        ]
        damages = store.verify().damages
    if damages:
        raise BreastUSAssistError(f"The labels of the demo are damaged: {damages[0].words}; please report this.")
    return done


def demo_table(cases: Sequence[DemoCase]) -> str:
    """What the demo found, one line a case, for the terminal."""
    lines = [
        "case                    lesions  suggested     longest axis  Dice with truth  "
        f"after {DEMO_CLICKS} clicks  draft's SEG back    label kept                accepted, read back"
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
            f"{case.analysis.case:<24}{len(lesions):<9}{categories:<14}{size:<14}{case.dice:<17.3f}{clicked:<16}{read:<20}"
            f"{case.label:<26}{case.accepted}"
        )
    return "\n".join(lines)


def _compared(
    folder: Path,
    analysis: Analysis,
    source: Path,
    truth: np.ndarray,
    refiner: Refiner,
    predictor: Predictor,
    reader: LesionReader | None,
    store: LabelStore,
    now: datetime,
) -> DemoCase:
    from PIL import Image

    clip = open_clip(source)
    labels = np.stack([np.asarray(Image.open(folder / frame.mask)) for frame in analysis.frames])
    if analysis.lesions and not np.array_equal(read_segmentation(folder / "seg.dcm", clip.headers).labels, labels):
        raise BreastUSAssistError(
            f"{folder / 'seg.dcm'} does not hold the masks that were written; please report this."
        )
    read = read_as_demo(clip, analysis, labels, truth, refiner, predictor, reader, now)
    return DemoCase(
        folder,
        analysis,
        _dice(labels > 0, truth > 0),
        _dice(read.labels > 0, truth > 0) if read.corrected else None,
        len(labels) if analysis.lesions else 0,
        _kept(store, clip, analysis, labels, read),
        export_as_demo(folder.parents[1] / "accepted", clip, analysis, labels, read, now),
    )


def _kept(store: LabelStore, clip: Clip, analysis: Analysis, draft: np.ndarray, read: DemoReading) -> str:
    """Keep a case as its reader left it, read it back, and return the name of the record."""
    record = store.put(
        NewLabel(
            kind="accepted",
            image=identity_of((frame.pixels for frame in clip), clip.kind),
            result=MaskStack.of_labels(read.labels),
            reading=read.reading,
            runs=[(analysis, MaskStack.of_labels(draft))],
        )
    )
    kept = store.result(record)
    if kept is None or not np.array_equal(kept.labels(), read.labels):
        raise BreastUSAssistError(f"{record.name} does not hold the outlines that were kept; please report this.")
    return record.name


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    both = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / both if both else 1.0
