"""The reader of the demo: simulated clicks, acceptance under a made-up name, and the exported result read back."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from ..birads.analysis import Analysis, AnalysisSettings
from ..birads.lesion import Lesion
from ..birads.lexicon import load_lexicon
from ..birads.measurements import measure
from ..birads.read_case import ReadCase, beside_lesions
from ..birads.reading import LesionReading, Reading
from ..birads.reading_view import effective_analysis, effective_lesions, first_reading
from ..dicom.report_reading import read_report
from ..dicom.segmentation_reading import read_segmentation
from ..errors import BreastUSAssistError
from ..learning.click_simulation import next_click
from ..model.prediction import LesionMask
from ..model.predictor import Predictor
from ..model.prompt import Prompt
from ..model.refiner import Refiner
from ..ultrasound.frame import Clip
from ..ultrasound.tissue import tissue_box
from .drafts_file import with_outlines
from .lesion_description import LesionReader, OutlinedLesion, described, opinions_of, with_opinion_of_drafts
from .reading_export import ExportedReading, export_reading

DEMO_CLICKS = 2
DEMO_READER = "Demo Reader"


@dataclass(frozen=True, eq=False)
class DemoReading:
    """A case of the demo as its reader left it."""

    reading: Reading
    labels: np.ndarray
    """uint8 (frames, rows, columns), the outlines that were accepted."""
    corrected: bool
    """Whether clicks changed the draft's outline."""


def read_as_demo(
    clip: Clip,
    analysis: Analysis,
    draft: np.ndarray,
    truth: np.ndarray,
    refiner: Refiner,
    predictor: Predictor,
    reader: LesionReader | None,
    now: datetime,
) -> DemoReading:
    """Correct the only lesion of a still by `DEMO_CLICKS` clicks where it is most wrong, then accept the case.

    Args:
        clip: the source.
        analysis: its draft.
        draft: uint8 (frames, rows, columns), the draft's label images.
        truth: label images of the phantom, like `draft`.
        refiner: answers clicks.
        predictor: says what it thinks of the lesion.
        reader: describes the corrected outline.
        now: time of the decision.
    """
    labels, lesions = draft, first_reading(analysis).lesions
    corrected = len(draft) == 1 and len(analysis.lesions) == 1
    if corrected:
        outline = _after_clicks(clip, draft[0] > 0, truth[0] > 0, refiner)
        labels = outline[np.newaxis].astype(np.uint8)
        lesions = (_corrected(lesions[0], _revised(clip, analysis.lesions[0], outline, predictor, reader)),)
    by_uid = {one.tracking_uid: one for one in analysis.lesions}
    accepted = tuple(
        one.model_copy(update={"category": (one.revised or by_uid[one.tracking_uid]).assessment.category})
        for one in lesions
    )
    reading = Reading(
        case=analysis.case,
        reader=DEMO_READER,
        lesions=accepted,
        decision="accepted",
        decided=now.isoformat(timespec="seconds"),
    )
    return DemoReading(reading, labels, corrected)


def export_as_demo(
    out: Path, clip: Clip, analysis: Analysis, draft: np.ndarray, read: DemoReading, now: datetime
) -> str:
    """Export the accepted case to `out`/<case>/, read SEG and SR back, and say what came back in a few words.

    `draft` is the draft's label images, uint8 (frames, rows, columns).

    Raises:
        BreastUSAssistError: a mask differs from the one accepted, or the report is not verified by the reader.
    """
    lexicon = load_lexicon(analysis.lexicon)
    final = effective_analysis([analysis], read.reading, lexicon, labels=read.labels)
    masks = [draft[one.key_frame - 1] == one.number for one in analysis.lesions]
    beside = beside_lesions(effective_lesions([analysis], read.reading, lexicon))
    if masks:
        beside = with_outlines(beside, np.stack(masks))
    exported = ExportedReading(clip, final, read.labels, ReadCase(reading=read.reading, beside=beside))
    folder = export_reading(out, exported, created=now).folder
    report = read_report(folder / "sr.dcm")
    if not report.verified:
        raise BreastUSAssistError(f"{folder / 'sr.dcm'} is not verified although it was accepted; please report this.")
    if not final.lesions:
        return "SR verified, no lesion"
    segmentation = read_segmentation(folder / "seg.dcm", clip.headers)
    if not np.array_equal(segmentation.labels, read.labels):
        raise BreastUSAssistError(
            f"{folder / 'seg.dcm'} does not hold the outlines that were accepted; please report this."
        )
    return "SEG identical, SR verified"


def _corrected(lesion: LesionReading, revised: Lesion) -> LesionReading:
    return lesion.model_copy(update={"revised": revised, "edited_frames": (1,), "tools": ("click",)})


def _revised(
    clip: Clip, drafted: Lesion, outline: np.ndarray, predictor: Predictor, reader: LesionReader | None
) -> Lesion:
    """The corrected outline measured, read and assessed as the AI's own are; `outline` is bool (rows, columns)."""
    frame = clip.frame(0)
    tissue = tissue_box(frame)
    drafts = predictor.predict(frame.grey, tissue).lesions
    measurements = measure(outline, frame, tissue)
    lesion = OutlinedLesion(
        number=drafted.number,
        mask=with_opinion_of_drafts(LesionMask(outline, "semiautomatic"), drafts),
        frame=frame,
        tissue=tissue,
        key_frame=1,
        frames=(1,),
        tracking_uid=drafted.tracking_uid,
        measurements=measurements,
    )
    (opinion,) = opinions_of(frame, [outline], [measurements], reader)
    lexicon = load_lexicon(drafted.assessment.edition)
    calibrated = bool(predictor.settings.calibrated_on)
    return described(lesion, opinion, reader, lexicon, AnalysisSettings(), calibrated=calibrated)


def _after_clicks(clip: Clip, draft: np.ndarray, truth: np.ndarray, refiner: Refiner) -> np.ndarray:
    """The outline after clicks where it is most wrong, bool (rows, columns)."""
    session = refiner.open(clip.frame(0).grey)
    marks: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    outline = draft
    for _ in range(DEMO_CLICKS):
        click = next_click(truth, outline)
        if click is None:
            break
        marks[click.positive].append((click.row, click.column))
        outline = session.refine(Prompt(tuple(marks[True]), tuple(marks[False]), mask=outline)).pixels
    return outline
