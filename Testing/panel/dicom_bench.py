"""The DICOM module of the host with files in its database and our plug-in among the plug-ins."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

from host import clear, start_host
from pydicom import Dataset


@dataclass
class DicomBench:
    """What a person at the DICOM browser sees and does."""

    slicer: Any
    database: Any
    library: Any
    folder: Path
    asked: list[str] = field(default_factory=list)
    """Questions and errors that were shown."""
    chosen: Path | None = None
    """The folder that the person chooses where an image is asked for; None: declined."""

    @property
    def scene(self) -> Any:
        return self.slicer.mrmlScene

    @property
    def plugin(self) -> Any:
        """Made anew, as Slicer does for each examination."""
        return self.slicer.modules.dicomPlugins["DICOMBreastUSPlugin"]()

    def add(self, *paths: Path) -> None:
        """Import files or folders into the database."""
        for path in paths:
            if path.is_dir():
                self.library.importDicom(str(path))
            else:
                self.database.insert(str(path))

    def offers(self, *paths: Path) -> list[Any]:
        """What our plug-in offers for files, as one series."""
        return list(self.plugin.examineForImport([[str(path) for path in paths]]))

    def load(self, path: Path) -> list[str]:
        """Double-click the series of a file; what Slicer warns of, none where all was loaded."""
        messages: list[str] = []
        self.library.loadSeriesByUID([self.database.fileValue(str(path), "0020,000E")], messages)
        return messages

    def sources(self) -> list[Any]:
        """The ultrasound images of the scene."""
        from BreastUSAssistLib.mrml.case_list import cases_of

        return list(cases_of(self.scene))

    def item(self, node: Any) -> int:
        """Subject hierarchy item of a node."""
        hierarchy = self.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self.scene)
        return int(hierarchy.GetItemByDataNode(node))


@contextmanager
def dicom_bench(folder: Path) -> Iterator[DicomBench]:
    """An empty scene, an empty database, our plug-in registered."""
    host = start_host()
    from host.dicom_lib import dicom_module
    from host.module_loading import load_scripted_module
    from host.running import MODULES

    clear()
    with dicom_module() as database:
        load_scripted_module(MODULES / "DICOMBreastUSPlugin.py")
        from DICOMLib import DICOMUtils

        bench = DicomBench(host.slicer, database, DICOMUtils, folder)
        with _answers(bench):
            yield bench
    clear()


@contextmanager
def _answers(bench: DicomBench) -> Iterator[None]:
    """A person at Slicer's dialogs: reads errors, and chooses a folder or declines."""
    import qt

    def confirm(text: str, *_args: Any, **_options: Any) -> bool:
        bench.asked.append(text)
        return bench.chosen is not None

    def tell(text: str, *_args: Any, **_options: Any) -> None:
        bench.asked.append(text)

    dialog = type("FolderDialog", (), {"getExistingDirectory": staticmethod(lambda *_args: str(bench.chosen))})
    util = bench.slicer.util
    with (
        patch.object(util, "confirmOkCancelDisplay", confirm),
        patch.object(util, "errorDisplay", tell),
        patch.object(util, "warningDisplay", tell),
        patch.object(qt, "QFileDialog", dialog, create=True),
    ):
        yield


def written(dataset: Dataset, path: Path) -> Path:
    """A dataset as a file."""
    from BreastUSAssistLib.dicom.writing import set_file_meta, write_dataset

    if not hasattr(dataset, "file_meta"):
        set_file_meta(dataset)
    write_dataset(path, dataset)
    return path
