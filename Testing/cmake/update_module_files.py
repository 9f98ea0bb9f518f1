#!/usr/bin/env python3
"""Write BreastUSAssist/ModuleFiles.cmake: every script and resource that git knows, and what was added but not yet.

python Testing/cmake/update_module_files.py
"""

import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
MODULE = CHECKOUT / "BreastUSAssist"
LISTS = MODULE / "ModuleFiles.cmake"
BUILD_FILES = {"CMakeLists.txt", "ModuleFiles.cmake"}
"""What belongs to the build alone and is not installed."""


def module_files(checkout: Path = CHECKOUT) -> list[str]:
    """Paths below BreastUSAssist/ that the extension must install, relative to it, sorted.

    Files that git tracks; where the checkout is no git repository, all files that are no caches.
    """
    module = checkout / "BreastUSAssist"
    command = ["git", "-C", str(module), "ls-files", "-z", "--", "."]
    try:
        listed = subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")
    except (OSError, subprocess.CalledProcessError):
        listed = []
    names = [name for name in listed if name] or [
        path.relative_to(module).as_posix()
        for path in module.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    ]
    return sorted(name for name in names if name not in BUILD_FILES and (module / name).is_file())


def module_files_cmake(names: list[str]) -> str:
    """Content of ModuleFiles.cmake for these paths."""
    scripts = [name for name in names if name.endswith(".py")]
    resources = [name for name in names if not name.endswith(".py")]
    return "\n".join(
        (
            "# Written by Testing/cmake/update_module_files.py; a test compares it with the files that git knows.",
            "set(MODULE_PYTHON_SCRIPTS",
            *(f"  {name}" for name in scripts),
            "  )",
            "",
            "set(MODULE_PYTHON_RESOURCES",
            *(f"  {name}" for name in resources),
            "  )",
            "",
        )
    )


if __name__ == "__main__":
    LISTS.write_text(module_files_cmake(module_files()), encoding="utf-8")
