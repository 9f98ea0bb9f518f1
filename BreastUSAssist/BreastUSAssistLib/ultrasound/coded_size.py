"""Size of a compressed image by its own stream, so that no decoder fills the memory on a false one."""

_JPEG_2000 = (b"\xff\x4f\xff\x51", b"\x00\x00\x00\x0cjP")
_FRAME_HEADERS = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7})
"""Start-of-frame markers of JPEG (ISO 10918-1) and JPEG-LS (ISO 14495-1)."""
_LONGEST_HEADER = 1 << 16


def coded_size(encoded: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 stream declares; None where it is none of these or damaged."""
    if encoded.startswith(_JPEG_2000):
        at = encoded.find(b"\xff\x4f\xff\x51", 0, _LONGEST_HEADER)
        if at < 0 or len(encoded) < at + 24:
            return None
        right, bottom, left, top = (int.from_bytes(encoded[at + o : at + o + 4], "big") for o in (8, 12, 16, 20))
        return bottom - top, right - left
    if not encoded.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 9 <= min(len(encoded), _LONGEST_HEADER) and encoded[at] == 0xFF:
        if encoded[at + 1] in _FRAME_HEADERS:
            return int.from_bytes(encoded[at + 5 : at + 7], "big"), int.from_bytes(encoded[at + 7 : at + 9], "big")
        at += 2 + int.from_bytes(encoded[at + 2 : at + 4], "big")
    return None
