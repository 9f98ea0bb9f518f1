"""The real MRML scene of slicer-core, set up as the application sets it up, without any widget."""

import importlib.util
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

TERMINOLOGIES = Path(__file__).parent / "terminologies"
"""Our own short lists under the names that the terminologies logic reads: slicer-core brings none."""

LOGICS = {
    "terminologies": "vtkSlicerTerminologiesModuleLogic",
    "segmentations": "vtkSlicerSegmentationsModuleLogic",
    "volumes": "vtkSlicerVolumesLogic",
    "sequences": "vtkSlicerSequencesLogic",
    "markups": "vtkSlicerMarkupsLogic",
    "tables": "vtkSlicerTablesLogic",
    "texts": "vtkSlicerTextsLogic",
    "models": "vtkSlicerModelsLogic",
    "transforms": "vtkSlicerTransformLogic",
    "plots": "vtkSlicerPlotsLogic",
    "subjecthierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "units": "vtkSlicerUnitsLogic",
    "cropvolume": "vtkSlicerCropVolumeLogic",
}
"""Module name as under `slicer.modules` -> class of its logic. Each registers its node classes with the scene."""

STAND_INS = {"i18n": "host.i18n", "parameterNodeWrapper": "host.parameter_node_wrapper"}
"""Modules of `slicer` that need no widget -> the stand-in of each, where it is there."""


def start_scene() -> Any:
    """The `slicer` package with `mrmlScene`, `app`, `modules` and the stand-ins that need no widget.

    The scene lives as long as the process, as in the application: a second call gives the same one, emptied by nobody.
    Call `clear` between tests.
    """
    import slicer
    import slicer.util

    if getattr(slicer, "mrmlScene", None) is not None:
        return slicer
    scene = slicer.vtkMRMLScene()
    logic = slicer.vtkSlicerApplicationLogic()
    logic.SetMRMLScene(scene)
    logic.GetColorLogic().SetMRMLScene(scene)
    logic.GetColorLogic().AddDefaultColorNodes()
    _add_generic_colors(slicer, scene)
    _add_cache(slicer, scene)
    slicer.mrmlScene = scene
    logic.SetModuleLogic("Colors", logic.GetColorLogic())
    slicer.modules = types.SimpleNamespace(colors=types.SimpleNamespace(name="colors", logic=logic.GetColorLogic))
    for name, class_name in LOGICS.items():
        _start_logic(slicer, scene, logic, name, class_name)
    slicer.app = types.SimpleNamespace(
        applicationLogic=lambda: logic,
        mrmlScene=lambda: scene,
        testingEnabled=lambda: True,
        layoutManager=lambda: None,
        processEvents=lambda: None,
    )
    _add_slice_view(slicer, scene, logic, "Red")
    _install_stand_ins(slicer)
    return slicer


ORIENTATIONS = {"Red": "Axial", "Yellow": "Sagittal", "Green": "Coronal"}
"""Of the slice views as Slicer starts."""


def clear() -> None:
    """Close the scene as File > Close Scene does; singletons (views, colours) stay, views turned as at the start."""
    import slicer

    slicer.mrmlScene.Clear(0)
    for index in range(slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLSliceNode")):
        node = slicer.mrmlScene.GetNthNodeByClass(index, "vtkMRMLSliceNode")
        node.SetOrientation(ORIENTATIONS.get(node.GetLayoutName(), "Axial"))


def _start_logic(slicer: Any, scene: Any, application_logic: Any, name: str, class_name: str) -> None:
    logic = getattr(slicer, class_name)()
    if name == "terminologies":
        logic.SetModuleShareDirectory(str(TERMINOLOGIES))
    logic.SetMRMLScene(scene)
    logic.SetMRMLApplicationLogic(application_logic)
    application_logic.SetModuleLogic(name.capitalize(), logic)
    setattr(slicer.modules, name, types.SimpleNamespace(name=name, logic=lambda: logic))


def _add_cache(slicer: Any, scene: Any) -> None:
    """Where .mrb files are unpacked; a sequence of segmentations is one within the scene's own."""
    folder = tempfile.TemporaryDirectory(prefix="host-cache-")
    cache, manager = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
    cache.SetRemoteCacheDirectory(folder.name)
    cache.SetMRMLScene(scene)
    manager.SetCacheManager(cache)
    scene.SetCacheManager(cache)
    scene.SetDataIOManager(manager)
    # the scene does not hold them, and the folder goes with its object
    scene.held_by_host = (folder, cache, manager)


def _add_generic_colors(slicer: Any, scene: Any) -> None:
    """The table that segments take their colours from; the application reads it from a file that the wheel lacks."""
    table = slicer.vtkMRMLColorTableNode()
    table.SetTypeToUser()
    table.SetNumberOfColors(3)
    table.SetName("GenericColors")
    table.SetSingletonTag("FileGenericColors.txt")
    table.SetSaveWithScene(False)
    for index, (name, color) in enumerate(
        [("background", (0.0, 0.0, 0.0)), ("tissue", (0.5, 0.68, 0.5)), ("bone", (0.95, 0.84, 0.57))]
    ):
        table.SetColor(index, name, *color)
    scene.AddNode(table)


def _add_slice_view(slicer: Any, scene: Any, application_logic: Any, name: str) -> None:
    """A slice view's nodes and logic; they are singletons and stay when the scene closes."""
    import vtk

    logic = slicer.vtkMRMLSliceLogic()
    logic.SetMRMLApplicationLogic(application_logic)
    logic.SetMRMLScene(scene)
    node = logic.AddSliceNode(name)
    node.SetOrientationToAxial()
    node.SetLayoutLabel(name[0])
    logics = vtk.vtkCollection()
    logics.AddItem(logic)
    application_logic.SetSliceLogics(logics)


def _install_stand_ins(slicer: Any) -> None:
    for name, source in STAND_INS.items():
        if importlib.util.find_spec(source) is None:
            continue
        module = importlib.import_module(source)
        sys.modules[f"slicer.{name}"] = module
        setattr(slicer, name, module)


def save_scene(path: Path) -> Path:
    """Write the scene as .mrb, as File > Save does.

    Raises:
        OSError: where the scene's writer says no.
    """
    import slicer

    path.parent.mkdir(parents=True, exist_ok=True)
    if not slicer.mrmlScene.WriteToMRB(str(path)):
        raise OSError(f"the scene could not be written to {path}")
    return path


def load_scene(path: Path) -> None:
    """Close the scene and read a .mrb, as the application does.

    Raises:
        OSError: where the scene's reader says no.
    """
    import slicer

    if not slicer.mrmlScene.ReadFromMRB(str(path), True):
        raise OSError(f"the scene in {path} could not be read")
