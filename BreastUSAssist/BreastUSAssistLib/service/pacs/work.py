"""Many studies through find, pull, analyze and push, with everything that may fail in between.

Pulling and pushing run in threads of their own beside the analysis, which runs in the caller's. What each does next is
read from the ledger, so that a job that was killed goes on where it was.
"""

import threading
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ...dicom.network.errors import NodeError
from ...dicom.network.imports import import_before_threads
from ...errors import BreastUSAssistError, OutputError, UsageError
from .ledger import Ledger
from .outages import PATIENCE, Outages, Patience
from .study_steps import Analyst, analyze_images, pull_ultrasound, push_objects
from .work_folder import WorkFolder
from .work_item import State, WorkItem

if TYPE_CHECKING:
    from ...dicom.network.connection import PacsConnection

OPEN: tuple[State, ...] = ("found", "pulled", "analyzed")
_OF_THE_NODE = ("credentials", "certificate")
"""Kinds of NodeError that concern every study: asking again may lock the account."""
_OF_EVERY_STUDY = ("unreachable", "busy", *_OF_THE_NODE)
"""Kinds that are no fault of the study that met them."""
_IDLE_S, _BLOCKED_S = 1.0, 0.25
_DISK = "the disk"

Connect = Callable[[str], "AbstractContextManager[PacsConnection]"]
"""Opens a connection to the node of that name."""
_Step = Callable[[WorkItem], None]


class Clock(Protocol):
    """Time, and waiting for it."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def idle(self, news: threading.Condition, seconds: float) -> None:
        """Wait so long, or until `news` is told; the caller holds `news`."""
        ...


class SystemClock:
    """The computer's own."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def idle(self, news: threading.Condition, seconds: float) -> None:
        """Wait so long, or until `news` is told; the caller holds `news`."""
        news.wait(seconds)


@dataclass(frozen=True)
class WorkSettings:
    """How a job goes about its work."""

    transfers: int = 2
    """Studies pulled at the same time, and as many pushed."""
    ahead: int = 16
    """Studies that are pulled and not yet analysed, at most: pulling waits for the analysis."""
    lease_s: float = 7 * 24 * 3600.0
    """Longer than any step: a folder has one job at a time, which frees what an earlier one held when it was killed."""
    patience: Patience = PATIENCE
    endless: bool = False
    """Go on when all is done or a node refuses us, until `stop`: for the listener."""
    drop_images: bool = False
    """Remove a study's images once its drafts are pushed."""


class _LeftError(Exception):
    """The job is being stopped; the present study stays as it is."""


class StudyWork:
    """One job in one folder. `run` ends when all is done, when `stop` is called, or when it makes no sense to go on."""

    def __init__(
        self,
        folder: WorkFolder,
        ledger: Ledger,
        analyst: Analyst,
        connect: Connect,
        *,
        settings: WorkSettings = WorkSettings(),
        clock: Clock | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._folder, self._ledger, self._analyst, self._connect = folder, ledger, analyst, connect
        self._settings = settings
        self._clock = clock or SystemClock()
        self._outages = Outages(settings.patience)
        self._owner = uuid.uuid4().hex
        self._news = threading.Condition()
        self._count = 0
        self._stop = threading.Event()
        self._tell_lock = threading.Lock()
        self._tell_line = tell
        self.error: BreastUSAssistError | None = None
        """Why `run` ended before all was done, other than by `stop`."""

    def run(self) -> None:
        """Work until all is done; what is left then is in the ledger."""
        import_before_threads()
        roles: list[tuple[State, _Step]] = [("found", self._pull), ("analyzed", self._push)]
        threads = [
            threading.Thread(target=self._serve, args=(state, step), name=f"{state}-{number}", daemon=True)
            for state, step in roles
            for number in range(self._settings.transfers)
        ]
        for thread in threads:
            thread.start()
        try:
            self._serve("pulled", self._analyze)
        finally:
            if self._stop.is_set():
                self.stop()
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """End soon; each thread leaves its present study as it is. May be called from any thread."""
        self._stop.set()
        self.wake()

    def wake(self) -> None:
        """Look into the ledger again, something was put there."""
        with self._news:
            self._count += 1
            self._news.notify_all()

    def _serve(self, state: State, step: _Step) -> None:
        """Do one step for one study after the other, until there is nothing more to come."""
        try:
            while not self._stop.is_set():
                seen = self._count
                item = self._next(state)
                if item is not None:
                    self._do(item, step)
                elif not self._settings.endless and not self._is_open():
                    return
                else:
                    self._idle(state, seen)
        except KeyboardInterrupt:
            self.stop()
            raise
        except BreastUSAssistError as error:
            # The ledger itself cannot be used: nothing that is done now could be remembered.
            self._end(error)
        except Exception as error:
            # A thread that ends unseen would leave the others waiting for ever.
            self._end(UsageError(f"The job stopped unexpectedly ({type(error).__name__}); please report this."))

    def _next(self, state: State) -> WorkItem | None:
        if state == "found" and self._ledger.counts()["pulled"] >= self._settings.ahead:
            return None
        now = self._clock.now()
        resting = self._outages.resting(now)
        if _DISK in resting and state != "analyzed":
            return None
        return self._ledger.claim(state, self._owner, now=now, lease_s=self._settings.lease_s, resting=resting)

    def _is_open(self) -> bool:
        counts = self._ledger.counts()
        return any(counts[state] for state in OPEN)

    def _idle(self, state: State, seen: int) -> None:
        due = self._ledger.next_due((state,))
        with self._news:
            if self._count == seen and not self._stop.is_set():
                wait = _IDLE_S if due is None else due - self._clock.now()
                # What is due and was not taken waits for its node, or for the analysis: no reason to look all the time.
                self._clock.idle(self._news, min(wait, _IDLE_S) if wait > 0 else _BLOCKED_S)

    def _do(self, item: WorkItem, step: _Step) -> None:
        try:
            step(item)
        except _LeftError:
            self._ledger.postpone(
                item, self._owner, until=item.next_try, note=item.note, counted=False, now=self._clock.now()
            )
        except NodeError as error:
            self._node_failed(item, error)
        except OutputError as error:
            self._disk_failed(item, error)
        except BreastUSAssistError as error:
            self._failed(item, str(error))
        except Exception as error:
            # Its own words may quote patient data; one broken study must not cost the others.
            self._failed(item, f"It stopped unexpectedly ({type(error).__name__}); please report this.")
        self.wake()

    def _pull(self, item: WorkItem) -> None:
        if item.origin == "received":
            self._ledger.advance(item, "pulled", self._owner, now=self._clock.now())
            return
        node = item.source or ""
        with self._connect(node) as connection:
            pulled = pull_ultrasound(item, self._folder, connection, self._attend)
        self._answers(node)
        count, missing = len(pulled.files), len(pulled.skipped)
        if count:
            note = f"{missing} of its images could not be fetched: {pulled.skipped[0][1]}" if missing else ""
            self._ledger.advance(item, "pulled", self._owner, now=self._clock.now(), note=note)
            self._tell(f"{item.name}: pulled, {count} image{'s' if count > 1 else ''}. {note}".strip(". "))
        else:
            note = "It holds no ultrasound."
            self._ledger.advance(item, "set_aside", self._owner, now=self._clock.now(), note=note)
            self._tell(f"{item.name}: set aside. {note}")

    def _analyze(self, item: WorkItem) -> None:
        made = analyze_images(item, self._folder, self._analyst)
        self._outages.worked(_DISK)
        if not made.objects:
            note = "Its images allow neither a segmentation nor a report in DICOM."
            self._ledger.advance(item, "set_aside", self._owner, now=self._clock.now(), note=note)
            self._tell(f"{item.name}: set aside. {note}")
            return
        state: State = "waiting" if item.hold or item.destination is None else "analyzed"
        self._ledger.advance(item, state, self._owner, now=self._clock.now(), objects=made.objects, note=made.note)
        held = ", drafts held" if state == "waiting" else ""
        self._tell(
            f"{item.name}: analysed, {made.cases} case{'s' if made.cases > 1 else ''}{held}. {made.note}".strip()
        )

    def _push(self, item: WorkItem) -> None:
        node, objects = item.destination or "", self._ledger.objects(item)
        with self._connect(node) as connection:
            pushed = push_objects(objects, self._folder, connection, self._attend)
        self._answers(node)
        self._ledger.set_outcome(item, [(one.sop_instance_uid, one.state) for one in pushed.outcomes])
        if pushed.refused:
            self._failed(item, f"{node} refused {len(pushed.refused)} of its objects: {pushed.refused[0].why}")
        elif pushed.not_committed:
            raise NodeError(f"{node} does not keep what it took ({pushed.not_committed[0][1]}).", "dropped")
        else:
            self._ledger.advance(item, "pushed", self._owner, now=self._clock.now(), note=item.note)
            if self._settings.drop_images:
                self._folder.drop_images(item.name)
            self._tell(f"{item.name}: {pushed.words} at {node}")

    def _attend(self) -> None:
        """Called between the parts of a transfer."""
        if self._stop.is_set():
            raise _LeftError

    def _node_failed(self, item: WorkItem, error: NodeError) -> None:
        """Wait for a node that does not answer; what a study does wrong by itself is tried a few times."""
        now = self._clock.now()
        node = (item.source if item.state == "found" else item.destination) or ""
        patience = self._settings.patience
        if error.kind in _OF_THE_NODE and not self._settings.endless:
            self._ledger.postpone(item, self._owner, until=now, note=str(error), counted=False, now=now)
            self._end(error)
        elif error.kind in _OF_EVERY_STUDY or (error.retryable and not self._is_well(node)):
            until, news = self._outages.failed(node, now, refused=error.kind in _OF_THE_NODE)
            # The node rests for as long as this job lasts; the next job may know a better password.
            soon = min(until, now + patience.longest_wait_s)
            self._ledger.postpone(item, self._owner, until=soon, note=str(error), counted=False, now=now)
            if news:
                self._tell(f"{error} It is asked again later; nothing is lost.")
            if self._outages.given_up(node, now) and not self._settings.endless:
                self._end(error)
        elif error.retryable and item.attempts + 1 < patience.attempts:
            until = now + patience.wait_s(item.attempts + 1)
            self._ledger.postpone(item, self._owner, until=until, note=str(error), counted=True, now=now)
            self._tell(f"{item.name}: {error} It is tried again.")
        else:
            self._failed(item, str(error))

    def _is_well(self, node: str) -> bool:
        """Whether the node answers at all: one that goes down in the middle of a study also drops it."""
        try:
            with self._connect(node) as connection:
                connection.echo()
        except NodeError:
            return False
        return True

    def _disk_failed(self, item: WorkItem, error: OutputError) -> None:
        now = self._clock.now()
        until, news = self._outages.failed(_DISK, now)
        self._ledger.postpone(item, self._owner, until=until, note=str(error), counted=False, now=now)
        if news:
            self._tell(f"{item.name}: {error} It is tried again later.")
        if self._outages.given_up(_DISK, now) and not self._settings.endless:
            self._end(error)

    def _answers(self, node: str) -> None:
        if self._outages.worked(node):
            self._tell(f"{node} answers again")

    def _failed(self, item: WorkItem, why: str) -> None:
        self._ledger.advance(item, "failed", self._owner, now=self._clock.now(), note=why)
        self._tell(f"{item.name}: failed. {why}")

    def _end(self, error: BreastUSAssistError) -> None:
        if self.error is None:
            self.error = error
        self.stop()

    def _tell(self, line: str) -> None:
        with self._tell_lock:
            self._tell_line(line)
