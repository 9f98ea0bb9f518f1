"""The gate for frames that are unlike the images the model was trained on."""

from ..model.familiarity import Unlikeness
from ..ultrasound.gates import InputGate

UNFAMILIAR = "unfamiliar"


def familiarity_gates(score: Unlikeness | None) -> tuple[InputGate, ...]:
    """No gate for a familiar frame (or an unknown score), a warning for an unusual one, a stop for one far from all."""
    if score is None or not score.is_unusual:
        return ()
    if score.is_far:
        return (
            InputGate(
                UNFAMILIAR,
                "stop",
                "The image is unlike every image the model was trained on, so no draft is made; check that it is a "
                "B-mode image of a breast.",
            ),
        )
    percentile = int(min(score.percentile, 99.9))
    return (
        InputGate(
            UNFAMILIAR,
            "warn",
            f"The image is more unlike the training images than {percentile} % of them are, so outline and risk may be "
            "off; check the draft with care.",
        ),
    )
