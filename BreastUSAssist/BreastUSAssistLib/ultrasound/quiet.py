"""Keep what decoding libraries say to themselves: their warnings can quote a patient's attributes."""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_SPEAKERS = ("pydicom", "PIL", "nibabel", "nrrd", "tifffile")
_WARNING_MODULES = r"(pydicom|PIL|nibabel|nrrd|tifffile)(\..*)?$"


class _Silence(logging.Filter):
    """Drops log records of the threads that are inside `quiet`, and counts those threads."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._inside: dict[int, int] = {}
        self._entry: object | None = None
        self._gdcm_flags: tuple[bool, bool] | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        return record.thread not in self._inside

    def enter(self) -> None:
        thread = threading.get_ident()
        with self._lock:
            first = not self._inside
            self._inside[thread] = self._inside.get(thread, 0) + 1
            self._mute_loggers()
            if first:
                # In place, not catch_warnings: that swaps the whole filter list and is not safe between threads.
                warnings.filterwarnings("ignore", module=_WARNING_MODULES)
                self._entry = warnings.filters[0]
            if self._gdcm_flags is None and (gdcm := sys.modules.get("gdcm")):
                self._gdcm_flags = (gdcm.Trace.GetWarningFlag(), gdcm.Trace.GetErrorFlag())
                gdcm.Trace.WarningOff()
                gdcm.Trace.ErrorOff()

    def leave(self) -> None:
        thread = threading.get_ident()
        with self._lock:
            self._inside[thread] -= 1
            if not self._inside[thread]:
                del self._inside[thread]
            if self._inside:
                return
            with suppress(ValueError):
                warnings.filters.remove(self._entry)  # type: ignore[attr-defined]
            if self._gdcm_flags is not None and (gdcm := sys.modules.get("gdcm")):
                gdcm.Trace.SetWarning(self._gdcm_flags[0])
                gdcm.Trace.SetError(self._gdcm_flags[1])
                self._gdcm_flags = None

    def _mute_loggers(self) -> None:
        for name, logger in list(logging.root.manager.loggerDict.items()):
            if name.partition(".")[0] in _SPEAKERS and isinstance(logger, logging.Logger):
                logger.addFilter(self)


_silence = _Silence()


@contextmanager
def quiet() -> Iterator[None]:
    """Silence warnings, log records and GDCM traces of the decoding libraries in this thread; re-entrant.

    Log records of other threads pass; Python warnings of these libraries' modules are process-wide, so they are
    ignored while any thread is inside.
    """
    _silence.enter()
    try:
        yield
    finally:
        _silence.leave()
