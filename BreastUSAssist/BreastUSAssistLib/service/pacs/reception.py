"""What a modality sends: into the ledger and the folder of its study, each image once."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...dicom.network.received_files import read_identity
from ...errors import InputError, OutputError
from ...labels.durable import sync_folders
from ...ultrasound.sop_classes import is_ultrasound
from .acceptance import sha256_of
from .ledger import Ledger
from .work_folder import WorkFolder, checked_uid
from .work_item import NewItem

if TYPE_CHECKING:
    from ...dicom.network.listener import ReceivedInfo
    from ...dicom.network.received_files import Identity


@dataclass(frozen=True)
class ReceptionSettings:
    """What becomes of what is received."""

    destination: str | None = None
    """Name of the node that drafts are returned to; None: they are held."""
    hold: bool = False
    quiet_s: float = 30.0
    """A study is complete when nothing came for so long."""


class Reception:
    """Takes received files into the work folder. Its methods may be called from several threads."""

    def __init__(
        self,
        folder: WorkFolder,
        ledger: Ledger,
        settings: ReceptionSettings,
        *,
        now: Callable[[], float],
        wake: Callable[[], None] = lambda: None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._folder, self._ledger, self._settings = folder, ledger, settings
        self._now, self._wake, self._tell = now, wake, tell

    def keep(self, path: Path, received: "ReceivedInfo | Identity") -> None:
        """Move a file, whole and on the disk, to where it belongs; one that came before is dropped.

        Raises:
            InputError: its UIDs are none.
            OutputError: it could not be moved or noted; it stays where it is.
        """
        checked_uid(received.sop_instance_uid)
        if not is_ultrasound(received.sop_class_uid, received.modality):
            self._put_aside(path, received)
            return
        settings, now = self._settings, self._now()
        new = NewItem(
            checked_uid(received.study_uid),
            "received",
            destination=settings.destination,
            hold=settings.hold,
            next_try=now + settings.quiet_s,
        )
        arrival = self._ledger.arrived(new, received.sop_instance_uid, sha256_of(path), now=now)
        target = self._folder.images(arrival.name) / f"{received.sop_instance_uid}.dcm"
        if not arrival.is_same:
            self._tell(f"{arrival.name}: an image came again with another content; the first one is kept")
        if not arrival.is_wanted or not arrival.is_same or target.is_file():
            path.unlink(missing_ok=True)
            return
        try:
            _move(path, target)
        except OutputError:
            # The sender is told to keep it; what it sends again must not pass for one that is here already.
            self._ledger.not_kept(received.sop_instance_uid)
            raise
        self._wake()

    def sweep(self) -> None:
        """Keep what a program that was killed had received and not yet moved; what is damaged is put aside."""
        for path in sorted(self._folder.incoming.glob("[!.]*")):
            try:
                self.keep(path, read_identity(path))
            except InputError as error:
                self._tell(f"{error} It lies in {self._folder.root / 'aside'}.")
                _move(path, self._folder.root / "aside" / path.name)

    def _put_aside(self, path: Path, received: "ReceivedInfo | Identity") -> None:
        target = self._folder.aside(received.study_uid) / f"{received.sop_instance_uid}.dcm"
        known = target.is_file()
        _move(path, target)
        if not known:
            # A modality is a code of a few capitals; anything else could be text about a patient.
            modality = received.modality if re.fullmatch(r"[A-Z]{2,8}", received.modality) else "unknown"
            self._tell(f"{received.study_uid}: an object of modality {modality} is no ultrasound and lies in aside/")


def _move(path: Path, target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        sync_folders([target.parent])
    except OSError as error:
        raise OutputError(f"{target} could not be written ({error.strerror}); free space.") from error
