"""The kinds of DICOM objects that are de-identified; others may name a patient in places that are not known here."""

from typing import TYPE_CHECKING, Literal

from ...errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

Kind = Literal["image", "segmentation", "report"]
_STORAGE = "1.2.840.10008.5.1.4.1.1."
_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "image": ("3", "3.1", "6", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4"),
    "segmentation": ("66.4", "66.7"),
    "report": ("88.11", "88.22", "88.33", "88.34", "88.35", "88.59"),
}
"""Ultrasound and secondary capture; segmentation and label map; structured reports and key object selection."""
_KINDS: dict[str, Kind] = {_STORAGE + suffix: kind for kind, suffixes in _SUFFIXES.items() for suffix in suffixes}


def kind_of_class(sop_class_uid: str) -> Kind | None:
    """What objects of this SOP class are de-identified as; None where they are not."""
    return _KINDS.get(sop_class_uid)


def kind_of(dataset: "Dataset") -> Kind:
    """What `dataset` is de-identified as.

    Raises:
        InputError: it is an object of another kind.
    """
    from pydicom.uid import UID

    uid = str(dataset.get("SOPClassUID") or "")
    kind = kind_of_class(uid)
    if kind is not None:
        return kind
    name = UID(uid).name if uid and UID(uid).name != uid else "unknown"
    raise InputError(
        f"This kind of DICOM object is not de-identified here ({name.removesuffix(' Storage')}); give ultrasound "
        "images, segmentations and reports, and leave it out."
    )
