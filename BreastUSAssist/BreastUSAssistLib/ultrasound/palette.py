"""Palette colour lookup tables of DICOM images, plain and segmented (PS3.3 C.7.6.3.1.5, C.7.6.3.1.6 and C.7.9.2)."""

from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

_CHANNELS = ("Red", "Green", "Blue")


def palette_of(header: "Dataset", label: str) -> tuple[np.ndarray, int]:
    """Colour table of a PALETTE COLOR image.

    Returns:
        uint8 (entries, 3) RGB, and the stored value that the first entry stands for.

    Raises:
        InputError: a table is missing or does not fit its descriptor; the message names `label`.
    """
    try:
        tables = [_table(header, channel) for channel in _CHANNELS]
        first = int(header["RedPaletteColorLookupTableDescriptor"].value[1])
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, RecursionError):
        raise InputError(f"{label} has a colour palette that cannot be read; export it again as RGB.") from None
    entries = min(len(table) for table in tables)
    return np.stack([table[:entries] for table in tables], axis=-1), first


def apply_palette(stored: np.ndarray, palette: np.ndarray, first: int) -> np.ndarray:
    """Map stored values (rows, columns) to RGB uint8 (rows, columns, 3); values beyond the table take its ends."""
    return palette[np.clip(stored.astype(np.int32) - first, 0, len(palette) - 1)]


def _table(header: "Dataset", channel: str) -> np.ndarray:
    descriptor = header[f"{channel}PaletteColorLookupTableDescriptor"].value
    entries = int(descriptor[0]) or 65536
    bits = int(descriptor[2])
    order = "<" if header.original_encoding[1] is not False else ">"
    plain = header.get(f"{channel}PaletteColorLookupTableData")
    if plain:
        values = _plain_entries(bytes(plain), entries, order)
    else:
        wide = bits > 8
        data = bytes(header[f"Segmented{channel}PaletteColorLookupTableData"].value)
        if not wide and order == ">":
            data = _pairs_swapped(data)
        codes = np.frombuffer(data[: len(data) // 2 * 2] if wide else data, dtype=f"{order}u2" if wide else "u1")
        values = np.array(_expanded(codes.tolist(), entries, wide)[:entries], dtype=np.int64)
    if not len(values):
        raise ValueError("empty palette")
    # Some writers declare 16 bits and store 8-bit levels: only values above 255 show that the high byte is the level.
    return (values >> 8 if values.max() > 255 else values).astype(np.uint8)


def _plain_entries(data: bytes, entries: int, order: str) -> np.ndarray:
    # The length, not the descriptor, tells 8 from 16 bits an entry: 8-bit levels are often stored in 16-bit words.
    if len(data) >= 2 * entries:
        return np.frombuffer(data, dtype=f"{order}u2", count=entries).astype(np.int64)
    if order == ">":
        data = _pairs_swapped(data)
    return np.frombuffer(data, dtype=np.uint8, count=min(entries, len(data))).astype(np.int64)


def _pairs_swapped(data: bytes) -> bytes:
    """8-bit entries travel as 16-bit words (OW), so a big-endian file holds each pair the wrong way round."""
    return np.frombuffer(data[: len(data) // 2 * 2], dtype=">u2").astype("<u2").tobytes()


def _expanded(codes: list[int], limit: int, wide: bool) -> list[int]:
    """Expand discrete (0), linear (1) and indirect (2) segments, PS3.3 C.7.9.2.1 to .3, up to `limit` values."""
    table: list[int] = []

    def expand(at: int, segments: int | None) -> None:
        done = 0
        while at + 1 < len(codes) and len(table) < limit and (segments is None or done < segments):
            kind, length = codes[at], codes[at + 1]
            at += 2
            if kind == 0:
                table.extend(codes[at : at + length])
                at += length
            elif kind == 1:
                start, end = table[-1], codes[at]
                table.extend(round(start + (end - start) * step / length) for step in range(1, length + 1))
                at += 1
            elif kind == 2 and segments is None:
                # The offset counts bytes from the start of the data, as two words, least significant first.
                if wide:
                    offset, at = (codes[at] | codes[at + 1] << 16) // 2, at + 2
                else:
                    offset, at = int.from_bytes(bytes(codes[at : at + 4]), "little"), at + 4
                expand(offset, length)
            else:
                raise ValueError("unknown palette segment")
            done += 1

    expand(0, None)
    return table
