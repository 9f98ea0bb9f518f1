"""Evaluations whose answer is known: the truth as prediction, nothing as prediction, rows with gaps."""

import json
from dataclasses import replace

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, ModelError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.learning.evaluation import evaluate
from BreastUSAssistLib.learning.manifest import load_image, mask_of, read_manifest
from BreastUSAssistLib.learning.metrics_file import metrics_schema, read_metrics, write_metrics
from BreastUSAssistLib.learning.metrics_table import metrics_table
from BreastUSAssistLib.model.prediction import FramePrediction, LesionMask
from PIL import Image

FEW = 50


def prediction(masks, shape, malignant=0.5):
    lesions = tuple(LesionMask(mask, "automatic", 0.9) for mask in masks)
    return FramePrediction(np.zeros(shape, np.float32), lesions, 0.0, 1 - malignant, malignant)


def nothing(pixels):
    return prediction([], pixels.shape)


class Oracle:
    """Predicts the truth of rows, which it knows by their pixels."""

    def __init__(self, rows):
        self.known = {load_image(row).tobytes(): row for row in rows if row.problem is None}

    def __call__(self, pixels):
        row = self.known[pixels.tobytes()]
        labels = mask_of(row)
        numbers = [] if labels is None else [n for n in np.unique(labels) if 0 < n <= 100]
        return prediction([labels == n for n in numbers], pixels.shape, 0.9 if row.pathology == "malignant" else 0.1)


@pytest.fixture(scope="module")
def real_rows(data_root):
    rows = read_manifest(data_root / "manifest.csv", data_root)
    chosen = [row for row in rows if row.pathology == "normal"][:4]
    for name in ("breast", "busbra", "busi"):
        for pathology in ("benign", "malignant"):
            chosen += [row for row in rows if (row.dataset, row.pathology) == (name, pathology)][7:11]
    return chosen + [row for row in rows if row.other["lesions"] == "2"][:2]


@pytest.fixture
def made(tmp_path):
    """Writes a manifest with pictures; each row is its cells and a mask or None."""

    def write(*cells_and_masks):
        columns = sorted({column for cells, _ in cells_and_masks for column in cells})
        lines = [",".join(["image", "mask", *columns])]
        for index, (cells, mask) in enumerate(cells_and_masks):
            pixels = np.full((20, 30), index, np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"{index}.png")
            if mask is not None:
                Image.fromarray(np.asarray(mask, np.uint8)).save(tmp_path / f"{index}_mask.png")
            named = "" if mask is None else f"{index}_mask.png"
            lines.append(",".join([f"{index}.png", named, *(cells.get(column, "") for column in columns)]))
        (tmp_path / "manifest.csv").write_text("\n".join(lines))
        return read_manifest(tmp_path / "manifest.csv", tmp_path)

    return write


def label(*squares):
    labels = np.zeros((20, 30), np.uint8)
    for value, left in squares:
        labels[5:11, left : left + 6] = value
    return labels


def test_the_truth_as_prediction_is_perfect_on_real_rows(real_rows):
    evaluation = evaluate(real_rows, Oracle(real_rows), replicates=FEW)
    assert evaluation.left_out == ()
    for group in (evaluation.overall, *evaluation.datasets):
        assert (group.dice.mean.value, group.iou.median.value, group.hd95_px.mean.value) == (1, 1, 0)
        assert group.dice.mean.interval == (1, 1)
        assert group.detection.sensitivity.value == 1
        assert group.detection.false_outlines == 0
        assert group.malignancy.auc.value == group.malignancy.sensitivity_at_90_specificity.value == 1
        assert group.malignancy.ece.value == pytest.approx(0.1)
    assert evaluation.overall.normal.false_outlines == 0
    by_name = {group.name: group for group in evaluation.datasets}
    assert set(by_name) == {"breast", "busbra", "busi"}
    assert by_name["breast"].hd95_mm.mean.value == 0
    assert by_name["busi"].hd95_mm is None
    assert evaluation.overall.detection.lesions > evaluation.overall.dice.images
    assert sum(group.images for group in evaluation.datasets) == evaluation.overall.images == len(real_rows)


def test_nothing_as_prediction(real_rows):
    overall = evaluate(real_rows, nothing, replicates=FEW).overall
    assert overall.dice.mean.value == 0
    assert overall.hd95_px is None
    assert overall.images_without_outline == overall.dice.images
    assert overall.detection.found == overall.normal.false_outlines == 0
    assert overall.malignancy.auc.value == 0.5


def test_other_findings_take_no_part(made):
    rows = made(({"pathology": "benign"}, label((1, 2), (101, 20))))

    def both(pixels):
        return prediction([label((1, 2)) > 0, label((1, 20)) > 0], pixels.shape)

    overall = evaluate(rows, both, replicates=FEW).overall
    assert overall.dice.mean.value == 1
    assert (overall.detection.outlines, overall.detection.false_outlines) == (1, 0)


def test_false_outlines_are_counted_on_normal_images_only_known_as_such(made):
    rows = made(
        ({"pathology": "normal"}, None),
        ({}, label()),
        ({"pathology": "normal"}, label((101, 20))),
        ({}, None),
        ({"pathology": "benign"}, None),
    )

    def two_outlines(pixels):
        masks = [] if pixels[0, 0] == 0 else [label((1, 2)) > 0, label((1, 20)) > 0]
        return prediction(masks, pixels.shape)

    normal = evaluate(rows, two_outlines, replicates=FEW).overall.normal
    assert (normal.images, normal.false_outlines) == (3, 3)
    assert normal.false_outlines_per_image.value == 1
    assert normal.fraction_with_any.value == pytest.approx(2 / 3)


def test_rows_that_fail_are_named_and_the_others_done(made, tmp_path):
    rows = made(
        ({"pathology": "benign"}, label((1, 2))),
        ({"pathology": "benign"}, label()),
        ({"pathology": "normal"}, label((1, 2))),
        ({"pathology": "cyst"}, None),
        ({}, np.zeros((3, 3))),
        ({}, None),
    )
    (tmp_path / "5.png").unlink()
    evaluation = evaluate(rows, nothing, replicates=FEW)
    assert [(row.image, row.scores_missing) for row in evaluation.left_out] == [
        ("1.png", "masks"),
        ("2.png", "masks"),
        ("3.png", "all"),
        ("4.png", "masks"),
        ("5.png", "all"),
    ]
    assert all(row.reason.endswith(".") and "patient" not in row.reason for row in evaluation.left_out)
    assert evaluation.overall.images == 4
    assert evaluation.overall.dice.images == 1
    assert (evaluation.overall.malignancy.benign, evaluation.overall.malignancy.auc) == (2, None)


def test_no_row_at_all_is_an_error(made, tmp_path):
    rows = made(({"fold": "1"}, None))
    with pytest.raises(InputError, match="folds"):
        evaluate(rows, nothing, folds=[2])
    (tmp_path / "0.png").unlink()
    with pytest.raises(InputError, match=r"0\.png"):
        evaluate(rows, nothing)


def test_a_prediction_of_another_size_or_without_a_number_is_not_scored(made):
    rows = made(({}, None), ({"pathology": "benign"}, None))
    for wrong in (prediction([np.ones((3, 3), bool)], (20, 30)), prediction([], (20, 30), float("nan"))):
        answers = iter([wrong, nothing(np.zeros((20, 30)))])
        evaluation = evaluate(rows, lambda pixels, answers=answers: next(answers), replicates=FEW)
        assert [row.image for row in evaluation.left_out] == ["0.png"]


def test_an_error_of_the_model_for_one_image_leaves_it_out(made):
    def failing(pixels):
        if pixels[0, 0] == 0:
            raise ModelError("The model cannot read this; choose another.")
        return nothing(pixels)

    evaluation = evaluate(made(({}, None), ({}, None)), failing, replicates=FEW)
    assert [row.reason for row in evaluation.left_out] == ["The model cannot read this; choose another."]


def test_folds_limit_and_seed(made):
    rows = made(*(({"fold": str(1 + index % 4), "patient": f"p{index // 2}"}, label((1, 2))) for index in range(12)))
    done = []
    evaluation = evaluate(
        rows, nothing, folds=[4, 1], limit=4, seed=1, replicates=FEW, progress=lambda *step: done.append(step)
    )
    assert (evaluation.rows, evaluation.selected, evaluation.folds, evaluation.limit) == (12, 4, (1, 4), 4)
    assert done[0] == (0, 4) and done[-1] == (4, 4)
    again = evaluate(rows, nothing, folds=[4, 1], limit=4, seed=1, replicates=FEW)
    assert again.overall.patients == evaluation.overall.patients
    assert evaluate(rows, nothing, replicates=FEW).overall.patients == 6


def test_patients_of_two_sets_with_one_number_are_two(made):
    rows = made(*(({"dataset": name, "patient": "1"}, None) for name in ("a", "b")))
    assert evaluate(rows, nothing, replicates=FEW).overall.patients == 2


def test_time_is_that_of_the_prediction(made):
    ticks = iter([0, 0.1, 5, 5.3, 9, 9.2])
    overall = evaluate(made(*[({}, None)] * 3), nothing, clock=lambda: next(ticks), replicates=FEW).overall
    assert overall.time.median_ms == pytest.approx(200)
    assert overall.time.p95_ms == pytest.approx(290)


def test_hd95_in_mm_only_where_the_pixel_size_is_known(made):
    rows = made(({"row_mm": "0.5", "column_mm": "0.1"}, label((1, 2))), ({}, label((1, 2))))
    overall = evaluate(rows, lambda pixels: prediction([label((1, 4)) > 0], pixels.shape), replicates=FEW).overall
    assert (overall.hd95_px.images, overall.hd95_px.mean.value) == (2, 2)
    assert (overall.hd95_mm.images, overall.hd95_mm.mean.value) == (1, pytest.approx(0.2))


def test_subgroups_by_device_and_category(made):
    rows = made(({"device": "A", "birads": "3"}, label((1, 2))), ({"device": "B"}, label((1, 2))), ({}, None))
    evaluation = evaluate(rows, nothing, replicates=FEW)
    assert {k: [(g.name, g.images) for g in v] for k, v in evaluation.subgroups.items()} == {
        "device": [("A", 1), ("B", 1)],
        "birads": [("3", 1)],
    }
    assert "device" in metrics_table(evaluation)


def test_the_file_follows_the_published_schema_and_holds_no_nan(real_rows, tmp_path):
    rows = [*real_rows[::4], replace(real_rows[0], problem="Line 9 is wrong; correct it.")]
    for predict in (Oracle(rows), nothing):
        evaluation = evaluate(rows, predict, replicates=FEW)
        write_metrics(tmp_path / "metrics.json", evaluation)
        text = (tmp_path / "metrics.json").read_text("utf-8")
        content = json.loads(text, parse_constant=pytest.fail)
        jsonschema.validate(content, json.loads(metrics_schema()), cls=jsonschema.Draft202012Validator)
        assert read_metrics(tmp_path / "metrics.json") == evaluation


def test_the_published_schema_is_the_generated_one():
    published = resource_path("Schema", "metrics-1.1.schema.json").read_text("utf-8")
    assert published == metrics_schema(), "write metrics_schema() to Resources/Schema/metrics-1.1.schema.json"


def test_the_table_names_every_data_set_and_what_was_left_out(real_rows):
    rows = [*real_rows, replace(real_rows[0], problem="Line 9 is wrong; correct it.")]
    text = metrics_table(evaluate(rows, Oracle(rows), replicates=FEW))
    first = text.splitlines()[0].split()
    assert first == ["breast", "busbra", "busi", "all"]
    assert "1.000 [1.000, 1.000]" in text
    assert "1 row left out" in text
