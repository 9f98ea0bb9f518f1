"""SOP classes of images that may show ultrasound (PS3.4 B.5 and B.6)."""

_STORAGE = "1.2.840.10008.5.1.4.1.1."
ENHANCED_US_VOLUME = _STORAGE + "6.2"
ULTRASOUND_CLASSES = frozenset(_STORAGE + suffix for suffix in ("3", "3.1", "6", "6.1", "6.2"))
"""Ultrasound Multi-frame Image and Ultrasound Image, each retired and present, and Enhanced US Volume."""
SECONDARY_CAPTURE = _STORAGE + "7"
CAPTURE_CLASSES = frozenset(_STORAGE + suffix for suffix in ("7", "7.1", "7.2", "7.3", "7.4"))
"""Secondary Capture, with one frame and with several."""
MULTI_FRAME_CLASSES = frozenset(_STORAGE + suffix for suffix in ("3", "3.1", "6.2", "7.1", "7.2", "7.3", "7.4"))
"""Those of both kinds whose images have frames that are referred to by number."""


def is_ultrasound(sop_class_uid: str, modality: str) -> bool:
    """Whether an object shows ultrasound: by its class, or a secondary capture (PS3.3 A.8) of that modality."""
    return sop_class_uid in ULTRASOUND_CLASSES or (sop_class_uid in CAPTURE_CLASSES and modality == "US")
