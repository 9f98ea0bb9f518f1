"""Where labels are kept and who reads: settings of the application, shared by the sections."""

from dataclasses import dataclass
from pathlib import Path

import slicer

READER, FOLDER = "BreastUSAssist/Reader", "BreastUSAssist/LabelFolder"
ENCRYPT = "BreastUSAssist/EncryptLabels"


@dataclass(frozen=True)
class LabelSettings:
    """Label folder and reader, as section 5 shows them."""

    reader: str
    """Empty where nobody is named yet."""
    folder: Path
    encrypted: bool
    """Whether a folder that is made new is."""


def label_settings() -> LabelSettings:
    """What the application's settings say now."""
    return LabelSettings(
        str(slicer.util.settingsValue(READER, "")).strip(),
        Path(str(slicer.util.settingsValue(FOLDER, str(Path.home() / "BreastUSAssist" / "labels")))),
        bool(slicer.util.settingsValue(ENCRYPT, True, converter=slicer.util.toBool)),
    )
