"""Each name of Slicer, Qt, CTK and VTK that the module uses is listed with the place that defines it, and exists."""

import json
from pathlib import Path

import pytest
from host import start_host
from host.outside_name_sources import exists
from host.outside_names import LIST, differences, source_files, ui_files, used_names

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
host = start_host()

import vtk  # noqa: E402

LISTED: dict[str, str] = json.loads(LIST.read_text(encoding="utf-8"))


def test_the_list_says_what_is_used_and_nothing_else() -> None:
    found = differences(used_names(source_files(), ui_files()), LISTED)
    assert not found, "\n".join([*found, "`python -m host.outside_names` in Testing/ writes the list anew"])


def test_each_name_has_a_place() -> None:
    assert not [name for name, place in LISTED.items() if not place.startswith(("Slicer", "CTK: ", "Qt: ", "VTK: "))]


def test_names_that_the_installed_packages_know_are_there() -> None:
    known = {name: exists(name, host.slicer, vtk, host.qt) for name in LISTED}
    assert not [name for name, there in known.items() if there is False]
    assert sum(there is True for there in known.values()) > 200


def test_a_name_that_slicer_lacks_is_noticed() -> None:
    assert exists("slicer.util.loadUi", host.slicer, vtk, host.qt) is False
    assert exists("slicer.vtkMRMLScene.NodeAddedEvent", host.slicer, vtk, host.qt) is True
    assert exists("qt.QPushButton.setTextt", host.slicer, vtk, host.qt) is False
    assert exists("slicer.app.layoutManager", host.slicer, vtk, host.qt) is None


def test_the_scan_sees_every_kind_of_name(tmp_path: Path) -> None:
    source = tmp_path / "panel.py"
    source.write_text(
        "import json\nimport qt\nimport vtk\nfrom slicer.util import VTKObservationMixin as Mixin\nimport slicer\n"
        "class Panel(Mixin):\n"
        "    def refresh(self, node):\n"
        "        self.ourCount = json.JSONDecoder\n"
        "        qt.QTimer.singleShot(0, self.refresh)\n"
        "        node.GetDisplayNode().SetVisibility(self.ourCount)\n"
        "        self.ui.runButton.setText(slicer.util.getNode('x').GetName())\n"
        "        return slicer.app.layoutManager().sliceWidget('Red')\n"
    )
    interface = tmp_path / "panel.ui"
    interface.write_text(
        "<ui><widget class='QWidget' name='Panel'><widget class='qMRMLNodeComboBox' name='runButton'>"
        "<property name='noneEnabled'><bool>true</bool></property>"
        "<property name='SlicerParameterName' stdset='0'><string>x</string></property></widget></widget></ui>"
    )
    uses = used_names([source], [interface])
    assert set(uses) == {
        "slicer.util.VTKObservationMixin",
        "slicer.util.getNode",
        "slicer.app.layoutManager",
        "qt.QTimer.singleShot",
        ".GetDisplayNode",
        ".SetVisibility",
        ".GetName",
        ".setText",
        ".sliceWidget",
        "ui:QWidget",
        "ui:qMRMLNodeComboBox",
        "ui:qMRMLNodeComboBox.noneEnabled",
    }
    assert uses["qt.QTimer.singleShot"] == ["panel.py:9"]
    sentences = differences(uses, dict.fromkeys(set(uses) - {".setText"}, "Qt: ") | {".setNothing": "Qt: "})
    assert [sentence.split()[0] for sentence in sentences] == [".setText", ".setNothing"]
