"""Which images a Segmentation or a report lies on, and those among given headers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

_NO_IMAGES = ("1.2.840.10008.5.1.4.1.1.66", "1.2.840.10008.5.1.4.1.1.88", "1.2.840.10008.5.1.4.1.1.11")
"""Classes of segmentations, reports and presentation states begin so."""
_NAMED = 3
"""UIDs that a sentence names at most."""


@dataclass(frozen=True)
class ReferencedImage:
    """One image that a Segmentation or a report refers to."""

    sop_instance_uid: str
    sop_class_uid: str
    series_instance_uid: str | None = None
    study_instance_uid: str | None = None


def referenced_images(dataset: "Dataset") -> tuple[ReferencedImage, ...]:
    """The images that a Segmentation (PS3.3 A.51) or a report (PS3.3 A.35) names as its own, each once, in file order.

    Of a Segmentation: ReferencedSeriesSequence, else those that its frames are derived from. Of a report: the evidence.
    Other segmentations, reports and presentation states are left out.
    """
    found: dict[str, ReferencedImage] = {}
    for image in (*_of_series(dataset), *_of_evidence(dataset), *_of_frames(dataset)):
        if image.sop_instance_uid and not image.sop_class_uid.startswith(_NO_IMAGES):
            found.setdefault(image.sop_instance_uid, image)
    return tuple(found.values())


def match_sources(dataset: "Dataset", headers: "Sequence[Dataset]", name: str) -> "list[Dataset]":
    """Those of `headers` that `dataset` lies on, in the order given; an image that was given twice once.

    Args:
        dataset: Segmentation or report.
        headers: of any images.
        name: of the file, for sentences.

    Raises:
        InputError: it names no image, or one that is not among `headers`.
    """
    wanted = _needed(dataset)
    if not wanted:
        raise InputError(f"{name} does not say which images it lies on; give a Segmentation or a report that does.")
    given = {str(header.get("SOPInstanceUID")): header for header in reversed(headers)}
    check_given(name, [uid for uid in wanted if uid not in given])
    return [given[uid] for uid in dict.fromkeys(str(h.get("SOPInstanceUID")) for h in headers) if uid in wanted]


def check_given(name: str, missing: Sequence[str]) -> None:
    """Raise InputError where images that `name` lies on are `missing`, naming them by their SOP instance UIDs."""
    if missing:
        listed = ", ".join(missing[:_NAMED]) + (f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else "")
        raise InputError(f"{name} lies on images that are not given: {listed}; give them too.")


def _needed(dataset: "Dataset") -> dict[str, None]:
    """UIDs of the images that the pixels or the regions lie on; those of the whole list where it does not say which."""
    derived = [image for image in _of_frames(dataset) if not image.sop_class_uid.startswith(_NO_IMAGES)]
    return dict.fromkeys(image.sop_instance_uid for image in derived or referenced_images(dataset))


def _of_series(dataset: "Dataset") -> Iterator[ReferencedImage]:
    study = str(dataset.get("StudyInstanceUID") or "") or None
    yield from _listed(dataset.get("ReferencedSeriesSequence"), study, "ReferencedInstanceSequence")
    for other in dataset.get("StudiesContainingOtherReferencedInstancesSequence") or []:
        uid = str(other.get("StudyInstanceUID") or "") or None
        yield from _listed(other.get("ReferencedSeriesSequence"), uid, "ReferencedInstanceSequence")


def _of_evidence(dataset: "Dataset") -> Iterator[ReferencedImage]:
    for study in dataset.get("CurrentRequestedProcedureEvidenceSequence") or []:
        uid = str(study.get("StudyInstanceUID") or "") or None
        yield from _listed(study.get("ReferencedSeriesSequence"), uid, "ReferencedSOPSequence")


def _listed(series: "Sequence[Dataset] | None", study: str | None, keyword: str) -> Iterator[ReferencedImage]:
    for one in series or []:
        uid = str(one.get("SeriesInstanceUID") or "") or None
        for instance in one.get(keyword) or []:
            yield _image(instance, uid, study)


def _of_frames(dataset: "Dataset") -> Iterator[ReferencedImage]:
    for keyword in ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"):
        for group in dataset.get(keyword) or []:
            for derivation in group.get("DerivationImageSequence") or []:
                for image in derivation.get("SourceImageSequence") or []:
                    if image.get("ReferencedSOPInstanceUID"):
                        yield _image(image, None, None)


def _image(item: "Dataset", series: str | None, study: str | None) -> ReferencedImage:
    uid, kind = item.get("ReferencedSOPInstanceUID"), item.get("ReferencedSOPClassUID")
    return ReferencedImage(str(uid or ""), str(kind or ""), series, study)
