"""The content tree of a Structured Report that anybody may have written, read with limits."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..birads.lesion import Code
from ..errors import InputError
from .codes import PRIVATE_SCHEME

if TYPE_CHECKING:
    from pydicom import Dataset

DEEPEST = 32
"""Levels of content items; TID 1500 has seven."""
MOST_ITEMS = 200_000
LONGEST_TEXT = 100_000
"""Characters of one text."""
_SAME_SCHEME = {"SRT": "SCT", "99SDM": "SCT", "SNM3": "SCT"}


@dataclass(frozen=True)
class ContentItem:
    """One item of the tree (PS3.3 C.17.3)."""

    kind: str
    """Value type: CONTAINER, TEXT, CODE, NUM, SCOORD, IMAGE, UIDREF, PNAME, ..."""
    relationship: str
    name: Code | None
    dataset: "Dataset" = field(repr=False)
    children: "tuple[ContentItem, ...]" = field(default=(), repr=False)

    def is_named(self, *names: Code) -> bool:
        """Whether the concept name is one of `names`; the meaning counts for nothing."""
        return any(same_code(self.name, name) for name in names)

    def named(self, *names: Code, kind: str | None = None) -> "Iterator[ContentItem]":
        """The children of a concept name, and of a value type where one is given."""
        return (one for one in self.children if one.is_named(*names) and kind in (None, one.kind))

    def code(self, *names: Code) -> Code | None:
        """Value of the first CODE child of a name."""
        return next((one.code_value for one in self.named(*names, kind="CODE") if one.code_value), None)

    def text(self, *names: Code) -> str:
        """Value of the first TEXT, UIDREF, PNAME or DATETIME child of a name; empty where there is none."""
        return next((one.text_value for one in self.named(*names) if one.text_value), "")

    @property
    def code_value(self) -> Code | None:
        """Value of a CODE item."""
        return coded(self.dataset.get("ConceptCodeSequence"))

    @property
    def text_value(self) -> str:
        """Value of a TEXT, UIDREF, PNAME or DATETIME item."""
        for keyword in ("TextValue", "UID", "PersonName", "DateTime"):
            value = self.dataset.get(keyword)
            if value:
                return unicode_text(value)
        return ""


def content_tree(dataset: "Dataset", name: str) -> ContentItem:
    """The tree below the root of a report.

    References to other items by their place (PS3.3 C.17.3.2.5) have no value type; they are left out.

    Raises:
        InputError: it is deeper than DEEPEST levels, or holds more than MOST_ITEMS items.
    """
    return _Reader(name).item(dataset, 0)


def coded(sequence: Any) -> Code | None:
    """The first item of a code sequence (PS3.3 Table 8.8-1); None where there is none or it has no value."""
    if not sequence:
        return None
    item = sequence[0]
    value = item.get("CodeValue") or item.get("LongCodeValue") or item.get("URNCodeValue")
    if not value:
        return None
    return Code(
        value=unicode_text(value),
        scheme=unicode_text(item.get("CodingSchemeDesignator")),
        meaning=unicode_text(item.get("CodeMeaning")),
        scheme_version=unicode_text(item.get("CodingSchemeVersion")) or None,
    )


def unicode_text(value: Any) -> str:
    """A value as text that any file can hold: bytes of a wrong character set are replaced; empty for None."""
    return str(value if value is not None else "")[:LONGEST_TEXT].encode("utf-8", "replace").decode("utf-8")


def same_code(one: Code | None, other: Code | None) -> bool:
    """Whether two codes are the same concept: value and scheme; SNOMED designators of old are those of today."""
    if one is None or other is None:
        return False
    return one.value == other.value and _scheme(one) == _scheme(other)


def is_private(code: Code | None) -> bool:
    """Whether a code is of this project's scheme."""
    return code is not None and code.scheme == PRIVATE_SCHEME


def _scheme(code: Code) -> str:
    return _SAME_SCHEME.get(code.scheme, code.scheme)


class _Reader:
    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def item(self, dataset: "Dataset", depth: int) -> ContentItem:
        self._count += 1
        if depth > DEEPEST:
            raise InputError(f"{self._name} is nested more than {DEEPEST} levels deep; it is no report to be trusted.")
        if self._count > MOST_ITEMS:
            raise InputError(f"{self._name} holds more than {MOST_ITEMS} items; it is no report to be trusted.")
        children = dataset.get("ContentSequence") or ()
        return ContentItem(
            kind=str(dataset.get("ValueType") or ""),
            relationship=str(dataset.get("RelationshipType") or ""),
            name=coded(dataset.get("ConceptNameCodeSequence")),
            dataset=dataset,
            children=tuple(self.item(one, depth + 1) for one in children if one.get("ValueType")),
        )
