"""What the panel asks a PACS, through a process of its own: a network that does not answer never holds up drafting."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import qt
from slicer.i18n import tr as _

from .pacs_settings import PacsSettings, pacs_settings
from .session import Session
from .signals import Signal

if TYPE_CHECKING:
    from ..service.worker_protocol import WorkerEvent

    OnEvent = Callable[[WorkerEvent], None]

POLL_MS = 20
"""Between two looks for an answer."""


class Pacs:
    """Nodes, studies that were found, what waits to be sent, and the request that is at work. Has no widget."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._client: Any = None
        self._request: int | None = None
        self._open = 0
        """Requests that wait for their answer."""
        self.nodes: tuple[dict[str, Any], ...] | None = None
        """As request "pacs_nodes" tells them; None before the first answer."""
        self.nodes_file = ""
        self.looked = False
        """Whether they were asked for."""
        self.studies: tuple[dict[str, Any], ...] | None = None
        """Found last; None before the first search, or since another node was chosen."""
        self.items: tuple[dict[str, Any], ...] = ()
        """The outbox: what was sent and what waits, as request "pacs_outbox" tells it."""
        self.working = ""
        """keep, remove, echo, find or pull while one of them is at work."""
        self.done = 0
        self.total = 0
        self.words = ""
        """What the last request came to."""
        self.failed = False
        """Whether it came to nothing."""
        self.changed = Signal()
        self.nodes_changed = Signal()
        """Other nodes, or told for the first time."""
        self.items_changed = Signal()
        """The outbox is another one."""
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._open > 0

    @property
    def settings(self) -> PacsSettings:
        """Chosen nodes and folders."""
        return pacs_settings()

    def node(self, name: str) -> dict[str, Any] | None:
        """The node of a name, as far as the nodes are known."""
        return next((one for one in self.nodes or () if one["name"] == name), None)

    def exchange(self) -> Path:
        """Folder for files on their way to the process, gone with it. Raises OutputError."""
        return Path(self._session.logic.pacsClient().exchange())

    def look(self) -> None:
        """Ask for the nodes and the outbox."""
        self.looked = True
        self._ask("pacs_nodes", self._place(), self._on_nodes)

    def keep_node(self, node: dict[str, Any], secret: str, before: str) -> None:
        """Write a node into the list of nodes.

        Args:
            node: as the form has it, see service.worker_pacs.keep_node.
            secret: password or token for the keyring; empty leaves the one that is there.
            before: name of the node whose place it takes; empty for a new one.
        """
        arguments = {"node": node, "secret": secret, "before": before, **self._place()}
        self._work("keep", "pacs_keep_node", arguments, lambda result: self._kept(str(node["name"]), result))

    def remove_node(self, name: str) -> None:
        """Take a node off the list."""
        self._work("remove", "pacs_remove_node", {"name": name, **self._place()}, lambda result: self._kept("", result))

    def echo(self, name: str) -> None:
        """Ask a node whether it is there."""
        self._work("echo", "pacs_echo", {"node": name}, lambda result: str(result["words"]))

    def find(self, name: str, query: dict[str, Any]) -> None:
        """Ask a node for studies."""
        self.studies = None
        self._work("find", "pacs_find", {"node": name, "query": query}, self._found)

    def pull(self, name: str, study_uid: str, folder: Path, then: Callable[[dict[str, Any]], str]) -> None:
        """Fetch a study into a folder; `then` gets the answer and gives the words for it."""
        arguments = {"node": name, "study_uid": study_uid, "folder": str(folder)}
        self._work("pull", "pacs_pull", arguments, then)

    def push(self, arguments: dict[str, Any], on_event: "OnEvent") -> None:
        """Send a case; see service.worker_pacs.push for the arguments."""

        def answered(event: "WorkerEvent") -> None:
            if event.kind == "done" and "items" in event.result:
                self._take_items(event.result)
            on_event(event)

        self._ask("pacs_push", {**arguments, **self._place()}, answered)

    def try_again(self, on_event: "OnEvent", due: bool = False) -> None:
        """Send what waits; with `due` only what is due by now."""

        def answered(event: "WorkerEvent") -> None:
            if event.kind == "done":
                self._take_items(event.result)
            on_event(event)

        self._ask("pacs_outbox", {"send": "due" if due else "all", **self._place()}, answered)

    def cancel(self) -> None:
        """Stop the request at work."""
        if self._request is not None and self._client is not None:
            self._client.cancel(self._request)
            self.words, self.failed = _("Stopping…"), False
            self.changed.emit()

    def forget_studies(self) -> None:
        """Another node is chosen: what was found is not there."""
        self.studies, self.words, self.failed = None, "", False
        self.changed.emit()

    def restart(self) -> None:
        """Packages were installed: a new process sees them."""
        if self._client is not None:
            self._client.restart()

    def stop(self) -> None:
        """The panel goes: wait for nothing. What was handed to the outbox is kept there."""
        self._timer.stop()

    def _place(self) -> dict[str, Any]:
        outbox = self.settings.outbox
        return {"outbox": str(outbox)} if outbox is not None else {}

    def _work(self, name: str, do: str, arguments: dict[str, Any], told: Callable[[dict[str, Any]], str]) -> None:
        """Ask for one of those that a reader waits for, one at a time."""
        if self.working:
            self._session.say(_("The PACS is being asked something already; wait for it, or cancel it."), "error")
            return
        self.working, self.words, self.failed = name, "", False
        self.done = self.total = 0

        def answered(event: "WorkerEvent") -> None:
            self._on_work(event, told)

        self._request = self._ask(do, arguments, answered)
        self.changed.emit()

    def _on_work(self, event: "WorkerEvent", told: Callable[[dict[str, Any]], str]) -> None:
        if event.kind == "progress":
            self.done, self.total = event.done, event.total
            self.changed.emit()
            return
        self.working, self._request = "", None
        if event.kind == "done":
            self.failed = False
            self.words = told(event.result)
        elif event.kind == "cancelled":
            self.failed, self.words = False, _("Stopped; what came so far is kept.")
        else:
            self.failed, self.words = True, event.message
        self.changed.emit()

    def _ask(self, do: str, arguments: dict[str, Any], on_event: "OnEvent") -> int:
        self._client = self._session.logic.pacsClient()
        self._open += 1

        def answered(event: "WorkerEvent") -> None:
            if event.kind != "progress":
                self._open -= 1
            on_event(event)

        number = int(self._client.request(do, arguments, answered))
        self._timer.start()
        return number

    def _poll(self) -> None:
        client = self._client
        try:
            client.poll()
        finally:
            if not client.busy:
                self._timer.stop()

    def _on_nodes(self, event: "WorkerEvent") -> None:
        if event.kind == "done":
            self._take_nodes(event.result)
        elif event.kind == "error":
            self.looked, self.words, self.failed = False, event.message, True
            self.changed.emit()

    def _take_nodes(self, result: dict[str, Any]) -> None:
        self.nodes = tuple(result["nodes"])
        self.nodes_file = str(result["file"])
        if result.get("problem"):
            self.words, self.failed = str(result["problem"]), True
        if "items" in result:
            self._take_items(result)
        self.nodes_changed.emit()
        self.changed.emit()

    def _take_items(self, result: dict[str, Any]) -> None:
        self.items = tuple(result["items"])
        self.items_changed.emit()

    def _kept(self, name: str, result: dict[str, Any]) -> str:
        self._take_nodes(result)
        return _("{node} is kept; press Test.").format(node=name) if name else _("The node is off the list.")

    def _found(self, result: dict[str, Any]) -> str:
        self.studies = tuple(result["studies"])
        if not self.studies:
            return _("No study matches.")
        if result.get("more"):
            return _("The first {count} studies; narrow the search for others.").format(count=len(self.studies))
        text = _("1 study found.") if len(self.studies) == 1 else _("{count} studies found.")
        return text.format(count=len(self.studies))
