"""Coded concepts (PS3.3 8.8): those that are known stay with their known meaning, others get one that says nothing."""

import re
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from .options import KnownTerms
from .uids import DeidentificationKey

if TYPE_CHECKING:
    from pydicom import Dataset

UNKNOWN_SCHEME = "99DEID"
UNKNOWN_MEANING = "Removed code"
_PARTS = """
CodeValue LongCodeValue URNCodeValue CodingSchemeDesignator CodingSchemeVersion CodeMeaning ContextIdentifier
ContextUID MappingResource MappingResourceUID MappingResourceName ContextGroupVersion ContextGroupLocalVersion
ContextGroupExtensionFlag ContextGroupExtensionCreatorUID EquivalentCodeSequence CodingSchemeUID
"""
PARTS = frozenset(_PARTS.split())
"""Attributes of the code macro; none of the original's is copied."""
_SAYS_CODE = ("CodeValue", "LongCodeValue", "URNCodeValue", "CodeMeaning")
_OLD_SNOMED = ("SRT", "SNM3", "99SDM")
_SEMANTIC_TAG = re.compile(r" \([a-z /]+\)$")
"""Ends the fully specified names of SNOMED CT; DICOM writes names without it."""
_VERSION = re.compile(r"\d{1,2}(\.\d{1,2}){0,2}")
_LANGUAGE = re.compile(r"[a-z]{2}(-[A-Z]{2})?")
_LONGEST_MEANING = 64


def is_code(item: "Dataset") -> bool:
    """Whether a sequence item is a coded concept."""
    return any(keyword in item for keyword in _SAYS_CODE)


def has_more(item: "Dataset") -> bool:
    """Whether a coded concept has attributes beside its code, such as the modifiers of an anatomic region."""
    return not item.keys() <= _part_tags()


class CodeBook:
    """The codes that stay: all of DICOM's context groups, and those of `terms`."""

    def __init__(self, terms: KnownTerms, key: DeidentificationKey) -> None:
        self._terms = terms
        self._key = key

    def cleaned(self, item: "Dataset") -> "tuple[Dataset, bool]":
        """A new item with the code alone, and whether it is the original's."""
        from pydicom import Dataset

        value = next((str(item[name].value or "") for name in _SAYS_CODE[:3] if name in item), "").strip(" \0")
        scheme = str(item.get("CodingSchemeDesignator") or "").strip(" \0")
        meaning = self._meaning(value, scheme)
        clean = Dataset()
        if meaning is None:
            clean.CodeValue = "X" + self._key.pseudonym("code", f"{scheme}\0{value}")
            clean.CodingSchemeDesignator = UNKNOWN_SCHEME
            clean.CodeMeaning = UNKNOWN_MEANING
            return clean, False
        setattr(clean, "CodeValue" if len(value) <= 16 else "LongCodeValue", value)
        clean.CodingSchemeDesignator = scheme
        version = str(item.get("CodingSchemeVersion") or "").strip()
        if _VERSION.fullmatch(version):
            clean.CodingSchemeVersion = version
        clean.CodeMeaning = meaning[:_LONGEST_MEANING].rstrip()
        return clean, True

    def is_scheme(self, designator: str) -> bool:
        """Whether any known code is of this coding scheme."""
        return designator in _standard_schemes() or any(scheme == designator for _, scheme in self._terms.codes)

    def _meaning(self, value: str, scheme: str) -> str | None:
        if scheme == "RFC5646" and _LANGUAGE.fullmatch(value):
            return value
        return self._terms.codes.get((value, scheme)) or _standard_codes().get((value, scheme))


@cache
def _standard_codes() -> Mapping[tuple[str, str], str]:
    """Meaning by (value, scheme) of every code of PS3.16 that pydicom knows, older SNOMED codes among them."""
    from pydicom.sr._snomed_dict import mapping
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    known: dict[tuple[str, str], str] = {}
    for scheme in codes.schemes():
        of_scheme = getattr(codes, scheme)
        for name in of_scheme.dir():
            code = getattr(of_scheme, name)
            if isinstance(code, Code):
                known[code.value, code.scheme_designator] = _SEMANTIC_TAG.sub("", code.meaning)
    for old, new in mapping["SRT"].items():
        if (new, "SCT") in known:
            known.update({(old, scheme): known[new, "SCT"] for scheme in _OLD_SNOMED})
    return known


@cache
def _standard_schemes() -> frozenset[str]:
    return frozenset(scheme for _, scheme in _standard_codes())


@cache
def _part_tags() -> frozenset[int]:
    from pydicom.datadict import tag_for_keyword

    return frozenset(tag for keyword in PARTS if (tag := tag_for_keyword(keyword)) is not None)
