# ruff: noqa: N802, N803 - the names are those of Slicer
"""Stand-in of DICOMLib and of what the DICOM module adds to `slicer`: the plug-ins' base, loading, exporting.

`dicom_module()` puts it in place. What the DICOM browser and the export dialog do to plug-ins is in `DICOMUtils` and
in `offered_exports` and `export_chosen`, so that a test asks a plug-in the way Slicer does.
"""

import contextlib
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import slicer

from .dicom_database import DicomDatabase, index_folder


class DICOMLoadable:
    """What a plug-in offers to load."""

    def __init__(self, qLoadable: Any = None) -> None:
        self.files: list[str] = []
        self.name, self.tooltip, self.warning = "Unknown", "No further information available", ""
        self.selected, self.confidence = False, 0.5
        if qLoadable is not None:
            self.__dict__.update(vars(qLoadable))


class DICOMPlugin:
    """Base of the plug-ins, as far as ours uses it."""

    def __init__(self) -> None:
        self.loadType = "Generic DICOM"
        self.loadableCache: dict[Any, list[DICOMLoadable]] = {}
        self.tags = {"seriesDescription": "0008,103E", "seriesNumber": "0020,0011"}

    def examineForImport(self, fileList: list[list[str]]) -> list[DICOMLoadable]:
        return []

    def examine(self, fileList: list[list[str]]) -> list[DICOMLoadable]:
        return self.examineForImport(fileList)

    def load(self, loadable: DICOMLoadable) -> Any:
        return True

    def examineForExport(self, subjectHierarchyItemID: int) -> list[Any]:
        return []

    def export(self, exportables: list[Any]) -> str:
        return ""

    def getCachedLoadables(self, files: list[str]) -> list[DICOMLoadable] | None:
        return self.loadableCache.get(tuple(files))

    def cacheLoadables(self, files: list[str], loadables: list[DICOMLoadable]) -> None:
        self.loadableCache[tuple(files)] = loadables

    def addSeriesInSubjectHierarchy(self, loadable: DICOMLoadable, dataNode: Any) -> None:
        """Put a node under its series' study and patient."""
        names = slicer.vtkMRMLSubjectHierarchyConstants
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        database, first = slicer.dicomDatabase, loadable.files[0]
        item = hierarchy.CreateItem(hierarchy.GetSceneItemID(), dataNode)
        series, study = database.fileValue(first, "0020,000E"), database.fileValue(first, "0020,000D")
        hierarchy.SetItemUID(item, names.GetDICOMUIDName(), series)
        modality = database.fileValue(first, "0008,0060")
        hierarchy.SetItemAttribute(item, names.GetDICOMSeriesModalityAttributeName(), modality)
        uids = " ".join(database.fileValue(file, "0008,0018") or "Unknown" for file in loadable.files)
        hierarchy.SetItemUID(item, names.GetDICOMInstanceUIDName(), uids)
        referenced = " ".join(getattr(loadable, "referencedInstanceUIDs", ()))
        hierarchy.SetItemAttribute(item, names.GetDICOMReferencedInstanceUIDsAttributeName(), referenced)
        patient = database.fileValue(first, "0010,0020") or f"Patient-{study}"
        slicer.vtkSlicerSubjectHierarchyModuleLogic.InsertDicomSeriesInHierarchy(hierarchy, patient, study, series)


class qSlicerDICOMExportable:  # noqa: N801
    """What a plug-in offers to export; the dialog lets the user edit the tags and sets the directory."""

    def __init__(self, parent: Any = None) -> None:
        self.name, self.tooltip, self.pluginClass, self.directory = "", "", "", ""
        self.subjectHierarchyItemID, self.confidence = 0, 0.0
        self.tags: dict[str, str] = {}

    def tag(self, tagName: str) -> str:
        return self.tags.get(tagName, "")

    def setTag(self, tagName: str, tagValue: str) -> None:
        self.tags[tagName] = tagValue


def importDicom(dicomDataDir: str, dicomDatabase: Any = None, copyFiles: bool = False) -> bool:
    """`DICOMUtils.importDicom`."""
    index_folder(dicomDatabase or slicer.dicomDatabase, Path(dicomDataDir))
    return True


def getLoadablesFromFileLists(
    fileLists: list[Any], pluginClassNames: list[str] | None = None
) -> tuple[dict[DICOMPlugin, list[DICOMLoadable]], bool]:
    """`DICOMUtils.getLoadablesFromFileLists`: each plug-in made anew and asked for all lists of files."""
    found = {}
    for name in pluginClassNames or list(slicer.modules.dicomPlugins):
        plugin = slicer.modules.dicomPlugins[name]()
        found[plugin] = plugin.examineForImport(fileLists) or plugin.examine(fileLists)
    return found, any(found.values())


def selectHighestConfidenceLoadables(loadablesByPlugin: dict[DICOMPlugin, list[DICOMLoadable]]) -> None:
    """`DICOMUtils.selectHighestConfidenceLoadables`: of each series the surest offers are ticked, ties all of them."""
    by_series: dict[str, list[DICOMLoadable]] = {}
    for loadables in loadablesByPlugin.values():
        for loadable in loadables:
            series = slicer.dicomDatabase.fileValue(loadable.files[0], "0020,000E")
            by_series.setdefault(series, []).append(loadable)
    for loadables in by_series.values():
        highest = max(loadable.confidence for loadable in loadables)
        for loadable in loadables:
            loadable.selected = loadable.confidence == highest


def loadLoadables(
    loadablesByPlugin: dict[DICOMPlugin, list[DICOMLoadable]],
    messages: list[str] | None = None,
    progressCallback: Callable[..., Any] | None = None,
) -> list[str]:
    """`DICOMUtils.loadLoadables`; gives the IDs of the nodes that came. An exception is raised here, logged there."""
    scene = slicer.mrmlScene
    before = {scene.GetNthNode(index).GetID() for index in range(scene.GetNumberOfNodes())}
    for plugin, loadables in loadablesByPlugin.items():
        for loadable in loadables:
            if loadable.selected and not plugin.load(loadable) and messages is not None:
                messages.append(f"Could not load: {loadable.name} as a {plugin.loadType}")
    nodes = (scene.GetNthNode(index) for index in range(scene.GetNumberOfNodes()))
    kinds = ("vtkMRMLStorageNode", "vtkMRMLDisplayNode")
    return [
        str(node.GetID()) for node in nodes if node.GetID() not in before and not any(node.IsA(one) for one in kinds)
    ]


def loadSeriesByUID(seriesUIDs: list[str], messages: list[str] | None = None) -> list[str]:
    """`DICOMUtils.loadSeriesByUID`, what a double click on a series does; `messages` as `loadLoadables` has them."""
    lists = [slicer.dicomDatabase.filesForSeries(uid) for uid in seriesUIDs]
    loadables, _any = getLoadablesFromFileLists(lists)
    selectHighestConfidenceLoadables(loadables)
    return loadLoadables(loadables, messages)


def offered_exports(item: int) -> list[qSlicerDICOMExportable]:
    """What the export dialog lists for a study or a node, surest first.

    As in qSlicerDICOMExportDialog, one offer is shown a plug-in, and of plug-ins equally sure only the last by name.
    """
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
    items = [item]
    if hierarchy.IsItemLevel(item, slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy()):
        import vtk

        children = vtk.vtkIdList()
        hierarchy.GetItemChildren(item, children)
        items = [children.GetId(index) for index in range(children.GetNumberOfIds())]
    by_plugin: dict[str, list[qSlicerDICOMExportable]] = {}
    for one in items:
        for name in slicer.modules.dicomPlugins:
            for exportable in slicer.modules.dicomPlugins[name]().examineForExport(one):
                by_plugin.setdefault(exportable.pluginClass, []).append(exportable)
    by_confidence = {}
    for name in sorted(by_plugin):
        offers = by_plugin[name]
        by_confidence[1.0 - sum(one.confidence for one in offers) / len(offers)] = offers
    return [exportable for key in sorted(by_confidence) for exportable in by_confidence[key]]


def export_chosen(exportables: list[qSlicerDICOMExportable], folder: Path) -> str:
    """What the dialog's button does with the offers of one plug-in; its error message, "" where it worked."""
    for exportable in exportables:
        exportable.directory = str(folder)
    message = slicer.modules.dicomPlugins[exportables[0].pluginClass]().export(exportables)
    assert isinstance(message, str), "the dialog calls anything else an error"
    return message


@contextlib.contextmanager
def dicom_module() -> Iterator[DicomDatabase]:
    """DICOMLib, an empty open database and the list of plug-ins, for the time of a test."""
    library = types.ModuleType("DICOMLib", "stand-in of Modules/Scripted/DICOMLib")
    library.DICOMLoadable, library.DICOMPlugin = DICOMLoadable, DICOMPlugin  # type: ignore[attr-defined]
    functions = (
        importDicom,
        getLoadablesFromFileLists,
        selectHighestConfidenceLoadables,
        loadLoadables,
        loadSeriesByUID,
    )
    library.DICOMUtils = types.SimpleNamespace(  # type: ignore[attr-defined]
        **{function.__name__: function for function in functions}
    )
    sys.modules["DICOMLib"] = library
    slicer.qSlicerDICOMExportable = qSlicerDICOMExportable
    slicer.dicomDatabase = database = DicomDatabase()
    slicer.modules.dicomPlugins = {}
    shown: list[Any] = []
    slicer.modules.sequences.showSequenceBrowser = shown.append
    try:
        yield database
    finally:
        del slicer.dicomDatabase, slicer.modules.dicomPlugins, slicer.modules.sequences.showSequenceBrowser
        del slicer.qSlicerDICOMExportable, sys.modules["DICOMLib"]
