"""State of the panel that a saved scene brings back. What belongs to one case is in its record, see `case_record`."""

from typing import Annotated

import slicer
from slicer.parameterNodeWrapper import Choice, Default, parameterNodeWrapper

FRAMES = ("current", "range", "all")
AUTOMATIC = "auto"


@parameterNodeWrapper
class PanelParameters:
    """One node a scene; every field is kept as text, or as a reference to a node."""

    input_node: slicer.vtkMRMLNode
    """Volume, sequence or browser that was chosen last."""
    frames: Annotated[str, Choice(list(FRAMES)), Default("all")]
    first_frame: Annotated[int, Default(1)]
    """1-based, for a range."""
    last_frame: Annotated[int, Default(1)]
    model: Annotated[str, Default(AUTOMATIC)]
    """Name of a shipped outline bundle, or the folder of another; "auto" is the shipped one."""
    device: Annotated[str, Default(AUTOMATIC)]
    use_reader: Annotated[bool, Default(True)]
    """Whether the reader network gives probability and descriptors; without it, rules and the outline network do."""
    ignore_gates: Annotated[bool, Default(False)]
    selected_lesion: Annotated[str, Default("")]
    """Tracking UID."""
    export_dicom: Annotated[bool, Default(True)]
    export_segmentation: Annotated[bool, Default(True)]
    export_table: Annotated[bool, Default(True)]
    export_report: Annotated[bool, Default(True)]
