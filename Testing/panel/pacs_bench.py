"""The panel's process for a PACS, with nodes, keyring and outbox of its own, and what a reader does with it."""

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from BreastUSAssistLib.service.worker_client import WorkerClient, worker_command
from dicom.orthanc import OrthancServer
from panel.bench import PanelBench

TESTING = Path(__file__).resolve().parents[1]


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
