"""Keeps None alive under Python before 3.12.

PySide6 6.12 returns None from its void methods without counting the reference, as is right from Python 3.12 on, where
None is immortal (PEP 683). Under 3.11 each such call takes one reference away, and after some thousand the interpreter
ends with "none_dealloc". Slicer's own Python is 3.12.
"""

import ctypes
import sys

MANY = 1 << 40
"""Calls that it takes to use them up."""


def make_none_immortal() -> None:
    """Give None so many references that they are never used up; nothing from Python 3.12 on, or when done before."""
    if sys.version_info < (3, 12) and sys.getrefcount(None) < MANY // 2:
        ctypes.c_ssize_t.from_address(id(None)).value += MANY
