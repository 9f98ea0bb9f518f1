"""Automatic outlines in place of the true ones, so that the reader learns to judge what it will be shown.

    python -m BreastUSAssistLib.learning.automatic_outlines --manifest CSV --root DIR --folds 1,2,3 --out DIR

An expert's outline tells something of what the expert thought of the lesion; a reader that learns from such outlines
alone leans on them, and is let down by those of a network. This writes the drafts as label images, and DIR/manifest.csv
with one row for each image whose drafts match the truth, the mask being the draft. Paths in it are absolute.
"""

import argparse
import csv
import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..errors import BreastUSAssistError
from ..files import write_text, written_whole
from ..model.predictor import Predictor
from .manifest import LAST_LESION_LABEL, ManifestRow, load_image, mask_of, read_manifest
from .metrics import iou

LEAST_MATCH = 0.3
"""Intersection over union at which a draft outlines a true lesion; less would teach the reader something else."""


def matched_drafts(labels: np.ndarray, drafts: Sequence[np.ndarray]) -> np.ndarray | None:
    """Label image with each true lesion's best draft under the lesion's number; None where none matches.

    Args:
        labels: true label image (rows, columns).
        drafts: bool masks of the same shape.
    """
    found = np.zeros(labels.shape, np.uint8)
    for number in np.unique(labels[(labels > 0) & (labels <= LAST_LESION_LABEL)]):
        truth = labels == number
        best = max(drafts, key=lambda draft: iou(truth, draft), default=None)
        if best is not None and iou(truth, best) >= LEAST_MATCH:
            found[best & (found == 0)] = number
    return found if found.any() else None


def write_automatic_outlines(
    rows: Sequence[ManifestRow],
    cells: Sequence[dict[str, str]],
    predictor: Predictor,
    out: Path,
    tell: Callable[[str], None],
) -> int:
    """Write the drafts and `out`/manifest.csv; `cells` are the manifest's own rows by line. Returns how many matched.

    Raises:
        OutputError: the folder cannot be written.
    """
    from PIL import Image

    kept: list[dict[str, str]] = []
    for count, row in enumerate(rows, start=1):
        labels = mask_of(row)
        if labels is None:
            continue
        image = load_image(row)
        [prediction] = predictor.predict_batch([image], close_ups=False)
        found = matched_drafts(labels, [lesion.pixels for lesion in prediction.lesions])
        if found is not None:
            path = out.resolve() / "masks" / f"{row.line:06d}_{Path(row.name).stem}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as beside:
                Image.fromarray(found).save(beside, format="PNG")
            kept.append({**cells[row.line - 2], "image": str(row.image.resolve()), "mask": str(path)})
        if count % 200 == 0:
            tell(f"{count} of {len(rows)} images")
    if kept:
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, list(kept[0]))
        writer.writeheader()
        writer.writerows(kept)
        write_text(out / "manifest.csv", table.getvalue())
    return len(kept)


def _tell(line: str) -> None:
    sys.stderr.write(line + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the outlines; 0 done, 3 when an input cannot be read."""
    from ..model.predictor import open_predictor

    parser = argparse.ArgumentParser(
        prog="python -m BreastUSAssistLib.learning.automatic_outlines", description=__doc__
    )
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--folds", default="1,2,3")
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    folds = {int(fold) for fold in chosen.folds.split(",")}
    try:
        rows = [row for row in read_manifest(chosen.manifest, chosen.root) if row.fold in folds]
        with open(chosen.manifest, newline="", encoding="utf-8-sig") as file:
            cells = list(csv.DictReader(file))
        count = write_automatic_outlines(rows, cells, open_predictor(), chosen.out, _tell)
    except BreastUSAssistError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    sys.stderr.write(f"{count} of {len(rows)} images have a draft that matches, see {chosen.out / 'manifest.csv'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
