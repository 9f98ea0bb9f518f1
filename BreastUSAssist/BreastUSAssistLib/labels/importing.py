"""Labels from outside into the store: one imported version an image, again and again without adding anything twice."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ..errors import InputError, UsageError
from .known_values import pathology_of
from .new_label import NewLabel
from .record import LabelRecord
from .store import LabelStore

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class ImportedImage:
    """One image to import."""

    name: str
    """What messages call it; it is not stored."""
    read: Callable[[], "tuple[NewLabel, str]"]
    """Reads image and masks into a label of kind "imported"; with a sentence where its pictures were not kept. Raises
    InputError or UsageError naming what is wrong."""


@dataclass
class ImportReport:
    """What an import did."""

    added: int = 0
    """Images with a new version."""
    there: int = 0
    """Images whose label was there already."""
    kept: int = 0
    """Images whose latest version is a reader's, which no import replaces."""
    bad: list[str] = field(default_factory=list)
    """One sentence for each image that could not be imported."""
    notes: list[str] = field(default_factory=list)
    """What else the user should know, a sentence each."""


def import_labels(
    store: LabelStore,
    images: Iterable[ImportedImage],
    total: int,
    progress: Progress = lambda done, total: None,
) -> ImportReport:
    """Import images one by one; each is on the disk before the next is read, so that a run cut short goes on later.

    A label that some imported version of the image already says is not added again. A label of an image that a reader
    accepted, rejected or works on is left out: it would hide the reader's.

    Raises:
        OutputError: the store cannot be written; the images before are stored.
    """
    report = ImportReport()
    first: dict[str, str] = {}
    withheld: list[str] = []
    for done, image in enumerate(images, 1):
        try:
            label, why = image.read()
            case = store.case_of(label.image)
            if case in first:
                report.notes.append(
                    f"{image.name} has the same pixels as {first[case]}; both labels are versions of one case, and the "
                    "later one counts."
                )
            first.setdefault(case, image.name)
            _import_one(store, case, label, report)
            if why:
                withheld.append(why)
        except (InputError, UsageError) as error:
            report.bad.append(str(error))
        progress(done, total)
    report.notes += [f"{withheld.count(why)} images: {why}" for why in dict.fromkeys(withheld)]
    return report


def _import_one(store: LabelStore, case: str, label: NewLabel, report: ImportReport) -> None:
    versions = store.history(case)
    if any(_says_the_same(store, store.get(case, one.version), label) for one in versions if one.kind == "imported"):
        report.there += 1
    elif versions and versions[-1].kind != "imported":
        report.kept += 1
    else:
        store.put(label)
        report.added += 1


def _says_the_same(store: LabelStore, record: LabelRecord, label: NewLabel) -> bool:
    reading = None if label.reading is None else label.reading.model_copy(update={"case": record.case})
    patient = record.patient if label.patient is None else store.patient_of(label.patient)
    return (
        (record.reading, record.spacing, record.patient) == (reading, label.spacing, patient)
        and store.result(record) == label.result
        and label.pathology in (None, pathology_of(store, record))
        and set(label.frames) <= set(store.frame_numbers(record))
        and (record.deidentified is not None or not label.frames)
    )
