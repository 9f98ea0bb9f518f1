"""From a reader network's answer to probabilities, descriptors, category set and the words that carry them."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.assessment import about, effect, entered, suggest_category
from BreastUSAssistLib.birads.clinical import ClinicalParameters
from BreastUSAssistLib.birads.describe import describe_lesion
from BreastUSAssistLib.birads.lexicon import EDITIONS, SUGGESTED, load_lexicon
from BreastUSAssistLib.birads.opinion import descriptors_of
from BreastUSAssistLib.birads.risk import category_opinion, judge
from BreastUSAssistLib.errors import ModelError, UsageError
from BreastUSAssistLib.model.calibration import logit, read_calibration, sigmoid
from BreastUSAssistLib.model.prediction import LesionMask
from BreastUSAssistLib.model.reader_outputs import ANY_OF, CATEGORIES, ONE_OF
from BreastUSAssistLib.ultrasound.frame import SourceReference, UltrasoundFrame
from hypothesis import given
from hypothesis import strategies as st

CALIBRATION = read_calibration(Path(__file__).parent / "data" / "calibration-1.0.json")
LEXICON = load_lexicon()
MIDDLE = {"2": 0.0, "3": 0.1, "4A": 0.2, "4B": 0.4, "4C": 0.2, "5": 0.1}
log_odds = st.floats(-15, 15)
any_share = st.floats(0.001, 0.9)
patients = st.builds(ClinicalParameters, age_years=st.none() | st.integers(0, 120), palpable=st.none() | st.booleans())


@dataclass(frozen=True)
class Opinion:
    """A stand-in for the answer of a reader network."""

    malignant_log_odds: float = 0.0
    category: dict = field(default_factory=lambda: dict(MIDDLE))
    descriptors: dict = field(
        default_factory=lambda: {
            "shape": {"oval": 0.1, "round": 0.2, "irregular": 0.7},
            "margin": {"circumscribed": 0.2, "indistinct": 0.6, "angular": 0.5},
            "echo_pattern": {"hypoechoic": 0.999, "isoechoic": 0.001},
            "posterior_features": {"none": 0.4, "shadowing": 0.6},
            "halo": {"halo": 0.8},
            "calcifications": {"calcifications": 0.3},
        }
    )
    terms: dict = field(
        default_factory=lambda: {
            "shape": ("irregular",),
            "margin": ("angular", "indistinct"),
            "echo_pattern": ("hypoechoic",),
            "posterior_features": ("shadowing",),
            "halo": ("halo",),
            "calcifications": (),
        }
    )


def frame_and_mask(rows=40, columns=60):
    row, column = np.mgrid[:160, :200]
    mask = ((row - 80) / (rows / 2)) ** 2 + ((column - 100) / (columns / 2)) ** 2 <= 1
    return UltrasoundFrame(np.where(mask, 40, 110).astype(np.uint8), SourceReference(Path("x.png"))), mask


@given(z=log_odds, clinical=st.none() | patients, prevalence=st.none() | any_share, spread=st.floats(0, 2))
def test_every_step_is_kept_and_the_interval_holds_the_probability(z, clinical, prevalence, spread):
    risk = judge(z, MIDDLE, CALIBRATION, clinical=clinical, prevalence=prevalence, spread=spread)
    assert risk.image_probability == CALIBRATION.probability(z)
    known = {} if clinical is None else {k: v for k, v in clinical.values().items() if v is not None}
    assert {one.parameter for one in risk.clinical} == set(known)
    if not known:
        assert risk.combined_probability is None and risk.unshifted == risk.image_probability
    else:
        added = sum(one.log_odds for one in risk.clinical)
        assert logit(risk.unshifted) == pytest.approx(logit(risk.image_probability) + added, abs=1e-3)
    if prevalence is None:
        assert risk.prevalence is None and risk.probability == risk.unshifted
    else:
        assert risk.probability == pytest.approx(CALIBRATION.with_prevalence(risk.unshifted, prevalence))
    for value, interval in ((risk.probability, risk.interval), (risk.image_probability, risk.image_interval)):
        assert interval is not None
        assert 0 <= interval[0] <= value + 1e-12 and value - 1e-12 <= interval[1] <= 1


@given(z=log_odds, clinical=patients)
def test_clinical_parameters_never_narrow_the_interval_on_the_log_odds(z, clinical):
    image = judge(z, None, CALIBRATION)
    both = judge(z, None, CALIBRATION, clinical=clinical)
    assert image.interval is not None and both.interval is not None
    if not 1e-6 < min(image.interval + both.interval) <= max(image.interval + both.interval) < 1 - 1e-6:
        return
    widths = [logit(one.interval[1]) - logit(one.interval[0]) for one in (image, both) if one.interval]
    assert widths[1] >= widths[0] - 1e-6


def test_a_reader_without_a_calibration_is_called_what_it_is():
    risk = judge(1.0, MIDDLE)
    assert risk.probability == sigmoid(1.0) and not risk.calibrated and risk.interval is None
    assert risk.category_opinion is not None and risk.category_opinion.likely == ()
    assert "not calibrated" in suggest_category((), None, LEXICON, risk=risk).reasons[0]
    with pytest.raises(UsageError, match="prevalence"):
        judge(1.0, MIDDLE, None, prevalence=0.01)
    with pytest.raises(ModelError, match="finite"):
        judge(float("nan"), MIDDLE, CALIBRATION)


@given(p=st.lists(st.floats(0.001, 1), min_size=6, max_size=6))
def test_the_category_as_a_quantity(p):
    opinion = category_opinion(dict(zip(CATEGORIES, p, strict=True)), CALIBRATION)
    assert sum(opinion.probabilities.values()) == pytest.approx(1, abs=1e-3)
    assert 0 <= opinion.quantity <= 5 and opinion.likeliest in CATEGORIES
    first = CATEGORIES.index(opinion.likely[0])
    assert opinion.likely == CATEGORIES[first : first + len(opinion.likely)]
    sure = category_opinion({**dict.fromkeys(CATEGORIES, 0.0), "4C": 1.0}, CALIBRATION)
    assert (sure.quantity, sure.likeliest) == (4.0, "4C") and "4C" in sure.likely


def test_the_suggestion_rests_on_the_shifted_probability_and_says_so():
    high, low = (judge(3.0, MIDDLE, CALIBRATION, prevalence=share) for share in (None, 0.005))
    first, second = (suggest_category((), None, LEXICON, risk=risk) for risk in (high, low))
    assert (first.category, second.category) == ("4C", "4A")
    assert first.image_probability == second.image_probability == high.image_probability
    assert second.prevalence is not None and second.prevalence.site == 0.005
    assert second.probability_malignant == second.prevalence.image_probability
    words = " ".join(second.reasons)
    assert "0.5 % of the lesions at this site" in words and f"unshifted it is {about(high.probability)}" in words
    assert "a third of the lesions" not in words and "a third of the lesions" in " ".join(first.reasons)


def test_clinical_parameters_are_told_one_by_one_beside_the_image_alone():
    risk = judge(1.0, None, CALIBRATION, clinical=ClinicalParameters(age_years=80, palpable=False, breast_scar=True))
    words = suggest_category((), None, LEXICON, risk=risk).reasons[1]
    assert words.startswith(
        f"The image alone gives {about(risk.image_probability)}, with the clinical parameters it is"
    )
    assert "age 80 years raises the odds" in words and "no palpable lump lowers the odds" in words
    assert "scar" not in words, "a parameter without a weight is not shown as if it counted"


def test_a_suggestion_outside_the_set_is_flagged_and_a_set_never_lowers_it():
    benign = {**dict.fromkeys(CATEGORIES, 0.0), "2": 1.0}
    found = suggest_category((), None, LEXICON, risk=judge(6.0, benign, CALIBRATION))
    assert found.category_opinion is not None and found.category_opinion.likely[0] == "2"
    assert found.category in SUGGESTED and SUGGESTED.index(found.category) >= SUGGESTED.index("4C")
    assert any("lies outside that range" in reason for reason in found.reasons)
    stopped = suggest_category((), None, LEXICON, stop=["Doppler."], risk=judge(6.0, benign, CALIBRATION))
    assert stopped.category is None and stopped.image_probability is not None


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_readers_terms_replace_the_rules_except_orientation(edition):
    frame, mask = frame_and_mask(rows=60, columns=40)
    lexicon = load_lexicon(edition)
    risk = judge(0.0, MIDDLE, CALIBRATION)
    lesion = describe_lesion(
        1, LesionMask(mask, "automatic", 0.9), frame, (1,), 0.9, lexicon, opinion=Opinion(), risk=risk
    )
    found = {one.attribute: one for one in lesion.descriptors}
    assert (found["shape"].term, found["shape"].origin) == ("irregular", "model")
    assert found["shape"].because == "the network's answer, 70 %; otherwise round 20 %"
    assert found["margin"].because == "the network's answer, 60 %; also angular 50 %"
    assert "over 99 %" in found["echo_pattern"].because
    assert (found["orientation"].term, found["orientation"].origin) == ("not_parallel", "geometry")
    assert all(one.confidence is None for one in lesion.descriptors)
    assert ("echogenic_rim" in found) == (edition == "birads-us-v2025")
    assert "calcifications" not in found
    assert lesion.assessment.probability_malignant == risk.probability
    plain = describe_lesion(1, LesionMask(mask, "automatic", 0.9), frame, (1,), 0.9, lexicon)
    assert {one.origin for one in plain.descriptors} == {"geometry", "grey_level"}
    assert plain.assessment.probability_malignant == 0.9 and plain.assessment.image_probability is None


def test_what_follows_from_the_readers_term_follows_and_geometry_decides_otherwise():
    frame, mask = frame_and_mask()
    for term, orientation in (("round", "not_parallel"), ("oval", "parallel")):
        opinion = Opinion(terms={**Opinion().terms, "shape": (term,)})
        lesion = describe_lesion(1, LesionMask(mask, "manual"), frame, (1,), None, LEXICON, opinion=opinion)
        assert {one.attribute: one.term for one in lesion.descriptors}["orientation"] == orientation


def test_calcifications_are_told_where_they_are_seen():
    seen = Opinion(terms={**Opinion().terms, "calcifications": ("calcifications",)})
    found = descriptors_of(seen, LEXICON)["calcifications"]
    assert found.term == "in_mass" and "does not tell their place" in found.because
    rim = descriptors_of(replace(seen), load_lexicon("birads-us-v2025"))["echogenic_rim"]
    assert rim.term == "present"


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_term_of_the_network_is_in_the_lexicon(edition):
    lexicon = load_lexicon(edition)
    for attribute, terms in [*ONE_OF.items(), ("margin", ANY_OF["margin"])]:
        for term in terms:
            assert lexicon.term(attribute, term).label


def test_words_for_numbers():
    assert [about(p) for p in (0, 0.0004, 0.004, 0.0212, 0.0996, 0.371, 0.999)] == [
        "under 0.1 %",
        "under 0.1 %",
        "0.4 %",
        "2.1 %",
        "10 %",
        "37 %",
        "over 99 %",
    ]
    assert (entered(0.01), entered(0.0025)) == ("1 %", "0.25 %")
    assert (effect(0.01), effect(0.7), effect(-0.7)) == (
        "hardly changes the odds",
        "raises the odds 2.0-fold",
        "lowers the odds 2.0-fold",
    )


def test_the_network_that_outlined_has_half_the_say_and_moves_the_interval_along():
    alone = judge(1.0, None, CALIBRATION)
    same = judge(1.0, None, CALIBRATION, outline_probability=alone.image_probability)
    assert same.image_probability == pytest.approx(alone.image_probability)
    calmer = judge(1.0, None, CALIBRATION, outline_probability=0.01)
    low, high = calmer.image_interval
    assert 0.01 < calmer.image_probability < alone.image_probability and low < calmer.image_probability < high
    assert judge(1.0, None, CALIBRATION, outline_probability=0.0).image_probability > 0, "never beyond doubt"
