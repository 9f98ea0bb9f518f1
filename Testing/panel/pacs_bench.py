"""The panel's process for a PACS, with nodes, keyring and outbox of its own, and what a reader does with it."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from BreastUSAssistLib.service.worker_client import WorkerClient, worker_command
from dicom.orthanc import OrthancServer
from panel.bench import PanelBench
from panel.reader_actions import shared_bench

TESTING = Path(__file__).resolve().parents[1]


@contextmanager
def pacs_bench(folder: Path) -> Iterator[PanelBench]:
    """The one panel of the tests, with a PACS process of its own, as when it is first opened; afterwards as before."""
    with shared_bench(folder) as bench:
        _forget(bench)
        bench.module.logic._pacsClient = pacs_client(folder)
        bench.ui("pacs").pulledPathLineEdit.setCurrentPath(str(folder / "pulled"))
        # Outlines are measured by rules alone, which is quicker.
        bench.ui("analyze").readerCheckBox.setChecked(False)
        try:
            yield bench
        finally:
            bench.ui("analyze").readerCheckBox.setChecked(True)
            _forget(bench)


def start_again(bench: PanelBench) -> None:
    """The panel knows as much of nodes and outbox as when the application starts."""
    bench.module.logic.pacsClient().close()
    bench.module.logic._pacsClient = pacs_client(bench.folder)
    pacs = bench.panel.pacs.pacs
    pacs.nodes, pacs.studies, pacs.items, pacs.looked, pacs.words, pacs.failed = None, None, (), False, "", False
    pacs.items_changed.emit()


def _forget(bench: PanelBench) -> None:
    form, settings = bench.ui("pacs"), bench.host.slicer.app.settings()
    bench.panel.ui.pacsButton.setCollapsed(True)
    for key in ("PacsNode", "PacsResultsNode", "PacsWaiting"):
        settings.remove(f"BreastUSAssist/{key}")
    if bench.module.logic._pacsClient is not None:
        bench.module.logic._pacsClient.close()
        bench.module.logic._pacsClient = None
    pacs = bench.panel.pacs.pacs
    pacs.nodes, pacs.studies, pacs.items, pacs.looked, pacs.words, pacs.failed = None, None, (), False, "", False
    pacs.nodes_changed.emit()
    for line in (form.patientNameLineEdit, form.patientIdLineEdit, form.accessionLineEdit):
        line.setText("")
    form.nodesButton.setChecked(False)
    bench.panel.pacs.form.show("")
    bench.panel.pacs.opening.words = ""
    pacs.changed.emit()


def pacs_client(folder: Path) -> WorkerClient:
    """A client of a process that knows no node yet and keeps everything in `folder`."""
    path = os.pathsep.join(filter(None, [str(TESTING), os.environ.get("PYTHONPATH")]))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "BREASTUS_NODES": str(folder / "nodes.toml"),
        "BREASTUS_OUTBOX": str(folder / "outbox"),
        "PYTHON_KEYRING_BACKEND": "file_keyring.FileKeyring",
        "BREASTUS_TEST_KEYRING": str(folder / "keyring.json"),
    }
    return WorkerClient(worker_command(sys.executable), environment=environment)


def fill_node(bench: PanelBench, server: OrthancServer, name: str = "archive", password: str = "") -> None:
    """Type a node into the form: DICOMweb with a password."""
    form = bench.ui("pacs")
    form.nodeNameLineEdit.setText(name)
    form.wayComboBox.setCurrentIndex(0)
    form.urlLineEdit.setText(server.web_url)
    form.authComboBox.setCurrentIndex(1)
    form.userLineEdit.setText(server.user)
    form.secretLineEdit.setText(password or server.password)


def rows(bench: PanelBench) -> list[list[str]]:
    """What the table of studies says."""
    table = bench.ui("pacs").studiesTable
    return [[str(table.item(row, column).text()) for column in range(4)] for row in range(table.rowCount)]


def outline(bench: PanelBench, top: int = 30) -> np.ndarray:
    """A lesion that the reader adds and draws, in the frame that is shown; no network is asked."""
    case = bench.case
    number = case.add_lesion().number if not case.reading.lesions else case.reading.lesions[0].number
    mask = np.zeros((case.source.rows, case.source.columns), bool)
    mask[top : top + 25, 40:80] = True
    case.set_mask(bench.session.frame(), number, mask)
    return mask


def accept(bench: PanelBench, reader: str = "Reader A") -> None:
    """Accept the open case."""
    bench.ui("finish").readerLineEdit.setText(reader)
    bench.panel.finish.accept()
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status


def kinds(server: OrthancServer) -> dict[str, int]:
    """How many objects of each modality the PACS has."""
    counted: dict[str, int] = {}
    for one in server.instances():
        counted[one["Modality"]] = counted.get(one["Modality"], 0) + 1
    return counted


def item_states(bench: PanelBench) -> list[Any]:
    """States of what the outbox holds."""
    return [one["state"] for one in bench.panel.pacs.pacs.items]
