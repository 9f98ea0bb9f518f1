# ruff: noqa: N802 - the names are those of Slicer
"""A scripted module as Slicer's documentation builds one: what the host is tried with."""

from enum import Enum
from typing import Annotated, Optional

import slicer
import vtk
from slicer import vtkMRMLScalarVolumeNode
from slicer.i18n import tr as _
from slicer.parameterNodeWrapper import Default, WithinRange, parameterNodeWrapper
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class Side(Enum):
    LEFT = "left"
    RIGHT = "right"

    def label(self):
        return self.value.capitalize()


class SampleModule(ScriptedLoadableModule):
    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Sample")
        self.started = 0
        slicer.app.connect("startupCompleted()", self.on_startup)

    def on_startup(self):
        self.started += 1


@parameterNodeWrapper
class SampleParameters:
    volume: vtkMRMLScalarVolumeNode
    threshold: Annotated[float, WithinRange(0, 100), Default(10)]
    frame: Annotated[int, WithinRange(1, 31), Default(1)]
    inverted: bool
    side: Annotated[Side, Default(Side.RIGHT)]
    note: str


class SampleModuleWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = None
        self.parameters = None
        self.tag = None

    def setup(self):
        super().setup()
        widget = slicer.util.loadUI(self.resourcePath("UI/SampleModule.ui"))
        self.layout.addWidget(widget)
        self.ui = slicer.util.childWidgetVariables(widget)
        widget.setMRMLScene(slicer.mrmlScene)
        self.logic = SampleModuleLogic()
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.on_scene_start_close)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.on_scene_end_close)
        self.ui.applyButton.clicked.connect(self.on_apply)
        self.bind(self.logic.getParameterNode())

    def cleanup(self):
        self.removeObservers()
        self.bind(None)

    def enter(self):
        self.bind(self.logic.getParameterNode())

    def exit(self):
        self.bind(None)

    def on_scene_start_close(self, caller, event):
        self.bind(None)

    def on_scene_end_close(self, caller, event):
        if self.parent.isEntered:
            self.bind(self.logic.getParameterNode())

    def bind(self, parameters):
        if self.parameters is not None:
            self.parameters.disconnectGui(self.tag)
            self.removeObserver(self.parameters, vtk.vtkCommand.ModifiedEvent, self.check)
        self.parameters = parameters
        if parameters is not None:
            names = ("volume", "threshold", "frame", "inverted", "side", "note")
            self.tag = parameters.connectParametersToGui({name: getattr(self.ui, name) for name in names})
            self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self.check)
            self.check()

    def check(self, caller=None, event=None):
        self.ui.applyButton.enabled = self.parameters.volume is not None

    def on_apply(self, checked=False):
        self.logic.process(self.ui.volume.currentNode(), self.ui.threshold.value)


class SampleModuleLogic(ScriptedLoadableModuleLogic):
    def __init__(self):
        super().__init__()
        self.processed: list[tuple[Optional[str], float]] = []  # noqa: UP045 - as modules for older Slicer write it

    def getParameterNode(self):
        return SampleParameters(super().getParameterNode())

    def process(self, volume, threshold):
        self.processed.append((volume.GetName(), threshold))
