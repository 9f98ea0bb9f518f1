"""How well the descriptors agree with a reader's, as a command.

    python -m BreastUSAssistLib.birads.agreement --manifest CSV --root DIR

The margin is compared in three steps. Its sub-type is compared where both say not circumscribed, and counts as right
when it is one of those the reader named (they may name several), so that kappa has no meaning there. Majority is the
accuracy of always answering the commonest term of the fold.
"""

import argparse
import csv
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import BreastUSAssistError, InputError
from ..ultrasound.frame import PixelSpacing, SourceReference, UltrasoundFrame
from .descriptors import describe
from .kappa import kappa
from .lexicon import load_lexicon
from .measurements import measure

_ECHO = {"complex cystic/solid": "complex_cystic_and_solid"}
_POSTERIOR = {"no": "none"}
_LARGEST_LESION_LABEL = 100
_SUB_TYPE = "margin sub-type"


def compare(manifest: Path, root: Path, folds: Sequence[str], masks: Path | None = None) -> list[dict[str, str]]:
    """Rows of a table: descriptor, images, accuracy, majority, kappa.

    Args:
        manifest: table with image, mask, fold, pixel_mm, shape, margin, echogenicity, posterior_features.
        root: folder that image and mask are relative to.
        folds: folds to measure on.
        masks: folder of other label images (say, a network's) under the same names as the images, .png; else truth.

    Raises:
        InputError: the manifest or an image cannot be read.
    """
    pairs: dict[str, list[tuple[str, str]]] = {}
    for row, found in _described(manifest, root, folds, masks):
        margin, truth = found["margin"], row["margin"]
        named = truth.removeprefix("not circumscribed - ").split("&")
        pairs.setdefault("shape", []).append((found["shape"], row["shape"]))
        pairs.setdefault("margin circumscribed", []).append(
            (str(margin == "circumscribed"), str(truth == "circumscribed"))
        )
        pairs.setdefault("margin spiculated", []).append((str(margin == "spiculated"), str("spiculated" in named)))
        if margin != "circumscribed" and truth != "circumscribed":
            pairs.setdefault(_SUB_TYPE, []).append((margin, margin if margin in named else named[0]))
        echo = row["echogenicity"]
        pairs.setdefault("echo pattern", []).append((found.get("echo_pattern", ""), _ECHO.get(echo, echo)))
        posterior = row["posterior_features"]
        pairs.setdefault("posterior features", []).append(
            (found.get("posterior_features", ""), _POSTERIOR.get(posterior, posterior))
        )
    return [_scores(name, values) for name, values in pairs.items()]


def cohens_kappa(first: Sequence[str], second: Sequence[str]) -> float:
    """Agreement beyond chance of two lists of terms (see `kappa`); nan for a single term."""
    terms = sorted({*first, *second})
    one, other = (np.array([terms.index(term) for term in side], int) for side in (first, second))
    return float(kappa(one, other, len(terms))[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table; 0 done, 3 when an input cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m BreastUSAssistLib.birads.agreement", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--folds", nargs="+", default=["4"])
    parser.add_argument("--masks", type=Path, help="folder of other label images, <image name>.png")
    chosen = parser.parse_args(arguments)
    try:
        table = compare(chosen.manifest, chosen.root, chosen.folds, chosen.masks)
    except BreastUSAssistError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    head = f"{'descriptor':22}{'images':>8}{'accuracy':>10}{'majority':>10}{'kappa':>8}"
    lines = [
        f"{r['descriptor']:22}{r['images']:>8}{r['accuracy']:>10}{r['majority']:>10}{r['kappa']:>8}" for r in table
    ]
    sys.stdout.write("\n".join([head, *lines]) + "\n")
    return 0


def _described(
    manifest: Path, root: Path, folds: Sequence[str], masks: Path | None
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    lexicon = load_lexicon()
    for row in _rows(manifest, folds):
        grey = _image(root / row["image"])
        path = masks / (Path(row["image"]).stem + ".png") if masks else root / row["mask"]
        labels = _image(path)
        mask = (labels > 0) & (labels <= _LARGEST_LESION_LABEL)
        if not mask.any() or mask.shape != grey.shape:
            continue
        size = row.get("pixel_mm")
        spacing = PixelSpacing(float(size), float(size), "user") if size else None
        frame = UltrasoundFrame(grey, SourceReference(root / row["image"]), pixel_spacing=spacing)
        yield row, {d.attribute: d.term for d in describe(mask, measure(mask, frame), frame, lexicon)}


def _rows(manifest: Path, folds: Sequence[str]) -> list[dict[str, str]]:
    try:
        with open(manifest, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{manifest} cannot be read as a table; give a CSV file as in the README.") from error
    described = [row for row in rows if row.get("shape") not in (None, "", "not applicable")]
    chosen = [row for row in described if row.get("fold") in folds]
    if not chosen:
        raise InputError(f"{manifest} has no described lesion in fold {', '.join(folds)}; choose other folds.")
    return chosen


def _image(path: Path) -> np.ndarray:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L"))
    except OSError as error:
        raise InputError(f"{path} cannot be read as an image; check --root and --masks.") from error


def _scores(name: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    found, truth = [a for a, _ in pairs], [b for _, b in pairs]
    accuracy = np.mean([a == b for a, b in pairs])
    majority = Counter(truth).most_common(1)[0][1] / len(truth)
    return {
        "descriptor": name,
        "images": str(len(pairs)),
        "accuracy": f"{accuracy:.3f}",
        "majority": f"{majority:.3f}",
        "kappa": "-" if name == _SUB_TYPE else f"{cohens_kappa(found, truth):.3f}",
    }


if __name__ == "__main__":
    raise SystemExit(main())
