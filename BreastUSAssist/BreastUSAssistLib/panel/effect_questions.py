"""Questions of the click effect to the analysis process: one at a time, and of those that wait only the latest."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import BreastUSAssistError
from ..service.worker_protocol import WorkerEvent, take_array, write_array
from .effect_marks import Mark, as_arguments

MOST_KEYS = 32
"""Frames whose key is remembered; the process keeps the pixels of more."""


@dataclass(frozen=True, eq=False)
class Question:
    """What the reader marked, and who wants the answer."""

    frame: Hashable
    """Which pixels; see `Questions.open`."""
    marks: tuple[Mark, ...]
    mask: np.ndarray
    """The outline so far: bool (rows, columns)."""
    answered: Callable[["Question", np.ndarray], None]
    """Called with the new outline, bool (rows, columns)."""
    failed: Callable[["Question", str], None]
    """Called with one sentence."""


@dataclass(frozen=True, eq=False)
class _Frame:
    id: Hashable
    pixels: Callable[[], np.ndarray]
    labels: Callable[[], np.ndarray]


class Questions:
    """Opens frames ahead and asks for outlines.

    While a question is at work, a newer one waits in the place of any other that waits; once it is asked, what the
    older one is answered does not count, since the newer holds all of its marks.
    """

    def __init__(self, client: Callable[[], Any], options: Callable[[], dict[str, Any]]) -> None:
        """Take where to ask.

        Args:
            client: gives the WorkerClient; may raise BreastUSAssistError.
            options: further arguments of "open_frame" and "refine": model, backend, device.
        """
        self._client = client
        self._options = options
        self._keys: OrderedDict[Hashable, str] = OrderedDict()
        self._opening: Hashable | None = None
        self._frame: _Frame | None = None
        self._asked: Question | None = None
        self._waiting: Question | None = None
        self._refused = False
        """The process could not open a frame ahead: it is not tried again before the reader asks."""

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._opening is not None or self._asked is not None or self._waiting is not None

    @property
    def asking(self) -> bool:
        """Whether an outline is awaited."""
        return self._asked is not None or self._waiting is not None

    def open(self, frame: Hashable, pixels: Callable[[], np.ndarray], labels: Callable[[], np.ndarray]) -> None:
        """Let the process prepare a frame, so that the first click on it is quick.

        Args:
            frame: stands for the pixels; another value for other pixels.
            pixels: gives uint8 (rows, columns[, 3]).
            labels: gives uint8 (rows, columns), the outlines that may be corrected: the process prepares their
                close-ups.
        """
        self._frame = _Frame(frame, pixels, labels)
        if not self._refused:
            self._go_on()

    def ask(self, question: Question) -> None:
        """Ask for an outline in the frame opened last; questions that wait are superseded."""
        self._waiting, self._refused = question, False
        self._go_on()

    def forget(self) -> None:
        """Want no answer any more; what comes is ignored."""
        self._asked = self._waiting = None

    def give_up(self, sentence: str) -> None:
        """No answer will come any more: tell who waits."""
        self._opening = None
        self._fail(sentence)

    def _go_on(self) -> None:
        frame, question = self._frame, self._waiting
        if frame is None or self._opening is not None:
            return
        try:
            if frame.id not in self._keys:
                self._open(frame)
            elif question is not None and self._asked is None:
                self._waiting, self._asked = None, question
                self._ask(question)
        except BreastUSAssistError as error:
            self._fail(str(error))

    def _open(self, frame: _Frame) -> None:
        client = self._client()
        self._opening = frame.id
        try:
            arguments: dict[str, Any] = {"frame": str(write_array(client.exchange(), "frame", frame.pixels()))}
            labels = frame.labels()
            if labels.any():
                arguments["labels"] = str(write_array(client.exchange(), "labels", labels))
        except BreastUSAssistError:
            self._opening = None
            raise
        client.request("open_frame", arguments | self._options(), self._on_opened)

    def _on_opened(self, event: WorkerEvent) -> None:
        if event.kind == "progress":
            return
        opened, self._opening = self._opening, None
        if event.kind == "done":
            self._keys[opened] = str(event.result["key"])
            while len(self._keys) > MOST_KEYS:
                self._keys.popitem(last=False)
            self._go_on()
        else:
            self._fail(event.message)

    def _ask(self, question: Question) -> None:
        client = self._client()
        arguments = {"key": self._keys[question.frame], **as_arguments(question.marks), "mask": None}
        if question.mask.any():
            arguments["mask"] = str(write_array(client.exchange(), "mask", question.mask))
        client.request("refine", arguments | self._options(), lambda event: self._on_answer(question, event))

    def _on_answer(self, question: Question, event: WorkerEvent) -> None:
        if event.kind == "progress" or question is not self._asked:
            return
        if event.kind != "done":
            self._fail(event.message, question)
            return
        self._asked = None
        if self._waiting is not None:
            self._go_on()
            return
        try:
            mask = take_array(event.result["mask"]).astype(bool)
        except BreastUSAssistError as error:
            question.failed(question, str(error))
            return
        question.answered(question, mask)

    def _fail(self, sentence: str, asked: Question | None = None) -> None:
        """Tell who waits; the frame is opened anew at the next question."""
        question = self._waiting or asked or self._asked
        self._asked = self._waiting = None
        self._refused = True
        self._keys.clear()
        if question is not None:
            question.failed(question, sentence)
