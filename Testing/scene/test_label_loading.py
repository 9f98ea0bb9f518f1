"""Cases of a label folder in the scene: images, origin, the work on them; and out of the scene again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.reading import Reading
from BreastUSAssistLib.errors import InputError, OutputError
from scene import cases, drafted
from scene.cases import slicer

from BreastUSAssistLib.mrml.case import open_case  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.case_list import cases_of, next_undecided  # isort: skip
from BreastUSAssistLib.mrml.case_removal import remove_case  # isort: skip
from BreastUSAssistLib.mrml.label_loading import find_label_case, load_label, loading_label  # isort: skip
from BreastUSAssistLib.mrml.label_origin import LabelOrigin, label_origin, set_label_origin  # isort: skip
from BreastUSAssistLib.mrml.pixel_calibration import calibration_of  # isort: skip
from BreastUSAssistLib.mrml.source import source_of  # isort: skip

NAME = "case-abcdefghijklmnop"


@pytest.fixture
def scene() -> Iterator[Any]:
    scene = cases.empty_scene()
    # Made by the first case otherwise, and there for good.
    slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    yield scene
    cases.empty_scene()


def opened(folder: Path, frames: np.ndarray, kind: str = "cine", **changes: Any) -> dict[str, Any]:
    """An answer of `open_label`: images without any work on them."""
    path = folder / "frames.npy"
    np.save(path, frames)
    answer: dict[str, Any] = {
        "case": NAME,
        "kind": kind,
        "frames": str(path),
        "spacing": {"row_mm": 0.07, "column_mm": 0.11, "source": "image_header"},
        "times_ms": None,
        "runs": [],
        "reading": None,
        "labels": None,
        "parent": 3,
        "blind": False,
        "state": "waiting",
        "versions": [],
        "dispute": None,
    }
    return {**answer, **changes}


def with_work(folder: Path, answer: dict[str, Any], case: Any) -> dict[str, Any]:
    """The answer once the work on a case of the same images was kept."""
    runs = []
    for index, (run, labels) in enumerate(case.drafts()):
        analysis, masks = folder / f"run-{index}.json", folder / f"run-{index}.npy"
        analysis.write_text(run.model_dump_json(), "utf-8")
        np.save(masks, labels)
        runs.append({"analysis": str(analysis), "labels": str(masks)})
    np.save(folder / "labels.npy", case.labels())
    reading = case.reading.model_dump_json()
    return {**answer, "runs": runs, "reading": reading, "labels": str(folder / "labels.npy"), "state": "in_work"}


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("still", (1, 20, 30)),
        ("still", (1, 20, 30, 3)),
        ("cine", (4, 20, 30)),
        ("cine", (3, 20, 30, 3)),
        ("volume", (5, 20, 30)),
    ],
)
def test_images_are_those_that_were_kept(scene: Any, tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    frames = cases.pixels(shape)
    times = [40.0 * index for index in range(shape[0])] if kind == "cine" else None
    node = load_label(scene, opened(tmp_path, frames, kind, times_ms=times))
    source = source_of(scene, node)
    assert (source.kind, source.frame_count, source.name) == (kind, shape[0], NAME)
    for index, pixels in enumerate(frames):
        assert np.array_equal(source.pixels(index), pixels)
    spacing = calibration_of(source).spacing
    assert spacing is not None
    assert (spacing.row_mm, spacing.column_mm, spacing.source) == (0.07, 0.11, "image_header")
    assert source.times_ms == (None if times is None else tuple(times))
    assert source.files == ()
    assert label_origin(source) == LabelOrigin(NAME, 3, False)


def test_a_spacing_that_is_not_known_stays_unknown(scene: Any, tmp_path: Path) -> None:
    source = source_of(scene, load_label(scene, opened(tmp_path, cases.pixels((1, 20, 30)), "still", spacing=None)))
    assert not calibration_of(source).known


def test_a_case_is_not_loaded_twice(scene: Any, tmp_path: Path) -> None:
    answer = opened(tmp_path, cases.pixels((4, 20, 30)))
    first = load_label(scene, answer)
    assert load_label(scene, answer) is first
    assert len(list(cases_of(scene))) == 1
    found = find_label_case(scene, NAME)
    assert found is not None and found.volume is first
    assert find_label_case(scene, "case-another") is None


@pytest.mark.parametrize("kind", ["still", "cine", "volume"])
def test_work_is_there_as_it_was_kept(scene: Any, tmp_path: Path, kind: str) -> None:
    source = cases.source_of_kind(kind)
    before, _labels = drafted.drafted_case(source)
    before.set_mask(0, 1, drafted.box(3, 3))
    before.set_category(1, "4B")
    before.remove_lesion(2)
    frames = np.stack([source.pixels(index) for index in range(source.frame_count)])
    answer = with_work(tmp_path, opened(tmp_path, frames, kind), before)
    reading, labels, drafts = before.reading, before.labels(), before.drafts()
    before.close()
    remove_case(scene, source)
    after = open_case(scene, load_label(scene, answer))
    assert after.reading == reading.model_copy(update={"case": after.reading.case})
    assert np.array_equal(after.labels(), labels)
    for (run, drawn), (run_then, drawn_then) in zip(after.drafts(), drafts, strict=True):
        assert run == run_then.model_copy(update={"case": NAME})
        assert np.array_equal(drawn, drawn_then)
    drafted.assert_scene_shows_record(after)


def test_a_case_that_cannot_be_restored_is_not_left_in_the_scene(scene: Any, tmp_path: Path) -> None:
    labels = tmp_path / "labels.npy"
    np.save(labels, np.ones((4, 9, 9), np.uint8))
    answer = opened(tmp_path, cases.pixels((4, 20, 30)), labels=str(labels))
    count = scene.GetNumberOfNodes()
    with pytest.raises(InputError):
        load_label(scene, answer)
    assert scene.GetNumberOfNodes() == count


def test_loading_that_is_stopped_leaves_nothing(scene: Any, tmp_path: Path) -> None:
    count = scene.GetNumberOfNodes()
    steps = loading_label(scene, opened(tmp_path, cases.pixels((4, 20, 30))))
    for _step in range(2):
        next(steps)
    steps.close()
    assert scene.GetNumberOfNodes() == count


def test_images_that_are_gone_are_told(scene: Any, tmp_path: Path) -> None:
    answer = opened(tmp_path, cases.pixels((1, 20, 30)), "still")
    Path(answer["frames"]).unlink()
    with pytest.raises(OutputError, match="open it again"):
        load_label(scene, answer)


def test_a_reading_that_is_damaged_is_told(scene: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="verify the label folder"):
        load_label(scene, opened(tmp_path, cases.pixels((1, 20, 30)), "still", reading="{}"))


@pytest.mark.parametrize("kind", ["still", "cine", "volume"])
def test_a_case_is_removed_with_all_that_was_made_of_it(scene: Any, kind: str) -> None:
    kept = cases.still(16, 16)
    before = scene.GetNumberOfNodes()
    case, _labels = drafted.drafted_case(cases.source_of_kind(kind))
    case.set_category(1, "4A")
    case.close()
    remove_case(scene, case.source)
    assert scene.GetNumberOfNodes() == before
    assert kept.in_scene


def test_only_the_case_of_its_own_images_is_removed(scene: Any) -> None:
    one, _labels = drafted.drafted_case(cases.cine(name="one"))
    other, _labels = drafted.drafted_case(cases.cine(name="other"))
    reading, labels = other.reading, other.labels()
    one.close()
    remove_case(scene, one.source)
    assert (other.closed, other.reading) == (False, reading)
    assert np.array_equal(other.labels(), labels)


@pytest.mark.parametrize("kind", ["still", "cine"])
def test_the_origin_is_saved_with_the_scene(scene: Any, tmp_path: Path, kind: str) -> None:
    source = cases.source_of_kind(kind)
    assert label_origin(source) is None
    set_label_origin(source, LabelOrigin(NAME, 7, settles=True))
    scene = cases.saved_and_opened_again(tmp_path)
    (again,) = cases_of(scene)
    assert label_origin(again) == LabelOrigin(NAME, 7, True)
    set_label_origin(again, LabelOrigin(NAME))
    assert label_origin(again) == LabelOrigin(NAME, None, False)
    set_label_origin(again, None)
    assert label_origin(again) is None


def test_the_next_image_of_the_scene_passes_over_decided_ones(scene: Any, tmp_path: Path) -> None:
    load_label(scene, opened(tmp_path, cases.pixels((1, 20, 30)), "still"))
    first = find_label_case(scene, NAME)
    other = cases.still()
    assert next_undecided(scene, first) is other.volume
    assert isinstance(open_case(scene, slicer.util.getNode(NAME)).reading, Reading)
