"""Request "describe": one outline, drawn or corrected by a reader, measured and read as the AI's own are."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, ModelError, UsageError
from .worker_analyze import LEXICON, settings_of
from .worker_clip import WorkerClip
from .worker_models import ModelChoice
from .worker_protocol import read_array

if TYPE_CHECKING:
    from ..birads.analysis import AnalysisSettings
    from ..model.prediction import FramePrediction, LesionMask, MaskOrigin
    from ..model.predictor import Predictor
    from ..ultrasound.frame import Box, UltrasoundFrame
    from .lesion_description import LesionReader
    from .worker_requests import Worksite

MOST_DRAFTS = 4
"""Frames whose draft is kept, so that each further outline in them is described sooner."""
ORIGINS: "tuple[MaskOrigin, ...]" = ("automatic", "semiautomatic", "manual")
Drafts = OrderedDict[tuple[str, ModelChoice], "FramePrediction"]
"""By pixels and models, the one used last at the end."""


def describe(arguments: Mapping[str, Any], site: "Worksite") -> dict[str, Any]:
    """Measure one outline, read it with the reader model, and suggest a category, as "analyze" would for that outline.

    Where no model is there the rules describe it, and a note says so. The draft's own outline gets the draft's own
    description. The probability is the mean of both networks' where the outline network finds a lesion there too, and
    else the reader network's alone.

    Args:
        arguments: `clip` WorkerClip as JSON, of the one frame to measure in; `mask` path of a .npy file, bool (rows,
            columns); `number` and `tracking_uid` of the lesion; `frames` 1-based numbers of all frames that it is
            outlined in, `key_frame` that of this one, both in the whole clip; `origin` "semiautomatic" or "manual" (or
            "automatic" for a draft as it was); `confidence` of the outline, 0..1, where a network drew it; `settings`
            AnalysisSettings as JSON; `descriptors` the reader's terms by attribute, to be put in place of the AI's
            (none for what Reading keeps as `revised`); `model`, `store`, `backend`, `device`, `reader` and `lexicon` as
            for "analyze".
        site: of this process.

    Returns:
        `lesion` Lesion as JSON; `model` as of "analyze", None where none is there; `notes` sentences.

    Raises:
        InputError: the mask is empty or does not fit the frame.
    """
    from ..birads.describe import new_uid
    from ..birads.lexicon import load_lexicon
    from ..birads.measurements import measure
    from ..birads.reader_terms import with_terms
    from ..ultrasound.tissue import tissue_box
    from .lesion_description import OutlinedLesion, described, opinions_of

    handed = WorkerClip.from_json(arguments.get("clip") or {})
    clip, header_notes = handed.clip_and_notes()
    frame = clip.frame(0)
    pixels = _outline(arguments, frame)
    notes = list(header_notes)
    choice = _choice(arguments, notes)
    predictor, reader = _models(choice, site, notes)
    settings = _usable(settings_of(arguments.get("settings")), reader, notes)
    lexicon = load_lexicon(arguments.get("lexicon") or LEXICON)
    tissue = tissue_box(frame)
    prediction = _draft(frame, tissue, predictor, choice, site) if predictor is not None else None
    header = clip.headers[0] if clip.headers else None
    key_frame = int(arguments.get("key_frame") or handed.first_frame)
    mask = _judged(pixels, arguments, prediction)
    measurements = measure(pixels, frame, tissue)
    outlined = OutlinedLesion(
        number=int(arguments.get("number") or 1),
        mask=mask,
        frame=frame,
        tissue=tissue,
        key_frame=key_frame,
        frames=tuple(sorted({key_frame, *map(int, arguments.get("frames") or ())})),
        tracking_uid=str(arguments.get("tracking_uid") or new_uid()),
        measurements=measurements,
        stop=_stops(frame, header, prediction),
    )
    (opinion,) = opinions_of(frame, [pixels], [measurements], reader)
    calibrated = predictor is not None and bool(predictor.settings.calibrated_on)
    lesion = described(outlined, opinion, reader, lexicon, settings, calibrated=calibrated)
    if prediction is not None and predictor is not None and mask.origin == "automatic":
        lesion = _with_band(lesion, prediction, pixels, predictor)
    lesion = with_terms(lesion, dict(arguments.get("descriptors") or {}), lexicon)
    return {"lesion": lesion.model_dump(mode="json"), "model": choice.told(predictor), "notes": notes}


def _choice(arguments: Mapping[str, Any], notes: list[str]) -> ModelChoice:
    """The models asked for; the shipped one with a note where it cannot be told which was promoted from labels."""
    try:
        return ModelChoice.of(arguments)
    except ModelError as error:
        notes.append(f"Described with the shipped model. {error}")
        return ModelChoice.of({**arguments, "store": None})


def _outline(arguments: Mapping[str, Any], frame: "UltrasoundFrame") -> np.ndarray:
    pixels = read_array(arguments.get("mask")).astype(bool)
    if pixels.shape != (frame.rows, frame.columns):
        raise InputError("The outline does not fit the frame; select the lesion again.")
    if not pixels.any():
        raise InputError("The lesion has no outline in this frame; draw it, or remove the lesion.")
    return np.asarray(pixels)


def _models(choice: ModelChoice, site: "Worksite", notes: list[str]) -> "tuple[Predictor | None, LesionReader | None]":
    """Both models, or None with a note for one that is not there: what was measured stays of use without."""
    found: list[Any] = []
    for load, without in (
        (site.models.predictor, "the outline network had no say"),
        (site.models.reader, "terms follow from the measurements alone"),
    ):
        try:
            found.append(load(choice))
        except (ModelError, UsageError) as error:
            found.append(None)
            notes.append(f"Described without this model, so {without}. {error}")
        except ImportError as error:
            found.append(None)
            notes.append(f"Described without a model, so {without}: the package {error.name} is missing.")
    return found[0], found[1]


def _usable(settings: "AnalysisSettings", reader: "LesionReader | None", notes: list[str]) -> "AnalysisSettings":
    """The settings, or none where there is no reader model that would heed them."""
    from ..birads.analysis import AnalysisSettings
    from .lesion_description import check_settings

    try:
        check_settings(settings, reader)
    except UsageError:
        notes.append("Prevalence and clinical parameters had no say: the model that heeds them is not in use.")
        return AnalysisSettings(ignore_gates=settings.ignore_gates)
    return settings


def _draft(
    frame: "UltrasoundFrame", tissue: "Box", predictor: "Predictor", choice: ModelChoice, site: "Worksite"
) -> "FramePrediction":
    """What the outline network says of the frame, as of a clip's key frame."""
    digest = hashlib.sha256(repr((frame.pixels.shape, tissue)).encode() + frame.pixels.tobytes()).hexdigest()
    key = (digest, choice)
    if key not in site.drafts:
        site.drafts[key] = predictor.predict(frame.grey, tissue)
    site.drafts.move_to_end(key)
    while len(site.drafts) > MOST_DRAFTS:
        site.drafts.popitem(last=False)
    return site.drafts[key]


def _judged(pixels: np.ndarray, arguments: Mapping[str, Any], prediction: "FramePrediction | None") -> "LesionMask":
    """The outline with the outline network's word on the lesion there, where it finds one."""
    from ..model.prediction import LesionMask
    from .lesion_description import with_opinion_of_drafts

    given = arguments.get("origin") or "semiautomatic"
    origin = next((known for known in ORIGINS if known == given), None)
    if origin is None:
        raise InputError("An outline is automatic, semiautomatic or manual; select the lesion again.")
    confidence = arguments.get("confidence")
    mask = LesionMask(pixels, origin, None if confidence is None else float(confidence))
    return with_opinion_of_drafts(mask, prediction.lesions if prediction is not None else ())


def _stops(frame: "UltrasoundFrame", header: Any, prediction: "FramePrediction | None") -> tuple[str, ...]:
    """Messages of the gates that forbid an assessment."""
    from ..ultrasound.gates import check_frame
    from .familiarity_gate import familiarity_gates

    gates = [*check_frame(frame, header), *familiarity_gates(prediction.unlikeness if prediction else None)]
    return tuple(gate.message for gate in gates if gate.severity == "stop")


def _with_band(lesion: Any, prediction: "FramePrediction", pixels: np.ndarray, predictor: "Predictor") -> Any:
    """The band in which an outline may lie is told of the network's own outlines alone."""
    from .outline_band import measure_band

    probability = np.rint(prediction.probability * 255).astype(np.uint8)
    band = measure_band(probability, pixels, predictor.settings.band)
    return lesion.model_copy(
        update={"outline_band_px": band.half_width_px, "outline_uncertain_share": band.uncertain_share}
    )
