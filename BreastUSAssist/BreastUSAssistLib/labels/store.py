"""The label store: every reading a new version, nothing overwritten, nothing acknowledged lost."""

import json
import os
import threading
import time
import weakref
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from .. import __version__
from ..errors import InputError, OutputError, UsageError
from .audit import RECORD_EVENTS, Event, TrailEntry, text_bound
from .blobs import BlobFolder
from .index import INDEX, LabelIndex, NewEntry
from .keys import StoreKey, new_secret
from .label_summary import LabelSummary, StoredText, iso_time, summary_of
from .new_label import NewLabel, check_fits, store_blobs, store_frames
from .record import Deidentification, ImageIdentity, LabelRecord, RecordKind, record_name
from .record_contents import RecordContents
from .record_text import record_to_text
from .seal import SEAL, seal_index
from .shared_folders import network_file_system
from .store_header import StoreHeader, key_of, new_id, new_salt, read_header, write_header
from .stored_record import check_case_name, entry_text, record_of

if TYPE_CHECKING:
    import numpy as np

    from .verification import Verification

__all__ = ["Clock", "LabelStore", "LabelSummary"]

Clock = Callable[[], float]

_KEPT = ("patient", "pathology", "slice_mm", "frame_ms")
"""What is known of an image from one version on, unless a later one says otherwise."""


class LabelStore(RecordContents):
    """A folder of labels. Several processes on one computer may have it open; use one object from any thread.

    On a network file system one process at a time may have it open, and the others are told so.
    """

    def __init__(self, folder: Path, key: StoreKey, header: StoreHeader, index: LabelIndex, clock: Clock) -> None:
        """Use `create` or `open`."""
        super().__init__(folder, key)
        self.header = header
        self._index = index
        self._clock = clock
        self._lock = threading.RLock()
        self._closing = weakref.finalize(self, _close, folder, index)

    @classmethod
    def create(
        cls, folder: Path, *, encrypted: bool = True, secret: str | None = None, clock: Clock = time.time
    ) -> Self:
        """Make a store in a new or empty folder and open it.

        `secret` is 64 hexadecimal digits, 32 bytes in base64, or a passphrase; by default BREASTUS_KEY, else a random
        one that is put into the keyring.

        Raises:
            UsageError: the folder is not empty, there is nowhere to keep the key, or the key is too short.
            OutputError: the folder cannot be written.
        """
        folder = Path(folder)
        store_id, salt = new_id(), new_salt()
        try:
            if any(path.is_file() for path in folder.rglob("*")):
                raise UsageError(f"{folder} is not empty; name a new or empty folder for the labels.")
            key = StoreKey((secret or new_secret(store_id)) if encrypted else None, salt)
            folder.mkdir(parents=True, exist_ok=True)
            BlobFolder(folder, key).create()
        except OSError as error:
            raise OutputError(
                f"{folder} could not be made ({error.strerror}); name a folder that can be written."
            ) from error
        LabelIndex.create(folder)
        header = StoreHeader(
            id=store_id,
            created=iso_time(clock()),
            encryption="aes-256-gcm" if encrypted else "none",
            salt=salt.hex(),
            key_check=key.check,
        ).sealed()
        try:
            store = cls(folder, key, header, _opened_index(folder, read_only=False), clock)
            try:
                store._append_event(Event.CREATED, header.text().encode())
                write_header(folder, header)
            except BaseException:
                store.close()
                raise
        except BaseException:
            # Nobody has been told of this store yet; what is left of it would be in the way of the next try.
            for path in (*folder.glob(f"{INDEX}*"), folder / SEAL):
                path.unlink(missing_ok=True)
            raise
        return store

    @classmethod
    def open(
        cls, folder: Path, *, secret: str | None = None, read_only: bool = False, clock: Clock = time.time
    ) -> Self:
        """Open a store; for reading alone where the folder cannot be written.

        Raises:
            InputError: no store, a damaged one, or one of a newer version.
            UsageError: the key is missing, or is not that of this store.
            OutputError: another process keeps it to itself.
        """
        folder = Path(folder)
        header = read_header(folder)
        key = key_of(folder, header, secret)
        index = _opened_index(folder, read_only or not _writable(folder))
        store = cls(folder, key, header, index, clock)
        if not index.read_only:
            with suppress(OSError):
                # A folder that cannot be written is told by the first put, in a sentence.
                store._blobs.make_missing()
                store._blobs.sweep()
        return store

    def close(self) -> None:
        """Close the store; closing again does nothing."""
        with self._lock:
            self._closing()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def read_only(self) -> bool:
        """Whether it is open for reading alone."""
        return self._index.read_only

    def case_of(self, image: ImageIdentity) -> str:
        """Name of the case of an image: a pseudonym, the same for the same pixels in this store."""
        return self._key.pseudonym("case", image.sha256)

    def patient_of(self, identifier: str) -> str:
        """Pseudonym of a patient, the same for the same identifier in this store."""
        return self._key.pseudonym("patient", identifier)

    def put(self, label: NewLabel) -> LabelRecord:
        """Store a label as a new version of its case; on return it is on the disk.

        Where it says the same as the latest version (times aside), that one is returned and nothing is added: to put
        again after an interruption is safe.

        Raises:
            InputError: masks or frames do not fit the image.
            UsageError: the parent version does not exist.
            OutputError: not stored: the disk is full, the folder read-only or gone, or another program keeps it busy.
        """
        check_fits(label)
        case = self.case_of(label.image)
        with self._lock:
            self._check_writable()
            last, frames = self._latest_whole(case)
            evidence = None if last is None else last.deidentified
            record = store_blobs(label, case, self._blobs, frames, evidence)
            patient = None if label.patient is None else self.patient_of(label.patient)
            known: dict[str, object] = {"patient": patient}
            if last is not None:
                known = {name: known.get(name) or getattr(record, name) or getattr(last, name) for name in _KEPT}
            return self._added(record.model_copy(update=known), label.parent)

    def restore(self, case: str, version: int, by: str = "") -> LabelRecord:
        """Bring an older version back, as a new version; nothing in between is lost.

        Raises:
            InputError: there is no such version, or it is damaged.
            OutputError: not stored; see `put`.
        """
        with self._lock:
            self._check_writable()
            old = self.get(case, version)
            changes: dict[str, object] = {"restored_from": version, "restored_by": by}
            last, _ = self._latest_whole(case)
            if old.deidentified is None and last is not None and last.deidentified is not None:
                # Pictures that were cleaned since do not come back as they were.
                changes |= {"frames": last.frames, "deidentified": last.deidentified}
            return self._added(old.model_copy(update=changes), None)

    def put_pictures(
        self, record: LabelRecord, frames: "Mapping[int, np.ndarray]", deidentified: Deidentification
    ) -> LabelRecord:
        """Give the latest version of a case other pictures of the same image, as a new version that is the same else.

        Raises:
            InputError: frames that do not fit, or the version is not the latest any more.
            OutputError: not stored; see `put`.
        """
        check_fits(NewLabel("autosaved", record.image, frames=frames, deidentified=deidentified))
        with self._lock:
            self._check_writable()
            if self.get(record.case) != record:
                raise InputError(f"{record.name} was replaced meanwhile; try again.")
            changes = {"frames": store_frames(frames, self._blobs), "deidentified": deidentified}
            return self._added(record.model_copy(update=changes), None)

    def get(self, case: str, version: int | None = None) -> LabelRecord:
        """One version of a case; None is the latest.

        Raises:
            InputError: there is no such case or version, or it is damaged.
        """
        with self._lock:
            check_case_name(case)
            entry = self._index.latest(case) if version is None else self._index.version(case, version)
        if entry is None:
            what = case if version is None else record_name(case, version)
            raise InputError(f"{what} is not in the label store; `breastusassist labels list` names what is.")
        return record_of(entry, self._key)

    def latest(self, case: str) -> LabelRecord | None:
        """The latest version of a case; None where there is none. Raises InputError: it is damaged."""
        with self._lock:
            check_case_name(case)
            entry = self._index.latest(case)
        return None if entry is None else record_of(entry, self._key)

    def history(self, case: str) -> tuple[LabelSummary, ...]:
        """All versions of a case, the first first."""
        with self._lock:
            check_case_name(case)
            return tuple(map(summary_of, self._index.history(case)))

    def list(self, kinds: Sequence[RecordKind] | None = None) -> tuple[LabelSummary, ...]:
        """The latest version of each case, in the order in which the cases came; of `kinds` alone where given."""
        with self._lock:
            return tuple(map(summary_of, self._index.latest_of_all(kinds)))

    def since(self, entry: int) -> tuple[LabelSummary, ...]:
        """All versions behind an entry of the audit trail (0: all), the first first."""
        with self._lock:
            return tuple(map(summary_of, self._index.since(entry)))

    def texts(self, after: int = 0, case: str | None = None) -> Iterator[StoredText]:
        """All versions behind an entry of the audit trail (0: all), of one case where it is named, the first first.

        As text, unchecked beyond what is sealed: for those who read many and need little of each.
        """
        if case is not None:
            check_case_name(case)
        while True:
            with self._lock:
                found = self._index.records(after, case)
            if not found:
                return
            for entry in found:
                name = record_name(entry.case or "?", entry.version or 0)
                try:
                    text: bytes | None = entry_text(entry, self._key, name)
                except InputError:
                    text = None
                yield StoredText(entry.case or "?", entry.version or 0, entry.parent, entry.id, text)
            after = found[-1].id

    def next_case(
        self, after: str | None = None, kinds: Sequence[RecordKind] = ("autosaved", "imported")
    ) -> str | None:
        """The first case behind `after` (None: of all) whose latest version is of one of `kinds`."""
        with self._lock:
            if after is not None:
                check_case_name(after)
            return self._index.next_case(after, kinds)

    def counts(self) -> dict[RecordKind, int]:
        """Number of cases by the kind of their latest version."""
        with self._lock:
            return self._index.counts()

    def note(self, what: str, **details: str | int | float) -> None:
        """Write into the audit trail that something was done with the store, such as an export.

        Raises:
            OutputError: not written; see `put`.
        """
        with self._lock:
            self._check_writable()
            text = json.dumps({"what": what, **details}, allow_nan=False)
            self._append_event(Event.NOTED, text.encode())

    def keep_beside(self, name: str, content: bytes) -> None:
        """Keep something that is no label and can be made again, such as a reader's place in a worklist.

        It is sealed like the labels, replaces what was kept under `name`, and has no history.

        Raises:
            OutputError: not kept; what was there before still is.
        """
        self._check_writable()
        self._write_beside(name, content)

    def head(self) -> str:
        """Number and hash of the last entry of the audit trail: noted elsewhere, they prove that none is cut off."""
        with self._lock:
            number, hashed = self._index.head()
        return f"{number}:{hashed.hex()}"

    def verify(self, progress: Callable[[int, int], None] | None = None) -> "Verification":
        """Check every record, blob and entry of the trail; damage is in the result, not raised."""
        from .verification import verify_open_store

        with self._lock:
            return verify_open_store(self.folder, self._index, self._blobs, self._key, progress)

    def _added(self, record: LabelRecord, parent: int | None) -> LabelRecord:
        stored: LabelRecord = record

        def make(entry_id: int, last: TrailEntry | None) -> NewEntry | None:
            nonlocal stored
            now = self._clock()
            before = 0 if last is None else last.version or 0
            made_from = parent if parent is not None or last is None else before
            if made_from is not None and not 1 <= made_from <= before:
                raise UsageError(f"{record.case} has no version {made_from}; start from one that is there.")
            changes = {
                "version": before + 1,
                "parent": made_from,
                "created": iso_time(now),
                "software": f"BreastUSAssist {__version__}",
            }
            stored = LabelRecord.model_validate({**record.model_dump(), **changes})
            latest = self._whole(last)
            if latest is not None and stored.says_the_same_as(latest):
                stored = latest
                return None
            text = record_to_text(stored)
            sealed = self._key.seal(zlib.compress(text, 9), text_bound(entry_id))
            return NewEntry(round(now * 1000), RECORD_EVENTS[stored.kind], sealed, stored.version, stored.parent)

        self._index.append(record.case, make, self._key)
        return stored

    def _whole(self, entry: TrailEntry | None) -> LabelRecord | None:
        """Record of an entry; None also where it is damaged: that must not keep a reader from storing the next one."""
        try:
            return None if entry is None else record_of(entry, self._key)
        except InputError:
            return None

    def _latest_whole(self, case: str) -> tuple[LabelRecord | None, dict[int, str]]:
        """The latest record of a case and the addresses of its frames, as far as they can be read."""
        record = self._whole(self._index.latest(case))
        try:
            return record, {} if record is None else self._frame_addresses(record)
        except InputError:
            return record, {}

    def _append_event(self, event: Event, text: bytes) -> None:
        def make(entry_id: int, _: TrailEntry | None) -> NewEntry:
            sealed = self._key.seal(zlib.compress(text, 9), text_bound(entry_id))
            return NewEntry(round(self._clock() * 1000), event, sealed)

        self._index.append(None, make, self._key)

    def _check_writable(self) -> None:
        if self._index.read_only:
            raise OutputError(
                f"The label store {self.folder} is open for reading alone; make its folder writable and open it again."
            )


def _opened_index(folder: Path, read_only: bool) -> LabelIndex:
    alone = network_file_system(folder) is not None
    return LabelIndex(folder, read_only=read_only, alone=alone, wait_s=5.0 if alone else 30.0)


def _writable(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and os.access(folder / INDEX, os.W_OK)


def _close(folder: Path, index: LabelIndex) -> None:
    try:
        seal_index(folder, index)
    finally:
        index.close()
