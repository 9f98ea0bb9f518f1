"""C-STORE (PS3.4 B) of files as they are: read in pieces, not decoded and not coded anew."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .activity import Activity
from .association import NotOfferedError, associated, broken
from .errors import NodeError
from .exchange import PushOutcome
from .failure_reasons import failure_reason
from .node_settings import PacsNode
from .received_files import Identity
from .storage_classes import sending_contexts

_LARGEST_ANSWER = 2**16
_WHY_NOT = "objects of this class and coding are not stored there"


class Sending:
    """Sends files to a node on one association; nothing is tried again here.

    Args:
        node: with a dimse part.
        clock: seconds that only grow.
    """

    def __init__(self, node: PacsNode, clock: Callable[[], float]) -> None:
        self._node, self._clock = node, clock

    def send(
        self, files: Sequence[tuple[Path, Identity]], outcomes: dict[str, PushOutcome], told: Callable[[], None]
    ) -> None:
        """Send those that have no outcome yet, and add theirs; `told` is called before each.

        Raises:
            NodeError: the association broke, or the node has no space; outcomes up to there are added.
        """
        waiting = [(path, one) for path, one in files if one.sop_instance_uid not in outcomes]
        if not waiting:
            return
        contexts = sending_contexts({(one.sop_class_uid, one.transfer_syntax_uid) for _, one in waiting})
        activity = Activity()
        try:
            with associated(
                self._node, contexts, largest=_LARGEST_ANSWER, clock=self._clock, activity=activity
            ) as association:
                offered = association.accepted_contexts
                accepted = {(str(one.abstract_syntax), str(one.transfer_syntax[0])) for one in offered}
                for path, one in waiting:
                    told()
                    activity.touch()
                    if one.sop_instance_uid not in outcomes:
                        taken = (one.sop_class_uid, one.transfer_syntax_uid) in accepted
                        outcomes[one.sop_instance_uid] = (
                            self._send_one(association, path, one.sop_instance_uid)
                            if taken
                            else PushOutcome(one.sop_instance_uid, "refused", _WHY_NOT)
                        )
        except NotOfferedError:
            for _, one in waiting:
                outcomes[one.sop_instance_uid] = PushOutcome(one.sop_instance_uid, "refused", _WHY_NOT)

    def _send_one(self, association: Any, path: Path, uid: str) -> PushOutcome:
        from pynetdicom import _config

        # A switch of pynetdicom, for all that send files by their path: without it they are decoded and coded anew.
        _config.STORE_SEND_CHUNKED_DATASET = True
        answer = association.send_c_store(path)
        if "Status" not in answer:
            raise broken(self._node)
        status = int(answer.Status)
        if status == 0 or status & 0xF000 == 0xB000:  # stored, perhaps with a warning
            return PushOutcome(uid, "sent")
        if status & 0xFF00 == 0xA700:
            raise NodeError(f"Node {self._node.name} is out of space; try again later.", "busy")
        return PushOutcome(uid, "refused", failure_reason(status))
