"""The key of a de-identification, and the new UIDs and pseudonyms that follow from it.

Nothing is remembered: the same key gives the same answer in every file, run and on every computer, so that a
segmentation or report points to its image wherever either was de-identified. Without the key nothing leads back.
"""

import base64
import hmac
import os
import re
import secrets
from pathlib import Path

from ...errors import InputError, OutputError, UsageError

ENVIRONMENT = "BREASTUS_DEIDENTIFY_KEY"
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{64}")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_LONGEST_UID = 64
_NEWER = frozenset(("1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.1.1.66.8"))
"""Label map and height map storage, which came after the registry of some versions of pydicom."""


class DeidentificationKey:
    """A secret of 32 bytes from which all replacements are derived by HMAC-SHA256."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        """Raises UsageError: the secret is not 32 bytes long."""
        if len(secret) != 32:
            raise UsageError("A de-identification key is 32 bytes; give 64 hexadecimal digits.")
        self._secret = bytes(secret)

    def __repr__(self) -> str:
        return f"DeidentificationKey({self.fingerprint})"

    @classmethod
    def random(cls) -> "DeidentificationKey":
        """A key that nobody keeps: a second run gives other UIDs."""
        return cls(secrets.token_bytes(32))

    @classmethod
    def of_text(cls, text: str, where: str) -> "DeidentificationKey":
        """Parse 64 hexadecimal digits.

        Raises:
            UsageError: they are none; the message names `where`, never the text.
        """
        if not _HEXADECIMAL.fullmatch(text.strip()):
            raise UsageError(f"{where} holds no key of 64 hexadecimal digits; name a new file to have one made.")
        return cls(bytes.fromhex(text.strip()))

    @classmethod
    def of_file(cls, path: Path) -> "DeidentificationKey":
        """Read the key in `path`; a missing file is made with a new key, readable by its owner alone.

        Raises:
            UsageError: the file holds no key.
            InputError: it cannot be read.
            OutputError: it cannot be made.
        """
        path = Path(path)
        if not path.exists():
            _write_new(path, secrets.token_hex(32) + "\n")
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                return cls.of_text(file.read(1024), str(path))
        except OSError as error:
            raise InputError(f"{path} could not be read ({error.strerror}); check the key file.") from None

    @classmethod
    def of_environment(cls) -> "DeidentificationKey | None":
        """The key in BREASTUS_DEIDENTIFY_KEY; None where it is not set.

        Raises:
            UsageError: it is set to something else.
        """
        text = os.environ.get(ENVIRONMENT)
        return cls.of_text(text, ENVIRONMENT) if text else None

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that tell this key from another and reveal nothing of it."""
        return self.digest("fingerprint", b"")[:8].hex()

    def digest(self, purpose: str, content: bytes) -> bytes:
        """32 bytes that follow from the key, the purpose and the content."""
        return hmac.digest(self._secret, f"BreastUSAssist de-identification 1 {purpose}\0".encode() + content, "sha256")

    def pseudonym(self, purpose: str, text: str) -> str:
        """12 capital letters and digits (60 bits) that stand for `text`."""
        return base64.b32encode(self.digest(purpose, text.encode("utf-8", "surrogateescape"))).decode()[:12]

    def number(self, purpose: str, text: str, below: int) -> int:
        """A number from 0 to `below` - 1 that follows from `text`."""
        return int.from_bytes(self.digest(purpose, text.encode("utf-8", "surrogateescape")), "big") % below

    def uid(self, original: str) -> str:
        """The UID that replaces `original`: 2.25 and the first 128 bits of HMAC-SHA256(key, original) (PS3.5 B.2)."""
        digest = hmac.digest(self._secret, original.encode("utf-8", "surrogateescape"), "sha256")
        return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def is_registered(uid: str) -> bool:
    """Whether `uid` stands in the registry of PS3.6 Annex A, and so identifies no instance."""
    from pydicom.uid import UID

    if uid in _NEWER:
        return True
    return len(uid) <= _LONGEST_UID and _UID.fullmatch(uid) is not None and UID(uid).name != uid


def replaced_uid(uid: str, key: DeidentificationKey) -> str:
    """`uid` itself where it is registered (a SOP class, a transfer syntax), else the one that replaces it."""
    clean = uid.strip(" \0")
    return clean if is_registered(clean) else key.uid(clean)


def _write_new(path: Path, text: str) -> None:
    """Make the file whole, for its owner alone, and never over one that another process has just made."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if os.name == "nt":
            if not path.exists():
                beside.rename(path)
        else:
            os.link(beside, path)
    except FileExistsError:
        return
    except OSError as error:
        raise OutputError(
            f"{path} could not be written ({error.strerror}); choose another place for the key."
        ) from error
    finally:
        beside.unlink(missing_ok=True)
