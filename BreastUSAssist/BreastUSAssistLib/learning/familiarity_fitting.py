"""Fit the familiarity model of an outline bundle, and show what it tells apart.

python -m BreastUSAssistLib.learning.familiarity_fitting --manifest CSV --root DIR --model FOLDER --out FILE
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BreastUSAssistError, InputError, UsageError
from ..files import write_bytes
from ..model.bundle import Bundle, load_bundle
from ..model.familiarity import ENCODER_FILE, FEATURE_LEVEL, Familiarity, familiarity_bytes, pooled_features
from ..model.preprocessing import Letterbox, network_input
from ..ultrasound.frame import Clip, SourceReference, UltrasoundFrame
from ..ultrasound.reading import open_clips
from ..ultrasound.tissue import tissue_box
from .manifest import load_image, read_manifest
from .metrics import auc
from .unlike_images import made_images

AXES = 128
"""Principal components that are kept; fewer where there are fewer images."""
MOST_FRAMES = 40
"""Frames of one clip that are looked at, evenly spread."""

Encode = Callable[[np.ndarray], np.ndarray]
"""Maps float32 (batch, 1, size, size) to the encoder's map at FEATURE_LEVEL, (batch, channels, rows, columns)."""


@dataclass(frozen=True)
class KindResult:
    """How one kind of input was scored."""

    name: str
    images: int
    auroc: float
    """Of telling it from the held-out breast images by distance."""
    median_distance: float
    unusual: float
    """Share that would be warned of or stopped."""
    far: float
    """Share that would be stopped."""


def fit_familiarity(pooled: np.ndarray, folds: np.ndarray, *, axes: int = AXES, encoder: str = "") -> Familiarity:
    """Fit on training images alone; the percentiles come from images that their own fit left out, fold by fold.

    Args:
        pooled: `pooled_features` of the images, float32 (images, features).
        folds: fold of each image, int (images,); patients never cross folds.
        axes: principal components to keep.
        encoder: SHA-256 of the weights that gave the features.

    Raises:
        InputError: there are fewer than two folds, or fewer than three images outside one of them.
    """
    held_out = []
    for fold in np.unique(folds):
        rest = pooled[folds != fold]
        if len(rest) < 3:
            raise InputError("The familiarity model needs two folds with at least three images each; name more folds.")
        held_out.append(_fitted(rest, axes).distances(pooled[folds == fold]))
    percentiles = np.percentile(np.concatenate(held_out), np.linspace(0, 100, 1001)).astype(np.float32)
    whole = _fitted(pooled, axes)
    return Familiarity(whole.mean, whole.axes, percentiles, encoder)


def _fitted(pooled: np.ndarray, axes: int) -> Familiarity:
    mean = pooled.mean(axis=0, dtype=np.float64)
    # A channel that is nearly constant must not blow rounding errors up.
    scale = pooled.std(axis=0, dtype=np.float64)
    scale = np.maximum(scale, 1e-3 * scale.max() + 1e-12)
    _, singular, directions = np.linalg.svd((pooled - mean) / scale, full_matrices=False)
    kept = min(axes, int(np.count_nonzero(singular > 1e-6 * singular[0])))
    deviation = singular[:kept, None] / np.sqrt(len(pooled))
    whitening = directions[:kept] / deviation / scale
    return Familiarity(mean.astype(np.float32), whitening.astype(np.float32), np.zeros(2, np.float32))


def pooled_of(frames: Iterable[UltrasoundFrame], encode: Encode, size: int) -> np.ndarray:
    """Features of the tissue of each frame, as analysis sees it: float32 (frames, features)."""
    rows = []
    for frame in frames:
        letterbox = Letterbox(tissue_box(frame), size)
        square = network_input(letterbox.apply(frame.grey))
        rows.append(pooled_features(encode(square[None, None])[0], letterbox))
    if not rows:
        raise InputError("There are no images to take features of; check the manifest and the folds.")
    return np.stack(rows)


def scored_kind(name: str, model: Familiarity, pooled: np.ndarray, familiar: np.ndarray) -> KindResult:
    """Compare one kind of input with held-out breast images, both as features (images, features)."""
    distances, reference = model.distances(pooled), model.distances(familiar)
    is_other = np.arange(len(reference) + len(distances)) >= len(reference)
    return KindResult(
        name,
        len(distances),
        float(auc(np.concatenate([reference, distances]), is_other)[0]),
        float(np.median(distances)),
        float(np.mean(distances > model.unusual_from)),
        float(np.mean(distances > model.far_from)),
    )


def familiarity_table(model: Familiarity, results: Sequence[KindResult]) -> str:
    """Results for a terminal, one kind a line."""
    lines = [
        f"warned beyond distance {model.unusual_from:.2f}, stopped beyond {model.far_from:.2f}; {len(model.axes)} axes",
        f"{'kind':<24}{'images':>8}{'AUROC':>8}{'median':>8}{'warned':>9}{'stopped':>9}",
    ]
    for found in results:
        lines.append(
            f"{found.name:<24}{found.images:>8}{found.auroc:>8.3f}{found.median_distance:>8.2f}"
            f"{found.unusual - found.far:>9.1%}{found.far:>9.1%}"
        )
    return "\n".join(lines) + "\n"


def torch_encoder(bundle: Bundle) -> Encode:
    """The bundle's encoder on the CPU, from models/model.safetensors. Raises ModelError where that was changed."""
    import torch
    from safetensors.torch import load_file

    from ..model.network import LesionNet

    network = LesionNet(**bundle.network_arguments())
    state = load_file(str(bundle.checked(ENCODER_FILE)))
    prefix = "encoder."
    encoder = network.encoder
    encoder.load_state_dict({n.removeprefix(prefix): v.float() for n, v in state.items() if n.startswith(prefix)})
    encoder.eval()

    def encode(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            maps = encoder(torch.from_numpy(images))
        found: np.ndarray = maps[FEATURE_LEVEL].numpy()
        return found

    return encode


def _manifest_frames(options: argparse.Namespace, folds: Sequence[int]) -> tuple[list[UltrasoundFrame], np.ndarray]:
    rows = [row for row in read_manifest(options.manifest, options.root) if row.fold in folds and row.problem is None]
    if options.limit is not None and options.limit < len(rows):
        drawn = np.random.default_rng(options.seed).choice(len(rows), options.limit, replace=False)
        rows = [rows[index] for index in sorted(drawn)]
    frames = [UltrasoundFrame(load_image(row), SourceReference(row.image)) for row in rows]
    return frames, np.array([row.fold for row in rows])


def _folder_frames(folder: Path) -> list[UltrasoundFrame]:
    found = []
    with tempfile.TemporaryDirectory() as workspace:
        for clip in open_clips([folder], Path(workspace)):
            if not isinstance(clip, Clip):
                raise clip
            chosen = np.linspace(0, len(clip) - 1, min(MOST_FRAMES, len(clip))).astype(int)
            found += [clip.frame(int(index)) for index in chosen]
    return found


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    def folds(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    parser = argparse.ArgumentParser(prog="familiarity_fitting", description=__doc__)
    parser.add_argument("--manifest", type=Path, required=True, metavar="CSV")
    parser.add_argument("--root", type=Path, required=True, metavar="DIR")
    parser.add_argument(
        "--model", type=Path, metavar="FOLDER", help="outline bundle (default: the one that is shipped)"
    )
    parser.add_argument("--folds", type=folds, default=(1, 2, 3), help="folds to fit on (default: 1,2,3)")
    parser.add_argument("--held-out", type=folds, default=(4,), help="folds that count as familiar (default: 4)")
    parser.add_argument("--other", action="append", default=[], metavar="NAME=FOLDER", help="further kinds of input")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N images of each group of folds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE", help="familiarity.safetensors to write")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, write and print the table; 0 done, 2 bad usage, 3 bad input."""
    options = _options(arguments)
    try:
        others = [entry.partition("=") for entry in options.other]
        if any(not name or not folder for name, _, folder in others):
            raise UsageError("--other takes NAME=FOLDER, such as --other cine=data/cine.")
        bundle = load_bundle(options.model)
        encode, size = torch_encoder(bundle), bundle.outline_settings.input_size
        frames, folds = _manifest_frames(options, options.folds)
        sha256 = bundle.files[ENCODER_FILE]
        model = fit_familiarity(pooled_of(frames, encode, size), folds, encoder=sha256)
        familiar = pooled_of(_manifest_frames(options, options.held_out)[0], encode, size)
        results = [scored_kind("held-out breast", model, familiar, familiar)]
        for name, make in made_images(options.seed).items():
            made = [UltrasoundFrame(image, SourceReference(Path(name))) for image in make()]
            results.append(scored_kind(name, model, pooled_of(made, encode, size), familiar))
        for name, _, folder in others:
            pooled = pooled_of(_folder_frames(Path(folder)), encode, size)
            results.append(scored_kind(name, model, pooled, familiar))
        if options.out is not None:
            write_bytes(options.out, familiarity_bytes(model))
    except BreastUSAssistError as error:
        print(f"familiarity_fitting: {error}", file=sys.stderr)  # noqa: T201
        return 2 if isinstance(error, UsageError) else 3
    print(familiarity_table(model, results), end="")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
