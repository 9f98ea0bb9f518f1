"""Two readers' results of one case in the scene: read, shown over the images, and taken as the starting point."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, OutputError
from scene import cases, drafted

from BreastUSAssistLib.mrml.case import Case  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.opinion_outlines import OpinionOutlines  # isort: skip
from BreastUSAssistLib.mrml.reader_opinions import reading_opinions  # isort: skip
from BreastUSAssistLib.mrml.segment_masks import matrix_of, read_mask  # isort: skip


@pytest.fixture
def scene() -> Iterator[Any]:
    yield cases.empty_scene()
    cases.empty_scene()


def told(folder: Path, case: Case, reader: str, decision: str = "accepted") -> dict[str, Any]:
    """What `open_label` tells of a reader's result: all that is in the case now."""
    path = folder / f"{reader}.npy"
    np.save(path, case.labels())
    said = {"reader": reader, "decision": decision, "decided": "2026-01-02T03:04:05+00:00"}
    reading = case.reading.model_copy(update={**said, "reason": "poor image" if decision == "rejected" else ""})
    return {**said, "version": 2, "labels": str(path), "reading": reading.model_dump_json()}


def finished(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


@pytest.mark.parametrize("kind", ["still", "cine", "volume"])
def test_a_result_is_taken_and_left_again(scene: Any, tmp_path: Path, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    start = case.record.content
    mask = drafted.box(4, 4)
    case.set_mask(0, 1, mask)
    case.set_category(1, "4B")
    case.remove_lesion(2)
    there, reading = case.labels(), case.reading
    first = told(tmp_path, case, "A")
    finished(case.take(start))
    second = told(tmp_path, case, "B", "rejected")
    one, other = finished(reading_opinions(start, {"opinions": [first, second]}))
    assert (one.reader, one.decision, other.reader, other.reason) == ("A", "accepted", "B", "poor image")
    finished(case.take(one.content))
    assert np.array_equal(case.labels(), there)
    assert case.reading == reading
    drafted.assert_scene_shows_record(case)
    finished(case.take(other.content))
    assert np.array_equal(case.labels(), labels)
    assert (case.reading.decision, case.reading.reader) == ("open", "")


def test_a_lesion_of_a_draft_that_is_not_here_becomes_the_readers(scene: Any, tmp_path: Path) -> None:
    case, labels = drafted.drafted_case(cases.cine())
    start = case.record.content
    empty = start.model_copy(update={"runs": (), "reading": start.reading.model_copy(update={"lesions": ()})})
    (opinion,) = finished(reading_opinions(empty, {"opinions": [told(tmp_path, case, "A")]}))
    assert [one.run for one in opinion.content.reading.lesions] == [None, None]
    finished(case.take(opinion.content))
    assert np.array_equal(case.labels(), labels)


@pytest.mark.parametrize("kind", ["still", "cine", "volume"])
def test_both_outlines_are_drawn_over_the_image_and_not_saved(scene: Any, tmp_path: Path, kind: str) -> None:
    case, labels = drafted.drafted_case(cases.source_of_kind(kind))
    first = told(tmp_path, case, "A")
    case.set_mask(0, 1, drafted.box(0, 0))
    second = told(tmp_path, case, "B")
    opinions = finished(reading_opinions(case.record.content, {"opinions": [first, second]}))
    before = scene.GetNumberOfNodes()
    shown = OpinionOutlines(scene, case.source, opinions)
    frames = (0, case.source.frame_count - 1)
    for frame in frames:
        shown.show(frame)
        nodes = [scene.GetNthNodeByClass(i, "vtkMRMLSegmentationNode") for i in range(2)]
        (node,) = [one for one in nodes if one.GetName() == "Readers"]
        assert not node.GetSaveWithScene()
        volume = case.source.volume
        shape = tuple(reversed(volume.GetImageData().GetDimensions()))
        drawn = read_mask(node.GetSegmentation(), "reader-1", shape, matrix_of(volume))
        assert np.array_equal(drawn[frame if kind == "volume" else 0], labels[frame] > 0)
    drafted.assert_scene_shows_record(case)
    shown.remove()
    assert scene.GetNumberOfNodes() == before


def test_results_that_are_gone_or_of_other_images_are_told(scene: Any, tmp_path: Path) -> None:
    case, _labels = drafted.drafted_case(cases.still())
    opinion = told(tmp_path, case, "A")
    np.save(opinion["labels"], np.zeros((1, 9, 9), np.uint8))
    with pytest.raises(InputError, match="other images"):
        finished(reading_opinions(case.record.content, {"opinions": [opinion]}))
    with pytest.raises(OutputError):
        finished(reading_opinions(case.record.content, {"opinions": [opinion]}))
    with pytest.raises(InputError, match="verify"):
        finished(reading_opinions(case.record.content, {"opinions": [{**opinion, "reading": "{}"}]}))
