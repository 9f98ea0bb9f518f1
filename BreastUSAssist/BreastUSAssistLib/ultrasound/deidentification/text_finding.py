"""Text found by rapidocr's detector, whose model is in its wheel: nothing is fetched, nothing is read or kept."""

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import UsageError
from ...onnx_import import import_onnxruntime
from ..frame import Box
from .text_boxes import TextBox, merged
from .text_strokes import strokes_of

_MODEL = "PP-OCRv6_det_small.onnx"
_SHORT_SIDE = 736
"""Pixels to which the detector enlarges the shorter side of smaller pictures."""
_LONG_SIDE = 4096
_HIGHEST_LINE, _LINE_SHARE = 54, 0.12
"""Height of a line with its margins: pixels, and share of the picture's rows. No scanner writes larger."""
_MARGIN = 4
"""Pixels around a box, for the soft rims of letters."""


class RapidTextFinder:
    """Detects text without reading it; safe to share between images, one at a time."""

    def __init__(self, threads: int = -1) -> None:
        """Load the detector.

        Args:
            threads: most threads of its own; -1 takes as many as there are cores.

        Raises:
            UsageError: rapidocr or its model is not installed.
        """
        try:
            import_onnxruntime()
            import rapidocr

            self.version = f"rapidocr {version('rapidocr')} {_MODEL.removesuffix('.onnx')}"
            model = Path(rapidocr.__file__).parent / "models" / _MODEL
            if not model.is_file():
                raise UsageError(
                    "The text finder's model is missing from rapidocr; install rapidocr again, as a whole wheel."
                )
            # A path of its own for the model: without one rapidocr would fetch what it misses.
            self._detect: Any = rapidocr.RapidOCR(
                params={
                    "Global.log_level": "critical",
                    "Global.use_cls": False,
                    "Global.use_rec": False,
                    "Global.max_side_len": _LONG_SIDE,
                    "Det.model_path": str(model),
                    "Det.limit_side_len": _SHORT_SIDE,
                    "EngineConfig.onnxruntime.intra_op_num_threads": threads,
                }
            )
        except (ImportError, PackageNotFoundError) as error:
            raise UsageError(
                "Looking for burnt-in text needs rapidocr and OpenCV; install breastusassist[deidentify]."
            ) from error

    def __call__(self, picture: np.ndarray) -> tuple[TextBox, ...]:
        """Text in `picture`, uint8 (rows, columns) or RGB (rows, columns, 3): in itself, and in what is drawn in it."""
        boxes: dict[Box, float] = {}
        for seen in (picture, strokes_of(picture)):
            rgb = seen if seen.ndim == 3 else np.repeat(seen[..., None], 3, axis=2)
            found = self._detect(np.ascontiguousarray(rgb[..., ::-1]), use_det=True, use_cls=False, use_rec=False)
            if found.boxes is None:
                continue
            for corners, score in zip(found.boxes, found.scores, strict=True):
                box = _upright(corners, picture.shape)
                if _is_line(box, picture.shape):
                    boxes[box] = max(float(score), boxes.get(box, 0.0))
        return tuple(TextBox(box, boxes[box]) for box in merged(boxes))


def open_text_finder(threads: int = -1) -> RapidTextFinder:
    """The text finder of this installation. Raises UsageError: it is not installed; the message says what to do."""
    return RapidTextFinder(threads)


def has_text_finder() -> bool:
    """Whether a text finder is installed, told without loading it."""
    from importlib.util import find_spec

    return find_spec("rapidocr") is not None and find_spec("cv2") is not None


def _is_line(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether a box is no higher (or no wider) than a line of text; edges of tissue are found too."""
    return min(box[2] - box[0], box[3] - box[1]) <= max(_HIGHEST_LINE, _LINE_SHARE * shape[0])


def _upright(corners: np.ndarray, shape: tuple[int, ...]) -> Box:
    """The upright box around four corners (x, y), with its margin, cut to the picture."""
    left, top = (int(value) - _MARGIN for value in np.floor(corners.min(axis=0)))
    right, bottom = (int(value) + 1 + _MARGIN for value in np.ceil(corners.max(axis=0)))
    return max(top, 0), max(left, 0), min(bottom, shape[0]), min(right, shape[1])
