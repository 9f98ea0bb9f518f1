"""From which version of which case of the label folder an image of the scene comes; saved with the scene."""

from dataclasses import dataclass
from typing import Any

from .source import UltrasoundSource

CASE, PARENT, SETTLES = "BreastUSAssist.LabelCase", "BreastUSAssist.LabelVersion", "BreastUSAssist.LabelSettles"
"""Attributes of the sequence or volume."""


@dataclass(frozen=True)
class LabelOrigin:
    """Where the reader's work on an image starts from."""

    case: str
    """Pseudonym in the label folder."""
    parent: int | None = None
    """Version that the next one is made from; None: the latest."""
    settles: bool = False
    """Whether the reader's decision settles a dispute."""


def label_origin(source: UltrasoundSource) -> LabelOrigin | None:
    """The origin of an image; None where it was neither opened from a label folder nor kept in one."""
    node = _node(source)
    case = str(node.GetAttribute(CASE) or "")
    if not case:
        return None
    version = str(node.GetAttribute(PARENT) or "")
    return LabelOrigin(case, int(version) if version.isdecimal() else None, node.GetAttribute(SETTLES) == "1")


def set_label_origin(source: UltrasoundSource, origin: LabelOrigin | None) -> None:
    """Write the origin on the image's node; None takes it away."""
    node = _node(source)
    node.SetAttribute(CASE, origin.case if origin is not None else None)
    node.SetAttribute(PARENT, str(origin.parent) if origin is not None and origin.parent is not None else None)
    node.SetAttribute(SETTLES, "1" if origin is not None and origin.settles else None)


def _node(source: UltrasoundSource) -> Any:
    """The node that stays when frames are leafed through: a proxy is written anew with each."""
    return source.sequence or source.volume
