"""Which objects are exchanged over DIMSE, and in which codings."""

from collections.abc import Collection
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...ultrasound.sop_classes import CAPTURE_CLASSES, ULTRASOUND_CLASSES

if TYPE_CHECKING:
    from pynetdicom.presentation import PresentationContext

_STORAGE = "1.2.840.10008.5.1.4.1.1"
RESULTS = tuple(f"{_STORAGE}.{last}" for last in ("66.4", "66.7", "88.11", "88.22", "88.33", "88.34"))
"""Segmentation, label map segmentation, and structured reports."""
_RETIRED = {f"{_STORAGE}.6": "RetiredUltrasoundStorage", f"{_STORAGE}.3": "RetiredUltrasoundMultiFrameStorage"}
STORED = (*sorted(ULTRASOUND_CLASSES), *sorted(CAPTURE_CLASSES), *RESULTS)

COMMITMENT = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model SOP Class (PS3.4 J.3)."""
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
TRANSFER_SYNTAXES = (
    EXPLICIT,
    IMPLICIT,
    "1.2.840.10008.1.2.2",
    "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.5",
    *(f"1.2.840.10008.1.2.4.{last}" for last in (50, 51, 57, 70, 80, 81, 90, 91)),
)
"""Codings that this project reads (PS3.6 A.4): uncompressed, deflated, RLE, JPEG, JPEG-LS, JPEG 2000; no video."""
_MOST_CONTEXTS = 128
"""Of one association (PS3.8 9.3.2.2: odd numbers up to 255)."""


def register_retired_classes() -> None:
    """Tell pynetdicom of the retired classes, which archives still hold: it ends an association that brings another."""
    from pynetdicom.service_class import StorageServiceClass
    from pynetdicom.sop_class import register_uid, uid_to_service_class

    for uid, keyword in _RETIRED.items():
        if uid_to_service_class(uid) is not StorageServiceClass:
            register_uid(uid, keyword, StorageServiceClass)


def fetching_contexts(classes: Collection[str], query_model: str) -> "list[PresentationContext]":
    """Contexts of an association on which objects of these classes come by C-GET.

    One for each class and coding: so the node sends each object as it has it, and not in the one coding that it chose.
    """
    from pynetdicom.presentation import build_context

    pairs = [(one, syntax) for one in sorted(set(classes)) for syntax in TRANSFER_SYNTAXES]
    # The uncompressed ones of every class first, should there be too many for one association.
    pairs.sort(key=lambda pair: TRANSFER_SYNTAXES.index(pair[1]))
    stored = [build_context(one, [syntax]) for one, syntax in pairs[: _MOST_CONTEXTS - 1]]
    return [build_context(query_model, [EXPLICIT, IMPLICIT]), *stored]


def sending_contexts(pairs: Collection[tuple[str, str]]) -> "list[PresentationContext]":
    """Contexts to send objects of these (class, coding) as they are.

    Raises:
        UsageError: more than one association can hold.
    """
    from pynetdicom.presentation import build_context

    if len(pairs) > _MOST_CONTEXTS:
        raise UsageError(f"Files of more than {_MOST_CONTEXTS} classes and codings cannot be sent at once; send fewer.")
    return [build_context(one, [syntax]) for one, syntax in sorted(pairs)]
