"""Slicer's Segment Editor inside the panel, on the node that its own module uses, with our click effect beside it."""

from typing import TYPE_CHECKING, Any

import slicer
from slicer.i18n import tr as _

from ..errors import UsageError
from .frame_sending import model_choice
from .session import Session

if TYPE_CHECKING:
    from ..birads.reading import Tool
    from ..mrml.case import Case

EFFECT = "Breast lesion"
TOOLS: "dict[str, Tool]" = {"add": "click", "remove": "click", "box": "box", "scribble": "scribble"}
"""Mode of the effect to what the reading says an outline was corrected with."""
NODE_TAG = "SegmentEditor"
"""Singleton tag of the Segment Editor module's node: what was chosen there holds here, and the other way round."""


class PromptEditor:
    """The embedded widget; made when the module is first entered, since it builds every effect."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.widget: Any = None

    def enter(self, layout: Any) -> None:
        """Show the editor and let it listen to the views."""
        if self.widget is None:
            self.widget = slicer.qMRMLSegmentEditorWidget()
            self.widget.setMaximumNumberOfUndoStates(10)
            self.widget.setSegmentationNodeSelectorVisible(False)
            self.widget.setSourceVolumeNodeSelectorVisible(False)
            self.widget.setSwitchToSegmentationsButtonVisible(False)
            layout.addWidget(self.widget)
        self.widget.setMRMLScene(self._session.scene)
        self.widget.setMRMLSegmentEditorNode(_editor_node(self._session.scene))
        self.widget.setupViewObservations()

    def exit(self) -> None:
        """Let go of the views."""
        if self.widget is not None:
            self.widget.setActiveEffectByName("")
            self.widget.removeViewObservations()

    def close(self) -> None:
        """Let go of the scene."""
        if self.widget is not None:
            self.exit()
            self.widget.setMRMLScene(None)
            self.widget = None

    def select(self, case: "Case | None", number: int | None) -> None:
        """Let the editor work on a lesion of a case."""
        if self.widget is None:
            return
        node = case.segmentation.node if case is not None and case.has_segmentation else None
        if self.widget.segmentationNode() is not node:
            self.widget.setSegmentationNode(node)
        source = case.source.volume if case is not None else None
        if node is not None and self.widget.sourceVolumeNode() is not source:
            self.widget.setSourceVolumeNode(source)
        if node is not None and number is not None:
            from ..mrml.case_segmentation import segment_id_of

            if self.widget.currentSegmentID() != segment_id_of(number):
                self.widget.setCurrentSegmentID(segment_id_of(number))

    def set_mode(self, mode: str, number: int | None) -> None:
        """Take up the click effect in a mode (add, remove, box, scribble), or none with "".

        Raises:
            UsageError: the effect is not there.
        """
        if self.widget is None:
            return
        if not mode:
            self.widget.setActiveEffectByName("")
            if self._session.case is not None and not self._session.case.closed:
                self._session.case.tool = "segment_editor"
            return
        self.select(self._session.case, number)
        self.widget.setActiveEffectByName(EFFECT)
        effect = self.widget.activeEffect()
        if effect is None:
            raise UsageError(_("The click tool is not installed; install the extension again."))
        effect.setParameter("Mode", mode)
        if self._session.case is not None:
            self._session.case.tool = TOOLS[mode]
        tool = effect.self()
        tool.said.connect(self._say)
        tool.request_options = lambda: model_choice(self._session.parameters)

    def _say(self, sentence: str, kind: str) -> None:
        if sentence:
            self._session.say(sentence, "error" if kind == "error" else "note")


def _editor_node(scene: Any) -> Any:
    node = scene.GetSingletonNode(NODE_TAG, "vtkMRMLSegmentEditorNode")
    if node is None:
        node = scene.CreateNodeByClass("vtkMRMLSegmentEditorNode")
        node.UnRegister(None)
        node.SetSingletonTag(NODE_TAG)
        node = scene.AddNode(node)
    return node
