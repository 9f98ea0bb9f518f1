"""Accept on a disk that is full: the kernel refuses the bytes, the reader keeps the work, and a second try succeeds."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.ultrasound.phantom import LesionSpec
from panel.bench import PanelBench, open_bench, small

pytest.importorskip("slicer_core")
pytest.importorskip("PySide6")
pytestmark = pytest.mark.skipif(
    sys.platform == "win32", reason="file size limits, which stand for a full disk, are POSIX"
)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PanelBench]:
    bench = open_bench(tmp_path, monkeypatch)
    command = list(bench.session.client._command)
    yield bench
    bench.session.client._command = command
    bench.session.client.restart()
    from host import clear

    clear()
    bench.turn()
    assert bench.raised == []


def test_a_full_disk_on_accept(bench: PanelBench) -> None:
    bench.choose(bench.load(small("still", lesions=(LesionSpec(width_mm=12),)), "still"))
    bench.run()
    masks, reading = bench.case.labels().copy(), bench.case.reading
    finish = bench.ui("finish")
    finish.readerLineEdit.setText("Reader A")
    client = bench.session.client
    command = list(client._command)
    # No file of the child may grow beyond 16 kB: the label's index does.
    client._command = ["bash", "-c", 'ulimit -f 16; exec "$@"', "limited", *command]
    client.restart()
    finish.acceptButton.click()
    bench.turn()
    assert "✖" in bench.status and "could not be" in bench.status, bench.status
    assert bench.case.reading.decision == "open"
    assert bench.case.reading.lesions == reading.lesions
    assert np.array_equal(bench.case.labels(), masks)
    client._command = command
    client.restart()
    finish.labelsPathLineEdit.setCurrentPath(str(bench.folder / "other-disk"))
    finish.acceptButton.click()
    bench.turn()
    assert bench.case.reading.decision == "accepted", bench.status
