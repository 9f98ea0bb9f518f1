"""Category sets: adjacent, covering as often as they say, and honest about subgroups."""

import numpy as np
import pytest
from BreastUSAssistLib.errors import ModelError, UsageError
from BreastUSAssistLib.learning.conformal import (
    CategoryTruth,
    age_group,
    category_sets,
    coverage_by_subgroup,
    coverage_table,
    covered,
    cross_conformal_sets,
    fit_category_sets,
    size_group,
    threshold,
    true_scores,
    wilson_interval,
)
from BreastUSAssistLib.model.calibration import contiguous_set, entry_masses
from BreastUSAssistLib.model.reader_outputs import CATEGORIES
from hypothesis import given, settings
from hypothesis import strategies as st

probabilities = st.lists(st.floats(0.0, 1.0), min_size=6, max_size=6).filter(lambda p: sum(p) > 0.01)


def made_up(count=900, seed=0, coarse=0.5) -> CategoryTruth:
    """Categories drawn from softened probabilities: the network is too sure of itself, as networks are."""
    generator = np.random.default_rng(seed)
    centre = generator.normal(2.2, 1.6, count)
    true = np.exp(-((np.arange(6) - centre[:, None]) ** 2) / 1.6)
    true /= true.sum(axis=1, keepdims=True)
    drawn = [generator.choice(6, p=p) for p in true]
    too_sure = true**1.8 / (true**1.8).sum(axis=1, keepdims=True)
    names = [CATEGORIES[one] for one in drawn]
    plain = generator.random(count) < coarse
    given = tuple("4" if unlettered and name[0] == "4" else name for unlettered, name in zip(plain, names, strict=True))
    return CategoryTruth(too_sure, given, np.arange(count) % 3 + 1)


@given(p=probabilities, q=st.floats(0, 1), r=st.floats(0, 1))
def test_a_set_is_adjacent_holds_the_likeliest_and_grows_with_the_threshold(p, q, r):
    small, large = (contiguous_set(p, [limit] * 6) for limit in sorted((q, r)))
    for chosen in (small, large):
        first = CATEGORIES.index(chosen[0])
        assert chosen == CATEGORIES[first : first + len(chosen)]
        assert CATEGORIES[int(np.argmax(p))] in chosen
    assert set(small) <= set(large)
    assert contiguous_set(p, [1.0] * 6) == CATEGORIES


@given(p=st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6))
def test_entry_masses_are_sums_of_what_entered_before(p):
    masses = entry_masses(p)
    share = np.array(p) / sum(p)
    order = np.argsort(masses)
    assert masses[order] == pytest.approx(np.r_[0, np.cumsum(share[order])[:-1]], abs=1e-9)


@pytest.mark.parametrize("bad", [[0.0] * 6, [0.5] * 5, [float("nan")] + [0.2] * 5, [-0.1] + [0.2] * 5])
def test_unusable_probabilities_are_refused(bad):
    with pytest.raises(ModelError, match="category probabilities"):
        entry_masses(bad)


def test_coverage_on_exchangeable_lesions_is_what_was_asked_for():
    shares = []
    for seed in range(30):
        truth = made_up(800, seed)
        half = np.random.default_rng(seed).random(800) < 0.5
        sets = fit_category_sets(truth.chosen(half))
        rest = truth.chosen(~half)
        shares.append(covered(category_sets(rest.probabilities, sets), rest.given).mean())
    assert 0.89 < np.mean(shares) < 0.93


@pytest.mark.parametrize("level", [0.7, 0.9, 0.95])
def test_sets_over_the_folds_cover_at_their_level(level):
    truth = made_up(3000, 1)
    inside = cross_conformal_sets(truth, level)
    assert covered(inside, truth.given).mean() == pytest.approx(level, abs=0.035)


def test_thresholds_by_category_cover_within_each():
    truth = made_up(6000, 2, coarse=1.0)
    average = {row.group: row for row in _rows(truth, cross_conformal_sets(truth))}
    within = {row.group: row for row in _rows(truth, cross_conformal_sets(truth, by_category=True))}
    assert min(row.covered for row in within.values()) > 0.87
    assert min(row.covered for row in within.values()) > min(row.covered for row in average.values())


def _rows(truth, inside):
    return coverage_by_subgroup(inside, truth.given, {"category": truth.given})


def test_a_plain_4_is_covered_by_any_of_its_letters():
    p = np.array([[0.0, 0.1, 0.2, 0.3, 0.3, 0.1]] * 2)
    truth = CategoryTruth(p, ("4", "4A"), np.array([1, 2]))
    assert true_scores(truth)[0] == 0 and true_scores(truth)[1] > 0
    inside = np.zeros((3, 6), bool)
    inside[0, 4] = inside[1, 5] = inside[2, 2] = True
    assert covered(inside, ("4", "4", "4A")).tolist() == [True, False, True]


def test_too_few_lesions_let_everything_in():
    assert threshold(np.zeros(8)) == 1.0
    assert threshold(np.arange(9) / 10) == 0.8
    sets = fit_category_sets(made_up(5))
    assert category_sets(np.full((1, 6), 1 / 6), sets).all()


def test_the_coverage_table_names_subgroups_and_leaves_out_the_unknown():
    truth = made_up(200)
    ages = [age_group(age) for age in (*[30, 40, 60, 61, None], *[None] * 195)]
    rows = coverage_by_subgroup(np.ones((200, 6), bool), truth.given, {"age": ages})
    assert [(row.group, row.lesions, row.covered, row.mean_size) for row in rows] == [
        ("all", 200, 1.0, 6.0),
        ("age 40 to 60", 2, 1.0, 6.0),
        ("age above 60", 1, 1.0, 6.0),
        ("age below 40", 1, 1.0, 6.0),
    ]
    assert "| age below 40 | 1 | 100.0% |" in coverage_table(rows)
    assert coverage_by_subgroup(np.ones((0, 6), bool), (), {}) == []
    assert (size_group(9.9), size_group(20), size_group(21), size_group(None)) == (
        "below 10 mm",
        "10 to 20 mm",
        "above 20 mm",
        None,
    )


def test_wilson_interval_of_a_published_example():
    # Newcombe, Statistics in Medicine 1998;17:857, table I: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)
    assert wilson_interval(0, 0) == (0.0, 1.0)


@settings(max_examples=30)
@given(seed=st.integers(0, 1000))
def test_the_order_of_lesions_does_not_matter(seed):
    truth = made_up(60, seed)
    order = np.random.default_rng(seed).permutation(60)
    turned = CategoryTruth(truth.probabilities[order], tuple(truth.given[i] for i in order), truth.folds[order])
    assert fit_category_sets(truth) == fit_category_sets(turned)


def test_what_does_not_fit_is_refused():
    with pytest.raises(UsageError, match="equally many"):
        CategoryTruth(np.ones((2, 6)), ("4",), np.ones(2))
    with pytest.raises(UsageError, match="not among"):
        CategoryTruth(np.ones((1, 6)), ("6",), np.ones(1))
    with pytest.raises(UsageError, match="two folds"):
        cross_conformal_sets(made_up(10).chosen(np.arange(10) % 3 == 0))
    with pytest.raises(UsageError, match="level"):
        fit_category_sets(made_up(10), 1.0)
