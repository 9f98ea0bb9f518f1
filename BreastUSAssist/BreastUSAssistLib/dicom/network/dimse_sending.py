"""C-STORE of a file as it is: read in pieces, not decoded and not coded anew."""

from pathlib import Path
from typing import Any


def send_file(association: Any, path: Path) -> int | None:
    """Status of the node's answer; None where the association broke or no answer came in time.

    Args:
        association: with an accepted context of the file's class and coding.
        path: a DICOM file (PS3.10) with its meta information.
    """
    from pynetdicom import _config

    # A switch of pynetdicom, for all that send files by their path: without it they are decoded and coded anew.
    _config.STORE_SEND_CHUNKED_DATASET = True
    status = association.send_c_store(path)
    return int(status.Status) if "Status" in status else None
