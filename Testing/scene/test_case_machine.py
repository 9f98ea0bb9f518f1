"""Random work on a case in the real scene against a plain model: nothing raises, nothing is lost."""

import os
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from BreastUSAssistLib.birads.run_merging import SAME_LESION
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from scene import cases

from scene import drafted  # isort: skip  needs slicer.i18n of `cases`
from BreastUSAssistLib.mrml.case import Case, open_case  # isort: skip

SHAPE = (20, 30)
SHAPES = ["oval", "round", "irregular"]
DRAFT_SHAPE = "irregular"
BOXES = st.builds(drafted.box, st.integers(0, 14), st.integers(0, 22), st.integers(0, 6), st.integers(1, 8))
"""Also empty outlines."""


@dataclass
class Expected:
    """What must be known of one lesion."""

    uid: str
    drafted: dict[int, np.ndarray]
    """The AI's outline by frame (from 0); empty for a lesion that was added."""
    by_ai: bool = True
    masks: dict[int, np.ndarray] = field(default_factory=dict)
    """The reader's outline by frame, where it is not the draft's."""
    present: bool = True
    shape: str | None = None
    note: str = ""
    tied_to: str | None = None

    def mask(self, frame: int) -> np.ndarray:
        return self.masks.get(frame, self.drafted.get(frame, np.zeros(SHAPE, bool)))

    def set(self, frame: int, mask: np.ndarray) -> None:
        self.masks.pop(frame, None)
        if not np.array_equal(mask, self.mask(frame)):
            self.masks[frame] = mask

    @property
    def touched(self) -> bool:
        return bool(
            not self.by_ai or self.masks or not self.present or self.shape or self.note or self.tied_to is not None
        )


class CaseMachine(RuleBasedStateMachine):
    """One case; `kind` is still, cine or volume."""

    kind = "cine"

    def __init__(self) -> None:
        super().__init__()
        self.lesions: dict[int, Expected] = {}
        self.done: list[tuple[int, Any, Any]] = []
        """Undo steps: number, and what undo and redo make of the lesion (a frame with masks, or presence)."""
        self.undone: list[tuple[int, Any, Any]] = []
        self.case: Case

    @initialize()
    def open(self) -> None:
        cases.empty_scene()
        source = cases.source_of_kind(self.kind)
        self.count = source.frame_count
        self.case = open_case(cases.slicer.mrmlScene, source.volume)
        self.run_over(0, self.count, drafted.two_boxes(self.count))

    def pick(self, data: st.DataObject, present: bool | None = None) -> int | None:
        numbers = sorted(n for n, one in self.lesions.items() if present is None or one.present == present)
        return data.draw(st.sampled_from(numbers)) if numbers else None

    def run_over(self, first: int, last: int, labels: np.ndarray) -> None:
        before = {number: replace(one) for number, one in self.lesions.items()}
        outcome = drafted.run(self.case, labels, first + 1)
        stays = {
            number: one
            for number, one in before.items()
            if one.touched or not set(one.drafted) <= set(range(first, last))
        }
        if len(stays) < len(before):
            self.done.clear()
            self.undone.clear()
        new = [value for value in np.unique(labels) if value and not self.is_known(labels == value, stays, first)]
        highest = max(stays, default=0)
        self.lesions = dict(stays)
        listed = {one.number: one for one in self.case.reading.lesions}
        for place, value in enumerate(new, start=1):
            number = highest + place
            masks = {first + index: image == value for index, image in enumerate(labels) if (image == value).any()}
            self.lesions[number] = Expected(listed[number].tracking_uid, masks)
        assert (outcome.added, outcome.kept, outcome.retired) == (
            tuple(highest + place for place in range(1, len(new) + 1)),
            len(stays),
            len(before) - len(stays),
        )

    def is_known(self, images: np.ndarray, stays: dict[int, Expected], first: int) -> bool:
        for one in stays.values():
            for index, image in enumerate(images):
                mask = one.mask(first + index)
                union = np.count_nonzero(mask | image)
                if mask.any() and image.any() and np.count_nonzero(mask & image) / union >= SAME_LESION:
                    return True
        return False

    def did(self, number: int, before: Any, after: Any) -> None:
        self.done.append((number, before, after))
        self.undone.clear()

    def make(self, number: int, state: Any) -> None:
        """Bring the model of a lesion into a state of an undo step."""
        if isinstance(state, bool):
            self.lesions[number].present = state
            if not state:
                self.end_tie(number)
        else:
            self.lesions[number].set(*state)

    def end_tie(self, number: int) -> None:
        other = self.lesions[number].tied_to
        for one in self.lesions.values():
            if one.uid == other:
                one.tied_to = None
        self.lesions[number].tied_to = None

    @rule(data=st.data(), mask=BOXES, tool=st.sampled_from(["click", "box", "scribble", "painted"]))
    def edit(self, data: st.DataObject, mask: np.ndarray, tool: str) -> None:
        number = self.pick(data, present=True)
        if number is None:
            return
        frame = data.draw(st.integers(0, self.count - 1))
        before = self.lesions[number].mask(frame)
        if tool == "painted":  # as Segment Editor does: into the node that is shown
            self.case.source.show_frame(frame)
            segmentation = self.case.segmentation
            segmentation.set_mask(frame, number, mask)
        else:
            self.case.set_mask(frame, number, mask, tool)
        if not np.array_equal(before, mask):
            self.lesions[number].set(frame, mask)
            self.did(number, (frame, before), (frame, mask))

    @rule(frame=st.integers(0, 4))
    def step(self, frame: int) -> None:
        self.case.source.show_frame(frame)
        assert self.case.source.current_frame() == min(frame, self.count - 1) or self.kind == "volume"

    @precondition(lambda self: self.done)
    @rule()
    def undo(self) -> None:
        assert self.case.undo() is not None
        number, before, after = self.done.pop()
        self.undone.append((number, before, after))
        self.make(number, before)

    @precondition(lambda self: self.undone)
    @rule()
    def redo(self) -> None:
        assert self.case.redo() is not None
        number, before, after = self.undone.pop()
        self.done.append((number, before, after))
        self.make(number, after)

    @rule(data=st.data(), term=st.sampled_from([*SHAPES, None]))
    def change_shape(self, data: st.DataObject, term: str | None) -> None:
        number = self.pick(data)
        if number is None:
            return
        lesion = self.lesions[number]
        if term is None:
            self.case.put_back_term(number, "shape")
        else:
            self.case.set_term(number, "shape", term)
        lesion.shape = None if lesion.by_ai and term == DRAFT_SHAPE else term

    @rule(data=st.data(), note=st.sampled_from(["", "größer?", 'a\t"b"\nc']))
    def write_note(self, data: st.DataObject, note: str) -> None:
        number = self.pick(data)
        if number is not None:
            self.case.set_note(number, note)
            self.lesions[number].note = note

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = self.pick(data, present=True)
        if number is not None:
            self.case.remove_lesion(number)
            self.make(number, False)
            self.did(number, True, False)

    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        number = self.pick(data, present=False)
        if number is not None:
            self.case.put_back_lesion(number)
            self.make(number, True)
            self.did(number, False, True)

    @precondition(lambda self: len(self.lesions) < 6)
    @rule()
    def add(self) -> None:
        lesion = self.case.add_lesion()
        assert lesion.number == max(self.lesions, default=0) + 1
        self.lesions[lesion.number] = Expected(lesion.tracking_uid, {}, by_ai=False)
        self.did(lesion.number, False, True)

    @rule(data=st.data())
    def tie(self, data: st.DataObject) -> None:
        one, other = self.pick(data, present=True), self.pick(data, present=True)
        if one is None or other is None or one == other:
            return
        self.case.tie(one, self.lesions[other].uid)
        self.end_tie(one)
        self.end_tie(other)
        self.lesions[one].tied_to, self.lesions[other].tied_to = self.lesions[other].uid, self.lesions[one].uid

    @rule(data=st.data())
    def restore(self, data: st.DataObject) -> None:
        number = self.pick(data, present=True)
        if number is None or not self.lesions[number].by_ai or not self.lesions[number].masks:
            return
        lesion = self.lesions[number]
        frame = data.draw(st.sampled_from(sorted(lesion.masks)))
        before = lesion.mask(frame)
        self.case.restore_draft(number, frame)
        lesion.masks.pop(frame)
        self.did(number, (frame, before), (frame, lesion.mask(frame)))

    @precondition(lambda self: len(self.lesions) < 8)
    @rule(data=st.data(), shift=st.integers(0, 3))
    def run_again(self, data: st.DataObject, shift: int) -> None:
        first = data.draw(st.integers(0, self.count - 1))
        last = data.draw(st.integers(first + 1, self.count))
        self.run_over(first, last, drafted.two_boxes(last - first, shift))

    @rule(which=st.sampled_from([("node",), ("sequence",), ("node", "sequence")]))
    def delete_outputs(self, which: tuple[str, ...]) -> None:
        scene = cases.slicer.mrmlScene
        scene.RemoveNode(self.case.table)
        segmentation = self.case.segmentation
        nodes = [getattr(segmentation, name) for name in which]
        if not any(nodes):
            return
        for node in nodes:
            if node is not None:
                scene.RemoveNode(node)
        self.done.clear()
        self.undone.clear()

    @rule(data=st.data())
    def save_and_open_again(self, data: st.DataObject) -> None:
        old = self.case
        seconds = old.reading.seconds_spent + data.draw(st.integers(1, 60))
        old.add_seconds(seconds - old.reading.seconds_spent)
        with tempfile.TemporaryDirectory() as folder:
            self.case = drafted.opened_again(Path(folder))
        assert old.closed and self.case.reading.seconds_spent == seconds
        self.done.clear()
        self.undone.clear()

    @invariant()
    def all_is_there(self) -> None:
        if not hasattr(self, "case"):
            return
        reading = self.case.reading
        assert [one.number for one in reading.lesions] == sorted(self.lesions)
        assert [one.number for one in self.case.lesions] == sorted(self.lesions)
        for one in reading.lesions:
            expected = self.lesions[one.number]
            assert (one.tracking_uid, one.present, one.note, one.tied_to) == (
                expected.uid,
                expected.present,
                expected.note,
                expected.tied_to,
            )
            assert one.descriptors == ({"shape": expected.shape} if expected.shape else {})
            assert one.edited_frames == tuple(sorted(frame + 1 for frame in expected.masks))
            for frame in range(self.count):
                assert np.array_equal(self.case.mask(frame, one.number), expected.mask(frame))
        drafted.assert_scene_shows_record(self.case)
        history = self.case.history
        assert (history.can_undo, history.can_redo) == (bool(self.done), bool(self.undone))

    def teardown(self) -> None:
        if hasattr(self, "case"):
            cases.empty_scene()
            assert self.case.closed


EXAMPLES = int(os.environ.get("BREASTUS_CASE_EXAMPLES", "0"))
"""More, other and shorter runs than the usual 300 actions, for a search."""
SETTINGS = settings(
    max_examples=EXAMPLES or 4,
    stateful_step_count=25 if EXAMPLES else 50,
    deadline=None,
    derandomize=not EXAMPLES,
    suppress_health_check=list(HealthCheck),
    # To shorten a failing run takes minutes, so that it is left to a search.
    phases=list(Phase) if EXAMPLES else [Phase.explicit, Phase.generate],
)


class StillMachine(CaseMachine):
    kind = "still"


class VolumeMachine(CaseMachine):
    kind = "volume"


TestCine = CaseMachine.TestCase
TestCine.settings = SETTINGS
TestStill = StillMachine.TestCase
TestStill.settings = SETTINGS
TestVolume = VolumeMachine.TestCase
TestVolume.settings = SETTINGS
