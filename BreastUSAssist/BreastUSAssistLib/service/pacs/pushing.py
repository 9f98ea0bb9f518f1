"""Files of a case to a node: asked for first, sent once, committed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...dicom.network.exchange import CommitOutcome
from .acceptance import accepted_files

if TYPE_CHECKING:
    from ...dicom.network.connection import PacsConnection
    from ...dicom.network.exchange import PushOutcome


@dataclass(frozen=True)
class Pushed:
    """What became of files that were sent."""

    outcomes: "tuple[PushOutcome, ...]"
    committed: frozenset[str]
    """SOP instance UIDs that the node says it keeps."""
    not_committed: tuple[tuple[str, str], ...]
    """SOP instance UID and why, of those that it took and does not say it keeps."""
    words: str
    """One sentence for a person."""

    @property
    def refused(self) -> "tuple[PushOutcome, ...]":
        """Those that the node did not take."""
        return tuple(one for one in self.outcomes if one.state == "refused")

    @property
    def complete(self) -> bool:
        """Whether all of it is there and kept."""
        return not self.refused and not self.not_committed


def files_to_push(case_folder: Path, *, drafts: bool = False) -> tuple[Path, ...]:
    """seg.dcm and sr.dcm of an exported case, those that there are.

    Raises:
        UsageError: its reader has not accepted it (and `drafts` is not asked for), or there is nothing to send.
        InputError: a file is damaged.
    """
    return tuple(file.path for file in accepted_files([case_folder], drafts=drafts))


def push_files(
    files: Sequence[Path], connection: "PacsConnection", *, attend: Callable[[], None] | None = None
) -> Pushed:
    """Send files that the node does not have, then ask it to commit to keeping all of them.

    May be called again after any failure: nothing is sent twice.

    Raises:
        NodeError: the node could not be asked, or the answer is unknown.
        InputError: a file cannot be read.
    """
    outcomes = tuple(connection.push(list(files), attend=attend))
    refused = {one.sop_instance_uid for one in outcomes if one.state == "refused"}
    uids = [one.sop_instance_uid for one in outcomes if one.state != "refused"]
    taken = [path for path, outcome in zip(files, outcomes, strict=True) if outcome.sop_instance_uid not in refused]
    answer = connection.commit(taken) if taken else CommitOutcome(frozenset())
    why = dict(answer.failed)
    not_committed = tuple(
        (uid, why.get(uid, "the node does not say so")) for uid in uids if uid not in answer.committed
    )
    return Pushed(
        outcomes, answer.committed & set(uids), not_committed, _words(outcomes, len(not_committed), answer.by)
    )


def _words(outcomes: "Sequence[PushOutcome]", not_committed: int, by: str) -> str:
    sent = sum(one.state == "sent" for one in outcomes)
    there = sum(one.state == "already there" for one in outcomes)
    refused = [one for one in outcomes if one.state == "refused"]
    parts = []
    if sent:
        parts.append(f"{sent} {_objects(sent)} stored")
    if there:
        parts.append(f"{there} {_objects(there)} already there")
    if refused:
        parts.append(f"{len(refused)} refused ({refused[0].why})")
    text = ", ".join(parts) or "nothing to send"
    taken = sent + there
    if not taken:
        return text
    if not_committed:
        return f"{text}; {not_committed} of {taken} not committed"
    return f"{text} and {'committed' if by == 'storage commitment' else 'found there afterwards'}"


def _objects(count: int) -> str:
    return "object" if count == 1 else "objects"
