"""A keyring in one file, for child processes of the tests: PYTHON_KEYRING_BACKEND=file_keyring.FileKeyring."""

import json
import os
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.compat import properties
from keyring.errors import PasswordDeleteError

FILE = "BREASTUS_TEST_KEYRING"


class FileKeyring(KeyringBackend):
    """Secrets by service and user, as JSON in the file that the environment names."""

    @properties.classproperty
    def priority(self) -> float:
        """Raises RuntimeError where the environment names no file: then this is none of the keyrings to choose from."""
        if FILE not in os.environ:
            raise RuntimeError(f"{FILE} is not set")
        return 1

    def get_password(self, service: str, username: str) -> str | None:
        return self._read().get(f"{service}\n{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._write({**self._read(), f"{service}\n{username}": password})

    def delete_password(self, service: str, username: str) -> None:
        kept = self._read()
        if kept.pop(f"{service}\n{username}", None) is None:
            raise PasswordDeleteError(username)
        self._write(kept)

    def _read(self) -> dict[str, str]:
        path = Path(os.environ[FILE])
        return json.loads(path.read_text()) if path.is_file() else {}

    def _write(self, content: dict[str, str]) -> None:
        Path(os.environ[FILE]).write_text(json.dumps(content))
