"""What the label folder made of the pictures of the cases in the scene: kept as they are, cleaned, or not kept."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from .signals import Signal

if TYPE_CHECKING:
    from ..mrml.source import UltrasoundSource


class PictureNotes:
    """The last that request "keep_label" told of each picture; of one that the folder had already it tells nothing."""

    def __init__(self) -> None:
        self._notes: dict[str, dict[str, Any]] = {}
        self.changed = Signal()

    def note(self, source: "UltrasoundSource", picture: Mapping[str, Any] | None) -> None:
        """Take `picture` of an answer; None leaves what is known."""
        if picture is not None and source.in_scene:
            self._notes[_name(source)] = dict(picture)
            self.changed.emit()

    def clear(self) -> None:
        """The scene closes: node IDs begin anew."""
        self._notes.clear()

    def refusal(self, source: "UltrasoundSource") -> str:
        """Why the picture is not in the label folder; empty where it is, or nothing is known."""
        note = self._notes.get(_name(source), {})
        return "" if note.get("kept", True) else str(note.get("why") or "")

    def cleaning(self, source: "UltrasoundSource") -> str:
        """What was blanked in the picture that is kept; empty where nothing was."""
        note = self._notes.get(_name(source), {})
        if not note.get("kept") or note.get("evidence") != "cleaned":
            return ""
        texts, share = int(note.get("texts") or 0), round(100 * float(note.get("blanked_share") or 0))
        if texts:
            text = _("In the kept picture {count} texts are filled in, and {share} % is black.")
            if texts == 1:
                text = _("In the kept picture 1 text is filled in, and {share} % is black.")
            return text.format(count=texts, share=share)
        return _("In the kept picture {share} % outside the tissue is black.").format(share=share) if share else ""


def _name(source: "UltrasoundSource") -> str:
    return str((source.sequence or source.volume).GetID())
