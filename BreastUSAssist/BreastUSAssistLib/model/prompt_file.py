"""A prompt as a file, clicks.json: read with bounds on everything, written whole."""

import json
from pathlib import Path, PurePosixPath
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError
from ..files import write_text
from ..json_schema import published_schema
from .prompt import MOST_POINTS, MOST_SCRIBBLE_POINTS, MOST_SCRIBBLES, Prompt

PROMPT_VERSION: Final = "1.0"
LARGEST_FILE = 64 * 2**20
LARGEST_MASK = 100_000_000
"""Pixels."""

Coordinate = Annotated[float, Field(ge=-1, le=100_000, allow_inf_nan=False)]
StoredPoint = tuple[Coordinate, Coordinate]
StoredPoints = Annotated[tuple[StoredPoint, ...], Field(max_length=MOST_POINTS)]
StoredLine = Annotated[tuple[StoredPoint, ...], Field(min_length=1, max_length=MOST_SCRIBBLE_POINTS)]
StoredLines = Annotated[tuple[StoredLine, ...], Field(max_length=MOST_SCRIBBLES)]
Edge = Annotated[int, Field(ge=0, le=100_000)]


class PreviousMask(BaseModel):
    """One lesion of a label image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(min_length=1, max_length=1000)
    """PNG label image, relative to the folder of this file and inside it."""
    label: int = Field(ge=1, le=255)
    """Number of the lesion in it."""


class StoredPrompt(BaseModel):
    """Content of clicks.json. Points are [row, column] in pixels of the frame, whole numbers at pixel centres."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = PROMPT_VERSION
    frame: int | None = Field(default=None, ge=1, le=1_000_000)
    """1-based number of the frame that was marked; null where the image has one frame."""
    positive_points: StoredPoints = ()
    """Belong to the lesion."""
    negative_points: StoredPoints = ()
    """Do not belong to it."""
    positive_scribbles: StoredLines = ()
    """Each a line of points."""
    negative_scribbles: StoredLines = ()
    """Each a line of points."""
    box: tuple[Edge, Edge, Edge, Edge] | None = None
    """Top, left, bottom, right; bottom and right just outside."""
    previous_mask: PreviousMask | None = None
    """The outline that is to be corrected."""


def read_prompt_file(path: Path) -> StoredPrompt:
    """Read clicks.json without opening its mask.

    Raises:
        InputError: the file cannot be read, is no such file, or breaks a bound.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise InputError(f"{path} is larger than 64 MB; give a file of clicks.")
        return StoredPrompt.model_validate(json.loads(path.read_text("utf-8-sig")))
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); check --prompt.") from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path} is no usable prompt ({where}: {first['msg']}); correct it.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON; give a clicks.json as the documentation describes it.") from error


def prompt_of(stored: StoredPrompt, folder: Path) -> Prompt:
    """The prompt of a file that lies in `folder`, its previous mask read.

    Raises:
        InputError: the mask is missing, damaged, no label image, outside `folder`, or does not hold the label.
    """
    mask = None
    if stored.previous_mask is not None:
        labels = previous_labels(stored.previous_mask, folder)
        mask = labels == stored.previous_mask.label
        if not mask.any():
            raise InputError(
                f"{stored.previous_mask.path} holds no lesion number {stored.previous_mask.label}; "
                "name one that it holds, or leave previous_mask out."
            )
    return Prompt(
        stored.positive_points,
        stored.negative_points,
        stored.positive_scribbles,
        stored.negative_scribbles,
        stored.box,
        mask,
    )


def previous_labels(previous: PreviousMask, folder: Path) -> np.ndarray:
    """The whole label image of which a previous mask is one lesion: uint8 (rows, columns). Errors as `prompt_of`."""
    from PIL import Image

    path = _below(folder, previous.path)
    try:
        with Image.open(path) as picture:
            if picture.width * picture.height > LARGEST_MASK:
                raise InputError(f"{path} has too many pixels; give the mask of the image.")
            if picture.mode not in ("1", "L", "P"):
                raise InputError(f"{path} has {picture.mode} pixels; save the mask as an 8-bit label image.")
            return np.asarray(picture).astype(np.uint8)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path} is not there; check previous_mask.") from error
    # Pillow's decoders raise many types on damaged files.
    except Exception as error:
        raise InputError(f"{path} is damaged or not a picture; give the mask of the image.") from error


def write_prompt_file(path: Path, stored: StoredPrompt) -> None:
    """Write clicks.json, whole or not at all. Raises OutputError where the folder cannot be written."""
    write_text(path, json.dumps(stored.model_dump(mode="json"), indent=2, allow_nan=False) + "\n")


def prompt_schema() -> str:
    """Text of Resources/Schema/prompt-1.0.schema.json."""
    return published_schema(
        StoredPrompt, f"prompt-{PROMPT_VERSION}", f"BreastUSAssist prompt, version {PROMPT_VERSION}"
    )


def _below(folder: Path, name: str) -> Path:
    # Windows writes backslashes; a path that is absolute there must not pass as a name here.
    relative = PurePosixPath(name.replace("\\", "/"))
    path, root = (folder / relative).resolve(), folder.resolve()
    if relative.is_absolute() or ":" in name or not path.is_relative_to(root):
        raise InputError(f"The previous mask {name!r} lies outside the folder of the prompt; name a file inside it.")
    return path
