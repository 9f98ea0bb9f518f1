"""Fine-tuning of an outline bundle on labels, with images of its original training mixed in.

Few labels move a network far: without replay it forgets what it knew of other scanners (Robins, Connection Science
1995). The means and variances of its norms stay as they are, since those of a handful of images are noise; so do the
encoder's finer stages by default, which cost the most on a CPU and are all that the model of familiar images sees.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from monai.losses import DiceLoss
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from ..errors import ModelError
from ..model.bundle import Bundle
from ..model.familiarity import FEATURE_LEVEL
from ..model.network import FEATURE_STAGES, LITE0_STAGES, EfficientNetLite0Encoder, LesionNet
from ..model.torch_backend import stored_state
from .augmentation import Views
from .checkpoints import keep_checkpoint, resume_checkpoint
from .manifest import ManifestRow
from .training import mixed_weights
from .training_data import CLASSES, NORMAL, TrainingImages, Variation, batches, load_training_images
from .training_prompts import NEGATIVE, POSITIVE, simulate_prompts

STATE = "state.pt"
ALL_STAGES = len(LITE0_STAGES)
FAMILIAR_STAGES = FEATURE_STAGES[FEATURE_LEVEL] + 1
"""Encoder stages that the model of familiar images looks through."""
Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and a line on the losses. What it raises stops the training, which goes on
from the last checkpoint when it is started again."""


class FineTuningOptions(BaseModel):
    """Everything that decides the outcome of a fine-tuning beside its data, as stored in the bundle's train.json."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=120, ge=2)
    batch_size: int = Field(default=8, ge=2)
    replay_share: float = Field(default=0.4, ge=0, lt=1)
    """Share of each batch that comes from the original data, where it is at hand."""
    replay_images: int = Field(default=300, ge=1)
    """Most images of the original data that are kept in memory, drawn at random."""
    replay_folds: tuple[int, ...] = (1, 2, 3)
    """Folds of the original data that were trained on; the others stay unseen."""
    validation_folds: tuple[int, ...] = (4,)
    """Folds of the original data that the candidate is judged by."""
    learning_rate: float = Field(default=1e-4, gt=0)
    encoder_learning_rate: float = Field(default=1e-4, gt=0)
    """Of the encoder's stages that are not frozen."""
    weight_decay: float = Field(default=1e-3, ge=0)
    average_decay: float = Field(default=0.98, ge=0, lt=1)
    """Decay of the exponential moving average of the weights, which is what is kept."""
    start_share: float = Field(default=0.3, ge=0, lt=1)
    """Share of the network that was started from in the weights that are kept (Wortsman et al., Robust fine-tuning of
    zero-shot models, CVPR 2022)."""
    frozen_stages: int = Field(default=FAMILIAR_STAGES, ge=0, le=ALL_STAGES)
    """Encoder stages, with the stem, that stay as they are; from FAMILIAR_STAGES on the model of familiar images is
    kept, which sees no further."""
    frozen_norms: bool = True
    """Whether means and variances of the norms stay as they are."""
    stored_size: int = Field(default=320, ge=32)
    close_ups: float = Field(default=0.5, ge=0, le=1)
    lesion_free: float = Field(default=0.08, ge=0, le=1)
    prompted: float = Field(default=0.15, ge=0, le=1)
    marks: float = Field(default=0.0, ge=0, le=1)
    normal_weight: float = Field(default=2.0, gt=0)
    click_weight: float = Field(default=0.5, ge=0)
    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    checkpoint_every: int = Field(default=20, ge=1)
    """Steps."""
    seed: int = 2026


class FineTuningTask(BaseModel):
    """What a fine-tuning does; one that was stopped goes on only where all of it is the same."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    options: FineTuningOptions
    parent: str
    """SHA-256 of the weights that it starts from."""
    labels: str
    """Digest of the labels, see label_data.LabelData."""
    replay: str
    """Names of the images of the original data, by line; empty without."""


@dataclass(eq=False)
class _Parts:
    """What a fine-tuning consists of and goes on from."""

    network: LesionNet
    averaged: AveragedModel
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    generator: torch.Generator


def fine_tune(
    bundle: Bundle,
    labels: TrainingImages,
    replay: TrainingImages | None,
    task: FineTuningTask,
    folder: Path,
    *,
    progress: Progress = lambda done, total, told: None,
    device: str = "cpu",
) -> LesionNet:
    """Fine-tune the bundle's network; `folder`/state.pt is what one that was stopped goes on from, to the same weights.

    Raises:
        ModelError: the bundle's network cannot be loaded.
        UsageError: `folder` holds the state of another fine-tuning.
        OutputError: the state cannot be written.
    """
    options, size = task.options, bundle.outline_settings.input_size
    start = stored_state(bundle)
    parts = _prepared(bundle, start, options, device)
    replayed = round(options.replay_share * options.batch_size) if replay is not None else 0
    sources = [(_at_least(labels, options.batch_size), options.batch_size - replayed)]
    if replay is not None and replayed:
        sources.append((_at_least(replay, replayed), replayed))
    done = resume_checkpoint(folder / STATE, parts, task)
    while done < options.steps:
        losses = _step(parts, _drawn(sources, size, options, parts.generator), options, device)
        done += 1
        if done % options.checkpoint_every == 0 or done == options.steps:
            keep_checkpoint(folder / STATE, parts, task, done)
        progress(done, options.steps, "  ".join(f"{name} {value:.4f}" for name, value in losses.items()))
    tuned = LesionNet(**bundle.network_arguments())
    averaged = {name: value.cpu() for name, value in parts.averaged.module.state_dict().items()}
    tuned.load_state_dict(mixed_weights(averaged, start, options.start_share))
    return tuned.eval()


def replay_of(rows: Sequence[ManifestRow], options: FineTuningOptions) -> tuple[ManifestRow, ...]:
    """At most `replay_images` rows of the folds that were trained on, drawn by the seed."""
    usable = [row for row in rows if row.fold in options.replay_folds and row.problem is None]
    chosen = random.Random(options.seed).sample(usable, min(options.replay_images, len(usable)))
    return tuple(sorted(chosen, key=lambda row: row.line))


def replay_images(rows: Sequence[ManifestRow], options: FineTuningOptions) -> TrainingImages | None:
    """Images of the rows; None where there is no row. Raises InputError: an image cannot be read."""
    return load_training_images(rows, options.stored_size) if rows else None


def _prepared(bundle: Bundle, start: dict[str, Tensor], options: FineTuningOptions, device: str) -> _Parts:
    torch.manual_seed(options.seed)
    network = LesionNet(**bundle.network_arguments())
    try:
        network.load_state_dict(start)
    except RuntimeError as error:
        raise ModelError(f"{bundle.folder} does not fit its network; use a bundle of this version.") from error
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(options.average_decay), use_buffers=True)
    for part in _frozen(network, options):
        part.requires_grad_(False)
    encoder = [one for one in network.encoder.parameters() if one.requires_grad]
    others = [one for name, one in network.named_parameters() if not name.startswith("encoder.")]
    by_part = [(others, options.learning_rate), (encoder, options.encoder_learning_rate)]
    groups = [{"params": part, "lr": rate} for part, rate in by_part if part]
    rates = [rate for part, rate in by_part if part]
    optimizer = torch.optim.AdamW(groups, weight_decay=options.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=options.steps + 1, pct_start=0.1)
    generator = torch.Generator().manual_seed(options.seed)
    return _Parts(network, averaged, optimizer, schedule, generator)


def _frozen(network: LesionNet, options: FineTuningOptions) -> list[nn.Module]:
    """Parts that stay as they are; of an encoder without stages all or nothing."""
    encoder = network.encoder
    if options.frozen_stages == ALL_STAGES or not isinstance(encoder, EfficientNetLite0Encoder):
        return [encoder] if options.frozen_stages else []
    return [encoder.stem, *encoder.stages[: options.frozen_stages]] if options.frozen_stages else []


def _ready(network: LesionNet, options: FineTuningOptions) -> None:
    """Training mode, but for what stays as it is."""
    network.train()
    for part in _frozen(network, options):
        part.eval()
    if options.frozen_norms:
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


def _at_least(data: TrainingImages, count: int) -> TrainingImages:
    """The images, repeated until there are `count`: `batches` gives whole batches alone."""
    index = np.arange(max(count, len(data))) % len(data)
    return TrainingImages(data.images[index], data.masks[index], data.classes[index], data.datasets[index])


def _drawn(
    sources: Sequence[tuple[TrainingImages, int]],
    size: int,
    options: FineTuningOptions,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Inputs, masks and classes of one batch, so many of each source."""
    views = Views(options.close_ups, options.lesion_free)
    variation = Variation(views, options.marks, options.normal_weight, balance=0.3)
    parts = [next(batches(data, count, size, variation, generator)) for data, count in sources]
    images, masks, classes = (torch.cat(one) for one in zip(*parts, strict=True))
    return images, masks, classes


def _step(
    parts: _Parts, batch: tuple[Tensor, Tensor, Tensor], options: FineTuningOptions, device: str
) -> dict[str, float]:
    network, (images, masks, classes) = parts.network, batch
    chance = np.random.default_rng(int(torch.randint(2**31, (1,), generator=parts.generator)))
    _ready(network, options)
    with torch.set_grad_enabled(options.frozen_stages < ALL_STAGES):
        features = network.encode(images.to(device, memory_format=torch.channels_last))
    truth = masks.to(device)
    prompts = simulate_prompts(network, features, truth, options.prompted, chance)
    _ready(network, options)
    losses = _losses(network.decode(features, prompts), truth, classes.to(device), prompts, options)
    parts.optimizer.zero_grad(set_to_none=True)
    torch.stack(list(losses.values())).sum().backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
    parts.optimizer.step()
    parts.schedule.step()
    parts.averaged.update_parameters(network)
    return {name: float(value.detach()) for name, value in losses.items()}


def _losses(
    outputs: tuple[Tensor, Tensor], masks: Tensor, classes: Tensor, prompts: Tensor, options: FineTuningOptions
) -> dict[str, Tensor]:
    """Dice of the images with a lesion, cross-entropy of all outlines, at the clicks, and of the classes known."""
    outline, logits = outputs
    has_lesion = masks.flatten(1).amax(1) > 0.5
    dice = DiceLoss(sigmoid=True, reduction="none")(outline, masks).flatten() * has_lesion
    error = functional.binary_cross_entropy_with_logits(outline, masks, reduction="none")
    clicked = prompts[:, [POSITIVE, NEGATIVE]].amax(1, keepdim=True)
    losses = {
        "dice": dice.sum() / has_lesion.sum().clamp(min=1),
        "outline": error.mean(),
        "click": options.click_weight * (error * clicked).sum() / clicked.sum().clamp(min=1),
    }
    # A mean over no class would not be a number.
    if bool((classes >= 0).any()):
        smoothing = options.label_smoothing
        losses["class"] = functional.cross_entropy(logits, classes, ignore_index=-1, label_smoothing=smoothing)
    unnamed = (classes < 0) & has_lesion
    if bool(unnamed.any()):
        losses["presence"] = -_log_chance_of_lesion(logits[unnamed]).mean()
    return losses


def _log_chance_of_lesion(logits: Tensor) -> Tensor:
    """Log-probability (n,) that a frame is not normal, from logits (n, classes): all that a reader's label without
    pathology says of the class. Frames of a new scanner that were judged normal lose their outlines by it.
    """
    lesions = [index for index in range(len(CLASSES)) if index != NORMAL]
    return torch.logsumexp(functional.log_softmax(logits, 1)[:, lesions], 1)
