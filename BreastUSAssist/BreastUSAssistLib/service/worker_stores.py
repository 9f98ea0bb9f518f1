"""The label stores of the analysis process, kept open between requests, and readers' worklists in them.

A store stays open while requests come, so that a next case costs milliseconds however large it is; one that was moved,
taken away or replaced is opened anew. On a network file system, where one program at a time can have a store, and where
it can only be read, it is closed after each request.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError, UsageError

if TYPE_CHECKING:
    from ..labels.picture_gate import PictureGate
    from ..labels.store import LabelStore
    from ..labels.worklist import Progress, Worklist

MOST_OPEN = 2
"""Stores that stay open: the one in use and the one before it."""
MOST_WORKLISTS = 4


@dataclass(eq=False)
class OpenStores:
    """Stores by folder. Use from one thread at a time."""

    refused: set[str] = field(default_factory=set)
    """SHA-256 of the images whose pictures did not pass the gate: nobody need send them again."""
    _open: dict[Path, "tuple[LabelStore, object]"] = field(default_factory=dict)
    """With what told the index file from another when it was opened."""
    _used: list[Path] = field(default_factory=list)
    """Folders of the stores that a request works with just now: short requests are served within long ones."""
    _worklists: dict[tuple[str, str], "Worklist"] = field(default_factory=dict)
    """By id of the store and key of the reader."""

    @cached_property
    def gate(self) -> "PictureGate":
        """What pictures pass on their way into a store; its text finder stays loaded."""
        from ..labels.picture_gate import PictureGate

        return PictureGate()

    @contextmanager
    def use(self, folder: Path) -> "Iterator[LabelStore]":
        """The store in a folder, open.

        Raises:
            InputError: there is none, or it is damaged.
            UsageError: no folder is named, or its key is missing.
            OutputError: another program keeps it to itself.
        """
        if not has_store(folder):
            raise InputError(
                f"There are no labels in {folder} yet; accept a case, or put cases there with `breastusassist labels "
                f"add`."
            )
        with self._using(folder) as store:
            yield store

    @contextmanager
    def use_or_make(self, folder: Path, encrypted: bool) -> "Iterator[LabelStore]":
        """The same; made where the folder is empty or not there.

        Raises:
            UsageError: as `use`, or there is nowhere to keep the key of a new one.
            InputError: as `use`.
            OutputError: as `use`, or the folder cannot be written.
        """
        from ..labels.store import LabelStore

        if not has_store(folder) and not (folder.is_dir() and any(folder.iterdir())):
            LabelStore.create(folder, encrypted=encrypted).close()
        with self._using(folder) as store:
            yield store

    def worklist(self, store: "LabelStore", reader: str, progress: "Progress") -> "Worklist":
        """The way of a reader through a store that is open now; `progress` while all cases have to be read."""
        from ..labels.double_reading import reader_key
        from ..labels.worklist import Worklist

        key = (store.header.id, reader_key(reader))
        found = self._worklists.pop(key, None)
        if found is None:
            found = Worklist(store, reader, remember=not store.read_only, progress=progress)
        else:
            found.resume(store, progress)
        self._worklists[key] = found
        while len(self._worklists) > MOST_WORKLISTS:
            del self._worklists[next(iter(self._worklists))]
        return found

    def close(self) -> None:
        """Close every store, so that its folder can be moved and its index is sealed; the next request opens anew."""
        while self._open:
            _, (store, _) = self._open.popitem()
            store.close()

    @contextmanager
    def _using(self, folder: Path) -> "Iterator[LabelStore]":
        folder = folder.absolute()
        store, kept = self._opened(folder)
        self._used.append(folder)
        try:
            yield store
        finally:
            self._used.remove(folder)
            if not kept:
                store.close()

    def _opened(self, folder: Path) -> "tuple[LabelStore, bool]":
        """The store of a folder, and whether it stays open."""
        from ..labels.shared_folders import network_file_system
        from ..labels.store import LabelStore

        store, identity = self._open.pop(folder, (None, None))
        if store is not None and identity != _identity(folder):
            # Another lies there now, or none.
            store.close()
            store = None
        if store is None:
            store = LabelStore.open(folder)
            identity = _identity(folder)
            if store.read_only or network_file_system(folder) is not None:
                return store, False
        self._open[folder] = (store, identity)
        for other in [other for other in self._open if other != folder and other not in self._used][: 1 - MOST_OPEN]:
            self._open.pop(other)[0].close()
        return store, True


def store_folder(named: object) -> Path:
    """The folder that a request names. Raises UsageError: none."""
    if not isinstance(named, str) or not named.strip():
        raise UsageError("No folder for the labels is chosen; choose one in section 5.")
    return Path(named)


def has_store(folder: Path) -> bool:
    """Whether a folder holds a label store, or what is left of one."""
    from ..labels.index import INDEX
    from ..labels.store_header import HEADER

    return (folder / HEADER).exists() or (folder / INDEX).exists()


def _identity(folder: Path) -> object:
    """What tells the index and header of a folder from others; None where one is gone."""
    from ..labels.index import INDEX
    from ..labels.store_header import HEADER

    try:
        index, header = (folder / INDEX).stat(), (folder / HEADER).stat()
    except OSError:
        return None
    return index.st_dev, index.st_ino, header.st_ino, header.st_mtime_ns
