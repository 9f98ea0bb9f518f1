"""One lesion as data: measurements, descriptors and assessment. These models are part of analysis.json."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Record(BaseModel):
    """Base of everything that is stored: immutable, and strict about unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Length(Record):
    """A length in pixels, and in mm where the spacing is known (never otherwise)."""

    px: float
    mm: float | None = None


class Area(Record):
    """An area in pixels, and in mm2 where the spacing is known (never otherwise)."""

    px: float
    mm2: float | None = None


class Measurements(Record):
    """Geometry and grey levels of one lesion in its key frame."""

    longest_axis: Length
    """Longest distance between two outline points (maximum Feret diameter)."""
    perpendicular_axis: Length
    """Largest extent at right angles to the longest axis."""
    antero_posterior: Length
    """Vertical extent (along the beam)."""
    transverse: Length
    """Horizontal extent."""
    depth: Length
    """From the top of the tissue (transducer face) to the nearest point of the lesion."""
    area: Area
    depth_to_width: float
    """antero_posterior / transverse; above 1 is taller than wide."""
    axis_angle_deg: float
    """Angle of the longest axis to the horizontal (skin line), 0..90."""
    circularity: float
    """4 pi area / perimeter^2; 1 for a disc."""
    solidity: float
    """Area over area of the convex hull."""
    ellipse_fit: float
    """Dice of the mask with the ellipse of the same second moments."""
    elongation: float
    """Major over minor axis of that ellipse, >= 1."""
    lobulations: int
    """Number of outward bulges of the smoothed outline; 0 for a convex one."""
    notches: int | None = None
    """Number of inward notches of the outline at a finer scale: those between spicules or microlobules."""
    sharpest_corner_deg: float | None = None
    """Largest outward turn of the outline within a twentieth of its length; 18 for a disc."""
    margin_roughness: float
    """Root-mean-square distance of the outline from its smoothed self, relative to the equivalent radius."""
    margin_sharpness: float | None = None
    """Median grey-level step across the outline, in units of local speckle standard deviation."""
    echo_ratio: float | None = None
    """Median grey of the lesion over that of the surrounding fat; below 1 is darker. See grey_levels.echo_ratio."""
    echo_heterogeneity: float | None = None
    """Coefficient of variation of smoothed grey inside the lesion."""
    posterior_ratio: float | None = None
    """Mean grey of the strip below the lesion over that of the strips beside it, at the same depth; see grey_levels."""


class SliceExtent(Record):
    """Extent across the slices of a volume, and in mm where axes are in mm."""

    slices: int = Field(ge=1)
    mm: float | None = None


class VolumeAxes(Record):
    """Three axes at right angles and the volume of a lesion in a volume read slice by slice; see volume_axes.

    In mm only where both the spacing in the plane and the distance between slices are known.
    """

    axis_frame: int = Field(ge=1)
    """1-based number of the slice in which the first two axes lie."""
    longest_axis: Length
    """Longest distance between two outline points of one slice, in the slice where it is longest."""
    perpendicular_axis: Length
    """Extent at right angles to it in that slice."""
    across_slices: SliceExtent
    """From the first to the last slice that shows the lesion, both counted whole."""
    voxels: int = Field(ge=1)
    volume_ml: float | None = None
    """Number of voxels times their size."""


class Code(Record):
    """A coded concept: value, coding scheme designator, meaning (DICOM PS3.3 8.1-8.3)."""

    value: str
    scheme: str
    meaning: str
    scheme_version: str | None = None


class Descriptor(Record):
    """One BI-RADS descriptor term of a lesion."""

    attribute: str
    """Key of the lexicon: shape, orientation, margin, echo_pattern, posterior_features, ..."""
    term: str
    """Key of the term in the lexicon."""
    label: str
    """The term in words, as shown to the reader."""
    code: Code | None = None
    origin: Literal["geometry", "grey_level", "model", "reader"]
    confidence: float | None = Field(default=None, ge=0, le=1)
    """Only where it is calibrated; None otherwise."""
    because: str
    """The measure and threshold behind the term, in words."""


class CategoryOpinion(Record):
    """What category radiologists would give, by a network that learned theirs. Not the suggestion."""

    probabilities: dict[str, float]
    """Of the ordered categories 2, 3, 4A, 4B, 4C and 5."""
    quantity: float = Field(ge=0, le=5)
    """Mean place in that order: 0 is category 2, 5 is category 5."""
    likeliest: str
    """The middle category: as much probability below it as above (the median)."""
    likely: tuple[str, ...] = ()
    """Adjacent categories that hold the radiologist's at `level` (conformal set); empty where not calibrated."""
    level: float | None = None


class Contribution(Record):
    """What one clinical parameter adds to the log-odds of malignant."""

    parameter: str
    """Field of ClinicalParameters."""
    words: str
    """The parameter with its value, in words."""
    log_odds: float


class SitePrevalence(Record):
    """Probabilities shifted to the share of malignant lesions at the site (Saerens et al. 2002)."""

    site: float = Field(gt=0, lt=1)
    training: float = Field(gt=0, lt=1)
    image_probability: float = Field(ge=0, le=1)
    combined_probability: float | None = Field(default=None, ge=0, le=1)


class Assessment(Record):
    """A suggested BI-RADS category. A draft: a named reader decides."""

    category: str | None
    """"3", "4A", "4B", "4C" or "5"; None when it cannot be assessed. Never 0, 1, 2 or 6."""
    label: str
    likelihood: str | None
    """Likelihood of cancer that the edition gives for the category, in words."""
    management: str | None
    probability_malignant: float | None = Field(default=None, ge=0, le=1)
    """The one that the suggestion rests on: image and clinical parameters, at the site's prevalence, where given."""
    probability_calibrated: bool = False
    interval: tuple[float, float] | None = None
    """95 % interval of `probability_malignant`; see model.calibration.IntervalTable for what it means."""
    image_probability: float | None = Field(default=None, ge=0, le=1)
    """From the image alone, at the training sets' prevalence; None, as the next three, where no reader network ran."""
    image_interval: tuple[float, float] | None = None
    combined_probability: float | None = Field(default=None, ge=0, le=1)
    """From image and clinical parameters, at the training sets' prevalence; None where none of them counts."""
    combined_interval: tuple[float, float] | None = None
    clinical: tuple[Contribution, ...] = ()
    """What led from `image_probability` to `combined_probability`."""
    prevalence: SitePrevalence | None = None
    """None: not shifted."""
    category_opinion: CategoryOpinion | None = None
    reasons: tuple[str, ...]
    edition: str
    status: Literal["draft"] = "draft"


class Lesion(Record):
    """One lesion of a frame or clip."""

    number: int = Field(ge=1)
    """Also its value in the label images."""
    tracking_uid: str
    key_frame: int = Field(ge=1)
    """1-based number of the frame in which it was measured."""
    frames: tuple[int, ...]
    """1-based numbers of all frames in which it is outlined."""
    box: tuple[int, int, int, int]
    """In the key frame: top, left, bottom, right; bottom and right just outside."""
    outline_confidence: float | None = Field(default=None, ge=0, le=1)
    outline_band_px: float | None = Field(default=None, ge=0)
    """Mean half-width, along the outline, of the band in which it may lie; None where no network drew it."""
    outline_uncertain_share: float | None = Field(default=None, ge=0, le=1)
    """Share of the outline where that band is wide (see service.outline_band)."""
    origin: Literal["automatic", "semiautomatic", "manual", "truth"] = "automatic"
    measurements: Measurements
    volume_axes: VolumeAxes | None = None
    """None where the source is no volume."""
    descriptors: tuple[Descriptor, ...]
    assessment: Assessment
