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

    @property
    def may_keep(self) -> bool:
        """Whether work may go into the folder unasked: it was chosen, or holds something already."""
        return self.folder != default_folder() or (self.folder.is_dir() and any(self.folder.iterdir()))


def default_folder() -> Path:
    """Where labels go as long as no folder was chosen."""
    return Path.home() / "BreastUSAssist" / "labels"


def label_settings() -> LabelSettings:
    """What the application's settings say now."""
    return LabelSettings(
        str(slicer.util.settingsValue(READER, "")).strip(),
        Path(str(slicer.util.settingsValue(FOLDER, str(default_folder())))),
        bool(slicer.util.settingsValue(ENCRYPT, True, converter=slicer.util.toBool)),
    )
