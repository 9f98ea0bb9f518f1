"""Where Slicer, CTK, Qt or VTK defines a name, as far as the installed packages tell; the rest is written down here."""

import unittest
from collections.abc import Iterable
from typing import Any

SLICER_FOLDERS = {
    "MRMLCore": "Libs/MRML/Core",
    "MRMLLogic": "Libs/MRML/Logic",
    "MRMLDisplayableManager": "Libs/MRML/DisplayableManager",
    "vtkSegmentationCore": "Libs/vtkSegmentationCore",
    "vtkSlicerBaseLogic": "Base/Logic",
    "vtkITK": "Libs/vtkITK",
}
"""Library of slicer-core -> folder of Slicer's repository; those of modules follow from their names."""

PYTHON_FILES = {
    "slicer.util": "Slicer: Base/Python/slicer/util.py",
    "slicer.i18n": "Slicer: Base/Python/slicer/i18n.py",
    "slicer.packaging": "Slicer: Base/Python/slicer/packaging.py",
    "slicer.ScriptedLoadableModule": "Slicer: Base/Python/slicer/ScriptedLoadableModule.py",
    "slicer.parameterNodeWrapper": "Slicer: Base/Python/slicer/parameterNodeWrapper/",
    "slicer.app": "Slicer: Base/QTGUI/qSlicerApplication.h and Base/QTCore/qSlicerCoreApplication.h",
    "slicer.modules": "Slicer: Base/QTCore/qSlicerModuleManager.h, each module under its name in lower case",
    "SegmentEditorEffects": "Slicer: Modules/Loadable/Segmentations/EditorEffects/Python/SegmentEditorEffects/",
    "DICOMLib": "Slicer: Modules/Scripted/DICOMLib/",
    "SampleData": "Slicer: Modules/Scripted/SampleData/SampleData.py",
    "PyTorchUtils": "SlicerPyTorch: PyTorchUtils/PyTorchUtils.py",
    "vtk.util": "VTK: Wrapping/Python/vtkmodules/util/",
}
"""Beginning of a dotted name -> file."""

WIDGET_FILES = {
    "qMRMLWidget": "Slicer: Libs/MRML/Widgets/qMRMLWidget.h",
    "qMRMLNodeComboBox": "Slicer: Libs/MRML/Widgets/qMRMLNodeComboBox.h",
    "qMRMLSliceWidget": "Slicer: Libs/MRML/Widgets/qMRMLSliceWidget.h",
    "qMRMLSegmentEditorWidget": "Slicer: Modules/Loadable/Segmentations/Widgets/qMRMLSegmentEditorWidget.h",
    "qSlicerSegmentEditorAbstractEffect": (
        "Slicer: Modules/Loadable/Segmentations/EditorEffects/qSlicerSegmentEditorAbstractEffect.h"
    ),
    "qSlicerSegmentEditorScriptedEffect": (
        "Slicer: Modules/Loadable/Segmentations/EditorEffects/qSlicerSegmentEditorScriptedEffect.h"
    ),
    "ctkCollapsibleButton": "CTK: Libs/Widgets/ctkCollapsibleButton.h",
    "ctkPathLineEdit": "CTK: Libs/Widgets/ctkPathLineEdit.h",
    "ctkDICOMDatabase": "CTK: Libs/DICOM/Core/ctkDICOMDatabase.h",
    "qSlicerDICOMExportable": "Slicer: Modules/Scripted/DICOMLib/Widgets/qSlicerDICOMExportable.h",
}

MEMBERS = {
    "qMRMLWidget": "setMRMLScene mrmlScene mrmlSceneChanged",
    "qMRMLNodeComboBox": (
        "currentNode setCurrentNode currentNodeID setCurrentNodeID currentNodeChanged nodeTypes setNodeTypes"
        " noneEnabled addEnabled removeEnabled renameEnabled editEnabled noneDisplay showChildNodeTypes"
        " hideChildNodeTypes baseName showHidden selectNodeUponCreation addAttribute nodeAddedByUser"
    ),
    "qMRMLSliceWidget": "sliceLogic sliceView mrmlSliceNode fitSliceToBackground",
    "qMRMLSegmentEditorWidget": (
        "mrmlSegmentEditorNode setMRMLSegmentEditorNode segmentationNode setSegmentationNode sourceVolumeNode"
        " setSourceVolumeNode currentSegmentID setCurrentSegmentID currentSegmentIDChanged activeEffect setActiveEffect"
        " setActiveEffectByName effectByName setupViewObservations removeViewObservations setMaximumNumberOfUndoStates"
        " setSegmentationNodeSelectorVisible setSourceVolumeNodeSelectorVisible setSwitchToSegmentationsButtonVisible"
        " setUndoEnabled undo redo setEffectNameOrder setReadOnly updateWidgetFromMRML unorderedEffectsVisible"
    ),
    "qSlicerSegmentEditorAbstractEffect": (
        "NotConfirmed ConfirmedWithDialog ConfirmedWithoutDialog ModificationModeSet ModificationModeAdd"
        " ModificationModeRemove parameterSetNode addOptionsWidget addLabeledOptionsWidget optionsFrame selectEffect"
        " confirmCurrentSegmentVisible defaultModifierLabelmap modifierLabelmap modifySelectedSegmentByLabelmap"
        " saveStateForUndo sourceVolumeImageData parameter integerParameter doubleParameter setParameter"
        " setParameterDefault commonParameterDefined setCommonParameter xyToRas"
    ),
    "qSlicerSegmentEditorScriptedEffect": "setPythonSource",
    "ctkCollapsibleButton": "collapsed collapsedHeight flat text contentsCollapsed setCollapsed",
    "ctkPathLineEdit": "currentPath setCurrentPath currentPathChanged addCurrentPathToHistory settingKey filters Dirs",
    "ctkDICOMDatabase": "fileForInstance isOpen filesForSeries instanceValue fileValue seriesForFile seriesForStudy",
    "qSlicerDICOMExportable": "name tooltip subjectHierarchyItemID pluginClass directory confidence tag setTag",
}
"""Widget -> its members in use, each seen in its header."""

USUAL_CLASSES = (
    *("vtkObjectBase", "vtkObject", "vtkMRMLScene", "vtkMRMLNode", "vtkMRMLStorableNode", "vtkMRMLTransformableNode"),
    *(
        "vtkMRMLDisplayableNode",
        "vtkMRMLDisplayNode",
        "vtkMRMLVolumeNode",
        "vtkMRMLSegmentationNode",
        "vtkSegmentation",
    ),
    *("vtkSegment", "vtkOrientedImageData", "vtkMRMLMarkupsNode", "vtkMRMLMarkupsDisplayNode", "vtkMRMLTableNode"),
    *(
        "vtkMRMLTextNode",
        "vtkImageData",
        "vtkCartesianGrid",
        "vtkDataSet",
        "vtkPointData",
        "vtkAbstractArray",
        "vtkTable",
    ),
    *("QObject", "QWidget", "QAbstractButton", "QLabel", "QLineEdit", "QComboBox", "QAbstractSpinBox", "QSpinBox"),
    *("QAbstractSlider", "QProgressBar", "QPlainTextEdit", "QTableWidget", "QTableWidgetItem", "QTableView"),
    *(
        "QAbstractItemView",
        "QHeaderView",
        "QLayout",
        "QBoxLayout",
        "QShortcut",
        "QTimer",
        "QFont",
        "QPalette",
        "QColor",
    ),
)
"""Where a member is looked for first: many classes have a `setText`."""

OTHERS = {
    "slicer.qMRMLSegmentEditorWidget": WIDGET_FILES["qMRMLSegmentEditorWidget"],
    "slicer.dicomDatabase": WIDGET_FILES["ctkDICOMDatabase"],
    "slicer.selfTests": PYTHON_FILES["slicer.ScriptedLoadableModule"],
    ".isEntered": "Slicer: Base/QTGUI/qSlicerAbstractModuleWidget.h",
    ".scriptedEffect": PYTHON_FILES["SegmentEditorEffects"] + "AbstractScriptedSegmentEditorEffect.py",
    ".acknowledgementText": "Slicer: Base/QTCore/qSlicerAbstractCoreModule.h",
    ".helpText": "Slicer: Base/QTCore/qSlicerAbstractCoreModule.h",
    ".addObserver": PYTHON_FILES["slicer.util"] + ", VTKObservationMixin",
    ".removeObserver": PYTHON_FILES["slicer.util"] + ", VTKObservationMixin",
    ".removeObservers": PYTHON_FILES["slicer.util"] + ", VTKObservationMixin",
    ".resourcePath": PYTHON_FILES["slicer.ScriptedLoadableModule"],
    ".delayDisplay": PYTHON_FILES["slicer.ScriptedLoadableModule"],
    ".moduleName": PYTHON_FILES["slicer.ScriptedLoadableModule"],
    ".connectGui": PYTHON_FILES["slicer.parameterNodeWrapper"] + "wrapper.py",
    ".connectParametersToGui": PYTHON_FILES["slicer.parameterNodeWrapper"] + "wrapper.py",
    ".disconnectGui": PYTHON_FILES["slicer.parameterNodeWrapper"] + "wrapper.py",
    ".parameterNode": PYTHON_FILES["slicer.parameterNodeWrapper"] + "wrapper.py",
    ".isPipInstallInProgress": PYTHON_FILES["slicer.packaging"],
    ".SampleDataLogic": PYTHON_FILES["SampleData"],
    ".registerCustomSampleDataSource": PYTHON_FILES["SampleData"],
    ".sampleDataSourcesByCategory": PYTHON_FILES["SampleData"],
    ".downloadFileIntoCache": PYTHON_FILES["SampleData"],
    ".getCachedLoadables": PYTHON_FILES["DICOMLib"] + "DICOMPlugin.py",
    ".cacheLoadables": PYTHON_FILES["DICOMLib"] + "DICOMPlugin.py",
    ".addSeriesInSubjectHierarchy": PYTHON_FILES["DICOMLib"] + "DICOMPlugin.py",
    ".referencedInstanceUIDs": PYTHON_FILES["DICOMLib"] + "DICOMPlugin.py",
    ".PyTorchUtilsLogic": PYTHON_FILES["PyTorchUtils"],
    ".torchInstalled": PYTHON_FILES["PyTorchUtils"],
    ".installTorch": PYTHON_FILES["PyTorchUtils"],
}


def where_defined(name: str, slicer: Any, vtk: Any, qt: Any) -> str | None:
    """The file or class, or None where it has to be looked up."""
    if name in OTHERS:
        return OTHERS[name]
    if name.startswith("ui:"):
        return _widget_class(name.removeprefix("ui:"), qt)
    if name.startswith("."):
        return _member(name[1:], slicer, vtk, qt)
    beginning = next((each for each in PYTHON_FILES if name == each or name.startswith(f"{each}.")), None)
    if beginning:
        return PYTHON_FILES[beginning]
    package, _, rest = name.partition(".")
    return _dotted(package, rest, {"slicer": slicer, "vtk": vtk, "qt": qt})


def exists(name: str, slicer: Any, vtk: Any, qt: Any) -> bool | None:
    """Whether the installed slicer-core, VTK or Qt has the name; None where they cannot know."""
    package, _, rest = name.partition(".")
    roots = {"vtk": vtk, "qt": qt}
    if package == "slicer" and rest.startswith(("util.", "vtk", "mrmlScene")):
        roots["slicer"] = slicer
    if package in roots and rest:
        value = roots[package]
        for part in rest.split("."):
            if not hasattr(value, part):
                return False
            value = getattr(value, part)
        return True
    if name[:1] == "." and name[1:2].isupper() and where_defined(name, slicer, vtk, qt) is not None:
        return (
            name in OTHERS or _widget_of(name[1:]) is not None or bool(_definers(name[1:], _vtk_classes(slicer, vtk)))
        )
    return None


def test_case_members() -> set[str]:
    """What a self-test calls of unittest: not Slicer's."""
    return set(dir(unittest.TestCase))


def _dotted(package: str, rest: str, roots: dict[str, Any]) -> str | None:
    first = rest.partition(".")[0]
    if package == "slicer" and first == "mrmlScene":
        return "Slicer: Libs/MRML/Core/vtkMRMLScene.h"
    if package == "ctk" or (package == "slicer" and first in WIDGET_FILES):
        return WIDGET_FILES.get(first)
    value = getattr(roots.get(package), first, None)
    if value is None:
        return None
    if isinstance(value, type) and package != "qt":
        return _class_file(value)
    if package == "qt":
        return f"Qt: {getattr(value, '__module__', 'QtCore').removeprefix('PySide6.')}"
    return f"VTK: {getattr(value, '__module__', None) or 'vtkType.h'}"


def _class_file(class_: type) -> str:
    module = class_.__module__.rpartition(".")[2]
    if class_.__module__.startswith("vtkmodules"):
        # vtkCommonDataModel -> Common/DataModel
        parts = [""]
        for letter in module.removeprefix("vtk"):
            if letter.isupper() and len(parts) < 3 and (len(parts) == 1 or parts[-1]):
                parts.append("")
            parts[-1] += letter
        return f"VTK: {'/'.join(part for part in parts if part)}/{class_.__name__}.h"
    if module in SLICER_FOLDERS:
        return f"Slicer: {SLICER_FOLDERS[module]}/{class_.__name__}.h"
    name = module.removeprefix("vtkSlicer")
    loadable, _, kind = name.partition("Module")
    return f"Slicer: Modules/Loadable/{loadable}/{kind}/{class_.__name__}.h"


def _widget_class(name: str, qt: Any) -> str | None:
    class_name, _, member = name.partition(".")
    if class_name in WIDGET_FILES:
        known = MEMBERS.get(class_name, "").split()
        return WIDGET_FILES[class_name] if not member or member in known or hasattr(qt.QWidget, member) else None
    class_ = getattr(qt, class_name, None)
    if class_ is None or (member and not hasattr(class_, member)):
        return None
    return f"Qt: {class_.__module__.removeprefix('PySide6.')} {class_name}"


def _widget_of(member: str) -> str | None:
    return next((WIDGET_FILES[each] for each, members in MEMBERS.items() if member in members.split()), None)


def _member(member: str, slicer: Any, vtk: Any, qt: Any) -> str | None:
    if _widget_of(member):
        return _widget_of(member)
    if member[0].isupper():
        definers = _definers(member, _vtk_classes(slicer, vtk))
        return _class_file(definers[0]) if definers else None
    classes = [value for value in vars(qt).values() if isinstance(value, type)]
    definers = _definers(member, classes)
    return f"Qt: {definers[0].__module__.removeprefix('PySide6.')} {definers[0].__name__}" if definers else None


def _vtk_classes(slicer: Any, vtk: Any) -> list[type]:
    core = [value for name, value in vars(slicer).items() if name.startswith("vtk") and isinstance(value, type)]
    names: tuple[str, ...] = (
        "vtkObject",
        "vtkCommand",
        "vtkCollection",
        "vtkImageData",
        "vtkTable",
        "vtkPointData",
        "vtkMatrix4x4",
    )
    names += ("vtkRenderWindowInteractor", "vtkStringArray", "vtkGeneralTransform", "vtkObjectBase", "vtkDataSet")
    return core + [getattr(vtk, name) for name in names]


def _definers(member: str, classes: Iterable[type]) -> list[type]:
    """The classes that bring the member themselves, the most general ones first."""
    found = {base for each in classes if hasattr(each, member) for base in each.__mro__ if member in vars(base)}
    usual = {name: rank for rank, name in enumerate(USUAL_CLASSES)}
    return sorted(found, key=lambda each: (usual.get(each.__name__, len(usual)), len(each.__mro__), each.__name__))
