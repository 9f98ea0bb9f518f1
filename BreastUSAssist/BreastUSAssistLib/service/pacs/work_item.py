"""What the work ledger knows of a study."""

from dataclasses import dataclass
from typing import Literal, get_args

State = Literal["found", "pulled", "waiting", "analyzed", "pushed", "set_aside", "failed"]
"""In the order in which a study moves: found (or arriving), images here, drafts held back, drafts to be pushed, done;
set_aside has nothing to analyze, failed needs a person."""
ORDER: tuple[State, ...] = get_args(State)
Origin = Literal["query", "received", "given"]
"""Found in a PACS, sent to the listener, or put into the outbox."""


@dataclass(frozen=True)
class WorkItem:
    """One study, or the part of a study that came after the rest was already done."""

    id: int
    name: str
    """Of its folders: the study's UID, with -2, -3 for later parts; or the key of the outbox."""
    study_uid: str
    origin: Origin
    source: str | None
    """Name of the node that it is pulled from."""
    destination: str | None
    """Name of the node that the drafts go to."""
    hold: bool
    """Drafts are kept here until they are released."""
    state: State
    attempts: int
    """Tries of the present step that failed."""
    next_try: float
    """Not before; seconds since 1970."""
    note: str
    """Why it is where it is, one sentence; empty where all is well."""


@dataclass(frozen=True)
class StoredObject:
    """A file to push. Once it is here neither file nor UID change, so that a second try cannot make a second object."""

    path: str
    """Relative to the folder of the ledger, with forward slashes."""
    sop_instance_uid: str
    sha256: str
    outcome: str = ""
    """"sent", "already there" or "refused"; empty before the first try."""


@dataclass(frozen=True)
class NewItem:
    """What is known of a study when it enters the ledger."""

    study_uid: str
    origin: Origin
    name: str = ""
    """Empty: the study's UID."""
    source: str | None = None
    destination: str | None = None
    hold: bool = False
    state: State = "found"
    next_try: float = 0.0


@dataclass(frozen=True)
class Arrival:
    """Where an image that was received belongs."""

    name: str
    """Of its item."""
    is_wanted: bool
    """False: an image of that UID was received before, and its study is past receiving."""
    is_same: bool
    """Whether its content is that of the first one."""
