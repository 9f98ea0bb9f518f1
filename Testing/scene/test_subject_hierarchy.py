"""Outputs of a case lie in the study of its images."""

from pathlib import Path
from typing import Any

import pytest
from scene import cases
from scene.cases import slicer

from scene import drafted  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.case_record import SEGMENTATION, SEGMENTATION_SEQUENCE, TABLE  # isort: skip
from BreastUSAssistLib.mrml.subject_hierarchy import place_beside  # isort: skip


@pytest.fixture
def hierarchy() -> Any:
    scene = cases.empty_scene()
    return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)


def in_study(hierarchy: Any, source: Any) -> int:
    """Put the images of a case into a study, as DICOM loading does."""
    subject = hierarchy.CreateSubjectItem(hierarchy.GetSceneItemID(), "someone")
    study = hierarchy.CreateStudyItem(subject, "US breast")
    node = source.volume
    item = hierarchy.GetItemByDataNode(node)
    if item:
        hierarchy.SetItemParent(item, study)
    else:
        hierarchy.CreateItem(study, node)
    return int(study)


@pytest.mark.parametrize("kind", ["still", "cine", "volume"])
def test_outputs_lie_in_the_study_of_the_images(hierarchy: Any, tmp_path: Path, kind: str) -> None:
    source = cases.source_of_kind(kind)
    in_study(hierarchy, source)
    case, _labels = drafted.drafted_case(source)
    for opened in (case, None):
        case = opened or drafted.opened_again(tmp_path)
        hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(slicer.mrmlScene)
        study = hierarchy.GetItemParent(hierarchy.GetItemByDataNode(case.source.volume))
        assert hierarchy.GetItemName(study) == "US breast"
        outputs = [case.record.node, *(case.record.linked(role) for role in (SEGMENTATION, TABLE))]
        if kind == "cine":
            outputs.append(case.record.linked(SEGMENTATION_SEQUENCE))
        for node in outputs:
            assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == study, node.GetName()


def test_an_output_that_someone_moved_stays_where_it_is(hierarchy: Any) -> None:
    source = cases.still()
    in_study(hierarchy, source)
    case, _labels = drafted.drafted_case(source)
    folder = hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), "mine")
    item = hierarchy.GetItemByDataNode(case.table)
    hierarchy.SetItemParent(item, folder)
    case.set_note(1, "x")
    place_beside(slicer.mrmlScene, source, [case.table])
    assert hierarchy.GetItemParent(item) == folder


def test_images_outside_of_any_study(hierarchy: Any) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(case.table)) == hierarchy.GetSceneItemID()
    place_beside(slicer.mrmlScene, case.source, [None])
