"""Pictures of images held back, as the model in use and as a candidate outline them, from the worst change to the best.

They show patients' images: they are kept sealed beside the labels, and lie open only where a client shows them.
"""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from PIL import Image, ImageDraw
from pydantic import BaseModel, ConfigDict, ValidationError

from ..labels.store import LabelStore
from ..model.bundle import Bundle
from .model_comparison import FrameScore

if TYPE_CHECKING:
    # A client that only shows kept pictures needs no PyTorch.
    from .label_data import LabelledFrame

MOST: Final = 6
SIDE: Final = 320
"""Pixels of one half, which is square."""
GAP: Final = 8
READER: Final = (86, 180, 233)
MODEL: Final = (230, 159, 0)
"""Okabe and Ito's sky blue and orange, which no common colour blindness confuses; the reader's is thin besides."""
MARGIN: Final = 0.6
"""Surroundings shown of the outlines, in sides of the box around them."""
_LEAST_SHARE = 0.4
"""Of the image's smaller side that is shown at least."""
_KEPT_AS = "candidate pictures"


class CandidatePicture(BaseModel):
    """One image held back."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64")

    case: str
    """Pseudonym."""
    frame: int
    """1-based."""
    dice_before: float | None
    """None where the reader left no lesion."""
    dice_after: float | None
    outlined_before: bool
    """Whether the model in use outlined anything."""
    outlined_after: bool
    png: bytes
    """Left as the model in use outlines it, right as the candidate does; the reader's outline in both."""


class CandidatePictures(BaseModel):
    """The pictures of one candidate, as kept beside the labels."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = "1.0"
    candidate: str
    """SHA-256 of its weights."""
    pictures: tuple[CandidatePicture, ...]


def candidate_pictures(
    store: LabelStore,
    frames: "Sequence[LabelledFrame]",
    before: Sequence[FrameScore],
    after: Sequence[FrameScore],
    current: Bundle,
    candidate: Bundle,
) -> CandidatePictures:
    """Draw up to MOST of the frames held back, evenly over the changes, the worst first.

    Args:
        store: of the frames.
        frames: held back.
        before: scores of the model in use on them, in their order.
        after: those of the candidate.
        current: bundle in use.
        candidate: the other.

    Raises:
        InputError: a frame is damaged.
        ModelError: a bundle cannot be run.
    """
    from ..model.predictor import open_predictor
    from .label_data import read_frame

    predictors = [open_predictor(bundle) for bundle in (current, candidate)]
    made = []
    for index in chosen(before, after):
        frame, old, new = frames[index], before[index], after[index]
        grey, truth = read_frame(store, frame)
        drafts = []
        for predictor in predictors:
            draft = np.zeros(grey.shape, bool)
            for one in predictor.predict(grey).lesions:
                draft |= one.pixels
            drafts.append(draft)
        made.append(
            CandidatePicture(
                case=frame.record.case,
                frame=frame.number,
                dice_before=old.dice,
                dice_after=new.dice,
                outlined_before=old.outlined,
                outlined_after=new.outlined,
                png=picture(grey, truth, drafts[0], drafts[1]),
            )
        )
    return CandidatePictures(candidate=candidate.sha256, pictures=tuple(made))


def chosen(before: Sequence[FrameScore], after: Sequence[FrameScore], most: int = MOST) -> list[int]:
    """Which frames are shown: all, or `most` of them spread evenly over the changes; the worst change first."""
    changes = [_change(old, new) for old, new in zip(before, after, strict=True)]
    ranked = sorted(range(len(changes)), key=lambda index: (changes[index], index))
    if len(ranked) <= most:
        return ranked
    return [ranked[place] for place in np.linspace(0, len(ranked) - 1, most).round().astype(int)]


def picture(grey: np.ndarray, truth: np.ndarray, before: np.ndarray, after: np.ndarray) -> bytes:
    """PNG of two halves side by side, each with the reader's outline and a model's.

    Args:
        grey: uint8 (rows, columns).
        truth: where the reader left a lesion, bool of the same shape.
        before: where the model in use sees one.
        after: where the candidate sees one.
    """
    top, left, side = _square(truth | before | after)
    scale = SIDE / side
    sheet = Image.new("RGB", (2 * SIDE + GAP, SIDE))
    for place, draft in ((0, before), (SIDE + GAP, after)):
        # Parts of the square beyond the image stay black, as the image's own surroundings are.
        part = Image.fromarray(grey).crop((left, top, left + side, top + side))
        half = part.resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB")
        draw = ImageDraw.Draw(half)
        _outline(draw, draft, (top, left), scale, MODEL, 4)
        _outline(draw, truth, (top, left), scale, READER, 2)
        sheet.paste(half, (place, 0))
    written = io.BytesIO()
    sheet.save(written, "PNG")
    return written.getvalue()


def keep_pictures(store: LabelStore, pictures: CandidatePictures) -> None:
    """Keep them beside the labels, sealed as those are. Raises OutputError: the store cannot be written."""
    store.keep_beside(_KEPT_AS, pictures.model_dump_json().encode())


def kept_pictures(store: LabelStore, candidate: str) -> tuple[CandidatePicture, ...]:
    """The pictures of the candidate with this SHA-256; none where there are none, or they cannot be read."""
    content = store.kept_beside(_KEPT_AS)
    if content is None:
        return ()
    try:
        found = CandidatePictures.model_validate_json(content)
    except ValidationError:
        # They can be made again with the next candidate; the figures are in its bundle.
        return ()
    return found.pictures if found.candidate == candidate else ()


def _change(old: FrameScore, new: FrameScore) -> float:
    """Gain in Dice; where there is no lesion, whether one was wrongly outlined less."""
    if old.dice is None or new.dice is None:
        return float(old.outlined) - float(new.outlined)
    return new.dice - old.dice


def _square(shown: np.ndarray) -> tuple[int, int, int]:
    """Top, left and side of a square around what is outlined and its surroundings; around the image without any."""
    rows, columns = shown.shape
    if not shown.any():
        side = max(rows, columns)
        return (rows - side) // 2, (columns - side) // 2, side
    down, along = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    ends = (int(down[0]), int(down[-1]) + 1), (int(along[0]), int(along[-1]) + 1)
    longest = max(end - begin for begin, end in ends)
    side = round(max(longest * (1 + MARGIN), min(rows, columns) * _LEAST_SHARE))
    side = min(side, max(rows, columns))
    corner = []
    for (begin, end), size in zip(ends, (rows, columns), strict=True):
        start = (begin + end - side) // 2
        corner.append(min(max(start, 0), size - side) if side <= size else (size - side) // 2)
    return corner[0], corner[1], side


def _outline(
    draw: ImageDraw.ImageDraw,
    mask: np.ndarray,
    corner: tuple[int, int],
    scale: float,
    colour: tuple[int, int, int],
    width: int,
) -> None:
    from skimage.measure import find_contours

    for contour in find_contours(np.pad(mask, 1).astype(np.float32), 0.5):
        # The middle of pixel 0 lies half a pixel from the edge of the image; the padding is one pixel.
        points = (contour - 0.5 - corner)[:, ::-1] * scale
        draw.line([tuple(point) for point in points], fill=colour, width=width, joint="curve")
