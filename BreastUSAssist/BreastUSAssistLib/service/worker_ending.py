"""Why an analysis process ended, in one sentence that never quotes what it worked on."""

import re
import signal

_ERROR = re.compile(r"([A-Za-z_][\w.]*(?:Error|Exception|Interrupt))\b(?::\s*(.*))?")
_SAFE = ("ModuleNotFoundError",)
"""Exceptions whose words name a package at most."""


def ending_sentence(returncode: int | None, stderr: bytes = b"") -> str:
    """The sentence for a child that ended by itself.

    Args:
        returncode: as in subprocess: negative the signal that ended it.
        stderr: the end of what it wrote there; of its last line the kind of error alone is told, whose words could
            quote a file or a patient.
    """
    killed = getattr(signal, "SIGKILL", signal.SIGTERM)
    if returncode == -killed:
        return (
            "The analysis program was ended by the system, most likely because memory ran out; close other programs or "
            "analyze fewer frames, then try again."
        )
    if returncode is not None and returncode < 0:
        return f"The analysis program crashed ({_signal(-returncode)}); try again, and report it if it happens again."
    what = last_error(stderr)
    code = f"exit code {returncode}" + (f", {what}" if what else "")
    if what.startswith("MemoryError"):
        return "The analysis program ran out of memory; close other programs or analyze fewer frames, then try again."
    return f"The analysis program stopped unexpectedly ({code}); try again, and report it if it happens again."


def last_error(stderr: bytes) -> str:
    """Kind of the exception on the last line, with its words where they are harmless; empty where there is none."""
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    found = _ERROR.match(lines[-1].strip()) if lines else None
    if found is None:
        return ""
    kind = found[1].rsplit(".", maxsplit=1)[-1]
    return f"{kind}: {found[2][:120]}" if kind in _SAFE and found[2] else kind


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
