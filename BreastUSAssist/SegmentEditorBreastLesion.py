"""Hidden module that 3D Slicer loads: it registers the click effect with Segment Editor, and does nothing else."""

from pathlib import Path

import slicer
from slicer.i18n import tr as _
from slicer.i18n import translate
from slicer.ScriptedLoadableModule import ScriptedLoadableModule


class SegmentEditorBreastLesion(ScriptedLoadableModule):
    """What Slicer lists of the module."""

    def __init__(self, parent):
        super().__init__(parent)
        self.parent.title = _("Segment Editor Breast lesion")
        self.parent.categories = [translate("qSlicerAbstractCoreModule", "Segmentation")]
        self.parent.dependencies = ["Segmentations"]
        self.parent.contributors = ["BreastUSAssist contributors"]
        self.parent.hidden = True
        self.parent.helpText = _("This hidden module registers the segment editor effect.")
        self.parent.acknowledgementText = _("Part of the extension Breast Ultrasound Assistant.")
        slicer.app.startupCompleted.connect(registerEditorEffect)


def registerEditorEffect():  # noqa: N802
    """Make the effect known to every Segment Editor; once an application."""
    import qSlicerSegmentationsEditorEffectsPythonQt

    effect = qSlicerSegmentationsEditorEffectsPythonQt.qSlicerSegmentEditorScriptedEffect(None)
    source = Path(__file__).resolve().parent / "SegmentEditorBreastLesionLib" / "SegmentEditorEffect.py"
    effect.setPythonSource(str(source).replace("\\", "/"))
    effect.self().register()
