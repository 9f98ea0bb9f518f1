"""The search that a job begins with, patient with a node that does not answer."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ...dicom.network.errors import NodeError
from .outages import PATIENCE, Patience
from .work import Clock

if TYPE_CHECKING:
    from ...dicom.network.connection import PacsConnection
    from ...dicom.network.exchange import StudyQuery


def find_patiently(
    connect: "Callable[[], AbstractContextManager[PacsConnection]]",
    query: "StudyQuery",
    *,
    clock: Clock,
    patience: Patience = PATIENCE,
    tell: Callable[[str], None] = lambda line: None,
) -> list[str]:
    """UIDs of the studies that match; asked again while the node does not answer, until patience ends.

    Raises:
        NodeError: the node refuses, answers nonsense, or did not answer for as long as patience lasts.
    """
    begun, failures = clock.now(), 0
    news = threading.Condition()
    while True:
        try:
            with connect() as connection:
                return [study.study_uid for study in connection.find_studies(query)]
        except NodeError as error:
            failures += 1
            if not error.retryable or clock.now() - begun > patience.give_up_s:
                raise
            if failures == 1:
                tell(f"{error} It is asked again later.")
        with news:
            clock.idle(news, patience.wait_s(failures))
