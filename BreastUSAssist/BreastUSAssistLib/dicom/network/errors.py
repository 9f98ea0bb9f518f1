"""The error of a conversation with a PACS."""

from typing import Literal

from ...errors import BreastUSAssistError

Kind = Literal["unreachable", "busy", "refused", "certificate", "credentials", "nonsense", "dropped", "missing"]
"""What went wrong: nobody answers; it can do nothing now, whatever is asked (no space, too many requests, nobody
behind its gateway); it says no; its certificate (or ours) is not accepted; the password is not; the answer makes no
sense; the connection ended in the middle or was too slow; what was asked for is not there."""

_WORTH_ANOTHER_TRY = ("unreachable", "busy", "dropped")


class NodeError(BreastUSAssistError):
    """A node did not do what was asked of it; one sentence without a patient, a secret or a whole address.

    Args:
        message: what is wrong and what to do next.
        kind: see Kind.
        retryable: whether the same request may succeed later; by default where nobody answered or the connection ended.
    """

    def __init__(self, message: str, kind: Kind, *, retryable: bool | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.retryable = kind in _WORTH_ANOTHER_TRY if retryable is None else retryable
