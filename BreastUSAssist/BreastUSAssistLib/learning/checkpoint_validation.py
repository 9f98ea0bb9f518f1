"""Scores of a running training on images that it does not train on, from the checkpoint of each epoch.

The checkpoint is what a training that is stopped goes on from, so that what is scored is what would be kept. Scoring
draws no random number from the training's own stream: with it or without it the weights come out the same.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..model.network import LesionNet
from ..model.preprocessing import network_input
from ..model.reader_network import ReaderNet
from . import metrics
from .manifest import ManifestRow
from .reader_cross_validation import predict
from .reader_data import ReaderLesions
from .reader_training import ReaderTrainingOptions
from .training import TrainingOptions
from .training_data import CLASSES, load_training_images
from .training_log import TrainingLog

CHECKPOINT = "state.pt"
_BATCH = 16
Scores = Callable[[Mapping[str, Tensor]], Mapping[str, float]]
"""Takes the state of the averaged network; numbers by name."""


class CheckpointValidation:
    """Looks for a new checkpoint whenever a training reports progress."""

    def __init__(self, folder: Path, every: int, scores: Scores, log: TrainingLog, tell: Callable[[str], None]):
        """Score `folder`/state.pt after every `every`-th epoch; 0 never."""
        self._path, self._every = folder / CHECKPOINT, every
        self._scores, self._log, self._tell = scores, log, tell
        self._seen = self._stamp()

    def __call__(self, line: str) -> None:
        """Pass a line of progress on, and score the checkpoint if it is new; fits the `progress` of a training."""
        self._tell(line)
        stamp = self._stamp()
        if not self._every or stamp == self._seen:
            return
        self._seen = stamp
        kept = torch.load(self._path, map_location="cpu", weights_only=True)
        epoch = int(kept["epoch"])
        if epoch % self._every:
            return
        with torch.random.fork_rng():
            found = self._scores(_averaged(kept["averaged"]))
        for name, value in found.items():
            self._log.scalar(f"validation/{name}", value, epoch)
        told = "  ".join(f"{name} {value:.4f}" for name, value in found.items())
        self._tell(f"epoch {epoch}, validation  {told or 'no image to score'}")

    def _stamp(self) -> int | None:
        return self._path.stat().st_mtime_ns if self._path.exists() else None


def outline_scores(options: TrainingOptions, rows: Sequence[ManifestRow], device: str) -> Scores:
    """Mean Dice of the whole look at images with a lesion, and AUC of malignant against benign.

    Quicker than an evaluation and lower by what the close-ups give; for choosing between epochs, not for reporting.
    """
    data = load_training_images(rows, options.input_size)

    def scores(state: Mapping[str, Tensor]) -> dict[str, float]:
        network = LesionNet(decoder_channels=options.decoder_channels)
        network.load_state_dict(state)
        network.eval().to(device)
        outlines, log_odds = [], []
        with torch.inference_mode():
            for start in range(0, len(data), _BATCH):
                squares = network_input(data.images[start : start + _BATCH])
                outline, classes = network(torch.from_numpy(squares)[:, None].to(device))
                outlines.append((outline[:, 0] > 0).cpu().numpy())
                log_odds.append((classes[:, 2] - classes[:, 1]).float().cpu().numpy())
        drafts, truth = np.concatenate(outlines), data.masks > 0
        dice = [metrics.dice(one, draft) for one, draft in zip(truth, drafts, strict=True) if one.any()]
        found = {"dice": float(np.mean(dice))} if dice else {}
        return found | _auc(np.concatenate(log_odds), data.classes, CLASSES.index("benign"))

    return scores


def reader_scores(options: ReaderTrainingOptions, lesions: ReaderLesions, device: str) -> Scores:
    """AUC of malignant against benign on the true outlines."""

    def scores(state: Mapping[str, Tensor]) -> dict[str, float]:
        network = ReaderNet(lesions.measures.shape[-1], dropout=options.dropout, mask_channel=options.mask_channel)
        network.load_state_dict(state)
        outputs = predict(network, lesions, options.input_size, device=device)
        return _auc(outputs["malignant"].reshape(-1), lesions.malignant, 0)

    return scores


def _auc(log_odds: np.ndarray, classes: np.ndarray, benign: int) -> dict[str, float]:
    """AUC over the benign and malignant ones, which have the number after; none where one class is missing."""
    known = (classes == benign) | (classes == benign + 1)
    value = float(metrics.auc(log_odds[known], classes[known] == benign + 1)[0])
    return {"auc": value} if np.isfinite(value) else {}


def _averaged(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of the network within a torch.optim.swa_utils.AveragedModel."""
    prefix = "module."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
