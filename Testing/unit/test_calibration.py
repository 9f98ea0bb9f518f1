"""Calibration, intervals, prior shift, category sets and the clinical model, on made-up out-of-fold predictions."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.birads.clinical import PARAMETERS, ClinicalParameters
from BreastUSAssistLib.errors import ModelError, UsageError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.learning.calibration import (
    OutOfFold,
    choose_scaling,
    fit_calibration,
    fit_intervals,
    fit_platt,
    fit_temperature,
)
from BreastUSAssistLib.learning.clinical_fitting import ClinicalCases, fit_clinical, parameters_of_row
from BreastUSAssistLib.learning.metrics import expected_calibration_error
from BreastUSAssistLib.model.calibration import (
    Calibration,
    calibration_schema,
    logit,
    read_calibration,
    shift_prior,
    sigmoid,
)
from BreastUSAssistLib.model.reader_outputs import CATEGORIES
from hypothesis import given
from hypothesis import strategies as st

STORED = Path(__file__).parent / "data" / "calibration-1.0.json"
share = st.floats(0.001, 0.999)


def simulated(count=1200, seed=0, slope=0.5, intercept=-1.0, images=2) -> OutOfFold:
    """Over-confident, shifted log-odds of patients with a few images each, and categories that follow the risk."""
    generator = np.random.default_rng(seed)
    patients = generator.integers(0, count // images, count)
    risk = generator.normal(-0.9, 2.0, count // images)[patients]
    true = risk + generator.normal(0, 0.3, count)
    malignant = generator.random(count) < 1 / (1 + np.exp(-true))
    grade = np.clip(np.rint(2 + true / 1.5 + generator.normal(0, 0.6, count)), 0, 5).astype(int)
    steps = np.arange(6)
    probabilities = np.exp(-((steps - (2 + true / 1.5)[:, None]) ** 2))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    plain = generator.random(count) < 0.5
    names = [CATEGORIES[g] for g in grade]
    birads = tuple("4" if coarse and name[0] == "4" else name for coarse, name in zip(plain, names, strict=True))
    return OutOfFold(
        log_odds=(true - intercept) / slope,
        pathology=tuple("malignant" if one else "benign" for one in malignant),
        category_probabilities=probabilities,
        birads=birads,
        patients=tuple(f"p{one}" for one in patients),
        folds=patients % 3 + 1,
    )


@pytest.fixture(scope="module")
def fitted() -> Calibration:
    return fit_calibration(simulated(), provenance="made up", replicates=300)


def test_platt_scaling_finds_the_slope_and_intercept_that_were_put_in():
    made = simulated(20_000)
    malignant = np.array([one == "malignant" for one in made.pathology])
    assert fit_platt(made.log_odds, malignant) == pytest.approx((0.5, -1.0), abs=0.06)
    scaling = choose_scaling(made.log_odds, malignant, made.folds)
    assert scaling.kind == "Platt", "a shift that a temperature alone cannot take out"
    probability = 1 / (1 + np.exp(-(scaling.slope * made.log_odds + scaling.intercept)))
    assert expected_calibration_error(probability, malignant)[0] < 0.02
    counted = fit_platt(made.log_odds[:500], malignant[:500], np.full(500, 3.0))
    assert counted == pytest.approx(fit_platt(made.log_odds[:500], malignant[:500]), abs=0.05)


def test_a_temperature_is_chosen_where_nothing_but_the_scale_is_wrong():
    generator = np.random.default_rng(4)
    log_odds = generator.normal(0, 2, 400)
    malignant = generator.random(400) < 1 / (1 + np.exp(-log_odds))
    scaling = choose_scaling(3 * log_odds, malignant, np.arange(400) % 3)
    assert scaling.slope == pytest.approx(1 / 3, rel=0.3)
    assert scaling.slope == pytest.approx(1 / fit_temperature(3 * log_odds, malignant), rel=0.2)


def test_a_perfect_separation_stays_finite():
    log_odds = np.r_[np.full(20, -3.0), np.full(20, 3.0)]
    slope, intercept = fit_platt(log_odds, log_odds > 0)
    assert 0.3 < sigmoid(3 * slope + intercept) < 0.99
    assert fit_intervals(log_odds, log_odds > 0, [None] * 40, choose_scaling(log_odds, log_odds > 0, np.arange(40) % 3))


@given(log_odds=st.lists(st.floats(-60, 60), min_size=2, max_size=20), spread=st.floats(0, 3))
def test_probability_and_interval_rise_with_the_log_odds_and_the_interval_holds_the_probability(
    fitted, log_odds, spread
):
    ordered = sorted(log_odds)
    values = [(*fitted.interval(z, spread), fitted.probability(z)) for z in ordered]
    for low, high, probability in values:
        assert 0 <= low <= probability <= high <= 1
    for (low, high, one), (low_next, high_next, other) in pairwise(values):
        assert low <= low_next and high <= high_next and one <= other
    narrow, wide = fitted.interval(ordered[0]), fitted.interval(ordered[0], spread)
    assert wide[0] <= narrow[0] and narrow[1] <= wide[1]


def test_the_interval_covers_the_true_share_about_as_often_as_it_says():
    at, hits, total = np.linspace(-2.5, 2.0, 10), 0, 0
    for seed in range(12):
        made = simulated(900, seed=seed + 50)
        fitted = fit_calibration(made, provenance="made up", replicates=150)
        for true in at:
            low, high = fitted.interval((true + 1.0) / 0.5)
            hits += low <= sigmoid(true) <= high
            total += 1
    assert hits / total > 0.88


def test_more_patients_narrow_the_interval():
    widths = []
    for count in (300, 4000):
        low, high = fit_calibration(simulated(count), provenance="x", replicates=150).interval(2.0)
        widths.append(high - low)
    assert widths[1] < widths[0] / 1.8


@given(probability=st.floats(0, 1), one=share, other=share)
def test_the_prior_shift_inverts_and_keeps_the_ends(probability, one, other):
    shifted = shift_prior(probability, one, other)
    assert 0 <= shifted <= 1
    assert shift_prior(shifted, other, one) == pytest.approx(probability, abs=1e-9)
    assert shift_prior(probability, one, one) == pytest.approx(probability, abs=1e-12)
    assert shift_prior(0, one, other) == 0 and shift_prior(1, one, other) == 1


@given(probability=st.floats(0.01, 0.99), site=share)
def test_the_prior_shift_is_a_step_on_the_log_odds(fitted, probability, site):
    step = logit(site) - logit(fitted.training_prevalence)
    assert logit(fitted.with_prevalence(probability, site)) == pytest.approx(logit(probability) + step, abs=1e-6)


def test_shifted_probabilities_are_calibrated_at_the_other_prevalence():
    made = simulated(30_000, seed=3)
    malignant = np.array([one == "malignant" for one in made.pathology])
    slope, intercept = fit_platt(made.log_odds, malignant)
    generator = np.random.default_rng(0)
    kept = ~malignant | (generator.random(len(malignant)) < 0.1)
    rare = malignant[kept].mean()
    before = 1 / (1 + np.exp(-(slope * made.log_odds[kept] + intercept)))
    after = np.array([shift_prior(p, malignant.mean(), rare) for p in before])
    assert expected_calibration_error(before, malignant[kept])[0] > 0.1
    assert expected_calibration_error(after, malignant[kept])[0] < 0.02


@pytest.mark.parametrize("prevalence", [0, 1, -0.1, 1.5, float("nan")])
def test_a_prevalence_that_is_none_is_refused(prevalence):
    with pytest.raises(UsageError, match="not above 0 and below 1"):
        shift_prior(0.3, 0.33, prevalence)


@pytest.mark.parametrize("log_odds", [float("nan"), float("inf")])
def test_log_odds_that_are_no_number_are_refused(fitted, log_odds):
    with pytest.raises(ModelError, match="finite"):
        fitted.probability(log_odds)


def test_a_calibration_is_written_and_read_back(fitted, tmp_path):
    (tmp_path / "calibration.json").write_text(fitted.model_dump_json())
    assert read_calibration(tmp_path / "calibration.json") == fitted
    assert "made up" in fitted.provenance and "Platt" in fitted.provenance
    for damage in ("", "{}", fitted.model_dump_json().replace('"slope":', '"slope":-')):
        (tmp_path / "calibration.json").write_text(damage)
        with pytest.raises(ModelError, match="calibration"):
            read_calibration(tmp_path / "calibration.json")


def test_a_stored_calibration_of_the_first_version_still_loads():
    stored = read_calibration(STORED)
    assert stored.probability(0.0) == pytest.approx(sigmoid(stored.intercept))
    assert stored.clinical is not None and stored.category_sets is not None
    schema = json.loads(resource_path("Schema", "calibration-1.0.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads(STORED.read_text("utf-8")), schema, cls=jsonschema.Draft202012Validator)
    published = resource_path("Schema", "calibration-1.0.schema.json").read_text("utf-8")
    assert published == calibration_schema(), "write calibration_schema() to Resources/Schema"


def test_predictions_that_do_not_fit_are_refused():
    made = simulated(30)
    with pytest.raises(UsageError, match="equally many"):
        OutOfFold(made.log_odds[:-1], made.pathology, None, made.birads, made.patients, made.folds)
    with pytest.raises(UsageError, match="not a finite number"):
        OutOfFold(made.log_odds * np.nan, made.pathology, None, made.birads, made.patients, made.folds)
    with pytest.raises(UsageError, match="two folds"):
        one = OutOfFold(made.log_odds, made.pathology, None, made.birads, made.patients, made.folds * 0)
        fit_calibration(one, provenance="x")
    with pytest.raises(UsageError, match="clinical rows"):
        fit_calibration(made, [None], provenance="x", replicates=10)


def clinical_cases(count=600, seed=0, effect=1.0) -> ClinicalCases:
    generator = np.random.default_rng(seed)
    image, age = generator.normal(0, 1.5, count), generator.integers(25, 85, count)
    lump, family = generator.random(count) < 0.4, generator.random(count) < 0.2
    true = image + effect * (1.2 * lump + 0.05 * (age - 55))
    unknown = generator.random((3, count)) < 0.2
    parameters = tuple(
        ClinicalParameters(
            age_years=None if unknown[0, i] else int(age[i]),
            palpable=None if unknown[1, i] else bool(lump[i]),
            family_history=None if unknown[2, i] else bool(family[i]),
        )
        for i in range(count)
    )
    return ClinicalCases(
        parameters,
        image,
        generator.random(count) < 1 / (1 + np.exp(-true)),
        tuple(map(str, range(count))),
        np.arange(count) % 3 + 1,
    )


def test_the_clinical_model_finds_what_was_put_in_and_leaves_out_what_is_rare():
    model = fit_clinical(clinical_cases(3000))
    assert model is not None
    effect = {term.parameter: term.weight / term.scale for term in model.terms}
    assert effect["palpable"] == pytest.approx(1.2, abs=0.35) and effect["age_years"] == pytest.approx(0.05, abs=0.015)
    assert 0 <= effect.get("family_history", 0.0) < 0.3
    assert set(model.left_out) == set(PARAMETERS) - set(effect)
    one, other = (model.contributions({"age_years": age})["age_years"] for age in (85, 120))
    assert one == pytest.approx(other, abs=0.06), "no extrapolation past the oldest patient seen"


def test_clinical_parameters_that_tell_nothing_give_no_model():
    assert fit_clinical(clinical_cases(300, seed=2, effect=0.0)) is None


any_parameters = st.builds(
    ClinicalParameters,
    age_years=st.none() | st.integers(0, 120),
    **{name: st.none() | st.booleans() for name in PARAMETERS if name != "age_years"},
)


@given(given_parameters=any_parameters)
def test_a_missing_parameter_adds_nothing(given_parameters):
    model = read_calibration(STORED).clinical
    assert model is not None
    added = model.contributions(given_parameters.values())
    assert set(added) <= {name for name, value in given_parameters.values().items() if value is not None}
    assert model.contributions({}) == {} and model.standard_error({}) == 0
    for name in PARAMETERS:
        without = given_parameters.model_copy(update={name: None})
        rest = model.contributions(without.values())
        assert sum(rest.values()) == pytest.approx(sum(value for key, value in added.items() if key != name))


def test_a_known_risk_never_lowers_the_odds():
    cases = clinical_cases(2000, effect=1.0)
    turned = tuple(
        one.model_copy(update={"palpable": None if one.palpable is None else not one.palpable})
        for one in cases.parameters
    )
    model = fit_clinical(ClinicalCases(turned, cases.image_log_odds, cases.malignant, cases.patients, cases.folds))
    assert model is not None
    assert "palpable" in model.left_out and "palpable" not in model.contributions({"palpable": 1.0})


def test_signs_and_symptoms_of_a_table():
    row = {"age": "57", "signs": "peau d`orange&palpable", "symptoms": "not available"}
    found = parameters_of_row(row)
    assert (found.age_years, found.palpable, found.skin_changes, found.breast_scar) == (57, True, True, False)
    assert found.family_history is None and found.nipple_discharge is None
    none = parameters_of_row({"age": "not available", "signs": "", "symptoms": "no"})
    assert (none.age_years, none.palpable, none.family_history) == (None, None, False)
    assert not parameters_of_row({}).known


def test_every_sign_and_symptom_of_the_real_table_is_understood(data_root):
    with open(data_root / "manifest.csv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["dataset"] == "breast"]
    for row in rows:
        found = parameters_of_row(row)
        named = {part for cell in (row["signs"], row["symptoms"]) for part in cell.split("&")} - {"no", "not available"}
        yes = [name for name in PARAMETERS if getattr(found, name) is True]
        assert bool(named) == bool(yes), row["id"]
        assert (found.age_years is None) == (row["age"] == "not available")
