"""Undo and redo of outlines, one action at a time, across the frames of a case and whatever tool made the change.

Segment Editor's own undo forgets its states when the frame changes, because every frame of a cine has a segmentation of
its own. This history watches the segmentations of all frames instead and remembers each lesion's mask before and after.
"""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import slicer

from .case_segmentation import CaseSegmentation, number_of
from .packed_mask import PackedMask, unpack_mask

LIMIT = 100
"""Actions kept."""
_EVENTS = ("SourceRepresentationModified", "SegmentAdded", "SegmentRemoved", "SegmentModified")


@dataclass(frozen=True)
class MaskChange:
    """One lesion's mask in one frame before and after an action; None is an empty mask."""

    frame: int
    number: int
    before: PackedMask | None
    after: PackedMask | None


@dataclass(frozen=True)
class Action:
    """What one action of the reader changed."""

    changes: tuple[MaskChange, ...]
    added: tuple[tuple[int, Any], ...] = ()
    """Number and segment (without its mask) of lesions that the action added."""
    removed: tuple[tuple[int, Any], ...] = ()
    """The same of lesions that the action removed."""
    shown: int = 0
    """Frame that was shown."""

    @property
    def frame(self) -> int:
        """Frame to show when it is undone or done again: the one shown then where it changed, else the first."""
        frames = sorted({change.frame for change in self.changes})
        return self.shown if self.shown in frames or not frames else frames[0]


@dataclass
class _Pending:
    """What was noticed and not yet recorded."""

    frames: set[int] = field(default_factory=set)
    asked: bool = False


class EditHistory:
    """Watches a case's segmentation, records every change that is not made under `paused`, and takes it back."""

    def __init__(
        self,
        segmentation: CaseSegmentation,
        *,
        limit: int = LIMIT,
        on_edit: Callable[[int, int], None] | None = None,
        on_lesions: Callable[[tuple[int, ...], tuple[int, ...]], None] | None = None,
        on_foreign: Callable[[int, str], None] | None = None,
        later: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        """Begin to watch.

        Args:
            segmentation: of the case.
            limit: actions kept; the oldest goes first.
            on_edit: called with frame and number after a mask has changed: by the reader, by undo or by redo.
            on_lesions: called with the numbers added and removed after the reader, undo or redo did so. A lesion whose
                segment the reader removes in one frame is removed from all: a segment is a lesion, not its one outline.
            on_foreign: called with frame and segment ID when the reader has added a segment of his own; see
                `CaseSegmentation.adopt`.
            later: runs what it is given once the tool has finished, such as `lambda f: qt.QTimer.singleShot(0, f)`:
                what a tool changes in several steps (erasing one lesion under another, clearing before writing) is
                then one action. Without it every step is recorded at once.
        """
        self.segmentation = segmentation
        self.on_edit, self.on_lesions, self.on_foreign = on_edit, on_lesions, on_foreign
        self._limit = limit
        self._later = later
        self._undo: list[Action] = []
        self._redo: list[Action] = []
        self._known: dict[tuple[int, int], PackedMask] = {}
        self._lesions: dict[int, Any] = {}
        self._taken_out: dict[int, Any] = {}
        self._foreign: set[tuple[int, str]] = set()
        self._pending = _Pending()
        self._paused = 0
        self._group: list[Action] | None = None
        self._observations: dict[Any, list[int]] = {}
        segmentation.written.append(self._notice)
        self._watch()
        self._learn(range(segmentation.source.frame_count))

    @property
    def can_undo(self) -> bool:
        """Whether there is an action to take back."""
        return bool(self._undo) or bool(self._pending.frames)

    @property
    def can_redo(self) -> bool:
        """Whether there is an action to do again."""
        return bool(self._redo)

    @property
    def memory_bytes(self) -> int:
        """Bytes of all masks that are kept."""
        packed = list(self._known.values())
        for action in [*self._undo, *self._redo]:
            packed += [one for change in action.changes for one in (change.before, change.after) if one is not None]
        return sum(len(one.data) for one in {id(one): one for one in packed}.values())

    def undo(self) -> int | None:
        """Take back the last action. Returns the frame to show, None where there was nothing to take back."""
        self.settle()
        if not self._undo or not self.segmentation.in_scene:
            return None
        action = self._undo.pop()
        self._redo.append(action)
        self._apply(action, back=True)
        return action.frame

    def redo(self) -> int | None:
        """Do again what was taken back last. Returns the frame to show, None where there was nothing."""
        self.settle()
        if not self._redo or not self.segmentation.in_scene:
            return None
        action = self._redo.pop()
        self._undo.append(action)
        self._apply(action, back=False)
        return action.frame

    def clear(self) -> None:
        """Forget all actions; what is there now is where it begins."""
        self._undo.clear()
        self._redo.clear()
        self._pending = _Pending()
        if self.segmentation.in_scene:
            self._learn(range(self.segmentation.source.frame_count))

    def close(self) -> None:
        """Stop watching; safe when nodes or the scene are gone."""
        for watched, tags in self._observations.items():
            for tag in tags:
                watched.RemoveObserver(tag)
        self._observations.clear()
        self._pending = _Pending()
        if self._notice in self.segmentation.written:
            self.segmentation.written.remove(self._notice)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Changes made inside are no action of the reader: they are taken as they are and cannot be undone."""
        self.settle()
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1
            if not self._paused:
                frames, self._pending = self._pending.frames, _Pending()
                if self.segmentation.in_scene:
                    self._watch()
                    self._learn(frames)

    @contextmanager
    def grouped(self) -> Iterator[None]:
        """Changes made inside are one action, whatever their number."""
        self.settle()
        outer, self._group = self._group, []
        try:
            yield
        finally:
            self.settle()
            actions, self._group = self._group or [], outer
            if actions:
                self._record(_joined(actions))

    def settle(self) -> None:
        """Record what was noticed and is still waiting for its tool to finish."""
        if self._paused:
            return
        frames, self._pending = self._pending.frames, _Pending()
        if not frames or not self.segmentation.in_scene:
            return
        action = self._difference(frames)
        if action is None:
            return
        if self._group is None:
            self._record(action)
        else:
            self._group.append(action)
        self._tell(action, back=False)

    def _record(self, action: Action) -> None:
        self._undo.append(action)
        del self._undo[: -self._limit]
        self._redo.clear()

    def _apply(self, action: Action, *, back: bool) -> None:
        """Set all masks as they were before the action (`back`) or after it."""
        add, remove = (action.removed, action.added) if back else (action.added, action.removed)
        with self.paused():
            for number, segment in add:
                self.segmentation.put_back_lesion(number, self._taken_out.get(number, segment))
            for change in action.changes:
                packed = change.before if back else change.after
                if change.frame < self.segmentation.source.frame_count and not any(
                    change.number == number for number, _segment in remove
                ):
                    mask = unpack_mask(packed, self._shape)
                    self.segmentation.set_mask(change.frame, change.number, mask)
            for number, segment in remove:
                self._taken_out[number] = self.segmentation.metadata(number) or segment
                self.segmentation.remove_lesion(number)
        self._tell(action, back=back)

    def _tell(self, action: Action, *, back: bool) -> None:
        added, removed = (action.removed, action.added) if back else (action.added, action.removed)
        if self.on_lesions is not None and (added or removed):
            self.on_lesions(tuple(number for number, _ in added), tuple(number for number, _ in removed))
        if self.on_edit is not None:
            gone = {number for number, _ in removed}
            for change in action.changes:
                if change.number not in gone:
                    self.on_edit(change.frame, change.number)

    def _difference(self, frames: set[int]) -> Action | None:
        """What is not as it was last known in some frames; it is known from then on."""
        source = self.segmentation.source
        before, lesions = dict(self._known), dict(self._lesions)
        removed = self._removed_by_reader(frames)
        if removed:
            with self._silent():
                for number, _segment in removed:
                    self.segmentation.remove_lesion(number)
            gone = {number for number, _segment in removed}
            self._known = {key: packed for key, packed in self._known.items() if key[1] not in gone}
            self._lesions = {number: one for number, one in self._lesions.items() if number not in gone}
        self._learn(frames)
        added = tuple((number, segment) for number, segment in self._lesions.items() if number not in lesions)
        if added:
            with self._silent():
                for number, segment in added:
                    self.segmentation.put_back_lesion(number, segment)
        changed = sorted(key for key in before.keys() | self._known.keys() if before.get(key) != self._known.get(key))
        changes = tuple(MaskChange(*key, before.get(key), self._known.get(key)) for key in changed)
        self._notice_foreign(frames)
        if not (changes or added or removed):
            return None
        return Action(changes, added, removed, source.current_frame())

    @contextmanager
    def _silent(self) -> Iterator[None]:
        """Nothing that happens inside is noticed."""
        waiting, self._pending = self._pending, _Pending()
        self._paused += 1
        try:
            yield
        finally:
            self._paused -= 1
            self._pending = waiting

    def _removed_by_reader(self, frames: set[int]) -> tuple[tuple[int, Any], ...]:
        """Lesions whose segment is missing from a frame in which it was."""
        missing = set()
        for frame in self._distinct(frames):
            segmentation = self.segmentation.segmentation(frame)
            here = {number_of(one) for one in segmentation.GetSegmentIDs()}
            missing |= self._lesions.keys() - here
        return tuple((number, self._lesions[number]) for number in sorted(missing))

    def _notice_foreign(self, frames: set[int]) -> None:
        for frame in self._distinct(frames):
            for segment_id in self.segmentation.segmentation(frame).GetSegmentIDs():
                key = (frame, segment_id)
                if number_of(segment_id) is None and key not in self._foreign:
                    self._foreign.add(key)
                    if self.on_foreign is not None:
                        self.on_foreign(frame, segment_id)

    def _learn(self, frames: Any) -> None:
        """Take what the segmentations of some frames hold as known."""
        volume = self.segmentation.source.kind == "volume"
        for frame in self._distinct(frames):
            segmentation = self.segmentation.segmentation(frame)
            for key in [key for key in self._known if volume or key[0] == frame]:
                del self._known[key]
            for segment_id in segmentation.GetSegmentIDs():
                number = number_of(segment_id)
                if number is None:
                    continue
                for index, packed in self.segmentation.packed_masks(frame, number):
                    self._known[index, number] = packed
                segment = slicer.vtkSegment()
                segment.DeepCopyMetadata(segmentation.GetSegment(segment_id))
                self._lesions[number] = segment
            here = {number_of(one) for one in segmentation.GetSegmentIDs()}
            if not self._lesions.keys() <= here:
                there = set(self.segmentation.numbers())
                self._lesions = {number: one for number, one in self._lesions.items() if number in there}

    def _distinct(self, frames: Any) -> list[int]:
        """Frames with segmentations of their own: of a volume, which has one, only the first."""
        return [0] if self.segmentation.source.kind == "volume" else sorted(frames)

    @property
    def _shape(self) -> tuple[int, int]:
        return self.segmentation.source.rows, self.segmentation.source.columns

    def _watch(self) -> None:
        """Observe every segmentation, and the node that is shown in case it is given another segmentation."""
        self_or_none = weakref.ref(self)

        def noticed(frame: int | None) -> Callable[..., None]:
            def handler(*_ignored: Any) -> None:
                history = self_or_none()
                if history is not None:
                    history._notice(frame)

            return handler

        watched: dict[Any, int | None] = {self.segmentation.node: None}
        for frame in self._distinct(range(self.segmentation.source.frame_count)):
            watched[self.segmentation.segmentation(frame)] = frame
        for one in [one for one in self._observations if one not in watched]:
            for tag in self._observations.pop(one):
                one.RemoveObserver(tag)
        for one, at in watched.items():
            if one not in self._observations:
                events = [getattr(slicer.vtkSegmentation, name) for name in _EVENTS]
                self._observations[one] = [one.AddObserver(event, noticed(at)) for event in events]

    def _notice(self, frame: int | None) -> None:
        if not self.segmentation.in_scene:
            return
        self._pending.frames.add(self.segmentation.source.current_frame() if frame is None else frame)
        if self._paused or self._pending.asked or self._group is not None or self.segmentation.writing:
            return
        if self._later is None:
            self.settle()
        else:
            self._pending.asked = True
            self._later(self.settle)


def _joined(actions: list[Action]) -> Action:
    """Several actions, one after the other, as one."""
    first: dict[tuple[int, int], PackedMask | None] = {}
    last: dict[tuple[int, int], PackedMask | None] = {}
    added: dict[int, Any] = {}
    removed: dict[int, Any] = {}
    for action in actions:
        for change in action.changes:
            first.setdefault((change.frame, change.number), change.before)
            last[change.frame, change.number] = change.after
        for number, segment in action.removed:
            if added.pop(number, None) is None:
                removed[number] = segment
        for number, segment in action.added:
            if removed.pop(number, None) is None:
                added[number] = segment
    changes = tuple(MaskChange(*key, first[key], last[key]) for key in sorted(first) if first[key] != last[key])
    return Action(changes, tuple(added.items()), tuple(removed.items()), actions[-1].shown)
