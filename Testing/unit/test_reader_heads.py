"""Heads fitted again on out-of-fold predictions: folded into the network they say the same; offsets; agreement."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from BreastUSAssistLib.birads.kappa import kappa  # noqa: E402
from BreastUSAssistLib.learning.reader_heads import (  # noqa: E402
    BOTH,
    fit_head,
    fit_heads,
    fit_offsets,
    fold_into,
    term_agreement,
)
from BreastUSAssistLib.model.reader_network import ReaderNet  # noqa: E402
from BreastUSAssistLib.model.reader_outputs import ANY_OF, ONE_OF, OUTPUTS  # noqa: E402

MEASURES = 14


def _outputs(count: int, seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    found = {name: generator.standard_normal((count, columns)) for name, columns in OUTPUTS.items()}
    return {**found, "malignant": found["malignant"][:, 0]}


def _truth(outputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    one_of = {name: outputs[name].argmax(1).astype(np.float32) for name in ONE_OF}
    return {**one_of, **{name: (outputs[name] > 0.8).astype(np.float32) for name in ANY_OF}}


@torch.no_grad()
def test_folded_heads_answer_as_the_fitted_ones_do() -> None:
    torch.manual_seed(1)
    network = ReaderNet(MEASURES).eval()
    image, measures = torch.rand(6, 2, 64, 64), torch.randn(6, MEASURES)
    before = {name: values.numpy() for name, values in network(image, measures).items()}
    standardised = network.standardised(measures).numpy()
    with torch.enable_grad():
        fitted = fit_heads(np.random.default_rng(3).standard_normal((40, MEASURES)), _truth(_outputs(40, 2)))
    fold_into(network, fitted)
    after = network(image, measures)
    for name, head in fitted.items():
        assert np.allclose(after[name].numpy(), head.apply(before[name], standardised), atol=1e-4), name
    for name in ("malignant", "category", "embedding"):
        assert np.array_equal(after[name].numpy(), before[name])


def test_a_large_penalty_leaves_only_the_network() -> None:
    measures = np.random.default_rng(5).standard_normal((30, MEASURES))
    head = fit_head("shape", measures, _truth(_outputs(30, 4))["shape"], (BOTH,) * 3, 1e4)
    assert np.abs(head.weights).max() < 1e-2
    assert head.shares.tolist() == [0.5] * 3


def test_terms_left_to_the_network_are_as_they_were() -> None:
    seen = _outputs(30, 9)
    measures = np.random.default_rng(5).standard_normal((30, MEASURES))
    head = fit_heads(measures, _truth(seen))["margin"]
    found = head.apply(seen["margin"], measures)
    assert np.array_equal(found[:, 0], seen["margin"][:, 0])
    assert not np.allclose(found[:, 4], seen["margin"][:, 4])


def test_unknown_truth_takes_no_part() -> None:
    measures = np.random.default_rng(7).standard_normal((30, MEASURES))
    truth = _truth(_outputs(30, 6))["margin"]
    truth[20:] = -1
    whole = fit_head("margin", measures, truth, (BOTH,) * 5)
    part = fit_head("margin", measures[:20], truth[:20], (BOTH,) * 5)
    assert np.allclose(whole.weights, part.weights)


def test_offsets_find_the_threshold_of_a_rare_term() -> None:
    seen = _outputs(300, 8)
    truth = _truth(seen)
    offsets = fit_offsets(seen, truth)
    assert offsets["halo"][0] == pytest.approx(-0.8, abs=0.3)
    before = term_agreement(seen["halo"][:, 0] > 0, truth["halo"][:, 0] > 0)
    assert term_agreement(seen["halo"][:, 0] + offsets["halo"][0] > 0, truth["halo"][:, 0] > 0) > before
    assert term_agreement((seen["shape"] + offsets["shape"]).argmax(1), truth["shape"].astype(int)) > 0.9


def test_kappa_of_known_tables() -> None:
    # Cohen 1960: agreement 0.7 with a chance of 0.5.
    first, second = np.repeat([1, 1, 0, 0], [20, 5, 10, 15]), np.repeat([1, 0, 1, 0], [20, 5, 10, 15])
    assert term_agreement(first, second) == pytest.approx(0.4)
    ranks = np.array([0, 1, 2, 3])
    assert kappa(ranks, ranks, 4, quadratic=True)[0] == 1
    assert kappa(ranks, ranks[::-1].copy(), 4, quadratic=True)[0] == pytest.approx(-1)
