"""Stand-in of `slicer.parameterNodeWrapper`: typed fields over a vtkMRMLScriptedModuleNode, bound to widgets.

Written to the documented interface and to what Slicer's own package does where the documentation is silent
(Base/Python/slicer/parameterNodeWrapper, Slicer 5.12). Two of those are worth knowing, and kept:
`connectGui` gives no tag, so that `disconnectGui` cannot undo it (`connectParametersToGui` gives one), and a field
bound to a node combo box or a combo box overwrites what the `.ui` file says of its node types or items.

Left out, since nothing here needs it: the making of widgets (`createGui`), subject hierarchy trees, colours.
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
from .containers import DictSerializer, ListSerializer, TupleSerializer, UnionSerializer
from .field_types import findFirstAnnotation, getNodeTypes, isNodeOrUnionOfNodes, splitAnnotations, unannotatedType
from .packs import FloatRange, isParameterPack, nestedParameterNames, parameterPack
from .serializer import Serializer, ValidatedSerializer, parameterNodeSerializer
from .serializers import (
    BoolSerializer,
    EnumSerializer,
    NodeSerializer,
    NumberSerializer,
    PathSerializer,
    StringSerializer,
)
from .widgets import GuiConnector, SlicerPackParameterNamePropertyName, createGuiConnector, parameterNodeGuiConnector
from .wrapper import (
    SlicerParameterNamePropertyName,
    findChildWidgetForParameter,
    isParameterNodeWrapper,
    parameterNodeWrapper,
)

__all__ = [
    "BoolSerializer",
    "Choice",
    "Decimals",
    "Default",
    "DictSerializer",
    "EnumSerializer",
    "Exclude",
    "FloatRange",
    "GuiConnector",
    "IsInstance",
    "ListSerializer",
    "Maximum",
    "Minimum",
    "NodeSerializer",
    "NotNone",
    "NumberSerializer",
    "PathSerializer",
    "RangeBounds",
    "Serializer",
    "SingleStep",
    "SlicerPackParameterNamePropertyName",
    "SlicerParameterNamePropertyName",
    "StringSerializer",
    "TupleSerializer",
    "UnionSerializer",
    "ValidatedSerializer",
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
    "parameterNodeSerializer",
    "parameterNodeWrapper",
    "parameterPack",
    "splitAnnotations",
    "unannotatedType",
]
