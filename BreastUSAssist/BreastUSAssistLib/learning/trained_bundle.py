"""What a training leaves behind as a bundle: usual settings, and for the outline a temperature fitted on validation.

The settings of a released bundle are chosen with more care; these are those that a first evaluation starts from.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..birads.reader_measures import NAMES
from ..errors import BreastUSAssistError
from ..model.bundle import OutlineSettings, ReaderSettings, load_bundle
from ..model.lesion_roi import BELOW_MARGIN, SIDE_MARGIN
from ..model.network import LesionNet
from ..model.predictor import Predictor, open_predictor
from ..model.reader_network import ReaderNet
from ..model.reader_outputs import ANY_OF, CATEGORIES, ONE_OF
from .bundle_writing import change_settings, write_outline_bundle, write_reader_bundle
from .calibration import fit_temperature
from .manifest import ManifestRow, load_image
from .reader_training import ReaderTrainingOptions
from .training import TrainingOptions

_CARD = """# {name}

{what} trained with `breastusassist train`. Research use only, not for diagnosis.

## Figures

None yet. Score the bundle on images that it was not trained on, and put the figures here:

    breastusassist evaluate --manifest data/manifest.csv --root data --folds 4 {option} . --out metrics.json
    python -m BreastUSAssistLib.learning.model_card metrics.json

## Limits

Not known until it has been evaluated.
"""


def write_trained_outline(
    folder: Path,
    name: str,
    bundle_version: str,
    network: LesionNet,
    options: TrainingOptions,
    validation: Sequence[ManifestRow],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> OutlineSettings:
    """Write an outline bundle; the temperature is fitted on the benign and malignant rows of `validation`.

    The bundle is first written without calibration and run as it will be run, so that what is calibrated is what is
    used. It stays uncalibrated, and says so, where `validation` lacks one class.

    Raises:
        OutputError: the folder cannot be written.
    """
    settings = OutlineSettings(
        input_size=options.input_size,
        outline_threshold=0.5,
        smallest_lesion=0.002,
        smallest_confidence=0.65,
        close_up_margin=0.5,
        most_close_ups=3,
        temperature=1.0,
        calibrated_on="",
        presence_threshold=0.5,
        rescue_threshold=0.3,
        band=(0.2, 0.8),
    )
    card = _CARD.format(name=name, what="Outline network", option="--model")
    write_outline_bundle(folder, name, bundle_version, network, settings, card=card, training=options)
    rows = [row for row in validation if row.pathology in ("benign", "malignant") and row.problem is None]
    if len({row.pathology for row in rows}) < 2:
        return settings
    log_odds = malignancy_log_odds(open_predictor(load_bundle(folder), device="cpu"), rows, progress)
    known = np.isfinite(log_odds)
    malignant = np.array([row.pathology == "malignant" for row in rows])[known]
    folds = ", ".join(map(str, options.validation_folds))
    fitted = settings.model_copy(
        update={
            "temperature": round(fit_temperature(log_odds[known], malignant), 4),
            "calibrated_on": f"{known.sum()} lesion images of fold {folds}, {malignant.mean():.0%} malignant",
        }
    )
    change_settings(folder, fitted)
    return fitted


def malignancy_log_odds(
    predictor: Predictor, rows: Sequence[ManifestRow], progress: Callable[[int, int], None]
) -> np.ndarray:
    """Log-odds (rows,) of malignant against benign, as the predictor gives them; NaN for rows that cannot be read."""
    log_odds = np.full(len(rows), np.nan)
    for index, row in enumerate(rows):
        progress(index, len(rows))
        try:
            probability = predictor.predict(load_image(row)).malignant_given_lesion
        except BreastUSAssistError:
            continue
        probability = float(np.clip(probability, 1e-9, 1 - 1e-9))
        log_odds[index] = np.log(probability) - np.log1p(-probability)
    return log_odds


def write_trained_reader(
    folder: Path, name: str, bundle_version: str, network: ReaderNet, options: ReaderTrainingOptions
) -> ReaderSettings:
    """Write a reader bundle without a calibration, which needs predictions of patients that were left out.

    Raises:
        OutputError: the folder cannot be written.
    """
    settings = ReaderSettings(
        input_size=options.input_size,
        margin=SIDE_MARGIN,
        margin_below=BELOW_MARGIN,
        measures=NAMES,
        outputs={
            "malignant": ("malignant",),
            "category": tuple(f"above {category}" for category in CATEGORIES[:-1]),
            **ONE_OF,
            **ANY_OF,
            "embedding": tuple(map(str, range(64))),
        },
        mirrored=True,
    )
    write_reader_bundle(
        folder,
        name,
        bundle_version,
        network,
        settings,
        card=_CARD.format(name=name, what="Lesion reader", option="--reader"),
        network_arguments={"dropout": options.dropout, "mask_channel": options.mask_channel},
        training={
            "options": {
                "_target_": "BreastUSAssistLib.learning.reader_training.ReaderTrainingOptions",
                **options.model_dump(mode="json"),
            }
        },
    )
    return settings
