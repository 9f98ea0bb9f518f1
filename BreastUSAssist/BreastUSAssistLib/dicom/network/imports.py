"""Packages imported before threads begin that would else import them at the same time."""

import importlib
from contextlib import suppress


def import_before_threads() -> None:
    """Import whole what threads that pull, push, receive and analyse import where they first need it.

    Parts of pydicom import each other. Where two threads import it at once, Python breaks the deadlock by handing a
    half-made module to one of them; the imports there fail, and go on failing until the process ends.
    """
    for name in ("pydicom", "pydicom.pixels", "highdicom.sr"):
        importlib.import_module(name)
    # Only nodes that speak DIMSE need it, and say so where it is missing.
    with suppress(ImportError):
        importlib.import_module("pynetdicom")
