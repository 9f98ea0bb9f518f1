"""The whole main job, as far as it exists, on cases that the project makes itself."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ..birads.analysis import Analysis
from ..birads.lexicon import load_lexicon
from ..birads.reading_view import first_reading
from ..dicom.segmentation_reading import read_segmentation
from ..errors import BreastUSAssistError
from ..labels.image_identity import identity_of
from ..labels.masks import MaskStack
from ..labels.new_label import NewLabel
from ..labels.store import LabelStore
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
    label: str
    """Record in the label store that keeps draft and outlines, corrected where they were."""


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
            _compared(folder, analysis, source, truths[analysis.case], refiner, store, now)
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
        f"after {DEMO_CLICKS} clicks  SEG read back       label kept"
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
            f"{case.label}"
        )
    return "\n".join(lines)


def _compared(
    folder: Path,
    analysis: Analysis,
    source: Path,
    truth: np.ndarray,
    refiner: Refiner,
    store: LabelStore,
    now: Callable[[], datetime],
) -> DemoCase:
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
    corrected, result = None, labels
    if len(labels) == 1 and len(analysis.lesions) == 1:
        outline = _after_clicks(source, labels[0] > 0, truth[0] > 0, refiner)
        corrected = _dice(outline, truth[0] > 0)
        result = outline[np.newaxis].astype(np.uint8)
    label = _kept(store, analysis, source, labels, result, now())
    return DemoCase(folder, analysis, overlap / both if both else 1.0, corrected, frames, label)


def _kept(
    store: LabelStore, analysis: Analysis, source: Path, draft: np.ndarray, result: np.ndarray, now: datetime
) -> str:
    """Keep a case as the simulated reader left it, read it back, and return the name of the record."""
    clip = open_clip(source)
    edited = tuple(int(index) + 1 for index in np.flatnonzero((draft != result).any(axis=(1, 2))))
    read = first_reading(analysis)
    lesions = tuple(
        one.model_copy(update={"edited_frames": edited, "tools": ("click",) if edited else ()}) for one in read.lesions
    )
    changes = {
        "reader": "simulated",
        "lesions": lesions,
        "decision": "accepted",
        "decided": now.isoformat(timespec="seconds"),
    }
    record = store.put(
        NewLabel(
            kind="accepted",
            image=identity_of((frame.pixels for frame in clip), clip.kind),
            result=MaskStack.of_labels(result),
            reading=read.model_copy(update=changes),
            runs=[(analysis, MaskStack.of_labels(draft))],
        )
    )
    kept = store.result(record)
    if kept is None or not np.array_equal(kept.labels(), result):
        raise BreastUSAssistError(f"{record.name} does not hold the outlines that were kept; please report this.")
    return record.name


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    both = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / max(both, 1)


def _after_clicks(source: Path, draft: np.ndarray, truth: np.ndarray, refiner: Refiner) -> np.ndarray:
    """The outline after a simulated reader has clicked where it is most wrong, bool (rows, columns)."""
    session = refiner.open(open_clip(source).frame(0).grey)
    marks: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    outline = draft
    for _ in range(DEMO_CLICKS):
        click = next_click(truth, outline)
        if click is None:
            break
        marks[click.positive].append((click.row, click.column))
        outline = session.refine(Prompt(tuple(marks[True]), tuple(marks[False]), mask=outline)).pixels
    return outline
