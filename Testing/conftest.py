"""Shared fixtures: the real images, where they are at hand."""

import os
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_root() -> Path:
    """Folder of real images and DICOM files; tests that need it are skipped, and counted, where it is absent."""
    root = Path(os.environ.get("BREASTUS_DATA", CHECKOUT.parent / "shared" / "data"))
    if not (root / "manifest.csv").is_file():
        pytest.skip(f"real images are not at {root}; set BREASTUS_DATA to their folder")
    return root
