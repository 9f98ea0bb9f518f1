"""Drafts of the models for the images of `cases`, and cases that took them in."""

from collections.abc import Generator
from typing import Any

import numpy as np
from BreastUSAssistLib.birads.analysis import Analysis, FrameResult
from BreastUSAssistLib.birads.lexicon import DEFAULT_EDITION
from dicom import drafts
from scene import cases

from BreastUSAssistLib.mrml.case import Case, open_case  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.source import UltrasoundSource  # isort: skip


def box(top: int, left: int, height: int = 6, width: int = 8, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    """A rectangle, bool (rows, columns)."""
    mask = np.zeros(shape, bool)
    mask[top : top + height, left : left + width] = True
    return mask


def two_boxes(frame_count: int, shift: int = 0) -> np.ndarray:
    """Labels uint8 (frames, 20, 30): lesion 1 in every frame, lesion 2 in every other one."""
    labels = np.zeros((frame_count, 20, 30), np.uint8)
    for index in range(frame_count):
        labels[index][box(2 + shift, 2 + index % 3)] = 1
        if index % 2 == 0:
            labels[index][box(11 + shift, 18)] = 2
    return labels


def analysis_of(labels: np.ndarray, kind: str = "cine", first_frame: int = 1, frame_count: int = 0) -> Analysis:
    """An analysis of the labels with the frame numbers of the case."""
    lesions = [
        one.model_copy(
            update={
                "frames": tuple(number + first_frame - 1 for number in one.frames),
                "key_frame": one.key_frame + first_frame - 1,
            }
        )
        for one in drafts.lesions_of(labels)
    ]
    made = drafts.analysis_of(labels, lesions)
    frames = tuple(
        FrameResult(
            frame_number=first_frame + index,
            mask=f"masks/{index}.png",
            normal=0.1,
            benign=0.7,
            malignant=0.2,
            lesions=tuple(int(number) for number in np.unique(image) if number),
        )
        for index, image in enumerate(labels)
    )
    source = made.source.model_copy(update={"kind": kind, "frame_count": frame_count or len(labels)})
    return made.model_copy(update={"frames": frames, "lexicon": DEFAULT_EDITION, "source": source})


def run(case: Case, labels: np.ndarray, first_frame: int = 1) -> Any:
    """Let a case take in a run; what became of the lesions."""
    analysis = analysis_of(labels, case.source.kind, first_frame, case.source.frame_count)
    return ended(case.apply_run(analysis, labels, first_frame))


def ended(steps: Generator[Any, None, Any]) -> Any:
    """What steps give once all are done."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def drafted_case(source: UltrasoundSource) -> tuple[Case, np.ndarray]:
    """A case with one run over all its frames, and the labels of the run."""
    case = open_case(cases.slicer.mrmlScene, source.volume)
    labels = two_boxes(source.frame_count)
    run(case, labels)
    return case, labels


def opened_again(folder: Any) -> Case:
    """The only case of the scene after it was saved and opened again."""
    scene = cases.saved_and_opened_again(folder)
    browser = scene.GetFirstNodeByClass("vtkMRMLSequenceBrowserNode")
    return open_case(scene, browser or scene.GetFirstNodeByClass("vtkMRMLScalarVolumeNode"))


def assert_scene_shows_record(case: Case) -> None:
    """Segmentation and table are what the record says."""
    present = {one.number for one in case.reading.lesions if one.present}
    assert set(case.segmentation.numbers()) == present
    for number in present:
        for frame in range(case.source.frame_count):
            assert np.array_equal(case.segmentation.mask(frame, number), case.mask(frame, number))
    table = case.table.GetTable()
    assert [table.GetValueByName(row, "lesion").ToInt() for row in range(table.GetNumberOfRows())] == [
        one.number for one in case.reading.lesions
    ]


def column(case: Any, name: str) -> list[str]:
    """A column of the case's table as text."""
    table = case.table.GetTable()
    return [table.GetValueByName(row, name).ToString() for row in range(table.GetNumberOfRows())]
