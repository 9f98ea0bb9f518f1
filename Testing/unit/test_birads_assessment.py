"""Category suggestions: bands, vetoes, and what is never suggested."""

import itertools

import pytest
from BreastUSAssistLib.birads.assessment import probability_band, suggest_category
from BreastUSAssistLib.birads.lesion import Descriptor
from BreastUSAssistLib.birads.lexicon import EDITIONS, SUGGESTED, load_lexicon
from BreastUSAssistLib.errors import UsageError
from hypothesis import given, settings
from hypothesis import strategies as st

LEXICON = load_lexicon()
DESCRIBED = ("shape", "orientation", "margin", "echo_pattern", "posterior_features")
BENIGN = {"shape": "oval", "orientation": "parallel", "margin": "circumscribed"}


def descriptors(edition: str = "birads-us-2013", **terms: str) -> tuple[Descriptor, ...]:
    lexicon = load_lexicon(edition)
    return tuple(
        Descriptor(attribute=key, term=term, label=lexicon.term(key, term).label, origin="reader", because="test")
        for key, term in terms.items()
    )


any_terms = st.fixed_dictionaries(
    {}, optional={key: st.sampled_from(sorted(LEXICON.attributes[key].terms)) for key in DESCRIBED}
)
any_probability = st.none() | st.floats(0, 1)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(terms=any_terms, probability=any_probability, edition=st.sampled_from(EDITIONS), calibrated=st.booleans())
def test_whatever_is_found_the_rules_hold(terms, probability, edition, calibrated):
    lexicon = load_lexicon(edition)
    found = suggest_category(descriptors(edition, **terms), probability, lexicon, calibrated)
    assert found.category in SUGGESTED
    assert found.reasons and all(reason.endswith(".") for reason in found.reasons)
    assert found.label == lexicon.categories[found.category].label
    assert found.edition == edition
    assert found.status == "draft"
    if found.category == "3":
        assert {key: terms.get(key) for key in BENIGN} == BENIGN
        assert probability is None or probability <= 0.02
        assert terms.get("posterior_features") not in ("shadowing", "combined")
    if probability is not None:
        assert SUGGESTED.index(found.category) >= SUGGESTED.index(probability_band(probability, lexicon))
    if terms.get("margin") == "spiculated":
        assert SUGGESTED.index(found.category) >= SUGGESTED.index("4B")


@pytest.mark.parametrize(
    ("probability", "category"),
    [
        (0, "3"),
        (0.02, "3"),
        (0.0201, "4A"),
        (0.1, "4A"),
        (0.11, "4B"),
        (0.5, "4B"),
        (0.51, "4C"),
        (0.9499, "4C"),
        (0.95, "5"),
        (1, "5"),
    ],
)
def test_bands_of_the_probability(probability, category):
    assert probability_band(probability, LEXICON) == category
    assert suggest_category(descriptors(**BENIGN), probability, LEXICON).category == category


def test_every_category_can_be_reached_by_descriptors_alone():
    reached = {
        suggest_category(descriptors(**dict(zip(DESCRIBED, chosen, strict=True))), None, LEXICON).category
        for chosen in itertools.product(*(LEXICON.attributes[key].terms for key in DESCRIBED))
    }
    assert reached == set(SUGGESTED)


@pytest.mark.parametrize(
    "change",
    [
        {"shape": "round"},
        {"shape": "irregular"},
        {"orientation": "not_parallel"},
        {"margin": "indistinct"},
        {"margin": "spiculated"},
        {"posterior_features": "shadowing"},
        {"echo_pattern": "complex_cystic_and_solid"},
    ],
)
def test_one_feature_rules_out_category_3_and_is_named(change):
    found = suggest_category(descriptors(**{**BENIGN, **change}), 0.001, LEXICON)
    assert found.category in ("4A", "4B")
    raised = next(reason for reason in found.reasons if reason.startswith("Raised from 3"))
    if change != {"shape": "round"}:
        attribute, term = next(iter(change.items()))
        assert LEXICON.term(attribute, term).label.lower().split(" - ")[-1] in raised.lower()


@pytest.mark.parametrize("missing", list(BENIGN))
def test_a_missing_descriptor_is_not_a_benign_one(missing):
    known = {key: term for key, term in BENIGN.items() if key != missing}
    assert suggest_category(descriptors(**known), 0.001, LEXICON).category == "4A"
    assert suggest_category(descriptors(**known), None, LEXICON).category == "4A"


def test_irregular_and_not_parallel_is_at_least_4b():
    found = suggest_category(
        descriptors(shape="irregular", orientation="not_parallel", margin="circumscribed"), 0.01, LEXICON
    )
    assert found.category == "4B"


def test_a_gate_that_stops_leaves_the_category_open_and_says_why():
    found = suggest_category(descriptors(**BENIGN), 0.99, LEXICON, stop=["Colour Doppler covers the tissue"])
    assert (found.category, found.likelihood, found.management) == (None, None, None)
    assert found.label == "Cannot be assessed"
    assert "Colour Doppler covers the tissue." in found.reasons


def test_disagreement_is_said():
    words = " ".join(suggest_category(descriptors(**BENIGN), 0.9, LEXICON).reasons)
    assert "disagree by 3 steps (4C against 3)" in words
    assert "disagree" not in " ".join(suggest_category(descriptors(**BENIGN), 0.05, LEXICON).reasons)


def test_the_probability_is_called_what_it_is():
    uncalibrated = suggest_category(descriptors(**BENIGN), 0.3, LEXICON)
    calibrated = suggest_category(descriptors(**BENIGN), 0.3, LEXICON, calibrated=True)
    assert "not calibrated" in uncalibrated.reasons[0] and not uncalibrated.probability_calibrated
    assert "calibrated on public sets" in calibrated.reasons[0] and calibrated.probability_calibrated
    assert any("a third of the lesions in public training sets" in reason.lower() for reason in calibrated.reasons)
    assert not suggest_category(descriptors(**BENIGN), None, LEXICON, calibrated=True).probability_calibrated


@pytest.mark.parametrize("probability", [0.0200001, 0.10004, 0.949999])
def test_a_probability_is_not_shown_in_another_band_than_its_own(probability):
    reason = suggest_category(descriptors(**BENIGN), probability, LEXICON).reasons[0]
    shown = float(reason.split("malignancy, ")[1].split(" %")[0]) / 100
    assert probability_band(shown, LEXICON) == probability_band(probability, LEXICON)


def test_without_a_probability_the_limits_of_descriptors_are_said():
    found = suggest_category(descriptors(**BENIGN), None, LEXICON)
    assert found.category == "3"
    assert "do not rule out cancer" in " ".join(found.reasons)


def test_a_simple_cyst_is_mentioned_but_never_called_category_2():
    found = suggest_category(
        descriptors(**BENIGN, echo_pattern="anechoic", posterior_features="enhancement"), 0.01, LEXICON
    )
    assert found.category == "3"
    assert "simple cyst" in " ".join(found.reasons)


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_that_is_none_is_refused(probability):
    with pytest.raises(UsageError, match="not between 0 and 1"):
        suggest_category(descriptors(**BENIGN), probability, LEXICON)
