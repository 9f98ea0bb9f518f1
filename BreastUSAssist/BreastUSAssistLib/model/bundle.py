"""A MONAI bundle on disk: its metadata, and its files checked against their SHA-256 before anything is loaded."""

import hashlib
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..errors import ModelError
from ..files import resource_path
from .bundle_files import LARGEST_FILE, check_content, read_json, refuse_pickles
from .bundle_settings import BundleKind, BundleSettings, OutlineSettings, ReaderSettings, parse_settings

__all__ = [
    "DEFAULT_BUNDLES",
    "Bundle",
    "BundleKind",
    "OutlineSettings",
    "ReaderSettings",
    "load_bundle",
    "shipped_bundles",
    "write_sums",
]

DEFAULT_BUNDLES: dict[BundleKind, str] = {"outline": "lesion-outline", "reader": "lesion-reader"}
METADATA, INFERENCE, WEIGHTS = "configs/metadata.json", "configs/inference.json", "models/model.safetensors"
NETWORKS: dict[BundleKind, str] = {
    "outline": "BreastUSAssistLib.model.network.LesionNet",
    "reader": "BreastUSAssistLib.model.reader_network.ReaderNet",
}
ONNX_FILES: dict[BundleKind, tuple[str, ...]] = {
    "outline": ("models/encoder.onnx", "models/prompts.onnx", "models/decoder.onnx"),
    "reader": ("models/model.onnx",),
}
_LARGEST_SUMS = 1 << 20
_MOST_FILES = 1000


class Bundle(BaseModel):
    """A bundle whose files had their recorded SHA-256 when it was loaded; contents are read through `read`."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    folder: Path
    name: str
    version: str
    settings: OutlineSettings | ReaderSettings
    files: dict[str, str]
    """SHA-256 by path relative to the folder."""

    @property
    def kind(self) -> BundleKind:
        """What the bundle's network is for."""
        return self.settings.kind

    @property
    def outline_settings(self) -> OutlineSettings:
        """Settings of an outline bundle. Raises ModelError for another kind."""
        if not isinstance(self.settings, OutlineSettings):
            raise ModelError(f"{self.folder} is a {self.kind} bundle; name one that outlines.")
        return self.settings

    @property
    def reader_settings(self) -> ReaderSettings:
        """Settings of a reader bundle. Raises ModelError for another kind."""
        if not isinstance(self.settings, ReaderSettings):
            raise ModelError(f"{self.folder} is an {self.kind} bundle; name one that reads lesions.")
        return self.settings

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights that all back ends share; identifies the model in results."""
        return self.files[WEIGHTS]

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum((self.folder / relative).stat().st_size for relative in self.files)

    def read(self, relative: str) -> bytes:
        """Content of a bundle file that has the recorded SHA-256.

        What is returned is what was checked, so a back end that takes these bytes runs nothing else.

        Raises:
            ModelError: the file is missing, unknown to the bundle, or was changed.
        """
        return _read(self.folder, relative, self.files)

    def checked(self, relative: str) -> Path:
        """Path of a bundle file whose content has the recorded SHA-256. Raises ModelError, see `read`."""
        self.read(relative)
        return self.folder / relative

    def read_json(self, relative: str) -> dict[str, Any]:
        """JSON object of a bundle file. Raises ModelError, see `read`."""
        return read_json(self.folder / relative, self.read(relative))

    def network_arguments(self) -> dict[str, Any]:
        """Arguments of the network's constructor, from configs/inference.json.

        Raises:
            ModelError: the definition is missing or is of another network.
        """
        definition = self.read_json(INFERENCE).get("network_def")
        if not isinstance(definition, dict) or definition.get("_target_") != NETWORKS[self.kind]:
            raise ModelError(
                f"{self.folder / INFERENCE} does not define {NETWORKS[self.kind]}; use an unchanged bundle."
            )
        return {key: value for key, value in definition.items() if not key.startswith("_")}


def load_bundle(name_or_folder: str | Path | None = None, kind: BundleKind | None = "outline") -> Bundle:
    """Read a bundle's metadata and check each of its files once: sums, formats, nothing missing, no pickles.

    Args:
        name_or_folder: name of a shipped bundle or a folder; the shipped bundle of that kind when left out.
        kind: what the bundle must be for; None takes any.

    Raises:
        ModelError: there is no such bundle, it is damaged or unsafe, of another kind, or of another format.
    """
    folder = _folder_of(name_or_folder, kind or "outline")
    files = _recorded_sums(folder)
    for path in sorted(folder.rglob("*")):
        refuse_pickles(str(path))
        if path.parent == folder / "models" and path.relative_to(folder).as_posix() not in files:
            raise ModelError(f"{path} is not listed in the bundle's SHA256SUMS; use an unchanged bundle.")
    metadata: dict[str, Any] = {}
    for relative in files:
        content = _read(folder, relative, files)
        check_content(folder / relative, content)
        if relative == METADATA:
            metadata = read_json(folder / relative, content)
    settings = parse_settings(metadata.get("inference"), str(folder / METADATA))
    _check_structure(folder, files, settings)
    name, version = metadata.get("name"), metadata.get("version")
    if not (isinstance(name, str) and name and isinstance(version, str) and version):
        raise ModelError(f"{folder / METADATA} lacks the bundle's name or version; use an unchanged bundle.")
    if kind is not None and settings.kind != kind:
        raise ModelError(f"{folder} holds a bundle of kind {settings.kind} where {kind} is needed; name another.")
    return Bundle(folder=folder, name=name, version=version, settings=settings, files=files)


def shipped_bundles() -> list[Path]:
    """Folders of the bundles that come with BreastUSAssist, by name; they are not opened."""
    root = resource_path("Models")
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over every other file of a bundle, in the format of `sha256sum`."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in paths]
    (folder / "SHA256SUMS").write_text("".join(lines), "utf-8")


def _folder_of(name_or_folder: str | Path | None, kind: BundleKind) -> Path:
    if name_or_folder is None:
        return resource_path("Models", DEFAULT_BUNDLES[kind])
    folder = Path(name_or_folder)
    shipped = {path.name: path for path in shipped_bundles()}
    if not folder.is_dir() and str(name_or_folder) in shipped:
        return shipped[str(name_or_folder)]
    if not folder.is_dir():
        raise ModelError(f"{folder} is neither a shipped model nor a folder; `breastusassist models list` shows them.")
    return folder


def _recorded_sums(folder: Path) -> dict[str, str]:
    """Parse SHA256SUMS; names are relative and stay inside the folder."""
    try:
        if (folder / "SHA256SUMS").stat().st_size > _LARGEST_SUMS:
            raise ValueError("too large")
        lines = [line for line in (folder / "SHA256SUMS").read_text("utf-8").splitlines() if line.strip()]
        files = {name: digest for digest, name in (line.split(None, 1) for line in lines)}
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no model bundle with a SHA256SUMS file; name another folder.") from error
    for name in files:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or "\\" in name or ":" in name or len(files) > _MOST_FILES:
            raise ModelError(f"{folder}/SHA256SUMS names files outside of the bundle; use an unchanged bundle.")
    return files


def _read(folder: Path, relative: str, files: dict[str, str]) -> bytes:
    path = folder / relative
    if relative not in files:
        raise ModelError(f"{path} is not listed in the bundle's SHA256SUMS; use an unchanged bundle.")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ModelError(f"{path} is larger than {LARGEST_FILE >> 20} MB; use a smaller model.")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(f"{path} is missing; install the model again.") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read; install the model again.") from error
    if hashlib.sha256(content).hexdigest() != files[relative]:
        raise ModelError(f"{path} does not have the recorded SHA-256; it is damaged or was changed, install it again.")
    return content


def _check_structure(folder: Path, files: dict[str, str], settings: BundleSettings) -> None:
    for relative in (METADATA, INFERENCE, WEIGHTS, *ONNX_FILES[settings.kind]):
        if relative not in files:
            raise ModelError(f"{folder} lacks {relative}; install the model again.")
