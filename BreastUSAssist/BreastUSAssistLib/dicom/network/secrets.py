"""Passwords and tokens of nodes: in the operating system's keyring, or in the environment of a headless run."""

import os
from collections.abc import Mapping
from typing import Protocol

from ...errors import UsageError
from .node_settings import PacsNode

SERVICE = "BreastUSAssist PACS"
"""Under which the keyring holds them; the user name is the node's name and the host and port it was entered for."""
_LONGEST = 8192


class Keyring(Protocol):
    """The part of the package `keyring` that is used."""

    def get_password(self, service_name: str, username: str) -> str | None:
        """The secret, or None."""

    def set_password(self, service_name: str, username: str, password: str) -> None:
        """Keep a secret."""

    def delete_password(self, service_name: str, username: str) -> None:
        """Remove a secret."""


class SecretStore:
    """Reads and keeps the secret of a node. A secret belongs to the address it was entered for, and goes to no other.

    Args:
        environment: searched first; the variable is `variable_of(node)`.
        backend: instead of the package `keyring`.
    """

    def __init__(self, environment: Mapping[str, str] | None = None, backend: Keyring | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._backend = backend

    def read_secret(self, node: PacsNode) -> str | None:
        """The password or token of `node`; None where it asks for none.

        Raises:
            UsageError: it asks for one that is neither in the environment nor in the keyring; says what to do.
        """
        if node.secret_kind is None:
            return None
        found = self._environment.get(variable_of(node)) or self._from_keyring(node)
        if not found:
            raise UsageError(
                f"The {node.secret_kind} of node {node.name} is not in this computer's keyring; enter it with "
                f"`breastusassist pacs nodes add`, or set {variable_of(node)}."
            )
        return _checked(found, node)

    def has_secret(self, node: PacsNode) -> bool:
        """Whether `read_secret` would find what the node asks for."""
        return node.secret_kind is None or bool(self._environment.get(variable_of(node)) or self._from_keyring(node))

    def keep_secret(self, node: PacsNode, secret: str) -> None:
        """Put the password or token of `node` into the keyring.

        Raises:
            UsageError: the node asks for none, the secret cannot be one, or there is no keyring.
        """
        if node.secret_kind is None:
            raise UsageError(f"Node {node.name} asks for no password or token; set its auth first.")
        _checked(secret, node)
        try:
            backend = self._keyring()
            backend.set_password(SERVICE, _entry(node), secret)
            kept = backend.get_password(SERVICE, _entry(node))
        except Exception as error:
            # Without the cause: a backend may put what it was given into its message.
            raise _no_keyring(node, type(error).__name__) from None
        if kept != secret:
            raise _no_keyring(node, "it did not keep it")

    def forget_secret(self, node: PacsNode) -> None:
        """Remove the password or token of `node` from the keyring, if it is there."""
        try:
            backend = self._keyring()
            if backend.get_password(SERVICE, _entry(node)) is not None:
                backend.delete_password(SERVICE, _entry(node))
        except Exception as error:
            raise _no_keyring(node, type(error).__name__) from None

    def _from_keyring(self, node: PacsNode) -> str | None:
        try:
            return self._keyring().get_password(SERVICE, _entry(node))
        except Exception:
            # Whatever a keyring raises (there are many, each with its own errors): then the secret is not at hand.
            return None

    def _keyring(self) -> Keyring:
        if self._backend is not None:
            return self._backend
        import keyring

        found: Keyring = keyring.get_keyring()
        return found

    def __repr__(self) -> str:
        return "SecretStore()"


def variable_of(node: PacsNode) -> str:
    """Name of the environment variable of the node's password or token, as BREASTUS_PACS_ARCHIVE_PASSWORD."""
    return f"BREASTUS_PACS_{variable_part(node.name)}_{(node.secret_kind or 'password').upper()}"


def variable_part(name: str) -> str:
    """A node's name as it stands in a variable; two nodes must not share it."""
    return name.upper().replace("-", "_")


def _entry(node: PacsNode) -> str:
    return f"{node.name} {node.place}"


def _checked(secret: str, node: PacsNode) -> str:
    # A line end would let a secret add headers to a request; a token goes into a header as it is (RFC 6750 2.1).
    control = any(ord(letter) < 32 or ord(letter) == 127 for letter in secret)
    if not secret or len(secret) > _LONGEST or control or (node.secret_kind == "token" and not secret.isascii()):
        raise UsageError(
            f"The {node.secret_kind} of node {node.name} is empty or holds a line end or other letters that it cannot "
            "have; enter it again."
        )
    return secret


def _no_keyring(node: PacsNode, why: str) -> UsageError:
    return UsageError(
        f"The keyring of this computer could not be used ({why}); set {variable_of(node)} to the "
        f"{node.secret_kind or 'password'} instead."
    )
