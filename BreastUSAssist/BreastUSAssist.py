"""The module that 3D Slicer loads: registration, panel, logic and self-test. What they do is in BreastUSAssistLib."""

# ruff: noqa: N802 - names as in Slicer

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)
from slicer.util import VTKObservationMixin


class BreastUSAssist(ScriptedLoadableModule):
    """What Slicer shows of the module before it is opened."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Breast Ultrasound Assistant")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Ultrasound")]
        self.parent.dependencies = ["Segmentations", "Sequences", "SubjectHierarchy", "Tables", "Markups"]
        self.parent.contributors = ["BreastUSAssist contributors"]
        self.parent.helpText = _(
            "Outlines lesions in breast ultrasound, describes them in BI-RADS terms with a calibrated probability, and"
            " keeps every correction as a training label. Research use only, not for diagnosis."
        )
        self.parent.acknowledgementText = _(
            "The networks learned from the public data sets BUS-BRA, BUSI and BrEaST; see the README for how to cite"
            " them. BI-RADS is a trademark of the American College of Radiology, which does not endorse this project."
        )
        slicer.app.startupCompleted.connect(registerSampleData)


def registerSampleData():
    """Offer the project's phantoms in Slicer's Sample Data module."""
    from BreastUSAssistLib.panel.sample_data import register_sample_data

    register_sample_data()


class BreastUSAssistWidget(ScriptedLoadableModuleWidget, VTKObservationMixin):
    """The panel's life in Slicer: made once, entered and left, told when the scene closes."""

    def __init__(self, parent=None):
        ScriptedLoadableModuleWidget.__init__(self, parent)
        VTKObservationMixin.__init__(self)
        self.logic = self.panel = None

    def setup(self):
        """Build the panel; nothing heavy is imported and no process is started yet."""
        super().setup()
        from BreastUSAssistLib.panel.panel import Panel

        self.logic = BreastUSAssistLogic()
        self.panel = Panel(self.logic, self.resourcePath)
        self.layout.addWidget(self.panel.widget)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.StartCloseEvent, self.onSceneStartClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndCloseEvent, self.onSceneEndClose)
        self.addObserver(slicer.mrmlScene, slicer.mrmlScene.EndImportEvent, self.onSceneEndImport)
        if self.parent.isEntered:
            # Reloaded while it is shown: Slicer does not enter it again.
            self.panel.enter()

    def cleanup(self):
        """The module is reloaded or Slicer ends: end the child processes, leave no observer and no shortcut behind."""
        self.removeObservers()
        if self.panel is not None:
            self.panel.close()
        if self.logic is not None:
            self.logic.close()

    def enter(self):
        """The reader opened the module."""
        self.panel.enter()

    def exit(self):
        """The reader went to another module: shortcuts and clicks are theirs."""
        self.panel.exit()

    def onSceneStartClose(self, caller, event):
        """The nodes are about to go."""
        self.panel.scene_closing()

    def onSceneEndClose(self, caller, event):
        """The scene is empty."""
        if self.parent.isEntered:
            self.panel.scene_changed()

    def onSceneEndImport(self, caller, event):
        """A saved scene was loaded: find its case again."""
        if self.parent.isEntered:
            self.panel.scene_changed()


class BreastUSAssistLogic(ScriptedLoadableModuleLogic):
    """What the panel, the click effect and scripts share: the panel's state and the child process that computes."""

    def __init__(self):
        super().__init__()
        self._workerClient = self._trainingClient = self._pacsClient = None

    def getParameterNode(self):
        """State that the scene keeps, see mrml.parameter_node.PanelParameters."""
        from BreastUSAssistLib.mrml.parameter_node import PanelParameters

        return PanelParameters(super().getParameterNode())

    def workerClient(self):
        """The child process that drafts, corrects and keeps labels, started by its first request."""
        self._workerClient = self._workerClient or self._newClient()
        return self._workerClient

    def trainingClient(self):
        """A process of its own for what takes long, so that training never holds up drafting."""
        self._trainingClient = self._trainingClient or self._newClient()
        return self._trainingClient

    def pacsClient(self):
        """Another for what waits for a network."""
        self._pacsClient = self._pacsClient or self._newClient()
        return self._pacsClient

    def _newClient(self):
        from BreastUSAssistLib.panel.python_command import worker_client

        return worker_client()

    def close(self):
        """End the child processes; a training goes on from its last checkpoint when it is started again."""
        for client in filter(None, (self._workerClient, self._trainingClient, self._pacsClient)):
            client.close()
        self._workerClient = self._trainingClient = self._pacsClient = None


class BreastUSAssistTest(ScriptedLoadableModuleTest):
    """The whole loop on a phantom, inside Slicer."""

    def setUp(self):
        """Start from an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self):
        """Load, draft, edit, correct, accept, export."""
        from BreastUSAssistLib.panel.self_test import run_self_test

        self.setUp()
        run_self_test(self)
