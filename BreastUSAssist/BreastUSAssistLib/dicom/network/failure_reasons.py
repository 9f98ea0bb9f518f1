"""Why an object was not stored, in words."""


def failure_reason(reason: int | None) -> str:
    """A failure reason (0008,1197) in words (PS3.3 C.14.1.1)."""
    known = {
        0x0110: "processing failed there",
        0x0112: "it is not known there",
        0x0119: "class and instance do not fit together",
        0x0122: "objects of this class are not stored there",
        0x0124: "we are not authorized to store there",
        0x0131: "it is held twice there",
        0x0213: "there is no space there",
    }
    if reason is None:
        return "no reason given"
    group = {0xA700: "there is no space there", 0xA900: "it does not fit its class", 0xC000: "it was not understood"}
    words = known.get(reason) or group.get(reason & 0xFF00) or group.get(reason & 0xF000) or "failed there"
    return f"{words} ({reason:04X}H)"
