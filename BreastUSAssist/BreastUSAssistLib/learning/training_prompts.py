"""Prompts as a reader would give them, simulated while the network learns (iterated clicks: Sofiiuk et al., RITM,
ICIP 2022)."""

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from ..model.network import PROMPT_CHANNELS, LesionNet
from .click_simulation import random_click

POSITIVE, NEGATIVE, PREVIOUS, BOX = range(PROMPT_CHANNELS)
CLICK_RADIUS = 3
"""Pixels of the network's square; the same at inference (model.prompt)."""
MOST_ROUNDS = 4
FROM_NOTHING = 0.3
WITH_BOX = 0.12
WITH_SCRIBBLE = 0.12


def simulate_prompts(
    network: LesionNet, features: list[Tensor], masks: Tensor, share: float, chance: np.random.Generator
) -> Tensor:
    """Prompts (batch, 4, size, size) for a share of the images that show a lesion; zeros for the others.

    A prompted image starts from the network's own draft or from nothing, and gets one to four clicks, each put where
    the answer to those before it was wrong, or a box, or a scribble. The network answers between clicks with the
    weights that it has; no gradient flows.

    Args:
        network: in training mode before and after.
        features: of the images, from `network.encode`; detached here.
        masks: true lesions, (batch, 1, size, size) in 0..1.
        share: of the images to prompt.
        chance: source of all chance.
    """
    prompts = torch.zeros(len(masks), PROMPT_CHANNELS, *masks.shape[2:])
    truths = masks[:, 0].cpu().numpy() > 0.5
    drawn = [i for i, truth in enumerate(truths) if chance.random() < share and truth.sum() >= 16]
    if not drawn:
        return prompts.to(masks.device)
    frozen = [feature.detach()[drawn] for feature in features]
    prompted = prompts[drawn]
    rounds = chance.integers(1, MOST_ROUNDS + 1, len(drawn))
    current = _answers(network, frozen, None, masks.device)
    for i, index in enumerate(drawn):
        kind = chance.random()
        if kind < FROM_NOTHING:
            current[i] = False
        elif kind < FROM_NOTHING + WITH_BOX:
            _add_box(prompted[i], truths[index], chance)
            current[i], rounds[i] = False, rounds[i] - 1
        elif kind < FROM_NOTHING + WITH_BOX + WITH_SCRIBBLE:
            _add_scribble(prompted[i], truths[index], chance)
            current[i], rounds[i] = False, rounds[i] - 1
    for number in range(int(rounds.max())):
        going_on = np.flatnonzero(rounds > number)
        if number:
            features_left = [feature[going_on] for feature in frozen]
            current[going_on] = _answers(network, features_left, prompted[going_on], masks.device)
        for i in map(int, going_on):
            _add_click(prompted[i], truths[drawn[i]], current[i], chance)
    for i in range(len(drawn)):
        prompted[i, PREVIOUS] = torch.from_numpy(current[i])
    prompts[drawn] = prompted
    return prompts.to(masks.device)


@torch.no_grad()
def _answers(network: LesionNet, features: list[Tensor], prompts: Tensor | None, device: torch.device) -> np.ndarray:
    """Outlines (n, size, size) bool as inference would give them: with the running means of the norms."""
    network.decoder.eval()
    try:
        outline, _ = network.decode(features, None if prompts is None else prompts.to(device))
    finally:
        network.decoder.train()
    return (outline[:, 0] > 0).cpu().numpy()


def _add_click(prompt: Tensor, truth: np.ndarray, current: np.ndarray, chance: np.random.Generator) -> None:
    """One click on an error, drawn at half the resolution for speed; none where there is no error left."""
    click = random_click(truth[::2, ::2], current[::2, ::2], chance)
    if click is not None:
        prompt[PREVIOUS] = torch.from_numpy(current)
        _draw_disk(prompt[POSITIVE if click.positive else NEGATIVE], 2 * click.row, 2 * click.column)


def _draw_disk(channel: Tensor, row: float, column: float, radius: int = CLICK_RADIUS) -> None:
    top, left = max(round(row) - radius, 0), max(round(column) - radius, 0)
    part = channel[top : round(row) + radius + 1, left : round(column) + radius + 1]
    rows = torch.arange(top, top + part.shape[0]).reshape(-1, 1) - row
    columns = torch.arange(left, left + part.shape[1]).reshape(1, -1) - column
    part[rows**2 + columns**2 <= radius**2 + 0.5] = 1


def _add_box(prompt: Tensor, truth: np.ndarray, chance: np.random.Generator) -> None:
    """A box about the lesion, each side off by up to a tenth."""
    rows, columns = np.flatnonzero(truth.any(1)), np.flatnonzero(truth.any(0))
    height, width = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    off = chance.uniform(-0.1, 0.1, 4)
    top, left = max(rows[0] + off[0] * height, 0), max(columns[0] + off[1] * width, 0)
    bottom, right = rows[-1] + 1 + off[2] * height, columns[-1] + 1 + off[3] * width
    prompt[BOX, round(top) : round(bottom), round(left) : round(right)] = 1


def _add_scribble(prompt: Tensor, truth: np.ndarray, chance: np.random.Generator) -> None:
    """A stroke through two to four points of the lesion, kept inside it."""
    inside = np.argwhere(truth)
    stops = inside[chance.integers(0, len(inside), chance.integers(2, 5))].astype(float)
    for start, end in pairwise(stops):
        steps = int(np.abs(end - start).max()) // 2 + 2
        for row, column in np.linspace(start, end, steps):
            if truth[round(row), round(column)]:
                _draw_disk(prompt[POSITIVE], row, column, radius=1)
