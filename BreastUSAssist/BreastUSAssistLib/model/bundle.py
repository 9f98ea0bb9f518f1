"""A MONAI bundle on disk: its metadata, and its files checked against their SHA-256 before anything is loaded."""

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ModelError
from ..files import resource_path

DEFAULT_BUNDLE = "lesion-first-light"


class InferenceSettings(BaseModel):
    """The part of a bundle's metadata that inference needs (`inference` in configs/metadata.json)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input_size: int = Field(ge=32, le=2048, multiple_of=32)
    outline_threshold: float = Field(gt=0, lt=1)
    """Foreground probability at which the outline is drawn."""
    smallest_lesion: float = Field(ge=0, lt=1)
    """Smallest area of a lesion, as a share of the analysed part of the frame."""
    smallest_confidence: float = Field(ge=0, le=1)
    """Least mean probability inside an outline for it to count as a lesion."""
    close_up_margin: float = Field(ge=0, le=5)
    """Share of a lesion's height and width that its close-up shows on each side of it."""
    most_close_ups: int = Field(ge=0, le=100)
    """Lesions of one frame that are looked at close up, the largest first."""
    temperature: float = Field(gt=0)
    """Divides the class logits (Guo et al., ICML 2017)."""
    calibrated_on: str
    """What the temperature was fitted on, in words."""


class Bundle(BaseModel):
    """A bundle whose files have been found; weights are read through `checked`."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    folder: Path
    name: str
    version: str
    settings: InferenceSettings
    files: dict[str, str]
    """SHA-256 by path relative to the folder."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the ONNX weights; identifies the model in results."""
        return self.files["models/model.onnx"]

    def checked(self, relative: str) -> Path:
        """Path of a bundle file whose content has the recorded SHA-256.

        Raises:
            ModelError: the file is missing, unknown to the bundle, or was changed.
        """
        path = self.folder / relative
        if relative not in self.files:
            raise ModelError(f"{path} is not listed in the bundle's SHA256SUMS; use an unchanged bundle.")
        try:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise ModelError(f"{path} cannot be read; install the model again.") from error
        if digest != self.files[relative]:
            raise ModelError(
                f"{path} does not have the recorded SHA-256; it is damaged or was changed, install it again."
            )
        return path

    def network_arguments(self) -> dict[str, Any]:
        """Arguments of the network's constructor, from configs/inference.json."""
        definition = json.loads(self.checked("configs/inference.json").read_text("utf-8"))["network_def"]
        return {key: value for key, value in definition.items() if not key.startswith("_")}


def load_bundle(folder: Path | None = None) -> Bundle:
    """Read a bundle's metadata and sums; the shipped bundle when no folder is named.

    Raises:
        ModelError: there is no bundle, or its metadata does not fit this version.
    """
    folder = resource_path("Models", DEFAULT_BUNDLE) if folder is None else Path(folder)
    try:
        sums = (folder / "SHA256SUMS").read_text("utf-8")
        files = {name: digest for digest, name in (line.split(None, 1) for line in sums.splitlines() if line.strip())}
    except (OSError, ValueError) as error:
        raise ModelError(
            f"{folder} holds no model bundle with a SHA256SUMS file; name another with --model."
        ) from error
    probe = Bundle.model_construct(folder=folder, files=files)
    try:
        metadata = json.loads(probe.checked("configs/metadata.json").read_text("utf-8"))
        return Bundle(
            folder=folder,
            name=metadata["name"],
            version=metadata["version"],
            settings=InferenceSettings.model_validate(metadata["inference"]),
            files=files,
        )
    except (ValidationError, KeyError, ValueError) as error:
        raise ModelError(f"{folder}/configs/metadata.json does not fit this version of BreastUSAssist.") from error


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over every other file of a bundle, in the format of `sha256sum`."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "SHA256SUMS")
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in paths]
    (folder / "SHA256SUMS").write_text("".join(lines), "utf-8")
