"""Prints time and memory of a cine's DICOM Segmentation: 300 frames of 640 x 480 with two lesions, written and read.

    .venv/bin/python Testing/benchmarks/dicom_objects.py [--frames 300] [--fractional] [--json]

Each figure is measured in a process of its own. Memory is the peak of the process, with Python, NumPy and pydicom in
it and the label images that are handed over (and, for --fractional, the probabilities).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "BreastUSAssist"), str(CHECKOUT / "Testing")]

ROWS, COLUMNS = 480, 640
MOST_SECONDS, MOST_MB = 2.0, 600


def main() -> int:
    """Measure and print; 1 when a figure that was asked for is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--fractional", action="store_true", help="probabilities in 8 bits instead of masks in 1 bit")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", choices=("write", "read"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        part = written if options.part == "write" else read
        print(json.dumps(part(options.folder, options.frames, options.fractional)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        figures = {part: in_process(part, folder, options) for part in ("write", "read")}
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for part, figure in figures.items():
            print(
                f"{part}: {figure['seconds']:.2f} s (asked: {MOST_SECONDS:g} s or less), peak "
                f"{figure['peak_mb']:.0f} MB (asked: under {MOST_MB} MB), {figure['stored_frames']} stored frames, "
                f"{figure['file_mb']:.1f} MB file"
            )
    reached = all(one["seconds"] <= MOST_SECONDS and one["peak_mb"] < MOST_MB for one in figures.values())
    return 0 if reached else 1


def in_process(part: str, folder: str, options: argparse.Namespace) -> dict[str, float]:
    """Run one part in a process of its own."""
    command = [sys.executable, __file__, "--part", part, "--folder", folder, "--frames", str(options.frames)]
    command += ["--fractional"] if options.fractional else []
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def outlines(frames: int) -> np.ndarray:
    """Two lesions that move, in every frame, uint8 (frames, rows, columns)."""
    from dicom.drafts import ellipse

    labels = np.zeros((frames, ROWS, COLUMNS), np.uint8)
    for index in range(frames):
        for number, (row, column) in enumerate(((160, 200), (300, 430)), start=1):
            top, left = row - 70 + index % 30, column - 90 + index % 17
            labels[index, top : top + 140, left : left + 180][ellipse(140, 180, (70, 90), (60, 80))] = number
    return labels


def written(folder: Path, frames: int, fractional: bool) -> dict[str, float]:
    """Build the Segmentation and write it to the disk."""
    from BreastUSAssistLib.dicom.segmentation import write_segmentation
    from dicom import drafts, sources

    labels = outlines(frames)
    header, lesions = sources.cine(frames, ROWS, COLUMNS, rgb=True), drafts.lesions_of(labels)
    header.save_as(folder / "source.dcm", implicit_vr=False, little_endian=True)
    np.save(folder / "labels.npy", labels)
    probability = np.where(labels > 0, np.uint8(230), np.uint8(20)) if fractional else None
    begun = time.perf_counter()
    dataset = write_segmentation(
        folder / "seg.dcm",
        [header],
        labels,
        lesions,
        drafts.MODEL,
        created=datetime.now(UTC),
        probability=probability,
        fractional=fractional,
    )
    return figures_of(begun, folder, int(dataset.NumberOfFrames))


def read(folder: Path, frames: int, fractional: bool) -> dict[str, float]:
    """Read it back from the disk, lay it on the frames, and compare."""
    from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
    from pydicom import dcmread

    header = dcmread(folder / "source.dcm", force=True)
    begun = time.perf_counter()
    found = read_segmentation(folder / "seg.dcm", [header])
    figures = figures_of(begun, folder, sum(len(stored) for stored in found.where.values()))
    assert np.array_equal(found.labels, np.load(folder / "labels.npy", mmap_mode="r"))
    return figures


def figures_of(begun: float, folder: Path, stored_frames: int) -> dict[str, float]:
    """Seconds since `begun`, and the peak of this process."""
    seconds = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    size = (folder / "seg.dcm").stat().st_size / 2**20
    return {"seconds": seconds, "peak_mb": peak, "stored_frames": stored_frames, "file_mb": size}


if __name__ == "__main__":
    sys.exit(main())
