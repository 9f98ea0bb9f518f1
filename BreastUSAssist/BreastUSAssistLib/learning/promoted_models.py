"""Models promoted from labels: every bundle kept beside its label store, and a pointer to the one in use."""

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ModelError, OutputError, UsageError
from ..files import folder_written_whole, write_text
from ..json_schema import published_schema
from ..labels.store import LabelStore
from ..model.bundle import Bundle, load_bundle
from .promotion import kept_judgement

FOLDER: Final = "models"
"""In the folder of the label store."""
POINTER: Final = "promoted.json"
VERSION: Final = "1.0"


class PromotedModel(BaseModel):
    """One promoted bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: str = Field(pattern=r"^[0-9a-f]{16}$")
    """Name of its folder beside the pointer: the start of its weights' SHA-256."""
    name: str
    version: str
    sha256: str
    parent: str
    """SHA-256 of the weights that it was compared with and took the place of."""
    head: str
    """Entry of the store's audit trail up to which labels counted."""


class Change(BaseModel):
    """One promotion or rollback."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: Literal["promote", "rollback"]
    time: str
    """ISO 8601 in UTC."""
    current: str | None
    """Folder of the bundle in use from then on; None: the shipped one."""


class PromotedModels(BaseModel):
    """Content of the pointer's file, which is written whole."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = VERSION
    models: tuple[PromotedModel, ...] = ()
    """Every bundle that was ever promoted, each once."""
    line: tuple[str, ...] = ()
    """Folders of the bundles that are in force, one on another; the last is in use, and rolling back takes it off."""
    changes: tuple[Change, ...] = ()

    @property
    def current(self) -> PromotedModel | None:
        """The bundle in use; None: the shipped one."""
        return next((one for one in self.models if self.line and one.folder == self.line[-1]), None)


def current_bundle(store: LabelStore | Path) -> Path | None:
    """Folder of the promoted outline bundle in use; None where it is the shipped one.

    Reads one small file, so that a running client may ask before every analysis. The bundle itself is checked when it
    is loaded.

    Raises:
        ModelError: the pointer is damaged, or its bundle is gone.
    """
    current = promoted_models(store).current
    if current is None:
        return None
    folder = _folder(store) / current.folder
    if not folder.is_dir():
        raise ModelError(f"The promoted model {folder} is gone; roll back, or put it back from a backup.")
    return folder


def promoted_models(store: LabelStore | Path) -> PromotedModels:
    """What was promoted in a store; nothing where there is no pointer.

    Raises:
        ModelError: the pointer is damaged or of a newer version.
    """
    path = _folder(store) / POINTER
    try:
        return PromotedModels.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return PromotedModels()
    except OSError as error:
        raise ModelError(f"{path} could not be read ({error.strerror}); check the folder of the labels.") from error
    except ValidationError as error:
        raise ModelError(f"{path} is damaged or of a newer version; put it back from a backup.") from error


def bundle_in_use(store: LabelStore | Path) -> Bundle:
    """The promoted outline bundle, or the shipped one. Raises ModelError, see `load_bundle` and `current_bundle`."""
    return load_bundle(current_bundle(store))


def promote(store: LabelStore, bundle: Bundle, in_use: Bundle) -> PromotedModel:
    """Copy a bundle beside the store and make it the one in use, if its judgement allows it.

    Args:
        store: open store.
        bundle: candidate, with its judgement.
        in_use: the bundle in use until now, see `bundle_in_use`.

    Raises:
        UsageError: the candidate was not judged, or not against the model in use on this store's labels, or the rule
            is not met.
        ModelError: its judgement is damaged.
        OutputError: the store's folder cannot be written; the model in use stays.
    """
    bundle.outline_settings  # noqa: B018 - raises for another kind of bundle
    judgement = kept_judgement(bundle)
    if judgement is None:
        raise UsageError(f"{bundle.folder} was not judged; make a candidate with `breastusassist train --from-labels`.")
    if judgement.store != store.header.id:
        raise UsageError(f"{bundle.folder} was judged by the labels of another store; train from this one.")
    if judgement.current != in_use.sha256:
        raise UsageError(f"{bundle.folder} was not compared with the model in use; train again from the labels.")
    if not judgement.offered:
        raise UsageError(f"{bundle.folder} is not promoted. {' '.join(judgement.refused)}")
    before = promoted_models(store)
    new = PromotedModel(
        folder=bundle.sha256[:16],
        name=bundle.name,
        version=bundle.version,
        sha256=bundle.sha256,
        parent=judgement.current,
        head=judgement.head,
    )
    if new.folder not in {one.folder for one in before.models} or not (_folder(store) / new.folder).is_dir():
        _copy(bundle, _folder(store) / new.folder)
    models = (*(one for one in before.models if one.folder != new.folder), new)
    _put(store, before.model_copy(update={"models": models, "line": (*before.line, new.folder)}), "promote")
    return new


def rollback(store: LabelStore) -> PromotedModel | None:
    """Go back to the bundle that the one in use took the place of; the one left stays on the disk.

    Returns:
        The bundle in use from now on; None: the shipped one.

    Raises:
        UsageError: nothing is promoted.
        ModelError: the pointer, or the bundle to go back to, is damaged.
        OutputError: the pointer cannot be written.
    """
    before = promoted_models(store)
    if not before.line:
        raise UsageError("No promoted model is in use, so there is nothing to roll back.")
    after = before.model_copy(update={"line": before.line[:-1]})
    if after.current is not None:
        load_bundle(_folder(store) / after.current.folder)
    _put(store, after, "rollback")
    return after.current


def _copy(bundle: Bundle, target: Path) -> None:
    """Copy the checked files of a bundle, whole or not at all; what was copied is checked again."""
    with folder_written_whole(target, "check the folder of the labels") as folder:
        for relative in (*bundle.files, "SHA256SUMS"):
            (folder / relative).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.folder / relative, folder / relative)
        if load_bundle(folder).files != bundle.files:
            raise OutputError(f"{bundle.folder} changed while it was copied; try again.")


def _put(store: LabelStore, after: PromotedModels, what: Literal["promote", "rollback"]) -> None:
    current = after.line[-1] if after.line else None
    now = datetime.now(UTC).isoformat(timespec="seconds")
    changed = after.model_copy(update={"changes": (*after.changes, Change(what=what, time=now, current=current))})
    write_text(_folder(store) / POINTER, changed.model_dump_json(indent=1) + "\n")
    store.note(f"model {what}", model=current or "shipped")


def _folder(store: LabelStore | Path) -> Path:
    return (store.folder if isinstance(store, LabelStore) else Path(store)) / FOLDER


def promoted_schema() -> str:
    """Text of the schema in Resources/Schema."""
    return published_schema(PromotedModels, f"promoted-{VERSION}", f"BreastUSAssist promoted models, version {VERSION}")
