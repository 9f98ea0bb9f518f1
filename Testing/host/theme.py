"""Colours of the application's styles "Light Slicer" and "Dark Slicer" (`qSlicerLightStyle`, `qSlicerDarkStyle`)."""

from PySide6.QtGui import QColor, QPalette

LIGHT = {
    "Window": "#efefef",
    "WindowText": "#000000",
    "Base": "#ffffff",
    "AlternateBase": "#f7f7f7",
    "ToolTipBase": "#ffffdc",
    "ToolTipText": "#000000",
    "Text": "#000000",
    "Button": "#efefef",
    "ButtonText": "#000000",
    "BrightText": "#ffffff",
    "Light": "#ffffff",
    "Midlight": "#cacaca",
    "Dark": "#9f9f9f",
    "Mid": "#b8b8b8",
    "Shadow": "#767676",
    "Highlight": "#308cc6",
    "HighlightedText": "#ffffff",
    "Link": "#0000ff",
    "PlaceholderText": "#6f6f6f",
}
LIGHT_DISABLED = {"WindowText": "#bebebe", "Base": "#efefef", "Text": "#bebebe", "ButtonText": "#bebebe"}
DARK = {
    "Window": "#323232",
    "WindowText": "#ffffff",
    "Base": "#1e1e1e",
    "AlternateBase": "#323232",
    "ToolTipBase": "#ffffff",
    "ToolTipText": "#323232",
    "Text": "#ffffff",
    "Button": "#323232",
    "ButtonText": "#ffffff",
    "BrightText": "#ff0000",
    "Light": "#828284",
    "Midlight": "#5a5a5b",
    "Dark": "#232323",
    "Mid": "#2b2b2b",
    "Shadow": "#141414",
    "Highlight": "#3ca4ff",
    "HighlightedText": "#ffffff",
    "Link": "#3ca4ff",
    "PlaceholderText": "#9a9a9a",
}
DARK_DISABLED = {"WindowText": "#6d6d6d", "Base": "#1e1e1e", "Text": "#6d6d6d", "ButtonText": "#b4b4b4"}


def palette(theme: str) -> QPalette:
    """Palette of "light" or "dark".

    Raises:
        ValueError: for another name.
    """
    if theme not in ("light", "dark"):
        raise ValueError(f"there is no theme {theme!r}; choose light or dark")
    colors, disabled = (LIGHT, LIGHT_DISABLED) if theme == "light" else (DARK, DARK_DISABLED)
    chosen = QPalette()
    for role, color in colors.items():
        chosen.setColor(getattr(QPalette.ColorRole, role), QColor(color))
    for role, color in disabled.items():
        chosen.setColor(QPalette.ColorGroup.Disabled, getattr(QPalette.ColorRole, role), QColor(color))
    return chosen
