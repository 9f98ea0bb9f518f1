"""Exporting at the panel: what the reader said of a case, and of its other view in another case, is in the files."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from BreastUSAssistLib.birads.reading import Place
from BreastUSAssistLib.service.reading_file import read_reading
from BreastUSAssistLib.ultrasound.phantom import LesionSpec
from panel.bench import PanelBench, open_bench, small

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelBench]:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    bench = open_bench(tmp_path, monkeypatch)
    yield bench
    from host import clear

    clear()
    bench.host.process_events()
    assert bench.raised == []


def test_what_the_reader_said_is_exported_with_the_other_view(bench: PanelBench) -> None:
    first = bench.load(small("a", lesions=(LesionSpec(width_mm=12),), seed=3), "radial")
    second = bench.load(small("b", lesions=(LesionSpec(width_mm=9),), seed=4), "antiradial")
    bench.choose(first)
    bench.run()
    uid = bench.case.reading.lesions[0].tracking_uid
    bench.choose(second)
    bench.run()
    case = bench.case
    case.tie(1, uid)
    case.set_term(1, "margin", "spiculated")
    case.set_category(1, "4C")
    case.set_note(1, "<script>alert(1)</script>")
    case.set_place(Place(side="left", clock=2, distance_mm=40))
    case.decide("Reader <B>", "rejected", "=too dark", datetime.now(UTC))
    bench.ui("finish").exportButton.click()
    bench.turn()
    folder = bench.folder / "exports" / "antiradial"
    assert read_reading(folder / "reading.json") == case.reading, bench.status
    with open(folder / "findings.csv", encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file)
    told = (row["reader"], row["decision"], row["rejection_reason"], row["reader_category"], row["changed_terms"])
    assert told == ("Reader <B>", "rejected", "'=too dark", "4C", "margin")
    assert (row["tied_to"], row["tied_case"], row["side"], row["clock"]) == ("1", "radial", "left", "2")
    joint = case.lesions[0].joint
    assert row["joint_category"] == joint.assessment.category
    report = (folder / "report.html").read_text("utf-8")
    for words in (
        "Rejected by <bdi>Reader &lt;B&gt;</bdi>",
        "Reader's category 4C",
        "lesion 1 of <bdi>radial</bdi>",
    ):
        assert words in report
    assert all(sentence.split(":")[0].split("(")[0] in report for sentence in joint.sentences)
    assert "<script" not in report and "Nothing has been checked" not in report
