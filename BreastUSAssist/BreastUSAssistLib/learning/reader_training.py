"""Training of the lesion reader: one network for malignancy, ordered category and descriptors."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..model.reader_network import ReaderNet
from ..model.reader_outputs import ANY_OF, ONE_OF
from .checkpoints import keep_checkpoint, resume_checkpoint
from .reader_augmentation import varied
from .reader_data import ReaderLesions
from .training import imagenet_weights

if TYPE_CHECKING:
    from .training_log import TrainingLog

Progress = Callable[[str], None]


class ReaderTrainingOptions(BaseModel):
    """Everything that decides the outcome of a reader's training, as stored in the bundle's train.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_folds: tuple[int, ...] = (1, 2, 3)
    validation_folds: tuple[int, ...] = (4,)
    input_size: int = Field(default=160, multiple_of=32)
    mask_channel: bool = True
    dropout: float = Field(default=0.4, ge=0, lt=1)
    epochs: int = Field(default=6, ge=1)
    batch_size: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=1.5e-3, gt=0)
    encoder_learning_rate: float = Field(default=4e-4, gt=0)
    weight_decay: float = 2e-2
    average_decay: float = Field(default=0.99, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which is what is kept."""
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    shares: dict[str, float] = {"busbra": 1.0, "busi": 1.2, "breast": 2.5}
    """How often a lesion of a data set is shown in one epoch; 1 where not named. Draws are with replacement."""
    measures_hidden: float = Field(default=0.15, ge=0, le=1)
    """Share of lesions that are shown without their measures."""
    loss_weights: dict[str, float] = {
        "malignant": 1.0,
        "category": 0.5,
        "shape": 0.2,
        "margin": 0.3,
        "echo_pattern": 0.2,
        "posterior_features": 0.2,
        "halo": 0.1,
        "calcifications": 0.1,
    }
    seed: int = 2026


def train_reader(
    lesions: ReaderLesions,
    options: ReaderTrainingOptions,
    folder: Path,
    *,
    progress: Progress,
    log: "TrainingLog | None" = None,
    device: str = "cpu",
    clock: Callable[[], float] = time.monotonic,
    pretrained: bool = True,
    start: Mapping[str, Tensor] | None = None,
) -> ReaderNet:
    """Train on `lesions` (all of them: choose the folds before); the averaged network is returned.

    `folder`/state.pt is written after every epoch, and a training that was stopped goes on from there. Without
    `pretrained` the encoder starts at random and not from ImageNet; `start` is the state of a reader to go on from in
    place of either.

    Raises:
        UsageError: the folder holds a training with other options, or the ImageNet weights are not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(options.seed)
    parts = _prepared(lesions, options, device, pretrained, start)
    first = resume_checkpoint(folder / "state.pt", parts, options)
    for epoch in range(first, options.epochs):
        started = clock()
        losses = _epoch(lesions, options, parts, device)
        keep_checkpoint(folder / "state.pt", parts, options, epoch + 1)
        if log:
            for name, value in losses.items():
                log.scalar(f"loss/{name}", value, epoch + 1)
        told = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        progress(f"epoch {epoch + 1}/{options.epochs}  {told}  {clock() - started:.0f} s")
    trained = new_reader(lesions, options)
    trained.load_state_dict(parts.averaged.module.state_dict())
    return trained.eval()


def new_reader(lesions: ReaderLesions, options: ReaderTrainingOptions) -> ReaderNet:
    """An untrained reader that standardises measures as those of `lesions` ask for."""
    measures = lesions.measures.shape[-1]
    network = ReaderNet(measures, dropout=options.dropout, mask_channel=options.mask_channel)
    network.set_measure_scale(torch.from_numpy(lesions.measures.reshape(-1, measures)))
    return network


@dataclass(eq=False)
class _Parts:
    """What a training consists of and goes on from."""

    network: ReaderNet
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator


def _draws(lesions: ReaderLesions, options: ReaderTrainingOptions) -> tuple[Tensor, int]:
    """Weight of each lesion, and batches an epoch."""
    weights = np.array([options.shares.get(str(name), 1.0) for name in lesions.datasets])
    return torch.from_numpy(weights), max(1, int(weights.sum()) // options.batch_size)


def _prepared(
    lesions: ReaderLesions,
    options: ReaderTrainingOptions,
    device: str,
    pretrained: bool,
    start: Mapping[str, Tensor] | None,
) -> _Parts:
    network = new_reader(lesions, options)
    if start is not None:
        network.load_state_dict(start)
    elif pretrained:
        network.load_imagenet_weights(dict(imagenet_weights()))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.to(device)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(options.average_decay), use_buffers=True)
    encoder = list(network.encoder.parameters())
    others = [p for name, p in network.named_parameters() if not name.startswith("encoder.")]
    rates = [options.encoder_learning_rate, options.learning_rate]
    groups = [{"params": part, "lr": rate} for part, rate in zip((encoder, others), rates, strict=True)]
    optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
    steps = max(options.epochs * _draws(lesions, options)[1], 2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=0.15)
    return _Parts(network, averaged, optimizer, schedule, torch.Generator().manual_seed(options.seed))


def _batches(
    lesions: ReaderLesions, options: ReaderTrainingOptions, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor, np.ndarray]]:
    """Inputs (batch, 2, size, size), measures (batch, m) and the indices of the lesions."""
    weights, count = _draws(lesions, options)
    order = torch.multinomial(weights, count * options.batch_size, replacement=True, generator=generator).numpy()
    for start in range(0, len(order), options.batch_size):
        chosen = order[start : start + options.batch_size]
        images = varied(lesions.regions[chosen], lesions.distances[chosen], options.input_size, generator)
        outline = torch.randint(lesions.measures.shape[1], (len(chosen),), generator=generator).numpy()
        measures = torch.from_numpy(lesions.measures[chosen, outline])
        hidden = torch.rand(len(chosen), generator=generator) < options.measures_hidden
        measures[hidden] = torch.nan
        yield images, measures, chosen


def _epoch(lesions: ReaderLesions, options: ReaderTrainingOptions, parts: _Parts, device: str) -> dict[str, float]:
    """One epoch; the mean of each loss."""
    parts.network.train()
    sums: dict[str, list[float]] = {}
    for images, measures, chosen in _batches(lesions, options, parts.generator):
        outputs = parts.network(images.to(device, memory_format=torch.channels_last), measures.to(device))
        losses = reader_losses(outputs, lesions.chosen(chosen), options.label_smoothing)
        parts.optimizer.zero_grad(set_to_none=True)
        torch.stack([options.loss_weights.get(name, 0.0) * loss for name, loss in losses.items()]).sum().backward()
        torch.nn.utils.clip_grad_norm_(parts.network.parameters(), 5.0)
        parts.optimizer.step()
        parts.schedule.step()
        parts.averaged.update_parameters(parts.network)
        for name, value in losses.items():
            sums.setdefault(name, []).append(float(value.detach()))
    return {name: float(np.mean(values)) for name, values in sums.items()}


def reader_losses(outputs: dict[str, Tensor], truth: ReaderLesions, label_smoothing: float) -> dict[str, Tensor]:
    """Cross-entropy of each output over the lesions whose truth is known; 0 where none is."""
    device = outputs["malignant"].device
    losses = {
        "malignant": _binary(outputs["malignant"], torch.from_numpy(truth.malignant).to(device), label_smoothing),
        "category": _binary(outputs["category"], torch.from_numpy(truth.category).to(device), label_smoothing),
    }
    for name in ONE_OF:
        index = torch.from_numpy(truth.descriptors[name]).long().to(device)
        loss = functional.cross_entropy(
            outputs[name], index, ignore_index=-1, label_smoothing=label_smoothing, reduction="sum"
        )
        losses[name] = loss / (index >= 0).sum().clamp(min=1)
    for name in ANY_OF:
        losses[name] = _binary(outputs[name], torch.from_numpy(truth.descriptors[name]).to(device), label_smoothing)
    return losses


def _binary(logits: Tensor, truth: Tensor, label_smoothing: float) -> Tensor:
    """Mean binary cross-entropy where `truth` is 0 or 1, not -1."""
    known = (truth >= 0).float()
    target = truth * (1 - label_smoothing) + label_smoothing / 2
    loss = functional.binary_cross_entropy_with_logits(logits, target, reduction="none")
    return (loss * known).sum() / known.sum().clamp(min=1)
