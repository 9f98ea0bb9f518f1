"""What a de-identification keeps: the options of PS3.15 E.3 that go with the Basic Profile."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
CLEAN_PIXEL_DATA = ("113101", "Clean Pixel Data Option")
CLEAN_STRUCTURED_CONTENT = ("113104", "Clean Structured Content Option")
CLEAN_DESCRIPTORS = ("113105", "Clean Descriptors Option")
RETAIN_MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option")
RETAIN_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
"""Code value and meaning, scheme DCM (PS3.16 CID 7050)."""

_HARMLESS = re.compile(r"(Lesion|Segment) \d{1,4}|BreastUSAssist \d{1,3}(\.\d{1,3}){1,2}|REMOVED")


@dataclass(frozen=True)
class KnownTerms:
    """Texts and codes that are known to name no person, beside those that DICOM itself defines."""

    phrases: frozenset[str] = frozenset()
    """Whole texts that stay as they are."""
    patterns: tuple[re.Pattern[str], ...] = ()
    """Of whole texts that stay."""
    codes: Mapping[tuple[str, str], str] = field(default_factory=dict)
    """Meaning of each code by (value, coding scheme designator)."""

    def is_known(self, text: str) -> bool:
        """Whether `text` may stay as it is: one of the phrases, the name of a lesion, or nothing."""
        return not text or text in self.phrases or any(one.fullmatch(text) for one in (_HARMLESS, *self.patterns))


@dataclass(frozen=True)
class DeidentificationOptions:
    """Options beside the Basic Profile; pixel data are cleaned in every case, or the image is dropped."""

    clean_descriptors: bool = True
    """Keep the words of a description that are known imaging terms (113105); else remove it."""
    retain_dates: bool = True
    """Move dates by a keyed amount for each patient (113107); else remove or replace them."""
    retain_characteristics: bool = True
    """Keep sex, age (at most 90), height, weight and the like (113108)."""
    terms: KnownTerms = KnownTerms()
    """Texts and codes that stay, beside those of DICOM."""
