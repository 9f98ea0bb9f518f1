"""One lesion in one frame under correction: the marks so far, the question at work, and its answer in the scene."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from ..mrml.prompt_marks import PromptMarks, ShownMark
from .effect_marks import Mark, with_mark
from .effect_questions import Question, Questions
from .effect_target import Target, find_target, world_of

Say = Callable[[str, str], None]
"""A sentence and what it is: "note", "busy" or "error"."""


@dataclass(eq=False)
class _Work:
    """What belongs to one target; forgotten as a whole."""

    target: Target
    expected: np.ndarray
    """Mask as it is when nobody else edits: bool (rows, columns)."""
    marks: tuple[Mark, ...] = ()
    answered: int = 0
    """How many of the marks, from the first, the AI has answered."""


class Correction:
    """Takes the reader's marks, asks the AI, and puts its answer into the segment."""

    def __init__(self, scripted_effect: Any, questions: Questions, say: Say) -> None:
        """Take who asks and who tells the reader."""
        self._effect = scripted_effect
        self._questions = questions
        self._say = say
        self._work: _Work | None = None
        self._shown: PromptMarks | None = None
        self._drawing: tuple[int, Mark] | None = None
        self._writing = False

    @property
    def marks(self) -> tuple[Mark, ...]:
        """Marks so far."""
        return self._work.marks if self._work is not None else ()

    def target(self, k: int | None = None) -> Target:
        """What a mark in slice k would correct. Raises InputError or UsageError."""
        return find_target(self._effect.scene(), self._effect.parameterSetNode(), k)

    def prepare(self) -> None:
        """Let the AI look at the frame that is shown; why it cannot is told at the first mark."""
        try:
            self._begin(self.target())
        except BreastUSAssistError:
            self.forget()

    def add(self, mark: Mark, k: int) -> None:
        """Take a mark in slice k (0 where the image has one) and ask for the outline that it means."""
        try:
            work = self._begin(self.target(k))
        except BreastUSAssistError as error:
            self._say(str(error), "error")
            return
        work.marks = with_mark(work.marks, mark)
        self._drawing = None
        self._show_marks()
        self._say(_("The AI is outlining what you marked …"), "busy")
        self._questions.ask(
            Question(work.target.frame_id, work.marks, work.expected, self._on_answered, self._on_failed)
        )

    def draw(self, mark: Mark | None, k: int) -> None:
        """Show a line or box that is still being drawn; None takes it away."""
        self._drawing = None if mark is None else (k, mark)
        self._show_marks()

    def forget(self) -> None:
        """Forget the marks so far; the outline stays. An answer on its way is not applied."""
        self._questions.forget()
        self._work, self._drawing = None, None
        self._show_marks()

    def close(self) -> None:
        """Forget, and leave no node in the scene."""
        self.forget()
        if self._shown is not None:
            self._shown.clear()
            self._shown = None

    def look(self) -> None:
        """Something was edited or another frame is shown: forget the marks where they no longer fit, and say why."""
        if self._writing or self._work is None:
            return
        asking, marked = self._questions.asking, bool(self._work.marks)
        reason = self._what_changed(self._work)
        if reason is None:
            return
        self.forget()
        if asking:
            self._say(reason, "error")
        elif marked:
            self._say(_("Your marks were cleared: they belong to the outline before."), "note")

    def _what_changed(self, work: _Work) -> str | None:
        """A sentence when the target is not what it was; None when it is."""
        try:
            k = work.target.frame if work.target.source.kind == "volume" else None
            now = self.target(k)
        except BreastUSAssistError as error:
            return str(error)
        if not work.target.is_same(now):
            return _("You went on while the AI was working, so its outline was not used; go back and mark again.")
        if not np.array_equal(now.mask(), work.expected):
            return _("The outline was changed while the AI was working, so its own was not used; mark again.")
        return None

    def _begin(self, target: Target) -> _Work:
        """The work on a target: that at hand where it still fits, else a new one without marks."""
        work = self._work
        if work is not None and work.target.is_same(target) and np.array_equal(target.mask(), work.expected):
            return work
        self.forget()
        self._work = _Work(target, target.mask())
        self._questions.open(target.frame_id, target.pixels, target.labels)
        return self._work

    def _on_answered(self, question: Question, mask: np.ndarray) -> None:
        work = self._work
        if work is None or question.marks != work.marks:
            return
        reason = self._what_changed(work)
        if reason is not None:
            self.forget()
            self._say(reason, "error")
            return
        if np.array_equal(mask, work.expected):
            self._say(_("The AI sees no reason to change the outline."), "note")
        else:
            try:
                self._write(work, mask)
            except BreastUSAssistError as error:
                self._on_failed(question, str(error))
                return
        work.answered = len(work.marks)
        self._show_marks()

    def _write(self, work: _Work, mask: np.ndarray) -> None:
        self._writing = True
        try:
            work.target.write(mask, self._effect)
        finally:
            self._writing = False
        # Masking in Segment Editor may have kept a part of it out.
        work.expected = work.target.mask()
        kept_out = np.count_nonzero(mask != work.expected)
        if kept_out:
            self._say(_("Segment Editor's masking kept a part of the AI's outline out."), "note")
        else:
            self._say(_("Outline updated. Mark again to refine it, or undo."), "note")

    def _on_failed(self, question: Question, sentence: str) -> None:
        work = self._work
        if work is not None:
            # As it was before: the marks that were answered stay, the outline was not touched.
            work.marks = work.marks[: work.answered]
            self._show_marks()
        self._say(sentence, "error")

    def _show_marks(self) -> None:
        work = self._work
        shown: list[ShownMark] = []
        if work is not None:
            volume, k = work.target.source.volume, work.target.frame if work.target.source.kind == "volume" else 0
            for index, mark in enumerate(work.marks):
                shown.append(_shown(volume, mark, k, waiting=index >= work.answered))
        if self._drawing is not None:
            k, mark = self._drawing
            volume = self._effect.parameterSetNode().GetSourceVolumeNode()
            if volume is not None:
                shown.append(_shown(volume, mark, k, waiting=True))
        scene = self._effect.scene()
        if scene is None or scene.IsClosing() or (self._shown is None and not shown):
            return
        if self._shown is None:
            self._shown = PromptMarks(scene)
        self._shown.show(shown)


def _shown(volume: Any, mark: Mark, k: int, *, waiting: bool) -> ShownMark:
    pixels = mark.pixels
    if mark.kind == "box":
        (row, column), (other_row, other_column) = pixels
        pixels = ((row, column), (row, other_column), (other_row, other_column), (other_row, column))
    points = tuple(world_of(volume, row, column, k) for row, column in pixels)
    if mark.kind == "scribble" and len(points) == 1:
        # A line needs two points.
        points = (points[0], points[0])
    return ShownMark(mark.positive, points, mark.kind == "box", waiting)
