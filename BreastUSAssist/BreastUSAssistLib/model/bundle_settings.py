"""The part of a bundle's metadata that says how it is to be run: `inference` in configs/metadata.json."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from ..errors import ModelError

BundleKind = Literal["outline", "reader"]
FORMAT: Literal[2] = 2
"""Format of `inference` that this version writes and reads. 1 was one network without prompts in models/model.onnx."""

Probability = Annotated[float, Field(gt=0, lt=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    format: Literal[2] = FORMAT


class OutlineSettings(_Settings):
    """How the outline network is run."""

    kind: Literal["outline"] = "outline"
    input_size: int = Field(ge=32, le=2048, multiple_of=32)
    outline_threshold: Probability
    """Foreground probability at which the outline is drawn."""
    smallest_lesion: float = Field(ge=0, lt=1)
    """Smallest area of a lesion, as a share of the analysed part of the frame."""
    smallest_confidence: float = Field(ge=0, le=1)
    """Least mean probability inside an outline for it to count as a lesion."""
    close_up_margin: float = Field(ge=0, le=5)
    """Share of a lesion's height and width that its close-up shows on each side of it."""
    most_close_ups: int = Field(ge=0, le=100)
    """Lesions of one frame that are looked at close up, the largest first."""
    temperature: float = Field(gt=0, le=1000)
    """Divides the class logits (Guo et al., ICML 2017)."""
    calibrated_on: str
    """What the temperature was fitted on, in words."""
    presence_threshold: float = Field(gt=0, le=1)
    """P(normal) at or above which a frame is left without an outline."""
    rescue_threshold: Probability
    """Lower outline threshold for a frame that is judged to hold a lesion although nothing reaches the usual one."""
    band: tuple[Probability, Probability]
    """Foreground probabilities, low and high, between which the outline counts as uncertain."""
    mirrored: bool = False
    """Whether each look is also taken left-right mirrored, and both answers averaged."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.rescue_threshold > self.outline_threshold:
            raise ValueError("rescue_threshold lies above outline_threshold")
        if self.band[0] >= self.band[1]:
            raise ValueError("the band's low probability is not below its high one")
        return self


class ReaderSettings(_Settings):
    """How the lesion reader is run."""

    kind: Literal["reader"] = "reader"
    input_size: int = Field(ge=32, le=2048, multiple_of=32)
    """Of the square region of interest, in pixels."""
    margin: float = Field(ge=0, le=5)
    """Above and on either side of the lesion, as a share of its height and width."""
    margin_below: float = Field(ge=0, le=5)
    """Below the lesion, as a share of its height."""
    measures: tuple[str, ...] = Field(max_length=256)
    """Names of the measures in the order of the network's second input."""
    outputs: dict[str, tuple[str, ...]]
    """Terms of each attribute, in the order of the network's columns."""
    offsets: dict[str, tuple[float, ...]] = {}
    """Added to an output's logits before terms are chosen, by attribute; rare terms need less than one half."""
    mirrored: bool = False
    """Whether each region is also read left-right mirrored, and both answers averaged."""

    @model_validator(mode="after")
    def _offsets_fit_the_outputs(self) -> Self:
        for attribute, values in self.offsets.items():
            if len(values) != len(self.outputs.get(attribute, ())):
                raise ValueError(f"offsets of {attribute} are not as many as its terms")
        return self


BundleSettings = OutlineSettings | ReaderSettings
_ADAPTER: TypeAdapter[BundleSettings] = TypeAdapter(Annotated[BundleSettings, Field(discriminator="kind")])


def parse_settings(inference: Any, where: str) -> BundleSettings:
    """Settings from the `inference` part of a metadata file, which `where` names.

    Raises:
        ModelError: another format, an unknown kind, or a setting that is missing, unknown or impossible.
    """
    if not isinstance(inference, dict):
        raise ModelError(f"{where} has no part `inference`; use a bundle made for BreastUSAssist.")
    found = inference.get("format", 1)
    if found != FORMAT:
        newer = isinstance(found, int) and found > FORMAT
        raise ModelError(
            f"{where} has format {str(found)[:20]} where this version reads {FORMAT}; "
            + ("install a newer BreastUSAssist." if newer else "use a bundle written by this version.")
        )
    try:
        return _ADAPTER.validate_python(inference)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(map(str, first["loc"])) or "inference"
        raise ModelError(
            f"{where} does not fit this version of BreastUSAssist ({at}: {first['msg']}); use an unchanged bundle."
        ) from error
