"""State of learning, training, promotion and rollback, asked of a process of their own: drafting never waits for it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..service.worker_protocol import WorkerEvent

POLL_MS = 50
"""Between two looks for an answer: a training step takes longer."""


class Learning:
    """What the label folder has learnt, and the request that is at work."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._client: Any = None
        self._training: int | None = None
        self._again: Path | None = None
        self.state: dict[str, Any] = {}
        """Answer of the latest "learning_state"; empty before the first."""
        self.working = ""
        """train, promote or rollback while one of them is at work."""
        self.asking = False
        """Whether the state is awaited."""
        self.done = 0
        self.total = 0
        self.words = ""
        """How far a training is."""
        self.left_s: float | None = None
        """What is left of this part of it; None where it cannot be told yet."""
        self.changed = Signal()
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return bool(self.working) or self.asking

    def refresh(self, folder: Path) -> None:
        """Ask for the state of a label folder; at once, or when the request at work is answered."""
        if self.busy:
            self._again = folder
            return
        self.asking = True
        self._ask("learning_state", {"store": str(folder)}, self._on_state)
        self.changed.emit()

    def train(self, folder: Path, data: str, alone: bool, device: str) -> None:
        """Train from the labels; goes on with a training that was stopped.

        Args:
            folder: of the labels.
            data: folder of the original data; empty without.
            alone: whether the candidate may be offered without it.
            device: auto, cpu or cuda.
        """
        if not self._can_start():
            return
        arguments = {"store": str(folder), "data": data or None, "alone": alone, "device": device}
        self.done = self.total = 0
        self.words, self.left_s = _("starting"), None
        self._session.say(_("Training from the labels; you can go on reading meanwhile."))
        self._start("train", folder, arguments)

    def cancel(self) -> None:
        """Stop the training; it goes on from its last checkpoint when it is started again."""
        if self._training is not None and self._client is not None:
            self._client.cancel(self._training)
            self.words, self.left_s = _("stopping"), None
            self.changed.emit()

    def promote(self, folder: Path, bundle: str) -> None:
        """Make the candidate the model in use."""
        if self._can_start():
            self._start("promote", folder, {"store": str(folder), "bundle": bundle})

    def roll_back(self, folder: Path) -> None:
        """Go back to the model before."""
        if self._can_start():
            self._start("rollback", folder, {"store": str(folder)})

    def _can_start(self) -> bool:
        if self.working:
            self._session.say(_("A training is going on; wait for it, or cancel it first."), "error")
        return not self.working

    def _start(self, do: str, folder: Path, arguments: dict[str, Any]) -> None:
        self.working = do
        number = self._ask(do, arguments, lambda event: self._on_event(event, do, folder))
        self._training = number if do == "train" else None
        self.changed.emit()

    def _ask(self, do: str, arguments: dict[str, Any], on_event: "Callable[[WorkerEvent], None]") -> int:
        self._client = self._session.logic.trainingClient()
        number = int(self._client.request(do, arguments, on_event))
        self._timer.start()
        return number

    def _poll(self) -> None:
        client = self._client
        try:
            client.poll()
        finally:
            if not client.busy:
                self._timer.stop()

    def _on_state(self, event: "WorkerEvent") -> None:
        if event.kind == "progress":
            return
        self.asking = False
        if event.kind == "done":
            self.state = dict(event.result)
            if self.state.get("problem"):
                self._session.say(str(self.state["problem"]), "error")
        else:
            self.state = {}
            if event.message:
                self._session.say(event.message, "error")
        self.changed.emit()
        self._go_on()

    def _on_event(self, event: "WorkerEvent", do: str, folder: Path) -> None:
        if event.kind == "progress":
            if self.words != _("stopping"):
                self.done, self.total, self.words = event.done, event.total, event.message
                left = event.result.get("left_ms")
                self.left_s = None if left is None else float(left) / 1000
                self.changed.emit()
            return
        self.working, self._training, self.left_s = "", None, None
        if event.kind == "done":
            self._session.say(_done_words(do, event.result))
        elif event.kind == "cancelled":
            self._session.say(_("The training is stopped; Train goes on where it was."))
        else:
            self._session.say(event.message, "error")
        self.changed.emit()
        self.refresh(self._again or folder)

    def _go_on(self) -> None:
        folder, self._again = self._again, None
        if folder is not None:
            self.refresh(folder)


def _done_words(do: str, result: dict[str, Any]) -> str:
    if do == "train":
        candidate = result.get("candidate")
        if candidate is not None and candidate["offered"]:
            return _("The new model is better on your labels; look at it below, then promote it.")
        return _("The training is done, but its model is not offered; the reasons are below.")
    model = result["model"]
    text = _("{name} {version} is the model in use from now on.")
    if do == "rollback":
        text = _("{name} {version} is the model in use again.")
    return text.format(name=model["name"], version=model["version"])
