"""The main job with a stand-in for the reader network: its answers reach every file, as do prevalence and patient."""

import csv
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.clinical import ClinicalParameters
from BreastUSAssistLib.birads.describe import new_uid
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.reader_measures import NAMES
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.model.calibration import read_calibration
from BreastUSAssistLib.model.predictor import Predictor, open_predictor
from BreastUSAssistLib.service.analysis_file import read_analysis
from BreastUSAssistLib.service.batch import BatchOptions, BatchOutcome, analyze_inputs
from BreastUSAssistLib.ultrasound.phantom import render, save_dicom, standard_cases
from BreastUSAssistLib.ultrasound.reading import open_clip
from BreastUSAssistLib.ultrasound.tissue import tissue_box

CALIBRATION = read_calibration(Path(__file__).parent / "data" / "calibration-1.0.json")


class Reader:
    """Answers by the size of the lesion: the larger, the more suspicious. Notes what it was asked."""

    bundle = SimpleNamespace(name="stand-in-reader", version="1.2.3", sha256="ab" * 32)
    backend = SimpleNamespace(name="none", precision="float32", device="cpu")

    def __init__(self, calibration=CALIBRATION) -> None:
        self.calibration = calibration
        self.asked: list[tuple[tuple[int, ...], int]] = []

    def read(self, grey: np.ndarray, masks: Sequence[np.ndarray], measures: np.ndarray) -> list[SimpleNamespace]:
        assert grey.dtype == np.uint8 and grey.ndim == 2
        assert all(mask.dtype == bool and mask.shape == grey.shape and mask.any() for mask in masks)
        assert measures.shape == (len(masks), len(NAMES)) and measures.dtype == np.float32
        self.asked.append((grey.shape, len(masks)))
        return [
            SimpleNamespace(
                malignant_log_odds=float(mask.sum()) / 5000,
                category={"2": 0.0, "3": 0.1, "4A": 0.3, "4B": 0.4, "4C": 0.2, "5": 0.0},
                descriptors={
                    "shape": {"oval": 0.9, "irregular": 0.1},
                    "margin": {"circumscribed": 0.8, "angular": 0.1},
                },
                terms={"shape": ("oval",), "margin": ("circumscribed",)},
            )
            for mask in masks
        ]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return open_predictor()


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A phantom by name as a DICOM file, with other values in its header where asked."""
    folder = tmp_path_factory.mktemp("in")

    def made(name: str, saved_as: str = "", **header: str) -> Path:
        path = folder / f"{saved_as or name}.dcm"
        if not path.exists():
            save_dicom(render(standard_cases()[name]), path)
            dataset = pydicom.dcmread(path)
            for keyword, value in header.items():
                setattr(dataset, keyword, value)
            dataset.save_as(path)
        return path

    return made


def run(
    paths: Sequence[Path], out: Path, predictor: Predictor, reader: Reader | None, **options: object
) -> tuple[BatchOutcome, list[str]]:
    told: list[str] = []
    outcome = analyze_inputs(
        paths,
        out,
        predictor=predictor,
        reader=reader,
        lexicon=load_lexicon(),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        new_uid=new_uid,
        options=BatchOptions(**options),  # type: ignore[arg-type]
        tell=told.append,
    )
    return outcome, told


def only(outcome: BatchOutcome) -> Analysis:
    ((_, analysis),) = outcome.cases
    return analysis


def test_a_reader_reaches_every_file(tmp_path, predictor, inputs):
    reader = Reader()
    clinical = ClinicalParameters(age_years=77, palpable=True)
    outcome, _ = run(
        [inputs("two-lesions")], tmp_path, predictor, reader, prevalence=0.02, clinical=clinical, debug=True
    )
    analysis = only(outcome)
    assert read_analysis(tmp_path / "two-lesions" / "analysis.json") == analysis
    assert len(reader.asked) == 1 and reader.asked[0][1] == len(analysis.lesions) >= 1
    assert [model.name for model in analysis.models] == [predictor.bundle.name, "stand-in-reader"]
    assert analysis.settings.prevalence == 0.02 and analysis.settings.clinical == clinical
    frame = open_clip(inputs("two-lesions")).frame(0)
    outlines = predictor.predict(frame.grey, tissue_box(frame)).lesions
    drafted = {int(outline.pixels.sum()): outline.malignant or 0.0 for outline in outlines}
    for lesion in analysis.lesions:
        assessment = lesion.assessment
        z = lesion.measurements.area.px / 5000
        both = (CALIBRATION.probability(z), drafted[int(lesion.measurements.area.px)])
        halfway = np.mean([np.log(one / (1 - one)) for one in both])
        assert assessment.image_probability == pytest.approx(1 / (1 + np.exp(-halfway)))
        assert assessment.combined_probability is not None and assessment.prevalence is not None
        assert assessment.probability_malignant == assessment.prevalence.combined_probability
        assert assessment.category_opinion is not None and "4B" in assessment.category_opinion.likely
        assert {one.attribute: one.origin for one in lesion.descriptors}["shape"] == "model"
        assert lesion.outline_band_px is not None and lesion.outline_uncertain_share is not None
    with open(tmp_path / "two-lesions" / "findings.csv", encoding="utf-8", newline="") as file:
        row = next(csv.DictReader(file))
    assert (row["site_prevalence"], row["clinical"], row["reader_model"]) == (
        "0.02",
        "age 77 years; palpable lump",
        "stand-in-reader",
    )
    assert float(row["probability_low"]) <= float(row["probability_malignant"]) <= float(row["probability_high"])
    page = (tmp_path / "two-lesions" / "report.html").read_text("utf-8").replace("\u00a0", " ")
    for words in ("Image alone", "Image and clinical parameters", "2 % of the lesions at this site", "95 % interval"):
        assert words in page
    for words in ("Underlined: what radiologists give", "Tinted: where the network", "Model that read the lesions"):
        assert words in page
    report = pydicom.dcmread(tmp_path / "two-lesions" / "sr.dcm")
    numbers = [float(item.MeasuredValueSequence[0].NumericValue) for item in _numeric(report)]
    wanted = 100 * (analysis.lesions[0].assessment.probability_malignant or 0)
    assert any(value == pytest.approx(wanted, abs=0.001) for value in numbers)


def _numeric(item: pydicom.Dataset) -> list[pydicom.Dataset]:
    found = [item] if item.get("ValueType") == "NUM" else []
    return found + [one for child in item.get("ContentSequence", []) for one in _numeric(child)]


def test_a_cine_is_read_in_its_key_frame_alone(tmp_path, predictor, inputs):
    reader = Reader()
    outcome, _ = run([inputs("cine")], tmp_path, predictor, reader, debug=True)
    assert len(only(outcome).frames) > 10 and len(reader.asked) == 1
    assert only(outcome).lesions[0].assessment.prevalence is None


def test_without_a_reader_all_is_as_before_and_settings_that_need_one_are_refused(tmp_path, predictor, inputs):
    path = inputs("oval-circumscribed")
    analysis = only(run([path], tmp_path / "plain", predictor, None, debug=True)[0])
    assert analysis.models == (analysis.model,)
    assert all(lesion.assessment.image_probability is None for lesion in analysis.lesions)
    page = (tmp_path / "plain" / path.stem / "report.html").read_text("utf-8")
    assert "Image alone" not in page and "Underlined" not in page
    for reader in (None, Reader(calibration=None)):
        with pytest.raises(UsageError, match="--prevalence"):
            run([path], tmp_path / "no", predictor, reader, prevalence=0.1)
        with pytest.raises(UsageError, match="--clinical"):
            run([path], tmp_path / "no", predictor, reader, clinical=ClinicalParameters(age_years=50))
    with pytest.raises(UsageError, match="--clinical"):
        run(
            [path],
            tmp_path / "no",
            predictor,
            Reader(CALIBRATION.model_copy(update={"clinical": None})),
            clinical="dicom",
        )
    assert not (tmp_path / "no").exists()


def test_the_age_of_a_header_is_used_only_where_asked_for_and_never_told(tmp_path, predictor, inputs):
    aged = inputs("oval-circumscribed", "aged", PatientAge="073Y")
    ageless = inputs("oval-circumscribed", "ageless", PatientAge="")
    analysis = only(run([aged], tmp_path / "without", predictor, Reader(), debug=True)[0])
    assert analysis.settings.clinical is None
    assert "73" not in json.dumps([lesion.assessment.reasons for lesion in analysis.lesions])
    outcome, told = run([aged, ageless], tmp_path / "with", predictor, Reader(), clinical="dicom", debug=True)
    by_case = {one.case: one for _, one in outcome.cases}
    assert by_case["aged"].settings.clinical == ClinicalParameters(age_years=73)
    assert by_case["aged"].lesions[0].assessment.clinical[0].words == "age 73 years"
    assert by_case["ageless"].settings.clinical is None
    assert "73 year" not in " ".join(told) and "073Y" not in " ".join(told)
    assert any("ageless: no usable age" in line for line in told)


def test_one_file_of_clinical_parameters_is_not_used_for_two_patients(tmp_path, predictor, inputs):
    first, second = (inputs("oval-circumscribed", f"patient{n}", PatientID=f"SECRET-{n}") for n in (1, 2))
    outcome, told = run([first, second], tmp_path, predictor, Reader(), clinical=ClinicalParameters(age_years=50))
    assert len(outcome.cases) == 1 and len(outcome.failures) == 1
    assert "another patient" in outcome.failures[0] and "SECRET" not in " ".join([*told, *outcome.failures])


@pytest.mark.parametrize("value", ["0", "1", "-0.1", "1.5", "nan", "often", "1e400"])
def test_a_prevalence_that_is_none_is_bad_usage(tmp_path, capsys, value):
    with pytest.raises(SystemExit) as stopped:
        main(["analyze", "x.dcm", "--out", str(tmp_path), f"--prevalence={value}"])
    assert stopped.value.code == 2 and "such as 0.01" in capsys.readouterr().err


def test_a_clinical_file_that_is_missing_is_bad_input(tmp_path, capsys):
    assert main(["analyze", "x.dcm", "--out", str(tmp_path / "o"), "--clinical", str(tmp_path / "none.json")]) == 3
    assert "none.json could not be read" in capsys.readouterr().err
