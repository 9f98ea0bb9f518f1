"""Line icons in two versions, so that they stand out from a light and from a dark window."""

from typing import Any

import qt

from ..files import resource_path

BUTTONS = {
    "runButton": "run",
    "cancelButton": "cancel",
    "trainButton": "run",
    "cancelTrainingButton": "cancel",
    "promoteButton": "accept",
    "rollBackButton": "put-back",
    "addClickButton": "add-click",
    "removeClickButton": "remove-click",
    "boxButton": "box",
    "scribbleButton": "scribble",
    "undoButton": "undo",
    "redoButton": "redo",
    "restoreFrameButton": "put-back",
    "putBackTermButton": "put-back",
    "acceptButton": "accept",
    "rejectButton": "reject",
    "nextButton": "next",
}
"""Button to icon; each has words beside it."""


def is_dark(widget: Any) -> bool:
    """Whether the window behind a widget is dark, as with Slicer's style "Dark Slicer"."""
    return bool(widget.palette.color(qt.QPalette.Window).lightness() < 128)


def themed_icon(name: str, dark: bool) -> Any:
    """QIcon of Resources/Icons for a light or a dark window."""
    return qt.QIcon(str(resource_path("Icons", f"{name}{'-dark' if dark else ''}.png")))


def show_icons(ui: Any, dark: bool) -> None:
    """Give the buttons of a section their icons."""
    for button, name in BUTTONS.items():
        if hasattr(ui, button):
            getattr(ui, button).setIcon(themed_icon(name, dark))
