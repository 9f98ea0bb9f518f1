"""The steps of one study: pull, analyze, push. Each may be done again after it was cut short, with the same result."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...dicom.network.errors import NodeError
from ...dicom.network.exchange import PulledStudy
from ...errors import InputError
from ...files import folder_written_whole
from ...labels.durable import sync_folders
from ...ultrasound.sop_classes import is_ultrasound
from ..batch import BatchOutcome
from .acceptance import SENT, accepted_files, sha256_of
from .pushing import Pushed, push_files
from .work_folder import WorkFolder, checked_uid
from .work_item import StoredObject, WorkItem

if TYPE_CHECKING:
    from ...dicom.network.connection import PacsConnection

Attend = Callable[[], None]
Analyst = Callable[[Sequence[Path], Path], BatchOutcome]
"""Analyses files and folders into case folders below the second argument, as service.batch.analyze_inputs does."""


@dataclass(frozen=True)
class Analyzed:
    """What an analysis left to push."""

    objects: tuple[StoredObject, ...]
    cases: int
    note: str = ""
    """About images that could not be analysed."""


def pull_ultrasound(item: WorkItem, folder: WorkFolder, connection: "PacsConnection", attend: Attend) -> PulledStudy:
    """Bring the ultrasound series of a study here; images that are here are not fetched again.

    Raises:
        NodeError: the node could not be asked, broke off, or gives none of them; what came whole is kept.
        InputError, OutputError: the study has a false UID, or the disk is full.
    """
    checked_uid(item.study_uid)
    found = connection.instances(item.study_uid)
    series = sorted({one.series_uid for one in found if is_ultrasound(one.sop_class_uid, one.modality)})
    if not series:
        return PulledStudy(())
    pulled = connection.pull(item.study_uid, folder.images(item.name), series=tuple(series), attend=attend)
    if not pulled.files:
        why = pulled.skipped[0][1] if pulled.skipped else "The node gave none of its images."
        raise NodeError(why, "missing")
    return pulled


def analyze_images(item: WorkItem, folder: WorkFolder, analyst: Analyst) -> Analyzed:
    """Analyse an item's images once: results that are there whole are taken as they are, whatever made them.

    Raises:
        InputError: no image could be analysed.
        OutputError: the results could not be written; nothing is left.
    """
    target, note = folder.results(item.name), ""
    if not target.is_dir():
        with folder_written_whole(target, "choose another --work") as beside:
            outcome = analyst([folder.images(item.name)], beside)
            if not outcome.cases:
                raise InputError(outcome.failures[0] if outcome.failures else f"Study {item.name} holds no image.")
        sync_folders([*(path for path in target.rglob("*") if path.is_dir()), target, target.parent])
        if outcome.failures:
            note = f"{len(outcome.failures)} of its images could not be analysed: {outcome.failures[0]}"
    cases = sorted(path for path in target.iterdir() if (path / "analysis.json").is_file())
    files = [case / name for case in cases for name in SENT if (case / name).is_file()]
    to_send = accepted_files(files, drafts=True) if files else ()
    objects = tuple(StoredObject(folder.relative(one.path), one.sop_instance_uid, one.sha256) for one in to_send)
    return Analyzed(objects, len(cases), note)


def push_objects(
    objects: Sequence[StoredObject], folder: WorkFolder, connection: "PacsConnection", attend: Attend
) -> Pushed:
    """Send the objects of an item, the very files that were made once.

    Raises:
        NodeError: the node could not be asked, or the answer is unknown.
        InputError: a file is not the one that was made.
    """
    paths = [folder.root / one.path for one in objects]
    for path, one in zip(paths, objects, strict=True):
        if sha256_of(path) != one.sha256:
            raise InputError(f"{path} was changed after it was made, so it is not sent; run the study in a new folder.")
    return push_files(paths, connection, attend=attend)
