"""The findings as a table node that others can plot and that a file holds as it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.lesion import Length, SliceExtent, VolumeAxes
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.reading_view import EffectiveLesion, effective_lesions, first_reading
from dicom import drafts
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene import cases
from scene.cases import slicer

from BreastUSAssistLib.mrml.findings_table import COLUMNS, frame_words, update_table  # isort: skip  needs `cases`


@pytest.fixture
def scene() -> Any:
    return cases.empty_scene()


def analysis(mm: bool = True) -> Analysis:
    labels = drafts.two_lesions(6)
    return drafts.analysis_of(labels, drafts.lesions_of(labels, mm=mm))


def lesions(**changes: Any) -> tuple[EffectiveLesion, ...]:
    made = analysis(**changes)
    return effective_lesions([made], first_reading(made), load_lexicon())


def new_table(rows: tuple[EffectiveLesion, ...]) -> Any:
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "Findings")
    update_table(node, rows)
    return node


def content(node: Any) -> dict[str, list[Any]]:
    table = node.GetTable()
    columns = [table.GetColumn(index) for index in range(table.GetNumberOfColumns())]
    return {one.GetName(): [one.GetValue(row) for row in range(one.GetNumberOfValues())] for one in columns}


def test_numbers_are_numbers(scene: Any) -> None:
    found = content(new_table(lesions()))
    assert list(found) == list(COLUMNS)
    assert found["lesion"] == [1, 2]
    assert found["longest_axis_mm"] == pytest.approx([12.3457, 12.3457]) and found["area_px_ai"] == [7000, 7000]
    assert np.isnan(found["probability_low"]).all()
    assert found["notice"] == ["Research use only"] * 2
    assert slicer.util.arrayFromTableColumn(slicer.util.getNode("Findings"), "area_mm2").tolist() == [70.0, 70.0]


def test_no_millimetres_without_spacing(scene: Any) -> None:
    found = content(new_table(lesions(mm=False)))
    for name, values in found.items():
        if "_mm" in name:
            assert np.isnan(values).all(), name


def test_three_axes_of_a_volume(scene: Any) -> None:
    axes = VolumeAxes(
        axis_frame=2,
        longest_axis=Length(px=40, mm=4.4),
        perpendicular_axis=Length(px=20),
        across_slices=SliceExtent(slices=3, mm=4.5),
        voxels=900,
        volume_ml=0.0123,
    )
    first, second = lesions()
    assert first.current is not None
    with_axes = replace(first, current=first.current.model_copy(update={"volume_axes": axes}))
    found = content(new_table((with_axes, second)))
    assert [found[name][0] for name in ("volume_longest_axis_mm", "volume_slices_mm", "volume_ml")] == [
        4.4,
        4.5,
        0.0123,
    ]
    assert np.isnan([found["volume_perpendicular_axis_mm"][0], found["volume_ml"][1], found["volume_ml_ai"][0]]).all()


def test_one_event_an_update(scene: Any) -> None:
    node = new_table(())
    heard: list[str] = []
    node.AddObserver("ModifiedEvent", lambda *_: heard.append("modified"))
    update_table(node, lesions())
    assert len(heard) == 1


@pytest.mark.parametrize(
    ("frames", "words"), [((), ""), ((3,), "3"), ((1, 2, 3, 5, 9, 10), "1-3 5 9-10"), ((2, 1, 2), "1-2")]
)
def test_frames_in_few_words(frames: tuple[int, ...], words: str) -> None:
    assert frame_words(frames) == words


def test_an_empty_table_is_saved_and_opened(scene: Any, tmp_path: Path) -> None:
    new_table(())
    node = cases.saved_and_opened_again(tmp_path).GetFirstNodeByClass("vtkMRMLTableNode")
    assert content(node) == {name: [] for name in COLUMNS}


def read_back(node: Any, path: Path) -> Any:
    """A second node read from the file of the first."""
    storage = slicer.vtkMRMLTableStorageNode()
    storage.SetFileName(str(path))
    assert storage.WriteData(node)
    again = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode")
    storage = slicer.vtkMRMLTableStorageNode()
    storage.SetFileName(str(path))
    assert storage.ReadData(again)
    return again


def assert_equal(after: dict[str, list[Any]], before: dict[str, list[Any]]) -> None:
    assert list(after) == list(before)
    for name, values in before.items():
        assert len(after[name]) == len(values)
        assert all(
            one == other or (isinstance(one, float) and np.isnan([one, other]).all())
            for one, other in zip(after[name], values, strict=True)
        ), name


def test_the_table_is_the_same_in_a_saved_scene(scene: Any, tmp_path: Path) -> None:
    node = new_table(lesions())
    before, unit = content(node), node.GetColumnUnitLabel("area_mm2")
    node = cases.saved_and_opened_again(tmp_path).GetFirstNodeByClass("vtkMRMLTableNode")
    assert_equal(content(node), before)
    assert node.GetColumnUnitLabel("area_mm2") == unit == "mm2"
    update_table(node, lesions())
    assert list(content(node)) == list(before)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    note=st.text(st.characters(codec="utf-8"), max_size=30),
    px=st.floats(0, 1e7),
    probability=st.none() | st.floats(0, 1),
    present=st.booleans(),
)
def test_the_table_is_the_same_when_it_is_read_again(
    tmp_path: Path, note: str, px: float, probability: float | None, present: bool
) -> None:
    cases.empty_scene()
    first, second = lesions()
    assert first.current is not None
    measured = first.current.measurements
    longest = measured.longest_axis.model_copy(update={"px": px})
    current = first.current.model_copy(
        update={
            "measurements": measured.model_copy(update={"longest_axis": longest}),
            "assessment": first.current.assessment.model_copy(update={"probability_malignant": probability}),
        }
    )
    changed = EffectiveLesion(1, first.tracking_uid, present, first.ai, current, frozenset({"shape"}), "4A", note)
    node = new_table((changed, second))
    assert_equal(content(read_back(node, tmp_path / "a.tsv")), content(node))
