"""The host runs a scripted module's own code: PythonQt's manners, scene, settings, selector, reload, screenshots."""

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host import clear, start_host

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
host = start_host()

import ctk  # noqa: E402
import qt  # noqa: E402
import slicer  # noqa: E402

SAMPLE = Path(__file__).parent / "sample_module"


@pytest.fixture
def panel() -> Iterator[Any]:
    clear()
    yield host.load_module("SampleModule", SAMPLE)
    if slicer.util.mainWindow() is not None:
        slicer.util.mainWindow().moduleSelector().selectModule("")
    clear()


def add_volume(name: str = "US") -> Any:
    pixels = np.arange(1200, dtype=np.uint8).reshape(1, 30, 40)
    return slicer.util.addVolumeFromArray(pixels, ijkToRAS=np.diag([-0.1, -0.1, 1, 1]), name=name)


def test_a_second_start_gives_the_same_application() -> None:
    assert start_host() is host
    assert slicer.app.mrmlScene() is slicer.mrmlScene


def test_qt_properties_are_attributes_and_setters_stay() -> None:
    button = qt.QPushButton("Run")
    assert (button.text, button.enabled, button.checked) == ("Run", True, False)
    button.checkable = True
    button.checked = True
    button.setText("Stop")
    assert (button.text, button.isChecked()) == ("Stop", True)
    box = qt.QComboBox()
    box.addItem("a")
    box.addItem("b")
    box.currentIndex = 1
    assert (box.currentText, box.count) == ("b", 2)
    table = qt.QTableWidget()
    table.rowCount = 3
    assert table.rowCount == 3
    assert type(button) is qt.QPushButton


def test_timer_shot_is_a_static_method_and_a_property() -> None:
    timer = qt.QTimer()
    timer.singleShot = True
    assert timer.isSingleShot()
    shot: list[int] = []
    qt.QTimer.singleShot(0, lambda: shot.append(1))
    assert host.process_events(until=lambda: bool(shot), timeout=5)


def test_a_mistyped_attribute_is_an_error_as_in_pythonqt() -> None:
    with pytest.raises(AttributeError, match="tooltip"):
        qt.QPushButton().tooltip = "no such name"


def test_children_are_found_by_class_name_and_deleted_at_once() -> None:
    parent = qt.QWidget()
    child = ctk.ctkCollapsibleButton(parent)
    child.name = "section"
    assert parent.findChild("ctkCollapsibleButton", "section") is child
    assert [each.className() for each in parent.findChildren("QAbstractButton")] == ["ctkCollapsibleButton"]
    child.delete()
    assert parent.findChild("ctkCollapsibleButton", "section") is None


def test_collapsing_hides_what_was_shown_and_only_that() -> None:
    section = ctk.ctkCollapsibleButton()
    layout = qt.QVBoxLayout(section)
    shown, hidden = qt.QLabel("shown"), qt.QLabel("hidden")
    layout.addWidget(shown)
    layout.addWidget(hidden)
    hidden.visible = False
    told: list[bool] = []
    section.contentsCollapsed.connect(told.append)
    section.collapsed = True
    assert shown.isHidden() and told == [True]
    section.collapsed = False
    assert not shown.isHidden() and hidden.isHidden() and told == [True, False]


def test_what_is_added_to_a_collapsed_section_waits_until_it_opens() -> None:
    section = ctk.ctkCollapsibleButton()
    section.collapsed = True
    layout = qt.QVBoxLayout(section)
    early, late = qt.QPushButton("early"), qt.QPushButton("late")
    layout.addWidget(early)
    section.show()
    host.process_events()
    layout.addWidget(late)
    assert host.process_events(until=late.isHidden, timeout=5)
    assert not early.visible and not late.visible
    section.collapsed = False
    assert early.visible and late.visible
    section.close()


def test_node_selector_follows_the_scene() -> None:
    clear()
    selector = slicer.qMRMLNodeComboBox()
    selector.nodeTypes = ["vtkMRMLScalarVolumeNode"]
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    seen: list[Any] = []
    selector.currentNodeChanged.connect(seen.append)
    volume = add_volume()
    hidden = add_volume("hidden")
    hidden.SetHideFromEditors(True)
    assert selector.currentNode() is None
    selector.setCurrentNode(volume)
    selector.setCurrentNode(volume)
    assert selector.currentNode() is volume and seen == [volume] and selector.currentNodeID == volume.GetID()
    selector.noneEnabled = False
    add_volume("second")
    assert selector.currentNode() is volume and selector.nodeCount() == 2
    selector.noneEnabled = True
    slicer.mrmlScene.RemoveNode(volume)
    assert selector.currentNode() is None and seen[-1] is None
    clear()
    assert selector.nodeCount() == 0
    selector.setMRMLScene(None)


def test_settings_are_not_those_of_the_user(tmp_path: Path) -> None:
    qt.QSettings().setValue("BreastUSAssist/Test", 7)
    assert slicer.util.settingsValue("BreastUSAssist/Test", 0, converter=int) == 7
    assert Path(qt.QSettings().fileName()).is_relative_to(slicer.app.slicerHome)


def test_questions_are_answered_without_a_window_in_testing_mode() -> None:
    assert slicer.app.testingEnabled()
    assert slicer.util.confirmYesNoDisplay("Install?") in (True, False)
    with slicer.util.WaitCursor(), slicer.util.tryWithErrorDisplay("no"):
        pass


def test_module_fills_its_own_entry(panel: Any) -> None:
    assert slicer.modules.samplemodule.title == "Sample"
    assert slicer.util.modulePath("SampleModule") == str(SAMPLE / "SampleModule.py")
    assert slicer.modules.SampleModuleWidget is panel
    assert Path(panel.resourcePath("UI/SampleModule.ui")).is_file()


def test_panel_and_parameter_node_say_the_same(panel: Any) -> None:
    host.window(panel)
    ui, parameters = panel.ui, panel.parameters
    assert (ui.threshold.value, ui.side.currentText, ui.applyButton.enabled) == (10.0, "Right", False)
    volume = add_volume()
    ui.volume.setCurrentNode(volume)
    assert parameters.volume is volume and ui.applyButton.enabled
    ui.threshold.value = 42
    ui.side.currentIndex = 0
    ui.note.text = "upper outer"
    assert parameters.threshold == 42.0 and parameters.note == "upper outer" and parameters.side.name == "LEFT"
    parameters.threshold = 77
    parameters.frame = 9
    parameters.inverted = True
    assert (ui.threshold.value, ui.frame.value, ui.inverted.checked) == (77.0, 9, True)
    assert (ui.frame.minimum, ui.frame.maximum) == (1, 31)
    before = len(panel.logic.processed)
    ui.applyButton.click()
    assert panel.logic.processed[before:] == [("US", 77.0)]


def test_closing_the_scene_gives_the_defaults_back(panel: Any) -> None:
    host.window(panel)
    panel.ui.volume.setCurrentNode(add_volume())
    panel.ui.threshold.value = 55
    clear()
    host.process_events()
    assert panel.ui.volume.currentNode() is None and panel.parameters.volume is None
    assert (panel.ui.threshold.value, panel.parameters.threshold) == (10.0, 10.0)
    panel.ui.threshold.value = 12
    assert panel.parameters.threshold == 12.0


def test_a_saved_scene_brings_the_panel_back(panel: Any, tmp_path: Path) -> None:
    host.window(panel)
    panel.ui.volume.setCurrentNode(add_volume())
    panel.parameters.frame = 5
    host.save_scene(tmp_path / "case.mrb")
    clear()
    assert panel.parameters.frame == 1
    host.load_scene(tmp_path / "case.mrb")
    panel.bind(panel.logic.getParameterNode())
    assert panel.parameters.frame == 5 and panel.ui.frame.value == 5
    assert panel.ui.volume.currentNode().GetName() == "US"


def test_leaving_the_module_lets_go_of_its_widgets(panel: Any) -> None:
    window = host.window(panel)
    assert panel.parent.isEntered
    parameters = panel.parameters
    window.moduleSelector().selectModule("")
    assert not panel.parent.isEntered and panel.parameters is None
    panel.ui.threshold.value = 3
    assert parameters.threshold == 10.0


def test_a_panel_left_for_another_comes_back(panel: Any, tmp_path: Path) -> None:
    (tmp_path / "OtherModule.py").write_text(
        "from slicer.ScriptedLoadableModule import ScriptedLoadableModule, ScriptedLoadableModuleWidget\n"
        "class OtherModule(ScriptedLoadableModule):\n    pass\n"
        "class OtherModuleWidget(ScriptedLoadableModuleWidget):\n    pass\n"
    )
    window = host.window(panel)
    slicer.util.selectModule(host.load_module("OtherModule", tmp_path).moduleName)
    gc.collect()
    assert window.moduleSelector().selectedModule == "OtherModule" and not panel.parent.isEntered
    slicer.util.selectModule("SampleModule")
    assert panel.parent.isEntered and panel.ui.threshold.visible


def test_reload_makes_a_new_panel(panel: Any) -> None:
    panel.onReload()
    again = slicer.modules.SampleModuleWidget
    assert again is not panel and again.ui.threshold.value == 10.0
    assert host.load_module("SampleModule", SAMPLE) is again


def test_startup_is_told_once_to_each_module(panel: Any) -> None:
    assert slicer.selfTests["SampleModule"].__self__.started == 1


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_show_the_theme(panel: Any, tmp_path: Path, theme: str) -> None:
    window = host.window(panel, (1200, 800))
    host.set_theme(theme)
    picture = host.screenshot(window, tmp_path / f"{theme}.png")
    image = qt.QImage(str(picture))
    assert (image.width(), image.height()) == (1200, 800)
    lightness = image.pixelColor(60, 700).lightness()
    assert lightness > 200 if theme == "light" else lightness < 90
    host.set_theme("light")


def test_a_stuck_event_loop_is_measured() -> None:
    import time

    with host.event_loop_gaps() as gaps:
        host.process_events(0.05)
        time.sleep(0.12)
        host.process_events(0.02)
    assert gaps.longest_ms >= 120


def test_an_unknown_widget_in_a_ui_file_is_an_error(tmp_path: Path) -> None:
    text = (SAMPLE / "Resources" / "UI" / "SampleModule.ui").read_text()
    (tmp_path / "bad.ui").write_text(text.replace("ctkSliderWidget", "ctkNoSuchWidget"))
    with pytest.raises(RuntimeError, match="ctkNoSuchWidget"):
        slicer.util.loadUI(str(tmp_path / "bad.ui"))


def test_text_that_is_never_translated_shows() -> None:
    from slicer.i18n import tr, translate

    with host.marked_text():
        assert (tr("Run"), translate("BreastUSAssist", "Run")) == ("⟦Run⟧", "⟦Run⟧")
    assert tr("Run") == "Run"


def test_without_a_display_the_window_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from host.panel import NO_DISPLAY, main

    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    assert main([]) == 2
    assert capsys.readouterr().err.strip() == NO_DISPLAY


def test_packaging_records_instead_of_installing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from slicer import packaging

    monkeypatch.setattr(packaging, "asked", [])
    (tmp_path / "requirements.txt").write_text("# ours\nnumpy>=1.20\nno-such-package>=3\n")
    needed = packaging.load_requirements(tmp_path / "requirements.txt")
    assert not packaging.pip_check(needed) and packaging.pip_check("numpy>=1.20")
    packaging.pip_ensure(needed, requester="Sample")
    assert packaging.asked == []
    packaging.pip_ensure(needed, requester="Sample", skip_in_testing=False)
    assert packaging.asked[0]["requirements"] == ["no-such-package>=3"]
    monkeypatch.setattr(packaging, "answer", False)
    with pytest.raises(RuntimeError, match="declined"):
        packaging.pip_ensure(needed, skip_in_testing=False)
