"""store.json: what a label store says of itself to anyone, with or without its key."""

import hashlib
import json
import secrets
import uuid
from pathlib import Path
from typing import Final, Literal

from pydantic import Field, ValidationError

from ..birads.lesion import Record
from ..errors import InputError, UsageError
from ..files import write_text
from ..json_schema import published_schema
from .durable import sync_folders
from .keys import StoreKey, secret_of

STORE_VERSION: Final = "1.0"
HEADER = "store.json"


class StoreHeader(Record):
    """What is needed to open a label store, and a checksum over it."""

    format: Literal["breastusassist-label-store"] = "breastusassist-label-store"
    schema_version: Literal["1.0"] = STORE_VERSION
    id: str
    """Random; the name of its key in the keyring."""
    created: str
    """ISO 8601 in UTC."""
    encryption: Literal["aes-256-gcm", "none"]
    salt: str = Field(pattern=r"^[0-9a-f]{32}$")
    """Random; what is derived from the key differs from store to store."""
    key_check: str = Field(pattern=r"^[0-9a-f]{32}$")
    """Tells the store's key from another."""
    sha256: str = ""
    """Of this file without this line's value."""

    def sealed(self) -> "StoreHeader":
        """The same with its checksum."""
        bare = self.model_copy(update={"sha256": ""})
        return self.model_copy(update={"sha256": hashlib.sha256(bare.text().encode()).hexdigest()})

    def text(self) -> str:
        """Text of the file."""
        return json.dumps(self.model_dump(), indent=2) + "\n"


class DamagedHeaderError(InputError):
    """A store.json that is not as it was written."""


def new_id() -> str:
    """Id of a new store."""
    return str(uuid.uuid4())


def new_salt() -> bytes:
    """Salt of a new store, 16 bytes."""
    return secrets.token_bytes(16)


def key_of(folder: Path, header: StoreHeader, secret: str | None) -> StoreKey:
    """The key of a store.

    Raises:
        UsageError: it is missing, or is that of another store.
    """
    if header.encryption == "none":
        return StoreKey(None, bytes.fromhex(header.salt))
    key = StoreKey(secret or secret_of(header.id), bytes.fromhex(header.salt))
    if key.check != header.key_check:
        raise UsageError(
            f"The key does not fit the label store {folder}; set BREASTUS_KEY to the key that the store was made with."
        )
    return key


def write_header(folder: Path, header: StoreHeader) -> None:
    """Write store.json, whole or not at all.

    Raises:
        OutputError: the folder cannot be written.
    """
    write_text(folder / HEADER, header.sealed().text())
    sync_folders((folder,))


def read_header(folder: Path) -> StoreHeader:
    """Read store.json.

    Raises:
        DamagedHeaderError: it is damaged.
        InputError: there is none, or it is of a newer version.
    """
    path = folder / HEADER
    try:
        text = path.read_bytes().decode("utf-8")
        content = json.loads(text)
        version = content.get("schema_version") if isinstance(content, dict) else None
        if isinstance(version, str) and version != STORE_VERSION and version.replace(".", "").isdigit():
            raise InputError(
                f"{folder} is a label store of format {version} but this version reads {STORE_VERSION}; "
                "update BreastUSAssist to open it."
            )
        header = StoreHeader.model_validate(content)
    except FileNotFoundError as error:
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(
                f"{folder} holds no {HEADER} and is no label store; name the folder of one, or bring the file back "
                "from a backup."
            ) from error
        raise InputError(
            f"{folder} is no label store; make one with `breastusassist labels init --store {folder}`."
        ) from error
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); check the folder.") from error
    except (ValueError, RecursionError, ValidationError) as error:
        raise _damaged(path) from error
    if header.sealed().text() != text:
        raise _damaged(path)
    return header


def store_schema() -> str:
    """Text of the schema in Resources/Schema."""
    return published_schema(
        StoreHeader, f"label-store-{STORE_VERSION}", f"BreastUSAssist label store, version {STORE_VERSION}"
    )


def _damaged(path: Path) -> DamagedHeaderError:
    return DamagedHeaderError(f"{path} is damaged; bring it back from a backup of the store.")
