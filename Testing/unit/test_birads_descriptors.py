"""Shapes whose descriptors a reader would not dispute, and agreement with readers on real images."""

from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.agreement import cohens_kappa, compare, main
from BreastUSAssistLib.birads.describe import describe_lesion
from BreastUSAssistLib.birads.descriptors import describe, load_rules
from BreastUSAssistLib.birads.lesion import Measurements
from BreastUSAssistLib.birads.lexicon import EDITIONS, load_lexicon
from BreastUSAssistLib.birads.measurements import measure
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.model.prediction import LesionMask
from BreastUSAssistLib.ultrasound.frame import SourceReference, UltrasoundFrame
from hypothesis import given, settings
from hypothesis import strategies as st

QUICK = settings(max_examples=40, deadline=None, derandomize=True)
SHAPE = (260, 300)


def picture(mask: np.ndarray, inside: float = 45.0) -> UltrasoundFrame:
    random = np.random.default_rng(0)
    grey = np.where(mask, inside, 110.0) * random.uniform(0.85, 1.15, mask.shape)
    return UltrasoundFrame(grey.astype(np.uint8), SourceReference(Path("made.png")))


def polar(radius) -> np.ndarray:
    """Mask of the shape whose radius is a function of the angle."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    y, x = rows - SHAPE[0] / 2, columns - SHAPE[1] / 2
    return np.hypot(y, x) <= radius(np.arctan2(y, x))


def ellipse(a: float, ratio: float, degrees: float) -> np.ndarray:
    turn = np.radians(degrees)
    return polar(lambda angle: a * ratio / np.hypot(ratio * np.cos(angle - turn), np.sin(angle - turn)))


def terms(mask: np.ndarray, edition: str = "birads-us-2013", inside: float = 45.0) -> dict[str, str]:
    frame = picture(mask, inside)
    return {d.attribute: d.term for d in describe(mask, measure(mask, frame), frame, load_lexicon(edition))}


@QUICK
@given(a=st.floats(15, 90), ratio=st.floats(0.4, 0.75), degrees=st.floats(0, 40))
def test_a_flat_ellipse_is_oval_circumscribed_and_parallel(a, ratio, degrees):
    found = terms(ellipse(a, ratio, degrees))
    assert (found["shape"], found["margin"], found["orientation"]) == ("oval", "circumscribed", "parallel")


@QUICK
@given(a=st.floats(15, 90), ratio=st.floats(0.4, 0.75), degrees=st.floats(50, 130))
def test_an_upright_ellipse_is_not_parallel(a, ratio, degrees):
    found = terms(ellipse(a, ratio, degrees))
    assert (found["shape"], found["margin"], found["orientation"]) == ("oval", "circumscribed", "not_parallel")


@pytest.mark.parametrize("radius", [10, 40, 100])
def test_a_disc_is_round_and_therefore_not_parallel(radius):
    mask = ellipse(radius, 1.0, 0)
    frame = picture(mask)
    found = {d.attribute: d for d in describe(mask, measure(mask, frame), frame, load_lexicon())}
    assert found["shape"].term == "round"
    assert found["orientation"].term == "not_parallel"
    assert "round" in found["orientation"].because


@QUICK
@given(points=st.integers(5, 12), depth=st.floats(0.35, 0.6), radius=st.floats(40, 100))
def test_a_star_is_irregular_and_not_circumscribed(points, depth, radius):
    wave = lambda angle: np.abs((angle * points / np.pi + 2 * points) % 2 - 1)  # noqa: E731
    found = terms(polar(lambda angle: radius * (1 - depth * (1 - wave(angle)))))
    assert found["shape"] == "irregular"
    assert found["margin"] != "circumscribed"
    if points >= 8:
        assert found["margin"] == "spiculated"


def test_a_margin_without_a_grey_step_is_indistinct():
    mask = ellipse(60, 0.6, 0)
    assert terms(mask, inside=110.0)["margin"] == "indistinct"


@pytest.mark.parametrize(
    ("inside", "term"), [(0, "anechoic"), (45, "hypoechoic"), (130, "isoechoic"), (200, "hyperechoic")]
)
def test_echo_pattern_rises_with_the_grey_of_the_lesion(inside, term):
    assert terms(ellipse(60, 0.6, 0), inside=inside)["echo_pattern"] == term


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_term_of_the_rules_is_in_the_lexicon_and_every_measure_exists(edition):
    lexicon, rules = load_lexicon(edition), load_rules()
    for attribute in rules.attributes:
        assert not attribute.rules[-1].when
        for rule in attribute.rules:
            lexicon.term(attribute.attribute, rule.term)
            for condition in rule.when:
                assert condition.measure in Measurements.model_fields
                assert condition.measure in rules.measures
                assert (condition.at_least is None) != (condition.at_most is None)


def test_descriptors_carry_codes_reasons_and_no_confidence():
    mask = ellipse(60, 0.6, 0)
    frame = picture(mask)
    found = describe(mask, measure(mask, frame), frame, load_lexicon())
    assert [d.attribute for d in found] == ["shape", "orientation", "margin", "echo_pattern", "posterior_features"]
    assert all(d.code is not None and d.because and d.confidence is None for d in found)
    assert any(character.isdigit() for character in found[0].because)


def test_what_cannot_be_measured_is_left_out():
    mask = np.ones((40, 40), bool)
    found = {d.attribute for d in describe(mask, measure(mask, picture(mask)), picture(mask), load_lexicon())}
    assert found == {"shape", "orientation", "margin"}


@pytest.mark.parametrize("where", [(0, 0), (259, 299), (100, 100)])
def test_one_pixel_is_described(where):
    mask = np.zeros(SHAPE, bool)
    mask[where] = True
    assert {"shape", "orientation", "margin"} <= set(terms(mask))


def test_describe_lesion_ties_it_together():
    mask = ellipse(60, 0.6, 0)
    lesion = describe_lesion(2, LesionMask(mask, "automatic", 0.9), picture(mask), (3, 4), 0.3, load_lexicon())
    assert (lesion.number, lesion.key_frame, lesion.frames, lesion.outline_confidence) == (2, 3, (3, 4), 0.9)
    assert lesion.tracking_uid.startswith("2.25.") and len(lesion.tracking_uid) <= 64
    assert lesion.assessment.category == "4B"
    again = describe_lesion(
        2, LesionMask(mask, "manual"), picture(mask), (3,), None, load_lexicon(), tracking_uid=lambda: "1.2"
    )
    assert (again.tracking_uid, again.origin) == ("1.2", "manual")
    assert again.assessment.probability_malignant is None
    with pytest.raises(UsageError, match="no frame"):
        describe_lesion(1, LesionMask(mask, "manual"), picture(mask), (), None, load_lexicon())


def test_kappa_of_a_published_table():
    # Fleiss, Statistical Methods for Rates and Proportions, 2nd ed., table 13.1: 75 1 4 / 5 4 1 / 0 0 10, kappa 0.68
    table = {"aa": 75, "ab": 1, "ac": 4, "ba": 5, "bb": 4, "bc": 1, "cc": 10}
    pairs = [key for key, count in table.items() for _ in range(count)]
    assert cohens_kappa([p[0] for p in pairs], [p[1] for p in pairs]) == pytest.approx(0.68, abs=0.005)


def test_agreement_with_readers_on_real_images(data_root):
    table = {r["descriptor"]: r for r in compare(data_root / "manifest.csv", data_root, ["4"])}
    assert int(table["shape"]["images"]) == 52
    for name, least in (
        ("shape", 0.5),
        ("margin circumscribed", 0.5),
        ("margin spiculated", 0.4),
        ("posterior features", 0.15),
    ):
        assert float(table[name]["kappa"]) > least, name


def test_agreement_command_names_a_missing_manifest(tmp_path, capsys):
    assert main(["--manifest", str(tmp_path / "none.csv"), "--root", str(tmp_path)]) == 3
    assert "none.csv cannot be read" in capsys.readouterr().err
