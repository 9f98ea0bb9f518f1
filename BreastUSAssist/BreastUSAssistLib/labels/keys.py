"""The key of a store: where it comes from, and what is derived from it."""

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from typing import TYPE_CHECKING

from ..errors import InputError, UsageError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ENVIRONMENT = "BREASTUS_KEY"
SERVICE = "BreastUSAssist label store"
"""Under which the operating system's keyring holds the keys; the user name is the id of the store."""
SHORTEST_PASSPHRASE = 8
_NONCE, _TAG, _CHECKSUM = 12, 16, 16


class StoreKey:
    """What is derived from a store's secret: encryption, addresses, chain and pseudonyms, each under its own key.

    Without a secret (an unencrypted store) contents carry a checksum instead, addresses are plain SHA-256, and
    pseudonyms hide nothing from someone who has the store and tries identifiers one after another.
    """

    def __init__(self, secret: str | None, salt: bytes) -> None:
        """Raises UsageError: the secret is too short, or the package `cryptography` is missing."""
        self._main = None if secret is None else _stretched(secret, salt)
        base = self._main or hashlib.sha256(salt).digest()
        self._parts = {
            part: hmac.digest(base, f"BreastUSAssist label store 1 {part}".encode(), "sha256")
            for part in ("encryption", "address", "chain", "pseudonym", "check")
        }
        self._cipher = None if secret is None else _cipher(self._parts["encryption"])

    @property
    def encrypts(self) -> bool:
        """Whether the store is encrypted."""
        return self._cipher is not None

    @property
    def check(self) -> str:
        """What the store keeps to tell its key from another."""
        return self._parts["check"][:16].hex()

    def address(self, content: bytes) -> str:
        """Address of a blob by its content, 64 hexadecimal digits."""
        if not self.encrypts:
            return hashlib.sha256(content).hexdigest()
        return hmac.digest(self._parts["address"], content, "sha256").hex()

    def chained(self, previous: bytes, content: bytes) -> bytes:
        """Hash of an entry of the audit trail, 32 bytes, over the hash before it and its own content."""
        return hmac.digest(self._parts["chain"], previous + content, "sha256")

    def pseudonym(self, kind: str, text: str) -> str:
        """`kind-` and 16 letters and digits (80 bits), the same for the same text in one store."""
        hashed = hmac.digest(self._parts["pseudonym"], f"{kind}\0{text}".encode(), "sha256")
        return f"{kind}-{base64.b32encode(hashed[:10]).decode().lower()}"

    def seal(self, content: bytes, bound: bytes) -> bytes:
        """Encrypt (AES-256-GCM, random nonce) or add a checksum; opens again only with the same `bound`."""
        if self._cipher is None:
            return content + _checksum(content, bound)
        nonce = secrets.token_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, content, bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """What `seal` was given.

        Raises:
            InputError: a bit of `sealed` or `bound` is not as it was.
        """
        if self._cipher is None:
            content, checksum = sealed[:-_CHECKSUM], sealed[-_CHECKSUM:]
            if not hmac.compare_digest(checksum, _checksum(content, bound)):
                raise InputError("Stored bytes are damaged; bring the store back from a backup.")
            return content
        from cryptography.exceptions import InvalidTag

        try:
            if len(sealed) < _NONCE + _TAG:
                raise InvalidTag
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], bound)
        except InvalidTag as error:
            raise InputError("Stored bytes are damaged; bring the store back from a backup.") from error


def secret_of(store_id: str) -> str:
    """The secret of a store: from BREASTUS_KEY, else from the operating system's keyring.

    Raises:
        UsageError: neither has it; says what to do.
    """
    given = os.environ.get(ENVIRONMENT)
    if given:
        return given
    found = _from_keyring(store_id)
    if found is None:
        raise UsageError(
            f"The key of this label store is neither in {ENVIRONMENT} nor in this computer's keyring; "
            f"set {ENVIRONMENT} to the key that the store was made with."
        )
    return found


def new_secret(store_id: str) -> str:
    """The secret for a new store: BREASTUS_KEY where it is set, else a random one put into the keyring.

    Raises:
        UsageError: BREASTUS_KEY is not set and there is no keyring.
    """
    given = os.environ.get(ENVIRONMENT)
    if given:
        return given
    secret = secrets.token_hex(32)
    try:
        import keyring
        import keyring.errors

        keyring.set_password(SERVICE, store_id, secret)
        kept = keyring.get_password(SERVICE, store_id)
    except (ImportError, RuntimeError) as error:
        raise _no_keyring() from error
    except keyring.errors.KeyringError as error:
        raise _no_keyring() from error
    if kept != secret:
        raise _no_keyring()
    return secret


def _no_keyring() -> UsageError:
    return UsageError(
        f"There is no keyring on this computer to hold the key; set {ENVIRONMENT} to 64 random hexadecimal digits and "
        "keep a copy of them (without them the labels are lost), or ask for an unencrypted store."
    )


def _from_keyring(store_id: str) -> str | None:
    try:
        import keyring
        import keyring.errors
    except ImportError:
        return None
    try:
        return keyring.get_password(SERVICE, store_id)
    except (RuntimeError, keyring.errors.KeyringError):
        return None


def _stretched(secret: str, salt: bytes) -> bytes:
    """32 bytes: the key itself where it is one (64 hexadecimal digits, or 32 bytes in base64), else by scrypt."""
    secret = secret.strip()
    key = _as_key(secret)
    if key is not None:
        return hmac.digest(salt, key, "sha256")
    if len(secret) < SHORTEST_PASSPHRASE:
        raise UsageError(
            f"The key in {ENVIRONMENT} is too short; give 64 hexadecimal digits, 32 bytes in base64, or a passphrase "
            f"of at least {SHORTEST_PASSPHRASE} characters."
        )
    return hashlib.scrypt(secret.encode("utf-8", "surrogateescape"), salt=salt, n=2**15, r=8, p=1, maxmem=2**26)


def _as_key(secret: str) -> bytes | None:
    if re.fullmatch(r"[0-9a-fA-F]{64}", secret):
        return bytes.fromhex(secret)
    if re.fullmatch(r"[A-Za-z0-9+/_-]{43}=?", secret):
        try:
            return base64.urlsafe_b64decode(secret.replace("+", "-").replace("/", "_").rstrip("=") + "=")
        except binascii.Error:
            return None
    return None


def _cipher(key: bytes) -> "AESGCM":
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise UsageError(
            "An encrypted label store needs the package cryptography; install it with "
            "`pip install breastusassist[labels]`, or ask for an unencrypted store."
        ) from error
    return AESGCM(key)


def _checksum(content: bytes, bound: bytes) -> bytes:
    hashed = hashlib.blake2b(len(bound).to_bytes(8, "little") + bound, digest_size=_CHECKSUM)
    hashed.update(content)
    return hashed.digest()
