"""Which instances an object refers to as its images."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydicom import Dataset

_IMAGES = ("ReferencedInstanceSequence", "ReferencedSOPSequence", "SourceImageSequence")


def referenced_instances(dataset: "Dataset") -> set[str]:
    """SOP instance UIDs in the references of a segmentation or report to images, at every depth (PS3.3 10.8, C.17)."""
    found: set[str] = set()
    _collect(dataset, found)
    return found


def _collect(dataset: "Dataset", found: set[str]) -> None:
    for element in dataset:
        if element.VR != "SQ":
            continue
        for item in element.value:
            if element.keyword in _IMAGES and "ReferencedSOPInstanceUID" in item:
                found.add(str(item.ReferencedSOPInstanceUID))
            _collect(item, found)
