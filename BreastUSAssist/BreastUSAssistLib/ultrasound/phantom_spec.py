"""What a breast phantom shows: its lesions, its size in millimetres, and what the scanner's screen adds to it."""

from dataclasses import dataclass
from typing import Literal, get_args

from ..errors import UsageError
from .frame import Box

Shape = Literal["oval", "round", "irregular"]
Margin = Literal["circumscribed", "indistinct", "angular", "microlobulated", "spiculated"]
EchoPattern = Literal["anechoic", "hypoechoic", "isoechoic", "hyperechoic", "heterogeneous", "complex"]
Posterior = Literal["none", "enhancement", "shadowing", "combined"]
Overlay = Literal[
    "calipers", "text", "colour_doppler", "elastography", "split_view", "m_mode", "spectral_doppler", "tint"
]
"""What a scanner can draw over or beside the tissue. `tint` is a sepia grey map: coloured, and still plain B-mode."""


@dataclass(frozen=True)
class LesionSpec:
    """One lesion in BI-RADS terms (ACR BI-RADS Atlas 2013, Ultrasound, section II) and where it lies."""

    shape: Shape = "oval"
    margin: Margin = "circumscribed"
    echo_pattern: EchoPattern = "hypoechoic"
    posterior: Posterior = "none"
    depth_mm: float = 14.0
    """Of the lesion's middle, below the probe."""
    lateral_mm: float = 0.0
    """Of the lesion's middle from the probe's middle; positive to the right of the image."""
    width_mm: float = 12.0
    """Whole extent along the lesion's own horizontal axis, margin included."""
    height_mm: float = 8.0
    """Whole extent across it."""
    tilt_degrees: float = 0.0
    """Turn of the lesion's axes; positive lowers the right end."""
    elevation_mm: float = 0.0
    """Where along a cine's sweep the lesion is widest; 0 is the middle of the sweep."""

    def __post_init__(self) -> None:
        """Refuse words that are not in the lexicon and sizes that are not positive."""
        for name, words in (
            ("shape", Shape),
            ("margin", Margin),
            ("echo_pattern", EchoPattern),
            ("posterior", Posterior),
        ):
            if getattr(self, name) not in get_args(words):
                raise UsageError(f"A lesion's {name} must be one of {', '.join(get_args(words))}.")
        if min(self.width_mm, self.height_mm) <= 0:
            raise UsageError("A lesion's width and height must be greater than 0 mm.")


@dataclass(frozen=True)
class PhantomSpec:
    """A still (one frame) or a cine (several) of a breast phantom. The same spec always gives the same pixels."""

    rows: int = 600
    columns: int = 800
    spacing_mm: float = 0.07
    """Between pixel centres, both ways."""
    seed: int = 1
    lesions: tuple[LesionSpec, ...] = ()
    frame_count: int = 1
    frame_time_ms: float = 50.0
    sweep_mm: float = 16.0
    """How far the probe slides over the skin from a cine's first frame to its last."""
    screen: bool = True
    """Black surrounds, caption and depth scale as on a scanner; False gives the bare tissue image."""
    overlays: tuple[Overlay, ...] = ()

    def __post_init__(self) -> None:
        """Refuse sizes too small to hold tissue and overlays that are not known."""
        if min(self.rows, self.columns) < 96 or self.spacing_mm <= 0 or self.frame_count < 1:
            raise UsageError("A phantom needs at least 96 x 96 pixels, a spacing above 0 mm and one frame.")
        unknown = set(self.overlays) - set(get_args(Overlay))
        if unknown:
            raise UsageError(f"A phantom's overlays can be {', '.join(get_args(Overlay))}.")

    @property
    def tissue_box(self) -> Box:
        """The rectangle that the probe fills: the whole frame without a screen."""
        if not self.screen:
            return 0, 0, self.rows, self.columns
        left, top = round(0.12 * self.columns), max(round(0.07 * self.rows), 24)
        return top, left, self.rows - round(0.04 * self.rows), self.columns - left

    @property
    def elevations_mm(self) -> tuple[float, ...]:
        """Position of each frame along the sweep, 0 in the middle."""
        if self.frame_count == 1:
            return (0.0,)
        step = self.sweep_mm / (self.frame_count - 1)
        return tuple(index * step - self.sweep_mm / 2 for index in range(self.frame_count))


def standard_cases() -> dict[str, PhantomSpec]:
    """Named phantoms that the demo, the tests and the benchmarks share."""
    oval = LesionSpec("oval", "circumscribed", "hypoechoic", "enhancement", 12.0, -2.0, 15.0, 8.0, 4.0)
    spiculated = LesionSpec("irregular", "spiculated", "hypoechoic", "shadowing", 13.5, 3.0, 11.0, 14.0)
    cyst = LesionSpec("oval", "circumscribed", "anechoic", "enhancement", 13.0, 1.0, 12.0, 9.0)
    small = LesionSpec("round", "circumscribed", "anechoic", "enhancement", 10.0, 12.0, 6.0, 6.0)
    lobulated = LesionSpec("irregular", "microlobulated", "hypoechoic", "none", 15.0, -9.0, 12.0, 10.0)
    return {
        "oval-circumscribed": PhantomSpec(seed=11, lesions=(oval,)),
        "irregular-spiculated": PhantomSpec(seed=12, lesions=(spiculated,)),
        "cyst": PhantomSpec(seed=13, lesions=(cyst,)),
        "two-lesions": PhantomSpec(seed=14, lesions=(lobulated, small)),
        "normal": PhantomSpec(seed=15),
        "cine": PhantomSpec(480, 640, 0.085, seed=16, lesions=(oval,), frame_count=31),
    }
