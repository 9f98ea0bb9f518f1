"""What the module and its analysis process say to each other: one JSON object a line, ASCII, over the child's pipes.

The child opens with a line that names its version, so that a client never works with a child of other code. Arrays go
beside, as .npy files in a folder that only the user can read; a message holds their paths. Needs no installed package
but NumPy: the client runs in a Slicer into which nothing has been installed yet.
"""

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from .. import __version__
from ..errors import BreastUSAssistError, InputError, OutputError

if TYPE_CHECKING:
    import numpy as np

PROTOCOL = 1
"""Raised when a message changes its meaning."""
GREETING = "BreastUSAssist worker"
EXCHANGE_PREFIX = "breastusassist-worker-"
"""Of the names of exchange folders; no folder of another name is ever removed."""
MOST_NOISE = 100
"""Lines before the greeting that are passed over."""
LARGEST_MESSAGE = 16 * 2**20
"""Bytes of one line; arrays never travel in one."""

EventKind = Literal["progress", "done", "error", "cancelled"]
EVENT_KINDS: tuple[EventKind, ...] = ("progress", "done", "error", "cancelled")
Request = Literal[
    "analyze",
    "open_frame",
    "refine",
    "describe",
    "export",
    "worklist",
    "open_label",
    "find_label",
    "keep_label",
    "learning_state",
    "train",
    "promote",
    "rollback",
    "pacs_nodes",
    "pacs_keep_node",
    "pacs_remove_node",
    "pacs_echo",
    "pacs_find",
    "pacs_pull",
    "pacs_push",
    "pacs_outbox",
]
REQUESTS: tuple[Request, ...] = get_args(Request)
LASTING = frozenset({"export", "keep_label", "promote", "rollback", "pacs_keep_node", "pacs_remove_node", "pacs_push"})
"""Requests whose outcome outlives both processes: the application waits for them when it closes."""


class ProtocolError(BreastUSAssistError):
    """A line that is no message of this protocol."""


@dataclass(frozen=True)
class WorkerEvent:
    """What became of a request, or how far it is."""

    kind: EventKind
    request: int
    """Id that `WorkerClient.request` gave."""
    done: int = 0
    total: int = 0
    """Frames done and frames in all, of "progress"; 0 of 0 where there is nothing to count yet."""
    result: dict[str, Any] = field(default_factory=dict)
    """Of "done" the answer; of "progress" elapsed_ms and, once known, left_ms; of "error" missing: the name of a
    Python package that has to be installed first."""
    message: str = ""
    """Of "error" one sentence: what is wrong, what to do next; of "progress" what is being done."""


@dataclass(frozen=True)
class Call:
    """A request as the child reads it; `cancel` alone takes the request of that id back."""

    id: int
    do: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    cancel: bool = False


def greeting_line() -> bytes:
    """First line of a child."""
    return _line({"hello": GREETING, "protocol": PROTOCOL, "software": __version__})


def is_greeting(line: bytes) -> bool:
    """Whether a line is the greeting of a child of this code; else it is noise, as launchers make before it.

    Raises:
        ProtocolError: it is the greeting of another version.
    """
    try:
        content = _object(line)
    except ProtocolError:
        return False
    if content.get("hello") != GREETING:
        return False
    if content.get("protocol") != PROTOCOL or content.get("software") != __version__:
        other = str(content.get("software"))[:40]
        raise ProtocolError(
            f"The analysis program is version {other} but the module {__version__}; restart the application, or remove "
            "the other copy of BreastUSAssist from its Python."
        )
    return True


def call_line(call: Call) -> bytes:
    """A request as one line."""
    if call.cancel:
        return _line({"cancel": call.id})
    return _line({"id": call.id, "do": call.do, "arguments": call.arguments})


def parse_call(line: bytes) -> Call:
    """Read one request. Raises ProtocolError."""
    content = _object(line)
    if "cancel" in content:
        return Call(_id(content["cancel"]), cancel=True)
    arguments = content.get("arguments")
    if not isinstance(content.get("do"), str) or not isinstance(arguments, dict):
        raise ProtocolError("A request to the analysis program was not understood; try again.")
    return Call(_id(content.get("id")), content["do"], arguments)


def event_line(event: WorkerEvent) -> bytes:
    """An event as one line."""
    content: dict[str, Any] = {"id": event.request, "kind": event.kind}
    if event.done or event.total:
        content |= {"done": event.done, "total": event.total}
    if event.result:
        content["result"] = event.result
    if event.message:
        content["message"] = event.message
    return _line(content)


def parse_event(line: bytes) -> WorkerEvent:
    """Read one event. Raises ProtocolError."""
    content = _object(line)
    kind, result, message = content.get("kind"), content.get("result", {}), content.get("message", "")
    counts = [content.get("done", 0), content.get("total", 0)]
    if (
        kind not in EVENT_KINDS
        or not isinstance(result, dict)
        or not isinstance(message, str)
        or any(not isinstance(count, int) or count < 0 for count in counts)
    ):
        raise ProtocolError("An answer of the analysis program was not understood; try again.")
    return WorkerEvent(kind, _id(content.get("id")), counts[0], counts[1], result, message)


def write_array(folder: Path, name: str, array: "np.ndarray") -> Path:
    """Write `array` to a new .npy file in the exchange folder: beside first, then renamed, so never read half-written.

    Raises:
        OutputError: the disk is full or the folder is gone.
    """
    import numpy as np

    target = new_path(folder, name, ".npy")
    beside = target.with_suffix(".part")
    try:
        with open(beside, "wb") as file:
            whole = np.ascontiguousarray(array)
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(whole))
            # Not ndarray.tofile, which does not say why a write failed.
            file.write(whole.data)
        beside.replace(target)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise exchange_error(folder, error) from error
    return target


def new_path(folder: Path, name: str, suffix: str) -> Path:
    """A path in the exchange folder that nothing else has."""
    return Path(folder) / f"{name}-{uuid.uuid4().hex[:12]}{suffix}"


def read_array(path: object) -> "np.ndarray":
    """Read an array that a request names.

    Raises:
        InputError: no path is given, or the file is gone or damaged.
    """
    import numpy as np

    try:
        array: np.ndarray = np.load(str(path), allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError("An image handed to the analysis program is gone or damaged; try again.") from error
    return array


def take_array(path: str | os.PathLike[str]) -> "np.ndarray":
    """Read an array of a result and remove its file.

    Raises:
        OutputError: the file is gone or damaged.
    """
    import numpy as np

    try:
        array: np.ndarray = np.load(path, allow_pickle=False)
        Path(path).unlink(missing_ok=True)
    except (OSError, ValueError, EOFError) as error:
        raise OutputError("A result of the analysis program is gone or damaged; run it again.") from error
    return array


def exchange_error(folder: Path, error: OSError) -> OutputError:
    """The sentence for an exchange folder that cannot be written."""
    reason = error.strerror or type(error).__name__
    return OutputError(
        f"The folder for temporary files {folder} could not be written ({reason}); free space there and try again."
    )


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise ProtocolError("A message between the module and its analysis program was damaged; try again.")
    return content


def _id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ProtocolError("A message between the module and its analysis program was damaged; try again.")
    return value
