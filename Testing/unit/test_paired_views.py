"""Two views of one lesion judged together: probability, terms, size, sentences, and who wins where they differ."""

import math
from pathlib import Path

import pytest
from BreastUSAssistLib.birads.lesion import Descriptor, Length, Lesion
from BreastUSAssistLib.birads.lexicon import SUGGESTED, load_lexicon
from BreastUSAssistLib.birads.paired_views import judge_together, more_suspicious
from BreastUSAssistLib.birads.reader_terms import with_terms
from BreastUSAssistLib.birads.reading_view import effective_lesions, first_reading
from BreastUSAssistLib.service.analysis_file import read_analysis
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = Path(__file__).parent / "data"
DRAFT = read_analysis(DATA / "analysis-1.1-phantom.json")
FIRST, SECOND = DRAFT.lesions
PLAIN = read_analysis(DATA / "analysis-1.0-phantom.json").lesions
"""Without a reader network: one probability, no interval."""
LEXICON = load_lexicon()
TERMS = {key: list(attribute.terms) for key, attribute in LEXICON.attributes.items()}


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


def assessed(lesion: Lesion, **changes: object) -> Lesion:
    return lesion.model_copy(update={"assessment": lesion.assessment.model_copy(update=changes)})


def described(lesion: Lesion, terms: dict[str, str], origin: str = "model") -> Lesion:
    descriptors = tuple(
        Descriptor(
            attribute=key, term=term, label=LEXICON.term(key, term).label, origin=origin, because="so it was seen"
        )
        for key, term in terms.items()
    )
    return lesion.model_copy(update={"descriptors": descriptors})


def sized(lesion: Lesion, transverse: float | None, depth: float | None) -> Lesion:
    lengths = {"transverse": Length(px=10, mm=transverse), "antero_posterior": Length(px=10, mm=depth)}
    return lesion.model_copy(update={"measurements": lesion.measurements.model_copy(update=lengths)})


def test_the_probability_is_the_mean_on_the_log_odds_and_the_interval_covers_both():
    joint = judge_together(FIRST, SECOND, LEXICON).assessment
    views = (FIRST.assessment, SECOND.assessment)
    for name in ("probability_malignant", "image_probability", "combined_probability"):
        middle = sum(logit(getattr(view, name)) for view in views) / 2
        assert logit(getattr(joint, name)) == pytest.approx(middle)
    assert joint.interval == pytest.approx((views[1].interval[0], views[0].interval[1]))
    assert joint.image_interval == (views[1].image_interval[0], views[0].image_interval[1])
    assert joint.clinical == views[0].clinical and joint.prevalence.site == 0.05
    assert joint.probability_calibrated and joint.category_opinion is None
    assert joint.reasons[0] == "Judged from two views."


@settings(deadline=None)
@given(p=st.floats(0, 1), q=st.floats(0, 1))
def test_without_a_reader_network_the_mean_lies_between(p, q):
    one, other = (assessed(PLAIN[0], probability_malignant=p), assessed(PLAIN[1], probability_malignant=q))
    joint = judge_together(one, other, LEXICON).assessment
    assert min(p, q) - 1e-9 <= joint.probability_malignant <= max(p, q) + 1e-9
    assert joint.interval is None and joint.category in SUGGESTED


@settings(deadline=None)
@given(st.data())
def test_the_order_of_the_views_does_not_matter_and_nothing_is_less_suspicious(data):
    chosen = st.dictionaries(st.sampled_from(sorted(TERMS)), st.integers(0, 9), max_size=6).map(
        lambda drawn: {key: TERMS[key][place % len(TERMS[key])] for key, place in drawn.items()}
    )
    one, other = described(FIRST, data.draw(chosen)), described(SECOND, data.draw(chosen))
    joint = judge_together(one, other, LEXICON)
    assert joint == judge_together(other, one, LEXICON)
    merged = {descriptor.attribute: descriptor.term for descriptor in joint.descriptors}
    seen = [{d.attribute: d.term for d in lesion.descriptors} for lesion in (one, other)]
    assert set(merged) == set(seen[0]) | set(seen[1])
    for attribute, term in merged.items():
        given_terms = [view[attribute] for view in seen if attribute in view]
        assert term in given_terms
        suspicious = [LEXICON.term(attribute, key).suspicious for key in given_terms]
        assert LEXICON.term(attribute, term).suspicious == any(suspicious)
    assert {one.attribute for one in joint.differing} == {
        key for key in seen[0] if key in seen[1] and seen[0][key] != seen[1][key]
    }
    assert joint.assessment.category in SUGGESTED
    assert all(sentence.endswith(".") for sentence in joint.sentences)


@pytest.mark.parametrize(
    ("attribute", "terms", "worst"),
    [
        ("shape", ["oval", "round"], "round"),
        ("shape", ["round", "irregular"], "irregular"),
        ("orientation", ["parallel", "not_parallel"], "not_parallel"),
        ("margin", ["not_circumscribed", "indistinct"], "indistinct"),
        ("margin", ["spiculated", "angular"], "spiculated"),
        ("echo_pattern", ["anechoic", "hyperechoic"], "hyperechoic"),
        ("echo_pattern", ["complex_cystic_and_solid", "heterogeneous"], "complex_cystic_and_solid"),
        ("posterior_features", ["enhancement", "none"], "none"),
        ("posterior_features", ["shadowing", "enhancement"], "shadowing"),
    ],
)
def test_which_of_two_terms_is_the_more_suspicious(attribute, terms, worst):
    assert more_suspicious(attribute, terms, LEXICON) == more_suspicious(attribute, terms[::-1], LEXICON) == worst


def test_both_terms_are_shown_where_the_views_differ():
    joint = judge_together(FIRST, SECOND, LEXICON)
    shape = next(one for one in joint.differing if one.attribute == "shape")
    assert (shape.labels, shape.chosen, shape.by_reader) == (("Irregular", "Round"), "irregular", False)
    assert "Shape: irregular in lesion 1, round in lesion 2; irregular counts, the more suspicious one." in (
        joint.sentences
    )
    assert not any(one.attribute == "echo_pattern" for one in joint.differing)
    assert next(d for d in joint.descriptors if d.attribute == "shape").because.endswith("(lesion 1)")


def test_the_readers_term_stands_above_a_more_suspicious_one_of_the_ai():
    read = with_terms(SECOND, {"shape": "oval", "margin": "circumscribed"}, LEXICON)
    joint = judge_together(FIRST, read, LEXICON)
    terms = {one.attribute: one.term for one in joint.descriptors}
    assert (terms["shape"], terms["margin"]) == ("oval", "circumscribed")
    assert any("which the reader chose" in sentence for sentence in joint.sentences)
    both = judge_together(with_terms(FIRST, {"shape": "irregular"}, LEXICON), read, LEXICON)
    assert next(one.term for one in both.descriptors if one.attribute == "shape") == "irregular"


def test_three_diameters_and_the_ellipsoid_they_make():
    size = judge_together(sized(FIRST, 12.0, 8.0), sized(SECOND, 20.0, 9.0), LEXICON).size
    assert (size.longest_transverse_mm, size.antero_posterior_mm, size.other_transverse_mm) == (20.0, 9.0, 12.0)
    assert size.volume_ml == pytest.approx(4 / 3 * math.pi * 10 * 4.5 * 6 / 1000)
    joint = judge_together(sized(FIRST, 12.0, 8.0), sized(SECOND, None, None), LEXICON)
    assert joint.size is None and "no millimetres" in joint.sentences[-1]


def test_one_view_that_cannot_be_assessed_forbids_both():
    stopped = assessed(
        SECOND, category=None, reasons=("It cannot be assessed from this frame.", "The image is a Doppler image.")
    )
    joint = judge_together(FIRST, stopped, LEXICON)
    assert joint.assessment.category is None
    assert "The image is a Doppler image." in joint.assessment.reasons
    assert joint.sentences[0].startswith("Lesion 2 cannot be assessed")


def test_a_view_without_a_probability_takes_the_others():
    drawn = assessed(
        SECOND, probability_malignant=None, image_probability=None, combined_probability=None, prevalence=None
    )
    joint = judge_together(FIRST, drawn, LEXICON)
    assert joint.assessment.probability_malignant == FIRST.assessment.probability_malignant
    assert joint.sentences[0] == "Only lesion 1 has a probability."
    neither = judge_together(drawn, drawn.model_copy(update={"number": 7, "tracking_uid": "x"}), LEXICON)
    assert neither.assessment.probability_malignant is None and neither.assessment.category in SUGGESTED


def test_views_of_different_settings_say_so():
    other = assessed(SECOND, prevalence=None, probability_malignant=SECOND.assessment.combined_probability)
    joint = judge_together(FIRST, other, LEXICON)
    assert "another prevalence" in joint.sentences[0] and joint.assessment.prevalence is None
    values = (FIRST.assessment.probability_malignant, other.assessment.probability_malignant)
    assert logit(joint.assessment.probability_malignant) == pytest.approx(sum(map(logit, values)) / 2)


def tied(one: str | None, other: str | None):
    reading = first_reading(DRAFT)
    first, second = reading.lesions
    return reading.with_lesion(first.model_copy(update={"tied_to": one})).with_lesion(
        second.model_copy(update={"tied_to": other})
    )


def test_tied_views_are_judged_together_in_the_view_of_a_reading():
    uids = [lesion.tracking_uid for lesion in DRAFT.lesions]
    one, other = effective_lesions([DRAFT], tied(uids[1], uids[0]), LEXICON)
    assert one.joint == other.joint == judge_together(FIRST, SECOND, LEXICON)
    assert one.current == FIRST, "each view keeps its own suggestion"
    for wrong in (tied(uids[1], None), tied(uids[0], uids[1]), tied("gone", None)):
        assert all(lesion.joint is None for lesion in effective_lesions([DRAFT], wrong, LEXICON))
    removed = tied(uids[1], uids[0])
    removed = removed.with_lesion(removed.lesions[1].model_copy(update={"present": False}))
    assert all(lesion.joint is None for lesion in effective_lesions([DRAFT], removed, LEXICON))


def test_views_in_two_cases_can_be_tied():
    elsewhere = DRAFT.model_copy(
        update={"lesions": (SECOND.model_copy(update={"tracking_uid": "far", "number": 1}),), "case": "other"}
    )
    there = first_reading(elsewhere)
    there = there.with_lesion(there.lesions[0].model_copy(update={"tied_to": FIRST.tracking_uid}))
    (far,) = effective_lesions([elsewhere], there, LEXICON)
    (one, _) = effective_lesions([DRAFT], tied("far", None), LEXICON, other_views=[far])
    assert far.joint is None and one.joint is not None
    assert one.joint.numbers == (1, 1) and "of one image" in one.joint.sentences[0]
