"""What is said of a version in the label folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slicer.i18n import tr as _

from .label_settings import label_settings


@dataclass(frozen=True)
class KeptVersion:
    """The latest version of a case that the reader may see."""

    version: int
    kind: str
    reader: str
    """Empty where nobody began, and of imported outlines."""
    own: bool
    when: str
    """Day and time here."""

    @property
    def is_draft(self) -> bool:
        """Whether it is the AI's alone."""
        return self.kind == "autosaved" and not self.reader


def latest_of(answer: Mapping[str, Any]) -> KeptVersion | None:
    """The latest version of an answer of "find_label"; None where it names none."""
    from ..labels.double_reading import reader_key

    versions = answer.get("versions") or ()
    if not versions:
        return None
    last = versions[-1]
    reader = str(last.get("reader") or "").strip()
    own = bool(reader) and reader_key(reader) == reader_key(label_settings().reader)
    return KeptVersion(int(last["version"]), str(last["kind"]), reader, own, _local(str(last.get("created") or "")))


def brought_back(version: KeptVersion) -> str:
    """That it is in the case now."""
    if version.is_draft:
        return _("The AI's draft of {when} was brought back.").format(when=version.when)
    if version.kind == "imported":
        words = _("The imported outlines of {when} were brought here.")
    elif not version.own:
        words = _("What {reader} did until {when} was brought here.")
    elif version.kind == "autosaved":
        words = _("Your work of {when} was brought back.")
    else:
        words = _("Your label of {when} was brought back.")
    return words.format(reader=version.reader, when=version.when)


def in_the_folder(version: KeptVersion) -> str:
    """That it is in the label folder."""
    words = {
        "autosaved": _("{reader} began this image on {when}."),
        "accepted": _("{reader} accepted this image on {when}."),
        "rejected": _("{reader} rejected this image on {when}."),
    }.get(version.kind, _("Imported outlines of {when} are in the label folder."))
    if version.is_draft:
        words = _("A draft of the AI of {when} is in the label folder.")
    elif version.own:
        words = _("Your work of {when} is in the label folder.")
    return words.format(reader=version.reader, when=version.when)


def _local(created: str) -> str:
    try:
        return datetime.fromisoformat(created).astimezone().strftime("%d %b %H:%M")
    except ValueError:
        return created[:16]
