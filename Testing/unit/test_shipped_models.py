"""The models that come with BreastUSAssist: what they are made of, what they answer, and that they tell no one."""

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import AnalysisSettings
from BreastUSAssistLib.birads.describe import new_uid
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.learning.click_simulation import next_click
from BreastUSAssistLib.learning.metrics import dice
from BreastUSAssistLib.model.backends import installed_backends
from BreastUSAssistLib.model.bundle import load_bundle, shipped_bundles
from BreastUSAssistLib.model.bundle_check import LARGEST_DIFFERENCE, LEAST_DICE, check_bundle
from BreastUSAssistLib.model.lesion_reader import open_lesion_reader
from BreastUSAssistLib.model.predictor import Predictor, open_predictor
from BreastUSAssistLib.model.prompt import Prompt
from BreastUSAssistLib.model.refiner import Refiner
from BreastUSAssistLib.service.analysis_file import read_analysis
from BreastUSAssistLib.service.analyze import analyze_clip
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom, standard_cases
from BreastUSAssistLib.ultrasound.reading import open_clip
from PIL import Image

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"
BY_NAME = pytest.mark.parametrize("folder", shipped_bundles(), ids=lambda path: path.name)
LESIONS = [
    (name, number)
    for name in ("oval-circumscribed", "irregular-spiculated", "cyst", "two-lesions")
    for number in range(1, len(standard_cases()[name].lesions) + 1)
]


@pytest.fixture(scope="module")
def phantoms() -> dict[str, Phantom]:
    cases = standard_cases()
    return {name: render(cases[name]) for name in ("normal", *dict(LESIONS))}


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return open_predictor(device="cpu")


@pytest.fixture(scope="module")
def refiner(predictor: Predictor) -> Refiner:
    return Refiner(predictor.bundle, predictor.backend)


def test_both_kinds_are_shipped_and_small() -> None:
    bundles = [load_bundle(folder, kind=None) for folder in shipped_bundles()]
    assert {bundle.kind for bundle in bundles} == {"outline", "reader"}
    assert all(bundle.folder.name == bundle.name for bundle in bundles)
    assert sum(bundle.size for bundle in bundles) < 45e6


@BY_NAME
def test_weights_are_in_safe_formats_and_tell_nothing_of_their_maker(folder: Path) -> None:
    bundle = load_bundle(folder, kind=None)
    weights = [name for name in bundle.files if name.startswith("models/")]
    assert {Path(name).suffix for name in weights} == {".onnx", ".safetensors"}
    for name in bundle.files:
        content = bundle.read(name)
        assert not any(trace in content for trace in (b"site-packages", b"/home/", b"/root/", b"/tmp/"))


@BY_NAME
def test_the_card_says_what_it_must(folder: Path) -> None:
    bundle = load_bundle(folder, kind=None)
    card = bundle.read("docs/README.md").decode("utf-8").lower()
    for needed in ("research use only", "bus-bra", "busi", "breast-lesions-usg", "fold 4", "limits"):
        assert needed in card
    assert "not for diagnosis" in bundle.read_json("configs/metadata.json")["intended_use"]


@BY_NAME
def test_all_back_ends_give_the_same_answers(folder: Path) -> None:
    check = check_bundle(folder)
    assert check.ok, check.problems
    assert [backend.name for backend in check.backends] == list(installed_backends())
    for backend in check.backends[1:]:
        assert backend.difference is not None and backend.difference <= LARGEST_DIFFERENCE
        assert backend.dice is None or backend.dice >= LEAST_DICE


def test_batches_and_single_frames_agree(predictor: Predictor, phantoms: dict[str, Phantom]) -> None:
    greys = [phantoms[name].frames[0] for name in ("cyst", "normal")]
    greys.append(np.ascontiguousarray(greys[0][:200, :300]))
    for one, many in zip([predictor.predict(grey) for grey in greys], predictor.predict_batch(greys), strict=True):
        assert np.allclose(one.probability, many.probability, atol=1e-3)
        assert one.malignant == pytest.approx(many.malignant, abs=1e-3)
        assert one.normal + one.benign + one.malignant == pytest.approx(1)


@pytest.mark.parametrize("shape", [(32, 32), (40, 2000), (4096, 4096)])
def test_a_frame_is_answered_at_its_own_resolution(
    predictor: Predictor, phantoms: dict[str, Phantom], tmp_path: Path, shape: tuple[int, int]
) -> None:
    image = Image.fromarray(phantoms["cyst"].frames[0]).resize(shape[::-1])
    found = predictor.predict(np.asarray(image))
    assert found.probability.shape == shape and np.isfinite(found.probability).all()
    assert all(lesion.pixels.shape == shape for lesion in found.lesions)
    assert found.normal + found.benign + found.malignant == pytest.approx(1)
    image.save(tmp_path / "frame.png", compress_level=1)
    result = analyze_clip(
        open_clip(tmp_path / "frame.png"),
        predictor,
        load_lexicon(),
        created=datetime(2026, 1, 1, tzinfo=UTC),
        new_uid=new_uid,
        reader=open_lesion_reader(device="cpu"),
        settings=AnalysisSettings(ignore_gates=True),
    )
    assert (result.analysis.source.rows, result.analysis.source.columns) == shape
    assert result.analysis.frames[0].normal is not None
    assert result.labels.shape == result.probability.shape == (1, *shape)
    assert set(np.unique(result.labels)) == set(range(len(result.analysis.lesions) + 1))


@pytest.mark.parametrize("shape", [(32, 32), (40, 2000)])
def test_a_small_or_narrow_frame_gives_every_file(
    phantoms: dict[str, Phantom], tmp_path: Path, shape: tuple[int, int]
) -> None:
    Image.fromarray(phantoms["cyst"].frames[0]).resize(shape[::-1]).save(tmp_path / "frame.png")
    out = tmp_path / "out"
    assert main(["analyze", str(tmp_path / "frame.png"), "--ignore-gates", "--device", "cpu", "--out", str(out)]) == 0
    analysis = read_analysis(out / "frame" / "analysis.json")
    assert np.asarray(Image.open(out / "frame" / analysis.frames[0].mask)).shape == shape
    assert {path.name for path in (out / "frame").iterdir()} >= {"findings.csv", "report.html", "seg.nrrd"}


@pytest.mark.parametrize(("name", "number"), LESIONS)
def test_the_network_follows_clicks(refiner: Refiner, phantoms: dict[str, Phantom], name: str, number: int) -> None:
    phantom = phantoms[name]
    truth = phantom.masks[0] == number
    session = refiner.open(phantom.frames[0], phantom.tissue_box)
    current, marks, scores = np.zeros_like(truth), ([], []), []
    for _ in range(3):
        click = next_click(truth, current)
        assert click is not None
        marks[not click.positive].append((float(click.row), float(click.column)))
        current = session.refine(Prompt(tuple(marks[0]), tuple(marks[1]), mask=current)).pixels
        scores.append(dice(truth, current))
    assert scores[-1] > 0.85 and (scores[-1] > scores[0] or scores[-1] > 0.95), scores


def test_monai_runs_the_bundle(phantoms: dict[str, Phantom], tmp_path: Path) -> None:
    monai_bundle = pytest.importorskip("monai.bundle", reason="MONAI is not installed")
    bundle = load_bundle()
    still = save_dicom(phantoms["cyst"], tmp_path / "still.dcm")
    monai_bundle.run(
        config_file=str(bundle.checked("configs/inference.json")),
        bundle_root=str(bundle.folder),
        inputs=[str(still)],
        output_dir=str(tmp_path / "out"),
    )
    assert read_analysis(tmp_path / "out" / "still" / "analysis.json").lesions


_WATCHED = """
import os, socket, sys

def hook(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.sendmsg"):
        os.write(1, f"{event}\\n".encode())
        raise OSError("the network is out of bounds")

sys.addaudithook(hook)
from BreastUSAssistLib.command_line import main
code = main(["analyze", sys.argv[1], "--out", sys.argv[2], "--backend", sys.argv[3], "--device", "cpu"])
os.write(1, f"done {code} {sys.argv[3] in sys.modules}\\n".encode())
try:
    socket.create_connection(("127.0.0.1", 9))
except OSError:
    pass
"""


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_analysis_opens_no_network_connection(phantoms: dict[str, Phantom], tmp_path: Path, name: str) -> None:
    """OpenVINO brings a telemetry package along; the hook is inherited by whatever is forked."""
    Image.fromarray(phantoms["cyst"].frames[0]).save(tmp_path / "frame.png")
    command = [sys.executable, "-c", _WATCHED, str(tmp_path / "frame.png"), str(tmp_path / "out"), name]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=LIBRARY).stdout.splitlines()
    assert told[:1] == ["done 0 True"]
    assert told[1:] and told[1].startswith("socket."), "the hook sees connections"
