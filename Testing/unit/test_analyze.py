"""The main job end to end on phantoms: files in, every file out, and nothing lost or half-written on bad input."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.describe import new_uid
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.model.bundle import load_bundle
from BreastUSAssistLib.model.features import ArrayFeatures
from BreastUSAssistLib.model.predictor import Predictor
from BreastUSAssistLib.service.analysis_file import read_analysis
from BreastUSAssistLib.service.batch import analyze_inputs
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom, save_png, standard_cases
from BreastUSAssistLib.ultrasound.reading import open_clip
from PIL import Image

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"
CASE_FILES = ["analysis.json", "findings.csv", "masks", "report.html", "seg.nrrd"]


@pytest.fixture(scope="module")
def phantoms() -> Callable[[str], Phantom]:
    """Standard phantoms by name, each made once."""
    made: dict[str, Phantom] = {}

    def phantom(name: str) -> Phantom:
        if name not in made:
            made[name] = render(standard_cases()[name])
        return made[name]

    return phantom


def dice(labels: np.ndarray, truth: np.ndarray) -> float:
    overlap = np.count_nonzero((labels > 0) & (truth > 0))
    return 2 * overlap / max(1, np.count_nonzero(labels) + np.count_nonzero(truth))


def masks_of(case: Path) -> np.ndarray:
    analysis = read_analysis(case / "analysis.json")
    return np.stack([np.asarray(Image.open(case / frame.mask)) for frame in analysis.frames])


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_dicom_still_gives_every_file(tmp_path: Path, phantoms: Callable[[str], Phantom]) -> None:
    phantom = phantoms("irregular-spiculated")
    still = save_dicom(phantom, tmp_path / "in" / "still.dcm")
    assert main(["analyze", str(still), "--out", str(tmp_path / "out")]) == 0
    case = tmp_path / "out" / "still"
    assert names_in(case) == sorted([*CASE_FILES, "seg.dcm", "sr.dcm"])
    analysis = read_analysis(case / "analysis.json")
    assert analysis.source.spacing is not None and analysis.source.spacing.source == "ultrasound_region"
    assert len(analysis.lesions) == 1
    assert dice(masks_of(case), phantom.masks) > 0.8
    longest = analysis.lesions[0].measurements.longest_axis
    assert longest.mm is not None and 11 < longest.mm < 20, "the phantom's lesion is 11 x 14 mm with spicules"
    assert np.array_equal(read_segmentation(case / "seg.dcm").labels, masks_of(case))
    assert analysis.lesions[0].assessment.category in {"4A", "4B", "4C", "5"}


def test_a_cine_has_one_lesion_over_its_frames(tmp_path: Path, phantoms: Callable[[str], Phantom]) -> None:
    phantom = phantoms("cine")
    cine = save_dicom(phantom, tmp_path / "cine.dcm")
    assert main(["analyze", str(cine), "--fractional", "--out", str(tmp_path / "out")]) == 0
    case = tmp_path / "out" / "cine"
    analysis = read_analysis(case / "analysis.json")
    assert len(analysis.frames) == len(phantom.frames) == len(list((case / "masks").iterdir()))
    assert analysis.frames[1].time_ms is not None and analysis.frames[1].time_ms > 0
    assert len(analysis.lesions) == 1 and len(analysis.lesions[0].frames) > 10
    assert dice(masks_of(case), phantom.masks) > 0.75
    outlined = [frame.frame_number for frame in analysis.frames if frame.lesions]
    assert tuple(outlined) == analysis.lesions[0].frames


def test_a_png_has_no_millimetres_and_no_dicom(tmp_path: Path, phantoms: Callable[[str], Phantom]) -> None:
    save_png(phantoms("oval-circumscribed"), tmp_path / "png")
    image = tmp_path / "png" / "images" / "0001.png"
    assert main(["analyze", str(image), "--out", str(tmp_path / "out")]) == 0
    case = tmp_path / "out" / "0001"
    assert names_in(case) == sorted(CASE_FILES)
    analysis = read_analysis(case / "analysis.json")
    assert analysis.source.spacing is None and analysis.lesions
    assert all(lesion.measurements.longest_axis.mm is None for lesion in analysis.lesions)
    assert "no_spacing" in {gate.code for gate in analysis.gates}
    table = (case / "findings.csv").read_text("utf-8").splitlines()
    assert len(table) == 1 + len(analysis.lesions)


def test_a_real_sweep_has_one_lesion_throughout(tmp_path: Path, data_root: Path) -> None:
    assert main(["analyze", str(data_root / "cine"), "--out", str(tmp_path / "out")]) == 0
    case = tmp_path / "out" / "cine"
    assert names_in(case) == sorted([*CASE_FILES, "seg.dcm", "sr.dcm"])
    analysis = read_analysis(case / "analysis.json")
    assert analysis.source.kind == "cine" and len(analysis.frames) == 31
    assert len(analysis.lesions) == 1 and len(analysis.lesions[0].frames) > 25
    headers = open_clip(data_root / "cine").headers
    assert np.array_equal(read_segmentation(case / "seg.dcm", headers).labels, masks_of(case))


@pytest.mark.parametrize("coding", ["J2KR", "RLE", "UNCR"])
def test_a_real_file_that_is_not_breast_is_done_with_its_gates(tmp_path: Path, data_root: Path, coding: str) -> None:
    assert main(["analyze", str(data_root / "dicom_us" / f"US1_{coding}.dcm"), "--out", str(tmp_path)]) == 0
    analysis = read_analysis(tmp_path / f"US1_{coding}" / "analysis.json")
    assert "colour_doppler" in {gate.code for gate in analysis.gates}


def test_no_lesion_is_a_result_too(tmp_path: Path) -> None:
    image = tmp_path / "black.png"
    Image.fromarray(np.zeros((300, 400), np.uint8)).save(image)
    assert main(["analyze", str(image), "--out", str(tmp_path / "out")]) == 0
    analysis = read_analysis(tmp_path / "out" / "black" / "analysis.json")
    assert analysis.lesions == () and analysis.frames[0].malignant is None
    assert [gate.code for gate in analysis.gates if gate.severity == "stop"] == ["blank"]
    assert "blank" in (tmp_path / "out" / "black" / "report.html").read_text("utf-8").lower()


def test_bad_files_are_named_and_the_good_ones_done(
    tmp_path: Path, phantoms: Callable[[str], Phantom], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "Ünter suchung 乳腺"
    folder.mkdir()
    good = save_dicom(phantoms("oval-circumscribed"), folder / "good.dcm")
    content = good.read_bytes()
    (folder / "truncated.dcm").write_bytes(content[: len(content) // 2])
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "random.png").write_bytes(np.random.default_rng(1).bytes(5000))
    (folder / "text.jpg").write_text("no image")
    assert main(["analyze", str(folder), "--out", str(tmp_path / "out"), "--json"]) == 3
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert [case["case"] for case in told["cases"]] == ["good"]
    for name in ("truncated.dcm", "empty.dcm", "random.png", "text.jpg"):
        sentences = [failure for failure in told["failures"] if name in failure]
        assert len(sentences) == 1, f"{name}: {told['failures']}"
    assert names_in(tmp_path / "out") == ["good"]
    assert "Traceback" not in printed.err and "PHANTOM-" not in printed.err and "Phantom^" not in printed.err


class BrokenOnSecond:
    """A back end that fails as no one foresaw, once."""

    name, version, precision, device = "broken", "0", "float32", "cpu"

    def __init__(self) -> None:
        self.runs = 0

    def encode(self, images: np.ndarray) -> ArrayFeatures:
        self.runs += 1
        if self.runs == 2:
            raise RuntimeError("Phantom^Breast")
        return ArrayFeatures([np.zeros((len(images), 2, 8, 8), np.float32)] * 5)

    def decode(self, features: ArrayFeatures, prompts: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        assert prompts is None
        return np.full((len(features), 1, 256, 256), -9, np.float32), np.zeros((len(features), 3), np.float32)


def test_one_broken_case_does_not_cost_the_others(tmp_path: Path, phantoms: Callable[[str], Phantom]) -> None:
    inputs = [save_dicom(phantoms("cyst"), tmp_path / f"{name}.dcm") for name in ("a", "b", "c")]
    shipped = load_bundle()
    one_run_a_frame = shipped.outline_settings.model_copy(update={"mirrored": False})
    outcome = analyze_inputs(
        inputs,
        tmp_path / "out",
        predictor=Predictor(shipped.model_copy(update={"settings": one_run_a_frame}), BrokenOnSecond()),
        lexicon=load_lexicon("birads-us-2013"),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        new_uid=new_uid,
    )
    assert [analysis.case for _, analysis in outcome.cases] == ["a", "c"]
    assert len(outcome.failures) == 1
    assert "b.dcm could not be analysed (RuntimeError)" in outcome.failures[0] and "Phantom^" not in outcome.failures[0]
    assert names_in(tmp_path / "out") == ["a", "c"]
    assert not (tmp_path / "out" / "a" / "seg.dcm").exists(), "no lesion, no segmentation"


@pytest.mark.parametrize("image", ["missing.dcm", "one.png"])
def test_what_cannot_be_read_exits_3(tmp_path: Path, image: str, capsys: pytest.CaptureFixture[str]) -> None:
    Image.new("1", (20_000, 20_000)).save(tmp_path / "one.png")
    assert main(["analyze", str(tmp_path / image), "--out", str(tmp_path / "out")]) == 3
    assert image in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_results_are_never_read_as_inputs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "--out" in capsys.readouterr().err


def test_a_run_that_is_killed_leaves_no_half_written_case(tmp_path: Path, phantoms: Callable[[str], Phantom]) -> None:
    cine = save_dicom(phantoms("cine"), tmp_path / "cine.dcm")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "BreastUSAssistLib", "analyze", str(cine), "--out", str(out)]
    for _ in range(3):
        process = subprocess.Popen(command, cwd=LIBRARY, stderr=subprocess.DEVNULL)
        while process.poll() is None and not (out.exists() and any(out.iterdir())):
            time.sleep(0.002)
        process.kill()
        process.wait()
        visible = [path for path in out.iterdir() if not path.name.startswith(".")]
        assert all(names_in(path) == sorted([*CASE_FILES, "seg.dcm", "sr.dcm"]) for path in visible)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["--model", "nowhere"], 3, "nowhere is neither a shipped model nor a folder"),
        (["--lexicon", "acr"], 2, "There is no lexicon acr"),
        (["--out", "taken"], 3, "could not be written"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_sentence(
    tmp_path: Path,
    phantoms: Callable[[str], Phantom],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file, not a folder")
    still = save_dicom(phantoms("cyst"), tmp_path / "still.dcm")
    assert main(["analyze", str(still), "--out", "out", *arguments]) == code
    told = capsys.readouterr().err
    assert sentence in told and "Traceback" not in told
    assert (tmp_path / "taken").read_text() == "a file, not a folder"
