"""Numbers of a running training by epoch, as TensorBoard shows them. No image is ever logged."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..errors import OutputError

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


class TrainingLog(Protocol):
    """Where a training function reports its numbers."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """Note one number, named as in "loss/dice", of the epoch `step`, from 1."""


class NoLog:
    """Notes nothing."""

    def scalar(self, name: str, value: float, step: int) -> None:
        """See TrainingLog."""


class TensorBoardLog:
    """Event files that `tensorboard --logdir DIR` shows."""

    def __init__(self, writer: "SummaryWriter"):
        self._writer = writer

    def scalar(self, name: str, value: float, step: int) -> None:
        """See TrainingLog. On disk when it returns, so that a training that is killed loses nothing."""
        self._writer.add_scalar(name, value, step)
        self._writer.flush()


@contextmanager
def open_training_log(folder: Path, tell: Callable[[str], None]) -> Iterator[TrainingLog]:
    """Yield a log in `folder`; where TensorBoard is not installed, one that notes nothing, which `tell` is told.

    A training that goes on after a stop adds a file of its own to the same folder; TensorBoard shows them as one.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        tell(
            "TensorBoard is not installed, so no log is written; run `pip install 'breastusassist[train]'` to have one."
        )
        yield NoLog()
        return
    try:
        writer = SummaryWriter(str(folder))
    except OSError as error:
        raise OutputError(
            f"{folder} cannot hold a log ({error.strerror}); choose another folder with --log."
        ) from error
    with writer:
        yield TensorBoardLog(writer)
