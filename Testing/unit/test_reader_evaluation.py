"""The lesion reader evaluated with answers that are known: right ones, opposite ones, a constant, none at all."""

import csv
import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from BreastUSAssistLib.birads.kappa import kappa
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.learning import metrics
from BreastUSAssistLib.learning.asked_figures import asked_figures, asked_table
from BreastUSAssistLib.learning.descriptor_agreement import COMPARED, found_levels, true_levels
from BreastUSAssistLib.learning.evaluation import evaluate, score_images, summarise
from BreastUSAssistLib.learning.judgement import JudgedLesion, reader_judge
from BreastUSAssistLib.learning.manifest import load_image, mask_of, read_manifest
from BreastUSAssistLib.learning.metrics_file import read_metrics, write_metrics
from BreastUSAssistLib.learning.metrics_table import metrics_table
from BreastUSAssistLib.learning.model_card import figures_of_card
from BreastUSAssistLib.learning.model_card import main as model_card
from BreastUSAssistLib.learning.per_image import write_per_image
from BreastUSAssistLib.learning.prediction_page import chosen_sections, write_page
from BreastUSAssistLib.learning.reader_data import reader_descriptors
from BreastUSAssistLib.learning.subgroups import area_thirds
from BreastUSAssistLib.model.prediction import FramePrediction, LesionMask
from BreastUSAssistLib.model.reader_outputs import ANY_OF, CATEGORIES, ONE_OF
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

FEW = 40
OLD = "metrics-1.0.json"


def prediction(masks, shape, malignant=0.5):
    lesions = tuple(LesionMask(mask, "automatic", 0.9) for mask in masks)
    return FramePrediction(np.zeros(shape, np.float32), lesions, 0.0, 1 - malignant, malignant)


class Known:
    """Knows the rows by their pixels; draws the truth, and reads from it what the manifest says."""

    def __init__(self, rows):
        self.rows = {load_image(row).tobytes(): row for row in rows}

    def draw(self, pixels):
        labels = mask_of(self.rows[pixels.tobytes()])
        numbers = [] if labels is None else [n for n in np.unique(labels) if 0 < n <= 100]
        return prediction([labels == n for n in numbers], pixels.shape)

    def read(self, pixels, masks, probabilities=()):
        row = self.rows[pixels.tobytes()]
        given = {"4": "4B"}.get(row.birads or "", row.birads or "3")
        place = CATEGORIES.index(given) if given in CATEGORIES else 0
        told = reader_descriptors(row)
        terms = {name: (names[int(told[name])],) for name, names in ONE_OF.items() if told[name] >= 0}
        for name, names in ANY_OF.items():
            terms[name] = tuple(term for term, value in zip(names, told[name], strict=True) if value > 0)
        return [
            JudgedLesion(
                probability=0.9 if row.pathology == "malignant" else 0.1,
                category_probabilities={c: float(i == place) for i, c in enumerate(CATEGORIES)},
                category_set=(CATEGORIES[place],),
                terms=terms,
            )
            for _ in masks
        ]


@pytest.fixture(scope="module")
def rows(data_root):
    rows = read_manifest(data_root / "manifest.csv", data_root)
    chosen = [row for row in rows if row.pathology == "normal"][:2]
    for name in ("busbra", "busi"):
        for pathology in ("benign", "malignant"):
            chosen += [row for row in rows if (row.dataset, row.pathology) == (name, pathology)][:3]
    return chosen + [row for row in rows if row.dataset == "breast" and row.pathology != "normal"][:14]


@pytest.fixture(scope="module")
def scored(rows):
    known = Known(rows)
    return score_images(rows, known.draw, judge=known.read)


@pytest.fixture(scope="module")
def evaluation(scored):
    return summarise(scored, replicates=FEW)


def test_a_reader_that_is_right_is_perfect(evaluation):
    for group in (evaluation.overall, *evaluation.datasets):
        assert group.malignancy.auc.value == group.malignancy.specificity_at_95_sensitivity.value == 1
        assert group.outline_malignancy.auc.value == 0.5
        for reader in (group.reader, group.reader_on_truth):
            assert reader.malignancy.auc.value == 1 and reader.without_outline == 0
    overall = evaluation.overall.reader
    assert overall.descriptors.lesions == 14
    assert overall.descriptors.mean_kappa.value == 1
    assert {term.accuracy for term in overall.descriptors.terms} == {1.0}
    assert overall.category.kappa.value == overall.coverage.covered.value == 1
    assert overall.coverage.mean_size == 1
    by_name = {group.name: group.reader for group in evaluation.datasets}
    # BUS-BRA gives a plain 4: it takes part at four levels and not at six; BUSI gives no category.
    assert by_name["busbra"].category.levels == ("2", "3", "4", "5")
    assert by_name["busbra"].category_with_letters is None and by_name["busbra"].descriptors is None
    assert by_name["breast"].category_with_letters.levels == CATEGORIES
    assert by_name["busi"].category is None and by_name["busi"].coverage is None
    assert overall.category.lesions == 6 + 14 and overall.category_with_letters.lesions == 14


def test_malignancy_of_an_image_without_an_outline_is_that_of_the_frame(rows):
    known = Known(rows)

    def nothing(pixels):
        malignant = 0.8 if known.rows[pixels.tobytes()].pathology == "malignant" else 0.3
        return prediction([], pixels.shape, malignant)

    overall = evaluate(rows, nothing, judge=known.read, replicates=FEW).overall
    assert overall.reader is None
    assert overall.malignancy.auc.value == 1
    assert overall.reader_on_truth.malignancy.brier.value == pytest.approx(0.01)


def test_the_largest_lesion_decides(tmp_path):
    Image.fromarray(np.zeros((40, 60), np.uint8)).save(tmp_path / "a.png")
    labels = np.zeros((40, 60), np.uint8)
    labels[2:6, 2:6], labels[10:30, 20:50] = 1, 2
    Image.fromarray(labels).save(tmp_path / "m.png")
    (tmp_path / "manifest.csv").write_text("image,mask,pathology\na.png,m.png,malignant\n")
    seen = []

    def judge(pixels, masks, probabilities=()):
        seen.append([int(mask.sum()) for mask in masks])
        return [JudgedLesion(0.7)]

    draft = prediction([labels == 1, labels == 2], labels.shape)
    group = evaluate(read_manifest(tmp_path / "manifest.csv", tmp_path), lambda p: draft, judge=judge).overall
    assert seen == [[600], [600]]
    assert group.malignancy.brier.value == pytest.approx(0.09)
    assert group.reader.category is None and group.reader.descriptors is None
    assert group.lesion_dice.mean.value == 1


def test_descriptors_that_the_manifest_spells_otherwise_are_reported_and_the_rest_is_scored(rows):
    known = Known(rows)
    odd = replace(rows[-1], other={**rows[-1].other, "shape": "starlike"})
    evaluation = evaluate([*rows[:-1], odd], known.draw, judge=known.read, replicates=FEW)
    assert [left.scores_missing for left in evaluation.left_out] == ["descriptors"]
    assert evaluation.overall.images == len(rows) and evaluation.overall.reader.descriptors.lesions == 13
    assert "without descriptors" in metrics_table(evaluation)


def test_true_and_found_levels_have_the_same_lines(rows):
    for row in rows[-3:]:
        assert set(true_levels(row)) == set(COMPARED)
    assert found_levels(JudgedLesion(0.5)) == {}
    assert found_levels(JudgedLesion(0.5, terms={"halo": ("present",), "calcifications": ()})) == {
        "halo": 1,
        "calcifications": 0,
    }


def test_a_network_is_judged_with_the_measures_of_the_outline(rows):
    @dataclass
    class Opinion:
        malignant_log_odds: float
        category: dict
        descriptors: dict
        terms: dict

    class Network:
        calibration = None

        def read(self, grey, masks, measures):
            assert measures.shape[0] == len(masks) and np.isfinite(measures[:, :3]).all()
            return [Opinion(0.0, dict.fromkeys(CATEGORIES, 1 / 6), {}, {"shape": ("oval",)}) for _ in masks]

    row = rows[-1]
    (judgement,) = reader_judge(Network())(load_image(row), [mask_of(row) == 1])
    assert judgement.probability == 0.5 and judgement.terms == {"shape": ("oval",)} and judgement.category_set == ()


PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30)


@settings(deadline=None)
@given(PAIRS, st.data())
def test_kappa_follows_its_definition_and_its_weights(pairs, data):
    first, second = (np.array(side) for side in zip(*pairs, strict=True))
    counts = np.array(data.draw(st.lists(st.integers(0, 3), min_size=len(pairs), max_size=len(pairs))))
    again = np.repeat(np.arange(len(pairs)), counts)
    for quadratic in (False, True):
        value = kappa(first, second, 4, quadratic=quadratic)[0]
        apart = (first[:, None] - second) ** 2 if quadratic else (first[:, None] != second).astype(float)
        expected = apart.mean()
        assert value == pytest.approx(1 - np.diag(apart).mean() / expected) if expected else np.isnan(value)
        weighted = kappa(first, second, 4, counts[None].astype(float), quadratic=quadratic)[0]
        repeated = kappa(first[again], second[again], 4, quadratic=quadratic)[0]
        assert weighted == pytest.approx(repeated, nan_ok=True)


def test_quadratic_kappa_forgives_neighbours_more_than_strangers():
    truth = np.array([0, 1, 2, 3] * 5)
    near, far = np.minimum(truth + 1, 3), np.array([3, 0, 0, 0] * 5)
    assert kappa(truth, near, 4, quadratic=True)[0] > 0.5
    assert kappa(truth, far, 4, quadratic=True)[0] < 0


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=1, max_size=40))
def test_specificity_at_sensitivity_and_roc_equal_brute_force(images):
    score = np.array([s / 6 for s, _ in images])
    malignant = np.array([m for _, m in images])
    value = metrics.specificity_at_sensitivity(score, malignant)[0]
    points = metrics.roc_points(score, malignant)
    if malignant.all() or not malignant.any():
        assert np.isnan(value) and len(points) == 0
        return
    best = 0.0
    for threshold in np.unique(score):
        if (score[malignant] >= threshold).mean() >= 0.95 - 1e-12:
            best = max(best, (score[~malignant] < threshold).mean())
    assert value == pytest.approx(best)
    assert np.trapezoid(points[:, 1], points[:, 0]) == pytest.approx(metrics.auc(score, malignant)[0])
    bins = metrics.calibration_bins(score, malignant)
    error = sum(count * abs(share - mean) for _, _, count, mean, share in bins) / len(score)
    assert error == pytest.approx(metrics.expected_calibration_error(score, malignant)[0])


def test_subgroups_by_size_area_age_and_pathology(evaluation):
    names = {column: [group.name for group in groups] for column, groups in evaluation.subgroups.items()}
    assert set(names["size"]) <= {"below 10 mm", "10 to 20 mm", "above 20 mm"}
    assert names["size"] == sorted(names["size"], key=["below 10 mm", "10 to 20 mm", "above 20 mm"].index)
    assert [name.split()[0] for name in names["area"]] == ["smallest", "middle", "largest"]
    assert names["pathology"] == ["benign", "malignant", "normal"]
    # Of one class alone neither ranking nor calibration says anything.
    assert all(group.malignancy is None for group in evaluation.subgroups["pathology"])
    images = sum(group.images for column in ("size", "area") for group in evaluation.subgroups[column])
    assert images == evaluation.overall.dice.images


def test_thirds_of_few_or_equal_shares():
    assert area_thirds([0.1, None]) == [None, None]
    assert len({name for name in area_thirds([0.1, 0.1, 0.1, None]) if name}) == 1


def test_other_columns_of_the_manifest_are_subgroups_too(scored):
    chosen = summarise(scored, subgroups=("posterior_features", "nothing"), replicates=FEW).subgroups
    assert set(chosen) == {"posterior_features"} and len(chosen["posterior_features"]) > 1


def test_the_file_of_version_1_0_still_loads(request, tmp_path):
    old = read_metrics(request.path.parent / "data" / OLD)
    assert old.overall.dice.mean.value == pytest.approx(0.8776, abs=1e-4)
    assert old.overall.reader is None and old.overall.dice_below_half is None
    assert "Dice, mean" in metrics_table(old) and "### Outlines" in figures_of_card(old)
    write_metrics(tmp_path / "new.json", old)
    assert read_metrics(tmp_path / "new.json") == old


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[]", "which format"),
        ('{"schema_version": "9.9"}', "9.9"),
        ('{"schema_version": "1.1"}', "not an evaluation"),
    ],
)
def test_other_files_are_no_metrics(tmp_path, content, said):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(InputError, match=said):
        read_metrics(tmp_path / "m.json")
    assert model_card([str(tmp_path / "m.json")]) == 3


def test_card_and_terminal_show_every_part(evaluation, tmp_path, capsys):
    write_metrics(tmp_path / "m.json", evaluation)
    assert model_card([str(tmp_path / "m.json")]) == 0
    card = capsys.readouterr().out
    assert card == figures_of_card(evaluation)
    for heading in ("Asked and reached", "Outlines", "Descriptors", "Category sets", "Subgroups", "Where it fails"):
        assert f"### {heading}" in card
    for block in card.split("\n\n"):
        if block.startswith("|"):
            assert len({line.count("|") - line.count("\\|") for line in block.splitlines()}) == 1
    asked = {figure.what: figure for figure in asked_figures(evaluation)}
    assert asked["Dice, automatic, BUSI"].reached is True
    assert asked["category, quadratic-weighted kappa"].measured.value == 1
    # The reader says 0.1 and 0.9 where it is always right: an ECE of 0.1.
    missed = [line for line in asked_table(list(asked.values())).splitlines() if "MISSED" in line]
    assert len(missed) == 1 and missed[0].startswith("ECE")


def test_scores_by_image_hold_ids_and_numbers_and_no_patient(scored, rows, tmp_path):
    write_per_image(tmp_path / "images.csv", scored.scores)
    with open(tmp_path / "images.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["id"] for line in table] == [row.id for row in rows]
    assert "patient" not in table[0] and "age" not in table[0]
    last = table[-1]
    assert float(last["dice"]) == 1 and last["category_set"] == rows[-1].birads == last["category"]
    assert float(last[f"p_{rows[-1].birads}"]) == 1


def test_page_shows_the_worst_first_and_each_image_once(scored, rows, tmp_path):
    worse = [
        replace(s, dice=s.dice * (0.1 + 0.03 * i)) if s.dice is not None else s for i, s in enumerate(scored.scores)
    ]
    sections = chosen_sections(worse, seed=1, worst=4, best=3, random=5)
    assert [len(section.scores) for section in sections] == [4, 3, 5]
    shown = [score.line for section in sections for score in section.scores]
    assert len(set(shown)) == len(shown)
    ranked = sorted(score.dice for score in worse if score.dice is not None)
    assert [score.dice for score in sections[0].scores] == ranked[:4]
    assert [score.dice for score in sections[1].scores] == ranked[:-4:-1]
    few = chosen_sections(worse, seed=1, worst=2, best=1, random=1)
    write_page(tmp_path / "page.png", few, rows, Known(rows).draw)
    with Image.open(tmp_path / "page.png") as page:
        assert page.width > 2000 and page.mode == "RGB"
    write_page(tmp_path / "page.html", few, rows, Known(rows).draw)
    html = (tmp_path / "page.html").read_text("utf-8")
    assert html.count("<img ") == 4 and "http" not in html
    with pytest.raises(UsageError, match=r"png or \.html"):
        write_page(tmp_path / "page.pdf", few, rows, Known(rows).draw)
    with pytest.raises(UsageError, match="no page"):
        write_page(tmp_path / "page.png", chosen_sections([], 0), rows, Known(rows).draw)


def test_plots_are_written_again_from_the_file(evaluation, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    from BreastUSAssistLib.learning.figures import write_plots

    write_metrics(tmp_path / "m.json", evaluation)
    names = {path.name for path in write_plots(tmp_path / "one", read_metrics(tmp_path / "m.json"), ("png",))}
    assert names == {"calibration.png", "roc.png", "dice.png", "subgroups.png"}
    with Image.open(tmp_path / "one" / "roc.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5
    empty = evaluation.model_copy(
        update={"overall": evaluation.overall.model_copy(update={"malignancy": None}), "datasets": (), "subgroups": {}}
    )
    assert {path.name for path in write_plots(tmp_path / "two", empty, ("svg",))} == {"dice.svg"}


def test_metrics_are_json_without_nan(evaluation, tmp_path):
    write_metrics(tmp_path / "m.json", evaluation)
    json.loads((tmp_path / "m.json").read_text("utf-8"), parse_constant=pytest.fail)
