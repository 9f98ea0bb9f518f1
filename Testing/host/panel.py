"""`python -m host.panel` in Testing/: the panel in a window without Slicer, with a phantom or a file of yours."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from . import start_host

NO_DISPLAY = "There is no display to open the window on; give --screenshot FILE for a picture instead."


def main(arguments: list[str] | None = None) -> int:
    """Open the window and wait until it is closed; 2 where there is no display, 3 where the input cannot be read."""
    options = _parser().parse_args(arguments)
    if options.screenshot is None and not _has_display():
        print(NO_DISPLAY, file=sys.stderr)
        return 2
    host = start_host(on_screen=options.screenshot is None)
    host.app.testing = False
    panel = host.load_module("BreastUSAssist")
    host.set_theme(options.theme)
    from BreastUSAssistLib.errors import BreastUSAssistError

    try:
        loaded = load_case(host.slicer.mrmlScene, options.input)
    except BreastUSAssistError as error:
        print(error, file=sys.stderr)
        return 3
    window = host.window(panel)
    panel.parent.findChild("qMRMLNodeComboBox").setCurrentNode(loaded.volume)
    if options.screenshot is not None:
        host.process_events(0.5)
        print(host.screenshot(window, options.screenshot))
        panel.cleanup()
        return 0
    host.app.exec()
    panel.cleanup()
    return 0


def load_case(scene: Any, source: str) -> Any:
    """Put a phantom ("still" or "cine"), an image, a DICOM file or a folder into the scene and show it.

    Raises:
        BreastUSAssistError: where the file cannot be read.
    """
    from BreastUSAssistLib.panel.sample_data import load_phantom

    if source in ("still", "cine"):
        return load_phantom(scene, source)
    import slicer
    from BreastUSAssistLib.mrml.volume_loading import load_clip
    from BreastUSAssistLib.ultrasound.reading import open_clip

    loaded = load_clip(scene, open_clip(Path(source)))
    slicer.util.setSliceViewerLayers(background=loaded.volume, fit=True)
    return loaded


def _has_display() -> bool:
    if sys.platform != "linux" or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m host.panel",
        description="Open the module's panel in a window, over the real scene but without Slicer.",
        epilog="example: python -m host.panel cine --theme dark",
    )
    parser.add_argument("input", nargs="?", default="cine", help="still, cine (phantoms), or a file or folder")
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--screenshot", type=Path, help="write a picture of the window and end")
    return parser


if __name__ == "__main__":
    sys.exit(main())
