"""Names of cases: safe as a folder on every system, unique within a run, taken from files and never from patients."""

import unicodedata
from pathlib import Path

_KEPT = "-_.+"
_LONGEST_BYTES = 120
_RESERVED = {"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))}


def safe_name(text: str) -> str:
    """`text` with letters and digits of any script kept and all else as "_"; never empty, hidden or reserved."""
    composed = unicodedata.normalize("NFC", text)
    kept = "".join(
        letter if letter in _KEPT or letter.isalnum() or unicodedata.category(letter).startswith("M") else "_"
        for letter in composed
    )
    while len(kept.encode("utf-8", "replace")) > _LONGEST_BYTES:
        kept = kept[:-1]
    kept = kept.strip(". ") or "case"
    return f"_{kept}" if kept.partition(".")[0].lower() in _RESERVED else kept


def stem_of(path: Path) -> str:
    """File name without its extension, of .nii.gz without both; a name that is all extension is kept."""
    name = path.name
    for double in (".nii.gz", ".seg.nrrd"):
        if name.lower().endswith(double) and len(name) > len(double):
            return name[: -len(double)]
    # Only an extension with a letter: the parts of a UID used as a file name are no extensions.
    return path.stem if any(letter.isalpha() for letter in path.suffix) else name


class CaseNames:
    """Hands out names that differ even on file systems that ignore case."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def unique(self, wanted: str, parent: str = "") -> str:
        """A safe name like `wanted`; where it is taken, with its folder's name before it, then with a number."""
        name = safe_name(wanted)
        candidates = [name, safe_name(f"{parent}-{wanted}")] if parent else [name]
        number = 2
        for candidate in candidates:
            if candidate.casefold() not in self._taken:
                break
        else:
            while (candidate := f"{name}-{number}").casefold() in self._taken:
                number += 1
        self._taken.add(candidate.casefold())
        return candidate
