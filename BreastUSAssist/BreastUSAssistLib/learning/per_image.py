"""Scores of single images as a table: ids and numbers only, no patient."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from ..files import write_text
from ..model.reader_outputs import CATEGORIES
from .reader_scoring import middle_category
from .scoring import ImageScore

_SCORES = ("dice", "iou", "hd95_px", "hd95_mm", "lesion_dice")


def write_per_image(path: Path, scores: Sequence[ImageScore]) -> None:
    """Write one row an image, CSV in UTF-8; an empty cell is unknown. Raises OutputError where it cannot be written."""
    text = io.StringIO(newline="")
    rows = [_cells(score) for score in scores]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else ["image"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _cells(score: ImageScore) -> dict[str, str | int]:
    detection, judged, on_truth = score.detection, score.judged, score.judged_on_truth
    cells: dict[str, str | int] = {
        "dataset": score.dataset or "",
        "id": score.id or "",
        "image": score.image,
        "pathology": score.pathology or "",
        "birads": score.birads or "",
        **{name: _number(getattr(score, name)) for name in _SCORES},
        "lesions": detection.lesions if detection else "",
        "found": detection.found if detection else "",
        "outlines": detection.outlines if detection else "",
        "false_outlines": detection.false_outlines if detection else "",
        "malignant": _number(score.malignant_shown),
        "malignant_outline_network": _number(score.malignant_given_lesion),
        "malignant_true_outline": _number(on_truth.probability if on_truth else None),
        "category": middle_category(judged) if judged and judged.category_probabilities else "",
        "category_set": " ".join(judged.category_set) if judged else "",
    }
    for category in CATEGORIES:
        known = judged is not None and category in judged.category_probabilities
        cells[f"p_{category}"] = _number(judged.category_probabilities[category]) if judged and known else ""
    return {**cells, "time_ms": f"{score.time_ms:.1f}"}


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
