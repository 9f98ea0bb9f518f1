"""Predictions for every training lesion by a reader that never saw its patient: inner cross-validation over folds."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..errors import UsageError
from ..files import written_whole
from ..model.preprocessing import network_input
from ..model.reader_network import ReaderNet
from ..model.reader_outputs import OUTPUTS
from .reader_data import ReaderLesions
from .reader_training import Progress, ReaderTrainingOptions, train_reader


def cross_validate(
    lesions: ReaderLesions,
    options: ReaderTrainingOptions,
    folder: Path,
    *,
    progress: Progress,
    device: str = "cpu",
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, np.ndarray]:
    """Train once without each of `options.train_folds` and predict the lesions of the fold left out.

    Each training has a folder of its own below `folder` and goes on where it was stopped.

    Returns:
        Outputs by name, float32, rows as in `lesions`; NaN for lesions of other folds.

    Raises:
        UsageError: there are fewer than two folds, or a fold is empty.
    """
    if len(options.train_folds) < 2:
        raise UsageError("Cross-validation needs at least two training folds; name more of them.")
    found = {name: np.full((len(lesions), columns), np.nan, np.float32) for name, columns in OUTPUTS.items()}
    for held_out in options.train_folds:
        others = tuple(fold for fold in options.train_folds if fold != held_out)
        left_out = np.flatnonzero(lesions.folds == held_out)
        shown = np.flatnonzero(np.isin(lesions.folds, others))
        if not len(left_out) or not len(shown):
            raise UsageError(f"Fold {held_out} or the folds beside it have no lesion; check the folds of the manifest.")
        inner = options.model_copy(update={"train_folds": others, "validation_folds": (held_out,)})
        progress(f"without fold {held_out}: {len(shown)} lesions")
        network = train_reader(
            lesions.chosen(shown),
            inner,
            folder / f"without-{held_out}",
            progress=progress,
            device=device,
            clock=clock,
        )
        for name, values in predict(network, lesions.chosen(left_out), options.input_size, device=device).items():
            found[name][left_out] = values.reshape(len(left_out), -1)
    return {name: values[:, 0] if name == "malignant" else values for name, values in found.items()}


@torch.no_grad()
def predict(
    network: ReaderNet, lesions: ReaderLesions, size: int, *, device: str = "cpu", batch_size: int = 32
) -> dict[str, np.ndarray]:
    """Outputs of a network for lesions with their true outlines, each the mean of the picture and its mirror image."""
    network = network.to(device).eval()
    found: dict[str, list[np.ndarray]] = {name: [] for name in OUTPUTS}
    for start in range(0, len(lesions), batch_size):
        chosen = slice(start, start + batch_size)
        images = torch.from_numpy(plain_inputs(lesions, size, chosen)).to(device)
        measures = torch.from_numpy(lesions.measures[chosen, 0]).to(device)
        views = [network(view, measures) for view in (images, images.flip(-1))]
        for name in OUTPUTS:
            found[name].append(((views[0][name] + views[1][name]) / 2).cpu().numpy())
    return {name: np.concatenate(values) for name, values in found.items()}


def plain_inputs(lesions: ReaderLesions, size: int, chosen: slice) -> np.ndarray:
    """Network inputs without any variation, as `lesion_roi` gives them: float32 (n, 2, size, size)."""
    edge = (lesions.regions.shape[-1] - size) // 2
    inner = slice(edge, edge + size)
    grey = network_input(lesions.regions[chosen, inner, inner])
    return np.stack([grey, (lesions.distances[chosen, inner, inner] > 0).astype(np.float32)], 1)


def keep_predictions(path: Path, lesions: ReaderLesions, outputs: dict[str, np.ndarray]) -> None:
    """Write predictions as .npz, one row a lesion: ids, datasets, folds, numbers, truth and every output.

    Truth is named malignant_truth (0, 1, -1 unknown), category_truth, birads and <descriptor>_truth.
    """
    columns: dict[str, Any] = {
        "ids": lesions.ids,
        "datasets": lesions.datasets,
        "folds": lesions.folds,
        "numbers": lesions.numbers,
        "birads": lesions.birads,
        "malignant_truth": lesions.malignant,
        "category_truth": lesions.category,
        "measures": lesions.measures[:, 0],
        **{f"{name}_truth": values for name, values in lesions.descriptors.items()},
        **outputs,
    }
    with written_whole(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **columns)
