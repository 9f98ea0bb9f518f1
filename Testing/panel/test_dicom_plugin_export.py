"""Cases as Slicer's dialog Export to DICOM offers and writes them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from BreastUSAssistLib.dicom.reading import read_dataset
from dicom import drafts

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
from host.dicom_lib import DICOMPlugin, export_chosen, offered_exports, qSlicerDICOMExportable
from panel.dicom_bench import DicomBench, dicom_bench
from panel.dicom_samples import draft_files, image_of, labels_of, opened


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DicomBench]:
    with dicom_bench(tmp_path) as opened_bench:
        yield opened_bench


class LikeSlicersSegExport(DICOMPlugin):
    """Slicer's own: sure of every segmentation, also of one that it cannot write."""

    def examineForExport(self, subjectHierarchyItemID: int) -> list[Any]:  # noqa: N802, N803
        exportable = qSlicerDICOMExportable()
        exportable.name, exportable.pluginClass = "DICOMSegmentation", "DICOMSegmentationPlugin"
        exportable.subjectHierarchyItemID, exportable.confidence = subjectHierarchyItemID, 1.0
        return [exportable]


def drafted(bench: DicomBench, frames: int = 1) -> Any:
    seg, report = draft_files(image_of(bench, frames), bench.folder, labels_of(frames))
    bench.add(seg, report)
    bench.load(seg)
    return opened(bench)


def study_of(bench: DicomBench, node: Any) -> int:
    hierarchy = bench.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(bench.scene)
    item = hierarchy.GetItemParent(bench.item(node))
    assert hierarchy.IsItemLevel(item, bench.slicer.vtkMRMLSubjectHierarchyConstants.GetDICOMLevelStudy())
    return int(item)


def test_a_study_is_exported_as_one_pair_of_objects(bench: DicomBench) -> None:
    case = drafted(bench)
    study = study_of(bench, case.source.volume)
    exports = [one for one in offered_exports(study) if one.pluginClass == "DICOMBreastUSPlugin"]
    assert len(exports) >= 3, "image, segmentation, table and record lie in the study"
    folder = bench.folder / "export"
    folder.mkdir()
    assert export_chosen(exports, folder) == ""
    header = read_dataset(bench.folder / "draft-seg.dcm")
    found = {str(read_dataset(path).Modality): read_dataset(path) for path in folder.iterdir()}
    assert set(found) == {"SEG", "SR"}
    assert len(list(folder.iterdir())) == 2
    for dataset in found.values():
        assert (dataset.StudyInstanceUID, dataset.PatientID) == (header.StudyInstanceUID, header.PatientID)


def test_it_comes_before_slicers_own_segmentation_export(bench: DicomBench) -> None:
    bench.slicer.modules.dicomPlugins["DICOMSegmentationPlugin"] = LikeSlicersSegExport
    case = drafted(bench)
    names = [one.pluginClass for one in offered_exports(bench.item(case.segmentation.node))]
    assert names == ["DICOMBreastUSPlugin", "DICOMSegmentationPlugin"]


def test_nothing_is_offered_where_nothing_can_be_written(bench: DicomBench) -> None:
    case = drafted(bench)
    volume = bench.slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "other")
    hierarchy = bench.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(bench.scene)
    assert offered_exports(hierarchy.CreateItem(hierarchy.GetSceneItemID(), volume)) == []
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "folder")
    assert bench.plugin.examineForExport(folder) == []
    item = bench.item(case.source.volume)
    (bench.folder / "image.dcm").rename(bench.folder / "away.dcm")
    assert bench.plugin.examineForExport(item) == []
    (bench.folder / "away.dcm").rename(bench.folder / "image.dcm")
    for number in (1, 2):
        case.remove_lesion(number)
    assert bench.plugin.examineForExport(item) == [], "no lesion is left"


def test_an_image_that_changed_is_a_sentence_and_no_file(bench: DicomBench) -> None:
    case = drafted(bench)
    exports = offered_exports(bench.item(case.source.volume))
    image_of(bench, 2)
    folder = bench.folder / "export"
    folder.mkdir()
    message = export_chosen(exports[:1], folder)
    assert "load it again" in message
    assert list(folder.iterdir()) == []


def test_what_could_not_be_told_is_said(bench: DicomBench) -> None:
    case = drafted(bench)
    added = case.add_lesion()
    case.set_mask(0, added.number, drafts.ellipse(96, 128, (75, 100), (8, 9)))
    exports = offered_exports(bench.item(case.source.volume))
    folder = bench.folder / "export"
    folder.mkdir()
    assert export_chosen(exports[:1], folder) == ""
    assert "Lesion 3 was left out" in bench.asked[-1]
