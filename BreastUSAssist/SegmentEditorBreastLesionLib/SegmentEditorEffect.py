"""What Slicer loads as the effect.

`setPythonSource` names the Python module after the folder of this file and takes the class named after the file, so
this folder's name must be nobody else's, and the class cannot be taken from a file inside a package.
"""

from BreastUSAssistLib.panel.breast_lesion_effect import BreastLesionEffect as SegmentEditorEffect

__all__ = ["SegmentEditorEffect"]
