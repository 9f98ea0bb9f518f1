"""The demo: every case next to its truth, with the shipped models."""

from datetime import UTC, datetime
from pathlib import Path

from BreastUSAssistLib.birads.describe import new_uid
from BreastUSAssistLib.dicom.report_reading import read_report
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.model.lesion_reader import open_lesion_reader
from BreastUSAssistLib.model.predictor import open_predictor
from BreastUSAssistLib.service.demo import demo_table, run_demo


def test_stills_are_drafted_read_corrected_and_read_back(tmp_path: Path) -> None:
    told: list[str] = []
    cases = run_demo(
        tmp_path,
        open_predictor(device="cpu"),
        open_lesion_reader(device="cpu"),
        cases=("irregular-spiculated", "oval-circumscribed"),
        now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
        new_uid=new_uid,
        tell=told.append,
    )
    assert [case.analysis.case for case in cases] == ["irregular-spiculated", "oval-circumscribed"]
    for case in cases:
        assert case.dice > 0.8 and case.segmentation_frames == 1
        assert case.corrected_dice is not None and case.corrected_dice > case.dice - 0.02
        assert [model.name for model in case.analysis.models] == ["lesion-outline", "lesion-reader"]
        (lesion,) = case.analysis.lesions
        assert lesion.assessment.image_probability is not None and lesion.assessment.category
        assert (case.folder / "report.html").is_file()
        assert case.accepted == "SEG identical, SR verified"
        report = read_report(tmp_path / "accepted" / case.analysis.case / "sr.dcm")
        assert report.verified and report.verifying_observers
        (said,) = report.lesions
        assert said.reader is not None and said.ai is not None
        assert said.ai.category == lesion.assessment.category and said.ai.outlines != said.reader.outlines
    with LabelStore.open(tmp_path / "labels") as store:
        assert [summary.name for summary in store.list()] == [case.label for case in cases]
    suspicious, plain = (case.analysis.lesions[0].assessment.probability_malignant or 0 for case in cases)
    assert suspicious > plain
    table = demo_table(cases).splitlines()
    assert len(table) == 3 and "1 frame identical" in table[1]
