"""What comes from a PACS and goes back in less common ways: cines over DIMSE, a PACS that hangs, a new start."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")
pytest.importorskip("pynetdicom", reason="the packages for a PACS are not installed")

from BreastUSAssistLib.ultrasound.phantom import LesionSpec, save_dicom
from dicom.orthanc import OrthancServer
from dicom.read_reports import ReadReport
from panel.bench import PanelBench, small
from panel.pacs_bench import accept, fill_node, kinds, outline, pacs_bench, start_again
from pydicom import dcmread
from pydicom.uid import UltrasoundImageStorage

TIMES = (0.0, 40.0, 80.0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """A PACS with a study of a cine and a report."""
    folder = tmp_path_factory.mktemp("pacs")
    server = OrthancServer(folder / "orthanc").start()
    try:
        server.store(*cine_and_report(folder))
        yield server
    finally:
        server.kill()


def cine_and_report(folder: Path) -> list[Path]:
    cine = save_dicom(
        small("c", rows=160, columns=200, lesions=(LesionSpec(width_mm=9),), frame_count=3), folder / "c.dcm"
    )
    image = dcmread(cine)
    image.PatientID, image.FrameTime = "CINE-1", 40
    image.save_as(cine)
    report = dcmread(ReadReport().write(folder / "sr.dcm"))
    report.PatientID, report.StudyInstanceUID = "CINE-1", image.StudyInstanceUID
    report.save_as(folder / "sr.dcm")
    return [cine, folder / "sr.dcm"]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with pacs_bench(tmp_path_factory.mktemp("pacs-cases")) as bench:
        bench.panel.ui.pacsButton.setCollapsed(False)
        bench.turn()
        yield bench


def a_cine_comes_over_dimse_with_its_times(bench: PanelBench, server: OrthancServer) -> None:
    pacs = bench.ui("pacs")
    pacs.nodeNameLineEdit.setText("archive")
    pacs.wayComboBox.setCurrentIndex(1)
    assert pacs.dimseFrame.visible and not pacs.webFrame.visible and not pacs.keepNodeButton.enabled
    assert pacs.nodeHintLabel.text == "Give its host and both AE titles."
    pacs.hostLineEdit.setText("127.0.0.1")
    pacs.portSpinBox.setValue(server.dicom_port)
    pacs.aeTitleLineEdit.setText(server.ae_title)
    pacs.keepNodeButton.click()
    bench.turn()
    pacs.echoButton.click()
    bench.turn()
    assert not pacs.pacsLabel.text.startswith("✖"), pacs.pacsLabel.text
    pacs.nodesButton.setChecked(False)
    pacs.patientIdLineEdit.setText("CINE-1")
    pacs.findButton.click()
    bench.turn()
    pacs.studiesTable.cellActivated.emit(0, 0)
    bench.turn()
    assert pacs.pacsLabel.text == (
        "1 image is open as a case. 1 other object of the study is kept beside the images."
    ), pacs.pacsLabel.text
    source = bench.case.source
    assert (source.kind, source.frame_count, source.times_ms) == ("cine", 3, TIMES)


def a_lesion_without_outline_holds_back_what_would_leave_it_out(bench: PanelBench, server: OrthancServer) -> None:
    outline(bench)
    bench.turn()
    bench.case.add_lesion()
    accept(bench)
    finish = bench.ui("finish")
    finish.sendButton.click()
    bench.turn()
    assert "lesion 2 would be left out" in finish.sendLabel.text, finish.sendLabel.text
    assert kinds(server) == {"US": 1, "SR": 1} and finish.sendButton.enabled
    finish.reopenButton.click()
    bench.case.remove_lesion(2)
    accept(bench)
    finish.sendButton.click()
    bench.turn()
    assert finish.sendLabel.text.startswith("✔ archive: 2 objects stored"), finish.sendLabel.text
    assert kinds(server) == {"US": 1, "SR": 2, "SEG": 1}


def after_a_new_start_it_is_known_what_was_sent(bench: PanelBench, server: OrthancServer) -> None:
    start_again(bench)
    bench.turn()
    finish = bench.ui("finish")
    assert finish.sendLabel.text.startswith("✔ archive: 2 objects stored") and not finish.sendButton.enabled


def a_pacs_that_hangs_holds_up_no_draft_and_can_be_left(bench: PanelBench, server: OrthancServer) -> None:
    pacs = bench.ui("pacs")
    assert server._process is not None
    server._process.send_signal(signal.SIGSTOP)
    try:
        pacs.findButton.click()
        bench.turn(lambda: bench.panel.pacs.pacs.working == "find")
        assert pacs.pacsLabel.text == "Looking for studies…" and pacs.cancelPacsButton.enabled
        assert not pacs.findButton.enabled and not pacs.pullButton.enabled
        answers: list[str] = []
        bench.session.ask("learning_state", {"store": str(bench.folder / "none")}, lambda one: answers.append(one.kind))
        bench.turn(lambda: bool(answers))
        assert bench.panel.pacs.pacs.working == "find", "it still hangs"
        pacs.cancelPacsButton.click()
        bench.turn()
        assert pacs.pacsLabel.text == "Stopped; what came so far is kept." and pacs.findButton.enabled
    finally:
        server._process.send_signal(signal.SIGCONT)
    pacs.findButton.click()
    bench.turn()
    assert pacs.pacsLabel.text == "1 study found.", pacs.pacsLabel.text


def what_did_not_come_from_dicom_cannot_be_sent(bench: PanelBench) -> None:
    bench.choose(bench.load(small("p", lesions=(LesionSpec(width_mm=9),)), "picture", dicom=False))
    bench.case.decide("Reader A", "accepted", "", datetime.now(UTC))
    finish = bench.ui("finish")
    assert not finish.sendButton.enabled
    assert finish.sendLabel.text == "The image did not come from DICOM files; there is nothing to send."


def results_may_go_to_another_node(bench: PanelBench, server: OrthancServer) -> None:
    pacs = bench.ui("pacs")
    pacs.nodesButton.setChecked(True)
    pacs.newNodeButton.click()
    fill_node(bench, server, "results")
    pacs.keepNodeButton.click()
    bench.turn()
    assert pacs.nodeComboBox.currentText == "archive"
    pacs.resultsComboBox.setCurrentIndex(pacs.resultsComboBox.findText("results"))
    assert bench.ui("finish").sendButton.text == "Send to results"
    pacs.nodeComboBox.setCurrentIndex(pacs.nodeComboBox.findText("results"))
    pacs.removeNodeButton.click()
    bench.turn()
    assert bench.ui("finish").sendButton.text == "Send to archive", "a node that is gone is no target"


def one_frame_files(folder: Path, count: int) -> list[Path]:
    """A series of single images that belong together."""
    cine = dcmread(save_dicom(small("s", rows=160, columns=200, frame_count=count), folder / "s.dcm"))
    pixels, files = cine.pixel_array, []
    for number in range(1, count + 1):
        cine.SOPClassUID = cine.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
        cine.SOPInstanceUID = cine.file_meta.MediaStorageSOPInstanceUID = f"1.2.826.0.1.3680043.8.498.77.{number}"
        cine.InstanceNumber, cine.NumberOfFrames = number, 1
        cine.PixelData = pixels[number - 1].tobytes()
        cine.save_as(folder / f"{number}.dcm")
        files.append(folder / f"{number}.dcm")
    return files


def a_series_that_got_further_images_is_not_shown_as_it_was(bench: PanelBench, tmp_path: Path) -> None:
    files = [str(path) for path in one_frame_files(tmp_path, 4)]
    opening = bench.panel.pacs.opening
    for count, expected in ((3, 3), (3, 3), (4, 4), (4, 4)):
        opening.start({"files": files[:count]})
        bench.turn()
        assert bench.case.source.frame_count == expected, opening.words


def test_cases_over_dimse_through_outages_and_other_nodes(
    bench: PanelBench, server: OrthancServer, tmp_path: Path
) -> None:
    """Each step goes on from where the one before left the panel."""
    a_cine_comes_over_dimse_with_its_times(bench, server)
    a_lesion_without_outline_holds_back_what_would_leave_it_out(bench, server)
    after_a_new_start_it_is_known_what_was_sent(bench, server)
    a_pacs_that_hangs_holds_up_no_draft_and_can_be_left(bench, server)
    what_did_not_come_from_dicom_cannot_be_sent(bench)
    results_may_go_to_another_node(bench, server)
    a_series_that_got_further_images_is_not_shown_as_it_was(bench, tmp_path)
