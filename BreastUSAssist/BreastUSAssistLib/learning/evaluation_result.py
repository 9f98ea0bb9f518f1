"""What an evaluation says: the content of metrics.json. None means not defined or not known, never zero."""

from typing import Final, Literal

from ..birads.analysis import ModelUsed
from ..birads.lesion import Record

METRICS_VERSION: Final = "1.1"
OLDER: Final = ("1.0",)
"""Versions that are still read."""
Interval = tuple[float, float]


class Estimate(Record):
    """One number with its interval."""

    value: float
    interval: Interval | None = None
    """95 % percentile interval, patients resampled; None with too few patients."""


class Distribution(Record):
    """Of one number an image."""

    images: int
    mean: Estimate
    median: Estimate


class LesionDetection(Record):
    """Lesions against outlines, matched one to one at IoU >= 0.5."""

    lesions: int
    found: int
    sensitivity: Estimate
    outlines: int
    """Outlines drawn in images with lesions."""
    false_outlines: int
    """Of those, outlines that match no lesion."""


class NormalImages(Record):
    """Outlines where there is nothing to outline."""

    images: int
    false_outlines: int
    false_outlines_per_image: Estimate
    fraction_with_any: Estimate


class CalibrationBin(Record):
    """One point of a calibration curve."""

    low: float
    """Lower end of the bin of probability."""
    high: float
    images: int
    mean_probability: float
    share_malignant: float


class Malignancy(Record):
    """Malignant against benign by P(malignant | a lesion is there), one score an image."""

    benign: int
    malignant: int
    auc: Estimate | None
    """Mann-Whitney; None where one class is missing."""
    sensitivity_at_90_specificity: Estimate | None
    ece: Estimate
    """Expected calibration error, 15 equal-width bins."""
    brier: Estimate
    specificity_at_95_sensitivity: Estimate | None = None
    calibration: tuple[CalibrationBin, ...] = ()
    """The bins of the ECE that hold images."""
    roc: tuple[tuple[float, float], ...] = ()
    """Corners of the ROC curve, 1 - specificity and sensitivity; of data sets and of all, not of subgroups."""


class TermAgreement(Record):
    """A descriptor against the truth."""

    descriptor: str
    lesions: int
    kappa: Estimate | None
    """Cohen's; None where neither side ever names more than one term."""
    accuracy: float
    majority: float
    """Accuracy of always answering the commonest term."""


class DescriptorAgreement(Record):
    """Descriptors against a reader's, see learning.descriptor_agreement."""

    lesions: int
    mean_kappa: Estimate | None
    """Over the attributes; the margin counts with the mean of its terms."""
    terms: tuple[TermAgreement, ...]


class CategoryAgreement(Record):
    """BI-RADS category against the radiologist's, which the reader predicts as an ordered quantity."""

    levels: tuple[str, ...]
    """In order; "4" holds 4A, 4B and 4C where the truth has no letter."""
    lesions: int
    kappa: Estimate | None
    """Quadratic weights (Cohen 1968)."""
    accuracy: float
    within_one: float
    """Share at most one level apart."""
    table: tuple[tuple[int, ...], ...]
    """Lesions by level given (rows) and predicted (columns)."""


class SetCoverage(Record):
    """Conformal category sets against the radiologist's category."""

    lesions: int
    covered: Estimate
    """Share of the sets that hold it; a plain 4 counts as held by any of 4A, 4B and 4C."""
    mean_size: float
    """Categories a set."""


class TimePerImage(Record):
    """Time of the prediction alone, without reading the image."""

    median_ms: float
    p95_ms: float


class ReaderResult(Record):
    """The lesion reader on the largest outline of each image."""

    outlines: Literal["automatic", "true"]
    lesions: int
    """Images judged."""
    without_outline: int
    """Images with a lesion and nothing outlined, which the reader could not judge: only `malignancy` counts them."""
    malignancy: Malignancy | None
    """Where nothing is outlined by the class of the whole frame."""
    descriptors: DescriptorAgreement | None
    category: CategoryAgreement | None
    """At the four levels 2, 3, 4, 5 that all data sets have."""
    category_with_letters: CategoryAgreement | None
    """At the six levels 2, 3, 4A, 4B, 4C, 5, over the data sets that never give a plain 4."""
    coverage: SetCoverage | None
    time: TimePerImage


class GroupResult(Record):
    """Results of one data set, of one subgroup, or of all."""

    name: str
    images: int
    patients: int | None
    """None where no row names a patient; intervals then resample images."""
    images_without_patient: int
    dice: Distribution | None
    """Of the union of all lesions with the union of all outlines, over images that have lesions."""
    iou: Distribution | None
    hd95_px: Distribution | None
    """Over the images where both the truth and the draft are not empty."""
    hd95_mm: Distribution | None
    """Of those, over the images of known pixel size."""
    images_without_outline: int
    """Images with lesions whose draft is empty: no distance exists, and none is put in its place."""
    detection: LesionDetection | None
    normal: NormalImages | None
    malignancy: Malignancy | None
    """As it is shown to the user: by the lesion reader on the automatic outline where there was a reader, else by the
    outline network."""
    time: TimePerImage
    lesion_dice: Distribution | None = None
    """Over lesions that an outline matches, the mean of an image's lesions being one number; lesions that none matches
    are in `detection`."""
    dice_below_half: int | None = None
    """Images with lesions whose Dice is below 0.5; None in version 1.0."""
    dice_histogram: tuple[int, ...] = ()
    """Images with lesions by Dice, twenty bins from 0 to 1."""
    outline_malignancy: Malignancy | None = None
    """By the outline network, where a lesion reader gives `malignancy`."""
    reader: ReaderResult | None = None
    """On the automatic outlines."""
    reader_on_truth: ReaderResult | None = None
    """On the true outlines, as if a radiologist had corrected every one."""


class LeftOut(Record):
    """A row that was not evaluated, or not fully, and why."""

    line: int
    image: str
    reason: str
    scores_missing: Literal["all", "masks", "descriptors"]


class Evaluation(Record):
    """A model against a manifest."""

    schema_version: Literal["1.1"] = METRICS_VERSION
    created: str | None = None
    software: str | None = None
    model: ModelUsed | None = None
    reader: ModelUsed | None = None
    """The lesion reader, if one took part."""
    seed: int
    replicates: int
    folds: tuple[int, ...] | None
    """Folds that were evaluated; None means all rows, with or without a fold."""
    limit: int | None
    """Largest number of images, drawn at random by the seed; None means all."""
    rows: int
    """Of the manifest."""
    selected: int
    """After the choice of folds and the limit."""
    left_out: tuple[LeftOut, ...]
    overall: GroupResult
    datasets: tuple[GroupResult, ...]
    subgroups: dict[str, tuple[GroupResult, ...]]
    """By name (device, pathology, size, area, birads, age, or another column of the manifest): one result for each of
    its values. `size` is the longest axis in mm where the spacing is known; `area`, for the others, the third of the
    images by share of the frame."""
