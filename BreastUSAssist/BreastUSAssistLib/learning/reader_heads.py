"""Heads of the reader's descriptors that are mixed with a regression on the measures, and folded into the network.

A hundred-odd described lesions are too few to learn every descriptor end to end. For some terms a ridge regression on
the measures alone agrees better with the reader, for some the mean of both, for some the network. Each is linear in the
network's embedding and measures, so the mix is written back into the heads: what is shipped stays one network.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from ..birads.kappa import kappa
from ..model.reader_network import ReaderNet
from ..model.reader_outputs import ANY_OF, ONE_OF

PENALTY = 0.03
"""Of the ridge regression, per lesion. Of 0.01 to 0.3 the best in cross-validation over the training folds."""
NETWORK, BOTH, MEASURES = (1.0, 0.0), (0.5, 1.0), (0.0, 1.0)
"""Share of the network's own logits and of the regression's."""
SHARES: Mapping[str, tuple[tuple[float, float], ...]] = MappingProxyType(
    {
        "shape": (BOTH,) * 3,
        "margin": (NETWORK, NETWORK, BOTH, BOTH, MEASURES),
        "echo_pattern": (BOTH,) * 6,
        "posterior_features": (BOTH,) * 4,
        "halo": (NETWORK,),
        "calcifications": (MEASURES,),
    }
)
"""By output, one pair a term: what agreed best in cross-validation over the training folds."""


LARGEST_OFFSET = 1.5
"""Of a term's logit: a term that the network thinks a few per cent likely is not to be chosen over one that it is sure
of, whatever that does to an agreement measured on a handful of lesions."""


@dataclass(frozen=True, eq=False)
class FittedHead:
    """A head as a mix: logits = own * `shares` + standardised measures @ `weights`.T + `bias`.

    `shares` and `bias` are (terms,), `weights` is (terms, measures).
    """

    shares: np.ndarray
    weights: np.ndarray
    bias: np.ndarray

    def apply(self, own: np.ndarray, measures: np.ndarray) -> np.ndarray:
        """Logits (n, terms) for the network's own (n, terms) and standardised measures (n, m)."""
        return own * self.shares + measures @ self.weights.T + self.bias


def fit_head(
    name: str,
    measures: np.ndarray,
    truth: np.ndarray,
    shares: tuple[tuple[float, float], ...],
    penalty: float = PENALTY,
) -> FittedHead:
    """Fit the regression of one descriptor output by ridge-penalised logistic regression and mix it in.

    Args:
        name: of a descriptor output.
        measures: standardised, 0 where missing, (n, m).
        truth: as in `ReaderLesions.descriptors`; -1 where unknown.
        shares: of the network's own logits and of the regression, one pair a term.
        penalty: on the squared weights, per lesion.
    """
    known = (truth >= 0) if name in ONE_OF else (truth >= 0).all(1)
    columns, target = torch.from_numpy(measures[known]).double(), torch.from_numpy(truth[known])
    terms = len(shares)
    weights = torch.zeros(terms, columns.shape[1], dtype=torch.float64, requires_grad=True)
    bias = torch.zeros(terms, dtype=torch.float64, requires_grad=True)
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
        value = misfit + penalty * (weights**2).sum() + 1e-3 * penalty * (bias**2).sum()
        value.backward()
        return value

    solver.step(loss)
    own, regression = np.array(shares).T
    return FittedHead(own, weights.detach().numpy() * regression[:, None], bias.detach().numpy() * regression)


def fit_heads(measures: np.ndarray, truth: Mapping[str, np.ndarray]) -> dict[str, FittedHead]:
    """All descriptor heads with the shares above; arguments as in `fit_head`, truth by output."""
    return {name: fit_head(name, measures, truth[name], shares) for name, shares in SHARES.items()}


@torch.no_grad()
def fold_into(network: ReaderNet, fitted: Mapping[str, FittedHead]) -> None:
    """Replace the network's descriptor heads by fitted ones, in place; its answers become those of the fitted heads."""
    state = network.state_dict()
    for name, head in fitted.items():
        shares, weights, bias = (torch.from_numpy(part).float() for part in (head.shares, head.weights, head.bias))
        mixed = state[f"heads.{name}.weight"] * shares[:, None]
        mixed[:, -weights.shape[1] :] += weights
        state[f"heads.{name}.weight"] = mixed
        state[f"heads.{name}.bias"] = state[f"heads.{name}.bias"] * shares + bias
    network.load_state_dict(state)


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


def term_agreement(first: np.ndarray, second: np.ndarray) -> float:
    """Cohen's kappa of two arrays of terms, int from 0 or bool; 0 where both name one term only."""
    first, second = first.astype(int), second.astype(int)
    value = float(kappa(first, second, int(max(first.max(), second.max())) + 1)[0])
    return value if np.isfinite(value) else 0.0


def _binary_offset(logits: np.ndarray, truth: np.ndarray) -> float:
    grid = np.linspace(-LARGEST_OFFSET, LARGEST_OFFSET, 61)
    scores = np.array([term_agreement(logits + offset > 0, truth) for offset in grid])
    # Averaged over neighbours, a stretch of good offsets is preferred to a single lucky one.
    smooth = np.convolve(np.pad(scores, 6, mode="edge"), np.ones(13) / 13, mode="valid")
    return float(np.round(grid[int(np.argmax(smooth - 0.005 * np.abs(grid)))], 3))


def _multiclass_offsets(logits: np.ndarray, truth: np.ndarray) -> list[float]:
    offsets = np.zeros(logits.shape[1])
    grid = np.linspace(-LARGEST_OFFSET, LARGEST_OFFSET, 31)
    for _ in range(3):
        for term in range(len(offsets)):
            scores = []
            for value in grid:
                offsets[term] = value
                scores.append(term_agreement((logits + offsets).argmax(1), truth))
            smooth = np.convolve(np.pad(np.array(scores), 4, mode="edge"), np.ones(9) / 9, mode="valid")
            offsets[term] = grid[int(np.argmax(smooth - 0.005 * np.abs(grid)))]
    return [float(np.round(value, 3)) for value in offsets]
