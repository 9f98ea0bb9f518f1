"""Heads of the reader that are fitted again on out-of-fold predictions, and folded back into the network.

A hundred-odd described lesions are too few to learn a descriptor end to end. Every answer of the network is linear in
its embedding and measures; so is a ridge regression on answers and measures, and it can be written back into the
heads. The network that is shipped stays one network.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..model.reader_network import ReaderNet
from ..model.reader_outputs import ANY_OF, ONE_OF


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head as a linear map of what the network already says.

    `weights` is (terms, columns), columns being the output's own logits, then the log-odds of malignancy, the score of
    the category, and the standardised measures; `bias` is (terms,).
    """

    name: str
    weights: np.ndarray
    bias: np.ndarray

    def apply(self, outputs: Mapping[str, np.ndarray], measures: np.ndarray) -> np.ndarray:
        """Logits (n, terms) for outputs (n, ...) and standardised measures (n, m)."""
        return head_columns(self.name, outputs, measures) @ self.weights.T + self.bias


def head_columns(name: str, outputs: Mapping[str, np.ndarray], measures: np.ndarray) -> np.ndarray:
    """What a fitted head sees, float64 (n, columns); see `FittedHead`."""
    shared = np.stack([outputs["malignant"], outputs["category"][:, 0]], 1)
    return np.concatenate([outputs[name], shared, measures], 1).astype(np.float64)


def fit_head(
    name: str, outputs: Mapping[str, np.ndarray], measures: np.ndarray, truth: np.ndarray, penalty: float
) -> FittedHead:
    """Fit one descriptor head by ridge-penalised logistic regression, the penalty drawing it to the network's answer.

    Args:
        name: of a descriptor output.
        outputs: out-of-fold predictions.
        measures: standardised, 0 where missing, (n, m).
        truth: as in `ReaderLesions.descriptors`; -1 where unknown.
        penalty: on the squared difference from the network's own head, per lesion; large leaves that as it is.
    """
    target = torch.from_numpy(truth)
    known = (target >= 0) if name in ONE_OF else (target >= 0).all(1)
    columns = torch.from_numpy(head_columns(name, outputs, measures))[known]
    target = target[known]
    terms = outputs[name].shape[1]
    start = torch.zeros(terms, columns.shape[1], dtype=torch.float64)
    start[:, :terms] = torch.eye(terms)
    weights, bias = start.clone().requires_grad_(), torch.zeros(terms, dtype=torch.float64, requires_grad=True)
    solver = torch.optim.LBFGS([weights, bias], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        logits = columns @ weights.T + bias
        if name in ONE_OF:
            misfit = functional.cross_entropy(logits, target.long())
        else:
            misfit = (
                functional.binary_cross_entropy_with_logits(logits, target.double(), reduction="none").sum(1).mean()
            )
        value = misfit + penalty * ((weights - start) ** 2).sum() + 1e-3 * penalty * (bias**2).sum()
        value.backward()
        return value

    solver.step(loss)
    return FittedHead(name, weights.detach().numpy(), bias.detach().numpy())


@torch.no_grad()
def fold_into(network: ReaderNet, fitted: Mapping[str, FittedHead]) -> None:
    """Replace the network's descriptor heads by fitted ones, in place; its answers become those of the fitted heads."""
    old = {name.removeprefix("heads."): value for name, value in network.state_dict().items()}
    shared = [old["malignant.weight"], old["category.score.weight"]]
    constants = [old["malignant.bias"], old["category.score.bias"] - old["category.first"]]
    measures = len(network.measure_mean)
    replaced = {}
    for name, head in fitted.items():
        weights, bias = torch.from_numpy(head.weights).float(), torch.from_numpy(head.bias).float()
        answers = weights[:, :-measures]
        mixed = answers @ torch.cat([old[f"{name}.weight"], *shared])
        mixed[:, -measures:] += weights[:, -measures:]
        replaced[f"heads.{name}.weight"] = mixed
        replaced[f"heads.{name}.bias"] = answers @ torch.cat([old[f"{name}.bias"], *constants]) + bias
    network.load_state_dict({**network.state_dict(), **replaced})


def fit_offsets(logits: Mapping[str, np.ndarray], truth: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """Offsets of each descriptor output that make its terms agree best with the reader's (Cohen's kappa).

    A rare term needs less than one half to be chosen. Of equally good offsets the one nearest to 0 within the middle of
    the best stretch is taken, so that one lesion does not decide it.
    """
    offsets: dict[str, list[float]] = {}
    for name in ONE_OF:
        known = truth[name] >= 0
        offsets[name] = _multiclass_offsets(logits[name][known], truth[name][known].astype(int))
    for name in ANY_OF:
        known = truth[name][:, 0] >= 0
        offsets[name] = [
            _binary_offset(logits[name][known, term], truth[name][known, term] > 0)
            for term in range(logits[name].shape[1])
        ]
    return offsets


def kappa(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two arrays of labels (Cohen, Educ Psychol Meas 1960); 0 where both name one label only."""
    labels = np.unique(np.concatenate([first, second]))
    agreed = float((first == second).mean())
    chance = float(sum((first == label).mean() * (second == label).mean() for label in labels))
    return (agreed - chance) / (1 - chance) if chance < 1 else 0.0


def weighted_kappa(first: np.ndarray, second: np.ndarray, levels: int) -> float:
    """Quadratic-weighted kappa of two arrays of ranks 0..levels - 1 (Cohen, Psychol Bull 1968)."""
    counts = np.zeros((levels, levels))
    np.add.at(counts, (first, second), 1)
    ranks = np.arange(levels)
    distance = (ranks[:, None] - ranks[None]) ** 2
    expected = np.outer(counts.sum(1), counts.sum(0)) / max(1.0, counts.sum())
    by_chance = float((distance * expected).sum())
    return 1 - float((distance * counts).sum()) / by_chance if by_chance else 0.0


def _binary_offset(logits: np.ndarray, truth: np.ndarray) -> float:
    grid = np.linspace(-4, 4, 161)
    scores = np.array([kappa(logits + offset > 0, truth) for offset in grid])
    # Averaged over neighbours, a stretch of good offsets is preferred to a single lucky one.
    smooth = np.convolve(np.pad(scores, 6, mode="edge"), np.ones(13) / 13, mode="valid")
    return float(np.round(grid[int(np.argmax(smooth - 0.005 * np.abs(grid)))], 3))


def _multiclass_offsets(logits: np.ndarray, truth: np.ndarray) -> list[float]:
    offsets = np.zeros(logits.shape[1])
    grid = np.linspace(-3, 3, 61)
    for _ in range(3):
        for term in range(len(offsets)):
            scores = []
            for value in grid:
                offsets[term] = value
                scores.append(kappa((logits + offsets).argmax(1), truth))
            smooth = np.convolve(np.pad(np.array(scores), 4, mode="edge"), np.ones(9) / 9, mode="valid")
            offsets[term] = grid[int(np.argmax(smooth - 0.005 * np.abs(grid)))]
    return [float(np.round(value, 3)) for value in offsets]
