"""Structured Reports read back: this project's own whole, those of other software as far as TID 1500 goes.

The tree is read with pydicom alone, because it may be damaged, hostile, or of software that bends the template.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BreastUSAssistError, InputError
from ..ultrasound.quiet import quiet
from . import codes
from .reading import read_dataset
from .report_finding import image_reference, read_finding, read_number
from .report_model import ImageReference, LesionRead, Observer, ReportRead, VerifyingObserver
from .report_tree import ContentItem, content_tree, same_code, unicode_text

if TYPE_CHECKING:
    from pydicom import Dataset

SR_CLASSES = (
    "1.2.840.10008.5.1.4.1.1.88.22",
    "1.2.840.10008.5.1.4.1.1.88.33",
    "1.2.840.10008.5.1.4.1.1.88.34",
    "1.2.840.10008.5.1.4.1.1.88.35",
)
"""Enhanced, Comprehensive, Comprehensive 3D and Extensible SR: those that can hold TID 1500."""
MOST_LESIONS = 10_000


def read_report(source: "Path | Dataset") -> ReportRead:
    """Read a measurement report (PS3.16 TID 1500): its state, and each lesion as the AI and as the reader described it.

    A report that names a person among its observers is the reader's; one by devices alone is the AI's. This project's
    reports hold both, see report_model.LesionRead. Items that are not understood are left out.

    Args:
        source: DICOM file, or a data set that was read before.

    Raises:
        InputError: the file is missing, damaged, hostile, or no measurement report; no value of it is quoted, for it
            could name a person.
    """
    given = source if not isinstance(source, (str, Path)) else None
    name = "The report" if given is not None else str(source)
    dataset = given if given is not None else read_dataset(Path(str(source)))
    try:
        # What pydicom warns of quotes values, and a value could name a person.
        with quiet():
            return _read(dataset, name)
    except BreastUSAssistError:
        raise
    except Exception as error:  # pydicom decodes on first use, and raises many types on damaged values
        raise InputError(f"{name} is damaged and could not be read as a report; export it again.") from error


def _read(dataset: "Dataset", name: str) -> ReportRead:
    kind = str(dataset.get("SOPClassUID") or "")
    if kind not in SR_CLASSES:
        raise InputError(f"{name} is no structured report of measurements; choose a file of modality SR.")
    root = content_tree(dataset, name)
    if not _is_measurement_report(root):
        raise InputError(f"{name} is a report of another template than TID 1500; its findings cannot be read.")
    observers = tuple(_observers(root.children))
    decision = _key(codes.DECISIONS, root.code(codes.READER_DECISION))
    verified = dataset.get("VerificationFlag") == "VERIFIED"
    by_reader = decision is not None or verified or any(one.kind == "person" for one in observers)
    flag = str(dataset.get("PreliminaryFlag"))
    distance = next((read_number(one) for one in root.named(codes.DISTANCE_FROM_NIPPLE, kind="NUM")), None)
    groups = list(_groups(root, codes.MEASUREMENTS))
    return ReportRead(
        sop_instance_uid=unicode_text(dataset.get("SOPInstanceUID")),
        sop_class_uid=kind,
        study_instance_uid=unicode_text(dataset.get("StudyInstanceUID")),
        complete=dataset.get("CompletionFlag") == "COMPLETE",
        verified=verified,
        final={"FINAL": True, "PRELIMINARY": False}.get(flag),
        decision=decision,  # type: ignore[arg-type]
        decided=root.text(codes.DECIDED_AT),
        reason=root.text(codes.REJECTION_REASON),
        verifying_observers=tuple(_verifying(one) for one in dataset.get("VerifyingObserverSequence") or ()),
        observers=observers,
        images=tuple(_evidence(dataset)),
        summary=next((found for one in groups if (found := one.code(codes.FINDINGS_SUMMARY)) is not None), None),
        lesions=_lesions(groups, list(_groups(root, codes.AI_DRAFTS)), by_reader, name),
        distance_from_nipple_mm=distance.value if distance is not None else None,
        remarks=tuple(one.text_value for one in root.named(codes.COMMENT, kind="TEXT")),
    )


def _is_measurement_report(root: ContentItem) -> bool:
    templates = root.dataset.get("ContentTemplateSequence") or ()
    said = any(str(one.get("TemplateIdentifier")) == "1500" for one in templates)
    return root.kind == "CONTAINER" and (said or root.is_named(codes.MEASUREMENT_REPORT))


def _groups(root: ContentItem, container: Any) -> Iterable[ContentItem]:
    for one in root.named(container, kind="CONTAINER"):
        yield from one.named(codes.MEASUREMENT_GROUP, kind="CONTAINER")


def _lesions(
    standing: list[ContentItem], drafts: list[ContentItem], by_reader: bool, name: str
) -> tuple[LesionRead, ...]:
    """The lesions in the order of the report; a draft joins the lesion of its tracking UID, or stands alone."""
    if len(standing) + len(drafts) > MOST_LESIONS:
        raise InputError(f"{name} describes more than {MOST_LESIONS} lesions; it is no report to be trusted.")
    found = [_lesion(group, by_reader, name) for group in standing if group.code(codes.FINDINGS_SUMMARY) is None]
    places = {one.tracking_uid: index for index, one in enumerate(found) if one.tracking_uid}
    for group in drafts:
        draft = _lesion(group, False, name)
        index = places.get(draft.tracking_uid) if draft.tracking_uid else None
        if index is None:
            found.append(draft)
        else:
            found[index] = found[index].model_copy(update={"ai": draft.ai, "verdict": draft.verdict})
    return tuple(found)


def _lesion(group: ContentItem, by_reader: bool, name: str) -> LesionRead:
    finding = read_finding(group, by_reader, name)
    identifier = group.text(codes.TRACKING_IDENTIFIER)
    verdict = _key(codes.VERDICTS, group.code(codes.READER_VERDICT))
    return LesionRead(
        tracking_uid=group.text(codes.TRACKING_UID) or None,
        name=identifier,
        number=_number(identifier),
        present=verdict != "removed",
        verdict=verdict,  # type: ignore[arg-type]
        other_view=group.text(codes.OTHER_VIEW) or None,
        ai=None if by_reader else finding,
        reader=finding if by_reader else None,
    )


def _number(identifier: str) -> int | None:
    """The 3 of "Lesion 3" and of "AI draft of lesion 3"."""
    words = identifier.rsplit(" ", 1)
    numbered = len(words) == 2 and words[0].lower().endswith("lesion") and words[1].isascii() and words[1].isdecimal()
    return int(words[1]) if numbered and len(words[1]) < 10 else None


def _observers(items: Iterable[ContentItem]) -> Iterable[Observer]:
    """Each Observer Type opens an observer; the identifying items up to the next one are its own."""
    current: dict[str, Any] | None = None
    for item in items:
        if item.is_named(codes.OBSERVER_TYPE):
            if current is not None:
                yield Observer(**current)
            current = {"kind": "person" if same_code(item.code_value, codes.PERSON) else "device"}
        elif current is not None and item.is_named(codes.PERSON_NAME, codes.DEVICE_NAME):
            current.setdefault("name", item.text_value.rstrip("^"))
        elif current is not None and item.is_named(codes.DEVICE_MODEL):
            current.setdefault("model", item.text_value)
    if current is not None:
        yield Observer(**current)


def _verifying(item: "Dataset") -> VerifyingObserver:
    return VerifyingObserver(
        name=unicode_text(item.get("VerifyingObserverName")).rstrip("^"),
        organization=unicode_text(item.get("VerifyingOrganization")),
        at=unicode_text(item.get("VerificationDateTime")),
    )


def _evidence(dataset: "Dataset") -> Iterable[ImageReference]:
    for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence"):
        for study in dataset.get(keyword) or ():
            for series in study.get("ReferencedSeriesSequence") or ():
                yield from (image_reference(one) for one in series.get("ReferencedSOPSequence") or ())


def _key(known: dict[str, Any], value: Any) -> str | None:
    return next((key for key, code in known.items() if same_code(code, value)), None)
