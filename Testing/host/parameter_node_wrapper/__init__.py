"""Stand-in of `slicer.parameterNodeWrapper`: typed fields over a vtkMRMLScriptedModuleNode, bound to widgets.

Written to the documented interface and to what Slicer's own package does where the documentation is silent
(Base/Python/slicer/parameterNodeWrapper, Slicer 5.12). Two of those are worth knowing, and kept:
`connectGui` gives no tag, so that `disconnectGui` cannot undo it (`connectParametersToGui` gives one), and a field
bound to a node combo box or a combo box overwrites what the `.ui` file says of its node types or items.

Left out, since nothing here needs them: creation of widgets (`createGui`), sub-hierarchy trees, serializers of others.
"""

from .annotations import (
    Choice,
    Decimals,
    Default,
    Exclude,
    IsInstance,
    Maximum,
    Minimum,
    NotNone,
    RangeBounds,
    SingleStep,
    Validator,
    WithinRange,
)
from .packs import FloatRange, isParameterPack, nestedParameterNames, parameterPack
from .types import findFirstAnnotation, getNodeTypes, isNodeOrUnionOfNodes, splitAnnotations, unannotatedType
from .widgets import GuiConnector, SlicerPackParameterNamePropertyName, createGuiConnector, parameterNodeGuiConnector
from .wrapper import (
    SlicerParameterNamePropertyName,
    findChildWidgetForParameter,
    isParameterNodeWrapper,
    parameterNodeWrapper,
)

__all__ = [
    "Choice",
    "Decimals",
    "Default",
    "Exclude",
    "FloatRange",
    "GuiConnector",
    "IsInstance",
    "Maximum",
    "Minimum",
    "NotNone",
    "RangeBounds",
    "SingleStep",
    "SlicerPackParameterNamePropertyName",
    "SlicerParameterNamePropertyName",
    "Validator",
    "WithinRange",
    "createGuiConnector",
    "findChildWidgetForParameter",
    "findFirstAnnotation",
    "getNodeTypes",
    "isNodeOrUnionOfNodes",
    "isParameterNodeWrapper",
    "isParameterPack",
    "nestedParameterNames",
    "parameterNodeGuiConnector",
    "parameterNodeWrapper",
    "parameterPack",
    "splitAnnotations",
    "unannotatedType",
]
