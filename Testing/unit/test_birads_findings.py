"""The findings table as a file that a spreadsheet opens."""

import csv
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Analysis, FrameResult, ModelUsed, Source
from BreastUSAssistLib.birads.describe import describe_lesion
from BreastUSAssistLib.birads.findings import COLUMNS, findings_table, write_findings_csv
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.model.prediction import LesionMask
from BreastUSAssistLib.ultrasound.frame import PixelSpacing, SourceReference, UltrasoundFrame


def analysis(case: str = "case-1", lesions: int = 1, spacing: bool = True, stop: tuple[str, ...] = ()) -> Analysis:
    rows, columns = np.mgrid[:120, :160]
    mask = ((rows - 60) / 20) ** 2 + ((columns - 80) / 35) ** 2 <= 1
    grey = np.where(mask, 40, 110).astype(np.uint8)
    known = PixelSpacing(0.1, 0.1, "user") if spacing else None
    frame = UltrasoundFrame(grey, SourceReference(Path("x.png")), pixel_spacing=known)
    lexicon = load_lexicon()
    described = tuple(
        describe_lesion(n + 1, LesionMask(mask, "automatic", 0.8), frame, (1, 2), 0.25, lexicon, stop=stop)
        for n in range(lesions)
    )
    return Analysis(
        case=case,
        created="2025-01-02T03:04:05+00:00",
        software="BreastUSAssist 0.1",
        lexicon=lexicon.edition,
        source=Source(format="png", files=("x.png",), kind="still", frame_count=1, rows=120, columns=160),
        model=ModelUsed(name="m", version="1", sha256="0" * 64, backend="onnx", precision="fp32", device="cpu"),
        gates=(),
        frames=(FrameResult(frame_number=1, mask="masks/1.png", normal=0, benign=0.75, malignant=0.25, lesions=(1,)),),
        lesions=described,
        timings_ms={},
    )


def read(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_row_a_lesion_with_units_terms_category_and_notice(tmp_path):
    write_findings_csv(tmp_path / "findings.csv", analysis(lesions=2))
    rows = read(tmp_path / "findings.csv")
    assert [row["lesion"] for row in rows] == ["1", "2"]
    first = rows[0]
    assert tuple(first) == COLUMNS
    assert (first["antero_posterior_px"], first["antero_posterior_mm"]) == ("41.00", "4.10")
    assert (first["shape"], first["margin"], first["orientation"]) == ("Oval", "Circumscribed", "Parallel")
    assert (first["category"], first["probability_malignant"], first["frames"]) == ("4B", "0.2500", "1 2")
    assert (first["status"], first["notice"]) == ("draft", "Research use only")


def test_unknown_is_empty_and_not_zero(tmp_path):
    row = findings_table(analysis(spacing=False, stop=("Doppler.",)))[0]
    assert [row[key] for key in COLUMNS if key.endswith(("_mm", "_mm2"))] == [""] * 10
    assert (row["category"], row["category_label"]) == ("", "Cannot be assessed")


@pytest.mark.parametrize("case", ["=cmd|' /C calc'!A0", "+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r\n=1"])
def test_a_name_is_not_run_as_a_formula(tmp_path, case):
    write_findings_csv(tmp_path / "findings.csv", analysis(case))
    row = read(tmp_path / "findings.csv")[0]
    assert row["case"].startswith("'") and "\n" not in row["case"]


def test_names_in_any_script_and_with_commas_and_quotes_survive(tmp_path):
    case = 'Молочная, "железа" 乳腺'
    write_findings_csv(tmp_path / "дата" / "findings.csv", analysis(case))
    assert read(tmp_path / "дата" / "findings.csv")[0]["case"] == case


def test_no_lesion_gives_the_header_alone(tmp_path):
    write_findings_csv(tmp_path / "findings.csv", analysis(lesions=0))
    assert (tmp_path / "findings.csv").read_bytes().decode().strip().split(",") == list(COLUMNS)


def test_a_folder_that_is_a_file_gives_one_sentence(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        write_findings_csv(tmp_path / "taken" / "findings.csv", analysis())
