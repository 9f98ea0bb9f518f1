"""Upper bounds, checked before anything is decoded, so that a hostile or broken file cannot fill memory."""

from ..errors import InputError

MAX_FRAME_PIXELS = 64_000_000
"""Pixels of one frame: far above any scanner's screen (8K is 33 million)."""
MAX_FRAMES = 50_000
"""Frames of one file: half an hour at 25 frames a second."""
MAX_VOLUME_BYTES = 4 << 30
"""Bytes of a compressed volume once unpacked, or of a float volume that must be scanned for its range."""
MAX_DEFLATED_BYTES = 2 << 30
"""Bytes of a deflated DICOM data set once unpacked."""


def check_frame_size(label: str, rows: int, columns: int) -> None:
    """Refuse a frame without pixels, or with more than `MAX_FRAME_PIXELS`.

    Raises:
        InputError: naming `label`.
    """
    if rows < 1 or columns < 1:
        raise InputError(f"{label} declares an image of {columns} x {rows} pixels; export it again from its source.")
    if rows * columns > MAX_FRAME_PIXELS:
        raise InputError(
            f"{label} is too large ({columns} x {rows} pixels); at most {MAX_FRAME_PIXELS // 1_000_000} million pixels "
            "a frame are read, so crop or reduce it first."
        )


def check_frame_count(label: str, count: int) -> None:
    """Refuse a file that declares no frame or more than `MAX_FRAMES`.

    Raises:
        InputError: naming `label`.
    """
    if count < 1:
        raise InputError(f"{label} declares {count} frames; export it again from its source.")
    if count > MAX_FRAMES:
        raise InputError(f"{label} declares {count} frames; at most {MAX_FRAMES} are read, so split it first.")
