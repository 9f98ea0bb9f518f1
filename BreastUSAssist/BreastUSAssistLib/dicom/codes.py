"""Coded concepts that the DICOM objects and the Slicer files of this project use."""

from typing import TYPE_CHECKING, Literal

from ..birads.lesion import Code

if TYPE_CHECKING:
    from pydicom import Dataset

Laterality = Literal["L", "R"]

ABNORMAL_STRUCTURE = Code(value="49755003", scheme="SCT", meaning="Morphologically Abnormal Structure")
"""Segmented property category, PS3.16 CID 7150."""
MASS = Code(value="4147007", scheme="SCT", meaning="Mass")
"""Segmented property type, PS3.16 CID 7159; says nothing of pathology."""
BREAST = Code(value="76752008", scheme="SCT", meaning="Breast")
LATERALITY: dict[Laterality, Code] = {
    "L": Code(value="7771000", scheme="SCT", meaning="Left"),
    "R": Code(value="24028007", scheme="SCT", meaning="Right"),
}
"""PS3.16 CID 244."""
SEGMENTATION = Code(value="113076", scheme="DCM", meaning="Segmentation")
"""Derivation, PS3.16 CID 7203."""
SOURCE_IMAGE = Code(value="121322", scheme="DCM", meaning="Source image for image processing operation")
"""Purpose of reference, PS3.16 CID 7202."""
ARTIFICIAL_INTELLIGENCE = Code(value="123110", scheme="DCM", meaning="Artificial Intelligence")
"""Algorithm family, PS3.16 CID 7162."""

BREAST_ULTRASOUND = Code(value="47079000", scheme="SCT", meaning="Ultrasonography of breast")
COMMENT = Code(value="121106", scheme="DCM", meaning="Comment")
ASSESSMENT_CATEGORY = Code(value="111005", scheme="DCM", meaning="Assessment Category")
PROBABILITY_OF_CANCER = Code(value="111047", scheme="DCM", meaning="Probability of cancer")
FINDINGS_SUMMARY = Code(value="111017", scheme="DCM", meaning="CAD Processing and Findings Summary")
ALL_WITHOUT_FINDINGS = Code(value="111241", scheme="DCM", meaning="All algorithms succeeded; without findings")
"""PS3.16 CID 6047, as the two that follow."""
SOME_WITHOUT_FINDINGS = Code(value="111243", scheme="DCM", meaning="Not all algorithms succeeded; without findings")
NONE_WITHOUT_FINDINGS = Code(value="111245", scheme="DCM", meaning="No algorithms succeeded; without findings")
ALL_WITH_FINDINGS = Code(value="111242", scheme="DCM", meaning="All algorithms succeeded; with findings")
SOME_WITH_FINDINGS = Code(value="111244", scheme="DCM", meaning="Not all algorithms succeeded; with findings")

MEASUREMENT_REPORT = Code(value="126000", scheme="DCM", meaning="Imaging Measurement Report")
"""Root of PS3.16 TID 1500."""
MEASUREMENTS = Code(value="126010", scheme="DCM", meaning="Imaging Measurements")
MEASUREMENT_GROUP = Code(value="125007", scheme="DCM", meaning="Measurement Group")
TRACKING_IDENTIFIER = Code(value="112039", scheme="DCM", meaning="Tracking Identifier")
TRACKING_UID = Code(value="112040", scheme="DCM", meaning="Tracking Unique Identifier")
FINDING = Code(value="121071", scheme="DCM", meaning="Finding")
FINDING_CATEGORY = Code(value="276214006", scheme="SCT", meaning="Finding category")
FINDING_SITE = Code(value="363698007", scheme="SCT", meaning="Finding Site")
SIDE = Code(value="272741003", scheme="SCT", meaning="Laterality")
PLACE = Code(value="106233006", scheme="SCT", meaning="Topographical modifier")
ALGORITHM_NAME = Code(value="111001", scheme="DCM", meaning="Algorithm Name")
ALGORITHM_VERSION = Code(value="111003", scheme="DCM", meaning="Algorithm Version")
ALGORITHM_PARAMETERS = Code(value="111002", scheme="DCM", meaning="Algorithm Parameters")
DEVICE_NAME = Code(value="121013", scheme="DCM", meaning="Device Observer Name")
DEVICE_MODEL = Code(value="121015", scheme="DCM", meaning="Device Observer Model Name")
OBSERVER_TYPE = Code(value="121005", scheme="DCM", meaning="Observer Type")
PERSON = Code(value="121006", scheme="DCM", meaning="Person")
DEVICE = Code(value="121007", scheme="DCM", meaning="Device")
PERSON_NAME = Code(value="121008", scheme="DCM", meaning="Person Observer Name")
READER = Code(value="C28747", scheme="NCIt", meaning="Reader")
"""Role in the procedure, PS3.16 CID 7453."""
RENDERING_INTENT = Code(value="111056", scheme="DCM", meaning="Rendering Intent")
NOT_FOR_PRESENTATION = Code(
    value="111152", scheme="DCM", meaning="Not for Presentation: Rendering device expected not to present"
)
"""PS3.16 CID 6034."""
UPPER_UNCERTAINTY = Code(value="371886008", scheme="SCT", meaning="+, range of upper measurement uncertainty")
LOWER_UNCERTAINTY = Code(value="371885007", scheme="SCT", meaning="-, range of lower measurement uncertainty")
"""PS3.16 TID 310: distances from the value to the ends of its interval."""
DISTANCE_FROM_NIPPLE = Code(value="121242", scheme="DCM", meaning="Distance from nipple")

LONG_AXIS = Code(value="103339001", scheme="SCT", meaning="Long axis")
SHORT_AXIS = Code(value="103340004", scheme="SCT", meaning="Short axis")
HEIGHT = Code(value="121207", scheme="DCM", meaning="Height")
WIDTH = Code(value="103355008", scheme="SCT", meaning="Width")
DISTANCE_FROM_SKIN = Code(value="121243", scheme="DCM", meaning="Distance from skin")
AREA = Code(value="42798000", scheme="SCT", meaning="Area")
VOLUME = Code(value="118565006", scheme="SCT", meaning="Volume")
MILLIMETER = Code(value="mm", scheme="UCUM", meaning="millimeter")
SQUARE_MILLIMETER = Code(value="mm2", scheme="UCUM", meaning="square millimeter")
MILLILITER = Code(value="ml", scheme="UCUM", meaning="milliliter")
PIXELS = Code(value="{pixels}", scheme="UCUM", meaning="pixels")
PERCENT = Code(value="%", scheme="UCUM", meaning="Percent")

PRIVATE_SCHEME = "99BUSA"
PRIVATE_SCHEME_NAME = "BreastUSAssist terms without a standard code"

SUGGESTED_CATEGORY = Code(value="AI-CATEGORY", scheme=PRIVATE_SCHEME, meaning="Assessment category suggested by AI")
"""Where a reader has spoken, Assessment Category is the reader's alone."""
AI_DRAFTS = Code(value="AI-DRAFTS", scheme=PRIVATE_SCHEME, meaning="AI drafts before the reader's changes")
READER_DECISION = Code(value="READER-DECISION", scheme=PRIVATE_SCHEME, meaning="Decision of the reader on the case")
DECIDED_AT = Code(value="DECIDED-AT", scheme=PRIVATE_SCHEME, meaning="Date and time of the reader's decision")
REJECTION_REASON = Code(value="REJECTION-REASON", scheme=PRIVATE_SCHEME, meaning="Why the reader rejected the case")
DECISIONS: dict[str, Code] = {
    "open": Code(value="OPEN", scheme=PRIVATE_SCHEME, meaning="Not decided"),
    "accepted": Code(value="ACCEPTED", scheme=PRIVATE_SCHEME, meaning="Accepted"),
    "rejected": Code(value="REJECTED", scheme=PRIVATE_SCHEME, meaning="Rejected"),
}
OUTLINE_ORIGIN = Code(value="OUTLINE-ORIGIN", scheme=PRIVATE_SCHEME, meaning="How the outline was drawn")
ORIGINS: dict[str, Code] = {
    "automatic": Code(value="8359006", scheme="SCT", meaning="Automated"),
    "semiautomatic": Code(value="SEMIAUTOMATIC", scheme=PRIVATE_SCHEME, meaning="Semi-automated"),
    "manual": Code(value="87982008", scheme="SCT", meaning="Manual"),
}
"""PS3.16 CID 7230, which has no term between the two."""
READER_VERDICT = Code(value="READER-VERDICT", scheme=PRIVATE_SCHEME, meaning="What the reader made of the draft")
VERDICTS: dict[str, Code] = {
    "kept": Code(value="KEPT", scheme=PRIVATE_SCHEME, meaning="Kept as it was drafted"),
    "changed": Code(value="CHANGED", scheme=PRIVATE_SCHEME, meaning="Changed"),
    "removed": Code(value="REMOVED", scheme=PRIVATE_SCHEME, meaning="Removed: no lesion"),
}
OTHER_VIEW = Code(value="OTHER-VIEW", scheme=PRIVATE_SCHEME, meaning="Tracking UID of the same lesion in another view")

DESCRIPTOR_NAMES: dict[str, Code] = {
    "shape": Code(value="107644003", scheme="SCT", meaning="Shape"),
    "margin": Code(value="111037", scheme="DCM", meaning="Margins"),
    "orientation": Code(value="111354", scheme="DCM", meaning="Orientation"),
    "boundary": Code(value="111357", scheme="DCM", meaning="Lesion boundary"),
    "echo_pattern": Code(value="111360", scheme="DCM", meaning="Echo pattern"),
    "posterior_features": Code(value="111366", scheme="DCM", meaning="Posterior acoustic features"),
    "vascularity": Code(value="111372", scheme="DCM", meaning="Vascularity"),
    "tissue_composition": Code(value="111350", scheme="DCM", meaning="Breast background echotexture"),
    "calcifications": Code(value="CALCIFICATIONS", scheme=PRIVATE_SCHEME, meaning="Calcifications on ultrasound"),
    "elasticity": Code(value="ELASTICITY", scheme=PRIVATE_SCHEME, meaning="Elasticity assessment"),
    "finding_type": Code(value="FINDING-TYPE", scheme=PRIVATE_SCHEME, meaning="Finding type"),
    "glandular_tissue_component": Code(value="GTC", scheme=PRIVATE_SCHEME, meaning="Glandular tissue component"),
    "echogenic_rim": Code(value="ECHOGENIC-RIM", scheme=PRIVATE_SCHEME, meaning="Echogenic rim"),
}
"""Concept names of the lexicon's attributes: PS3.16 CIDs 6151-6157 and TID 4011; private where there is none."""

CATEGORIES: dict[str, Code] = {
    "3": Code(value="397143007", scheme="SCT", meaning="BI-RADS Category 3"),
    "4": Code(value="397144001", scheme="SCT", meaning="BI-RADS Category 4"),
    "4A": Code(value="MA.II.A.5.4A", scheme="BI", scheme_version="4.0", meaning="BI-RADS Category 4A"),
    "4B": Code(value="MA.II.A.5.4B", scheme="BI", scheme_version="4.0", meaning="BI-RADS Category 4B"),
    "4C": Code(value="MA.II.A.5.4C", scheme="BI", scheme_version="4.0", meaning="BI-RADS Category 4C"),
    "5": Code(value="397145000", scheme="SCT", meaning="BI-RADS Category 5"),
}
"""PS3.16 CID 6027, only the categories that may be suggested."""
READER_CATEGORIES: dict[str, Code] = {
    "0": Code(value="397138000", scheme="SCT", meaning="BI-RADS Category 0"),
    "1": Code(value="397140005", scheme="SCT", meaning="BI-RADS Category 1"),
    "2": Code(value="397141009", scheme="SCT", meaning="BI-RADS Category 2"),
    **CATEGORIES,
    "6": Code(value="MA.II.A.5.6", scheme="BI", scheme_version="4.0", meaning="BI-RADS Category 6"),
}
"""PS3.16 CID 6027, all that a reader may assign."""

CLOCK_FACE: dict[int, Code] = {
    hour: Code(value=value, scheme="SCT", meaning=f"{hour} o'clock position")
    for hour, value in enumerate(
        (
            "129772004",
            "129773009",
            "129774003",
            "129775002",
            "129776001",
            "129777005",
            "129778000",
            "129779008",
            "129780006",
            "129781005",
            "129782003",
            "129783008",
        ),
        start=1,
    )
}
"""PS3.16 CID 6018, whole hours."""

SEGMENT_COLORS: tuple[tuple[int, int, int], ...] = (
    (230, 159, 0),
    (86, 180, 233),
    (0, 158, 115),
    (240, 228, 66),
    (204, 121, 167),
    (213, 94, 0),
    (0, 114, 178),
)
"""RGB 0..255, told apart by colour-blind readers (Okabe and Ito 2008); none of them stands for benign or malignant."""


def segment_color(lesion_number: int) -> tuple[int, int, int]:
    """RGB 0..255 of lesion `lesion_number` (from 1), the same in every output."""
    return SEGMENT_COLORS[(lesion_number - 1) % len(SEGMENT_COLORS)]


def private_code(value: str, meaning: str) -> Code:
    """A term of the lexicon that has no standard code, in this project's private scheme."""
    return Code(value=value.upper().replace("_", "-"), scheme=PRIVATE_SCHEME, meaning=short_text(meaning))


def code_item(code: Code) -> "Dataset":
    """One item of a code sequence (PS3.3 Table 8.8-1)."""
    from pydicom import Dataset

    item = Dataset()
    if len(code.value) > 16:
        item.LongCodeValue = code.value
    else:
        item.CodeValue = code.value
    item.CodingSchemeDesignator = code.scheme
    if code.scheme_version is not None:
        item.CodingSchemeVersion = code.scheme_version
    item.CodeMeaning = short_text(code.meaning)
    return item


def short_text(text: str, length: int = 64) -> str:
    """`text` as fits a value of LO (64 characters) or SH (16): one line, no backslash, cut to `length`."""
    return " ".join(text.replace("\\", "/").split())[:length].rstrip()


def cielab(color: tuple[int, int, int]) -> list[int]:
    """RGB 0..255 (sRGB, D65) as RecommendedDisplayCIELabValue, three 16-bit numbers (PS3.3 C.10.7.1.1)."""
    linear = [c / 3294.6 if c <= 10.31475 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
    # sRGB to XYZ adapted to D50, which the profile connection space of DICOM uses.
    rows = ((0.43607, 0.38515, 0.14307), (0.22249, 0.71687, 0.06061), (0.01392, 0.09708, 0.71410))
    white = (0.96422, 1.0, 0.82521)
    x, y, z = (
        _lab_curve(sum(m * c for m, c in zip(row, linear, strict=True)) / w) for row, w in zip(rows, white, strict=True)
    )
    lightness, a, b = 116 * y - 16, 500 * (x - y), 200 * (y - z)
    return [
        round(min(max(lightness, 0), 100) * 65535 / 100),
        *(round((min(max(c, -128), 127) + 128) * 65535 / 255) for c in (a, b)),
    ]


def _lab_curve(ratio: float) -> float:
    return ratio ** (1 / 3) if ratio > 216 / 24389 else (24389 / 27 * ratio + 16) / 116
