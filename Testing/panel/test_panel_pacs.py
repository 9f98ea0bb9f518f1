"""Section PACS against a real Orthanc: a node is entered, a study found, pulled, read, and its result sent once."""

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")
pytest.importorskip("pynetdicom", reason="the packages for a PACS are not installed")

from dicom.orthanc import OrthancServer
from dicom.small_studies import ACCESSION, PATIENT, check_no_name_in, study_uid, write_study
from panel.bench import PanelBench
from panel.pacs_bench import accept, fill_node, item_states, kinds, outline, pacs_bench, rows


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrthancServer]:
    """A PACS with two studies, the first of two images."""
    folder = tmp_path_factory.mktemp("pacs")
    server = OrthancServer(folder / "orthanc").start()
    try:
        server.store(*write_study(folder / "files", 1, images=2), *write_study(folder / "files", 2))
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PanelBench]:
    with pacs_bench(tmp_path_factory.mktemp("panel-pacs")) as bench:
        yield bench


def without_a_node_the_form_is_shown(bench: PanelBench) -> None:
    pacs = bench.ui("pacs")
    assert not bench.ui("finish").sendFrame.visible
    bench.panel.ui.pacsButton.setCollapsed(False)
    bench.turn()
    assert pacs.nodeFrame.visible and pacs.nodeComboBox.count == 0
    assert not pacs.searchFrame.visible, "one thing at a time"
    assert pacs.pacsLabel.text == "No node yet: fill in the fields above, then press Keep."
    assert pacs.nodeHintLabel.text == "Give the node a name."
    for button in (pacs.echoButton, pacs.findButton, pacs.pullButton, pacs.keepNodeButton, pacs.removeNodeButton):
        assert not button.enabled
    bench.picture("no-node")
    assert pacs.section.minimumSizeHint.width() <= 380, "the panel can be made narrow"


def a_node_is_kept_without_its_password(bench: PanelBench, server: OrthancServer) -> None:
    pacs = bench.ui("pacs")
    fill_node(bench, server, password="not it")
    assert pacs.keepNodeButton.enabled
    pacs.keepNodeButton.click()
    bench.turn()
    assert pacs.pacsLabel.text == "archive is kept; press Test.", bench.status
    assert pacs.secretLineEdit.text == ""
    assert pacs.nodeComboBox.currentText == "archive"
    assert "not it" not in (bench.folder / "nodes.toml").read_text()
    pacs.echoButton.click()
    bench.turn()
    assert pacs.pacsLabel.text.startswith("✖ ") and "archive" in pacs.pacsLabel.text
    pacs.secretLineEdit.setText(server.password)
    pacs.keepNodeButton.click()
    bench.turn()
    pacs.echoButton.click()
    bench.turn()
    assert not pacs.pacsLabel.text.startswith("✖"), pacs.pacsLabel.text
    pacs.nodesButton.setChecked(False)
    assert not pacs.nodeFrame.visible


def a_search_has_to_be_narrow(bench: PanelBench, server: OrthancServer) -> None:
    pacs = bench.ui("pacs")
    assert not pacs.findButton.enabled
    assert pacs.pacsLabel.text != ""
    pacs.patientNameLineEdit.setText("Nobody")
    pacs.findButton.click()
    bench.turn()
    assert pacs.pacsLabel.text == "No study matches." and not pacs.studiesTable.visible
    pacs.patientNameLineEdit.setText("Zwetsch, ott")
    pacs.findButton.click()
    bench.turn()
    assert pacs.pacsLabel.text == "2 studies found."
    assert sorted(cells[1] for cells in rows(bench)) == [f"Zwetschgenkern, Ottilie ({PATIENT}-{n})" for n in (1, 2)]
    pacs.patientNameLineEdit.setText("")
    pacs.patientIdLineEdit.setText(f"{PATIENT}-1")
    pacs.patientIdLineEdit.returnPressed.emit()
    bench.turn()
    assert pacs.pacsLabel.text == "1 study found."
    assert ACCESSION in pacs.studiesTable.item(0, 0).toolTip()
    bench.picture("found")


def a_study_is_pulled_and_its_images_are_cases(bench: PanelBench) -> None:
    from BreastUSAssistLib.mrml.case_list import cases_of

    pacs = bench.ui("pacs")
    pacs.pullButton.click()
    bench.turn()
    assert pacs.pacsLabel.text == "2 images are open as cases.", pacs.pacsLabel.text
    sources = list(cases_of(bench.session.scene))
    assert len(sources) == 2 and bench.case is not None
    assert all(source.files[0].parent.name == study_uid(1) for source in sources)
    assert len({source.name for source in sources}) == 2 and all(one.name.startswith("US-") for one in sources)
    pacs.pullButton.click()
    bench.turn()
    assert len(list(cases_of(bench.session.scene))) == 2, "what is there is not opened twice"


def an_accepted_case_is_sent_once(bench: PanelBench, server: OrthancServer) -> None:
    finish = bench.ui("finish")
    assert finish.sendFrame.visible and not finish.sendButton.enabled
    assert finish.sendLabel.text == "SEG and SR can be sent once the case is accepted."
    outline(bench)
    bench.turn()
    accept(bench)
    assert finish.sendButton.text == "Send to archive" and finish.sendButton.enabled
    assert finish.sendLabel.text == (
        f"SEG with 1 lesion and SR, accepted by Reader A, go to archive (127.0.0.1:{server.http_port})."
    )
    finish.sendButton.click()
    bench.turn()
    assert finish.sendLabel.text.startswith("✔ archive: 2 objects stored"), (finish.sendLabel.text, bench.status)
    assert not finish.sendButton.enabled
    assert kinds(server) == {"US": 3, "SEG": 1, "SR": 1}
    bench.panel.send.send()
    bench.turn()
    assert kinds(server) == {"US": 3, "SEG": 1, "SR": 1}
    for theme in ("light", "dark"):
        bench.host.set_theme(theme)
        bench.host.process_events(0.2)
        bench.host.screenshot(bench.panel.ui.finishButton, bench.folder / "pictures" / f"sent-{theme}.png")
        bench.host.screenshot(bench.panel.ui.pacsButton, bench.folder / "pictures" / f"found-{theme}.png")
    bench.host.set_theme("light")
    bench.panel.ui.pacsButton.setCollapsed(True)
    bench.host.process_events(0.2)
    assert bench.panel.widget.sizeHint.height() <= 1020, "with what was sent said, the panel still fits one screen"
    bench.panel.ui.pacsButton.setCollapsed(False)


def what_could_not_be_sent_waits_and_is_tried_again(bench: PanelBench, server: OrthancServer) -> None:
    finish, pacs = bench.ui("finish"), bench.ui("pacs")
    finish.reopenButton.click()
    assert finish.sendLabel.text == "SEG and SR can be sent once the case is accepted."
    server.kill()
    accept(bench, "Reader B")
    finish.sendButton.click()
    bench.turn()
    assert finish.sendLabel.text.startswith("⚠ Kept here, to be sent to archive later: "), finish.sendLabel.text
    assert pacs.outboxFrame.visible and pacs.outboxLabel.text.startswith("1 case waits to be sent to archive.")
    assert sorted(item_states(bench)) == ["sent", "waiting"]
    assert bench.panel.send._later.isActive(), "it is tried again unasked"
    bench.picture("waits")
    pacs.tryAgainButton.click()
    bench.turn()
    assert pacs.outboxFrame.visible
    server.restart()
    pacs.tryAgainButton.click()
    bench.turn()
    assert not pacs.outboxFrame.visible
    assert finish.sendLabel.text.startswith("✔ archive: 2 objects stored")
    assert kinds(server) == {"US": 3, "SEG": 2, "SR": 2}


def neither_name_nor_password_is_in_what_the_panel_keeps_and_says(bench: PanelBench) -> None:
    """Pulled files and the objects in the outbox hold the patient's data, the keyring the password; nothing else."""
    texts = [path.read_bytes().decode("latin-1") for path in (bench.folder / "outbox").glob("ledger*")]
    assert texts
    check_no_name_in(*texts, (bench.folder / "nodes.toml").read_text(), bench.status)


def a_node_that_is_removed_takes_its_password_along(bench: PanelBench, server: OrthancServer) -> None:
    pacs = bench.ui("pacs")
    pacs.nodesButton.setChecked(True)
    assert pacs.nodeNameLineEdit.text == "archive" and pacs.removeNodeButton.enabled
    pacs.removeNodeButton.click()
    bench.turn()
    assert pacs.nodeComboBox.count == 0 and not bench.ui("finish").sendFrame.visible
    assert server.password not in (bench.folder / "keyring.json").read_text()
    assert Path(bench.folder / "nodes.toml").is_file()


def test_from_the_first_node_to_results_that_were_sent(bench: PanelBench, server: OrthancServer) -> None:
    """Each step goes on from where the one before left the panel."""
    without_a_node_the_form_is_shown(bench)
    a_node_is_kept_without_its_password(bench, server)
    a_search_has_to_be_narrow(bench, server)
    a_study_is_pulled_and_its_images_are_cases(bench)
    an_accepted_case_is_sent_once(bench, server)
    what_could_not_be_sent_waits_and_is_tried_again(bench, server)
    neither_name_nor_password_is_in_what_the_panel_keeps_and_says(bench)
    a_node_that_is_removed_takes_its_password_along(bench, server)
