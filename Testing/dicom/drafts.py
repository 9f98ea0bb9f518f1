"""Lesions, masks and analyses as the pipeline would draft them, and the checker for the files made of them."""

import shutil
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Analysis, Gate, ModelUsed, Source, Spacing
from BreastUSAssistLib.birads.lesion import Area, Assessment, Code, Descriptor, Length, Lesion, Measurements
from pydicom.uid import generate_uid

CREATED = datetime(2026, 3, 4, 5, 6, 7, 89000, tzinfo=UTC)
MODEL = ModelUsed(
    name="breast-lesions", version="0.3.1", sha256="ab" * 32, backend="onnxruntime", precision="float32", device="cpu"
)


def ellipse(rows: int, columns: int, center: tuple[float, float], axes: tuple[float, float]) -> np.ndarray:
    """Filled ellipse, bool (rows, columns)."""
    row, column = np.mgrid[:rows, :columns]
    return ((row - center[0]) / axes[0]) ** 2 + ((column - center[1]) / axes[1]) ** 2 <= 1


def two_lesions(frames: int, rows: int = 60, columns: int = 80) -> np.ndarray:
    """Labels of two lesions that move from frame to frame; frames without, with one, and with both."""
    labels = np.zeros((frames, rows, columns), np.uint8)
    for index in range(frames):
        if frames == 1 or index % 3 != 0:
            labels[index][ellipse(rows, columns, (20 + index % 5, 25), (8, 12))] = 1
        if frames == 1 or index % 3 == 1:
            labels[index][ellipse(rows, columns, (40, 60 - index % 5), (9, 7))] = 2
    return labels


def length(px: float, mm: bool) -> Length:
    return Length(px=px, mm=px * 0.1 if mm else None)


def lesion(
    number: int, labels: np.ndarray, *, mm: bool = True, category: str | None = "4A", **changes: object
) -> Lesion:
    """The draft of lesion `number` of `labels`, with made-up measurements."""
    frames = [index + 1 for index, frame in enumerate(labels) if (frame == number).any()]
    descriptors = (
        Descriptor(
            attribute="shape",
            term="irregular",
            label="Irregular",
            code=Code(value="49608001", scheme="SCT", meaning="Irregular"),
            origin="geometry",
            because="solidity 0.7 below 0.9",
        ),
        Descriptor(
            attribute="echo_pattern",
            term="heterogeneous",
            label="Heterogeneous",
            origin="grey_level",
            because="grey levels vary by 0.4",
        ),
    )
    fields: dict[str, object] = {
        "number": number,
        "tracking_uid": generate_uid(),
        "key_frame": frames[len(frames) // 2] if frames else 1,
        "frames": tuple(frames),
        "box": (0, 0, 1, 1),
        "measurements": Measurements(
            longest_axis=length(123.456789, mm),
            perpendicular_axis=length(80, mm),
            antero_posterior=length(81, mm),
            transverse=length(120.5, mm),
            depth=length(55, mm),
            area=Area(px=7000, mm2=70.0 if mm else None),
            depth_to_width=0.67,
            axis_angle_deg=12,
            circularity=0.7,
            solidity=0.7,
            ellipse_fit=0.8,
            elongation=1.5,
            lobulations=2,
            margin_roughness=0.1,
        ),
        "descriptors": descriptors,
        "assessment": Assessment(
            category=category,
            label="Low suspicion",
            likelihood="over 2 % to 10 %",
            management="Tissue diagnosis",
            probability_malignant=0.0654321,
            reasons=("irregular shape", "probability 7 %"),
            edition="5",
        ),
    }
    return Lesion.model_validate(fields | changes)


def lesions_of(labels: np.ndarray, **options: object) -> list[Lesion]:
    return [lesion(int(n), labels, **options) for n in np.unique(labels) if n]  # type: ignore[arg-type]


def analysis_of(labels: np.ndarray, lesions: Sequence[Lesion], *, mm: bool = True) -> Analysis:
    return Analysis(
        case="case",
        created=CREATED.isoformat(),
        software="BreastUSAssist 0.1.0",
        lexicon="5",
        source=Source(
            format="dicom",
            files=("a.dcm",),
            kind="still" if len(labels) == 1 else "cine",
            frame_count=len(labels),
            rows=labels.shape[1],
            columns=labels.shape[2],
            spacing=Spacing(row_mm=0.1, column_mm=0.1, source="ultrasound_region") if mm else None,
        ),
        model=MODEL,
        gates=(Gate(code="calipers", severity="warn", message="Calipers lie over tissue.", frames=(1,)),),
        frames=(),
        lesions=tuple(lesions),
        timings_ms={},
    )


def validator_errors(path: Path) -> list[str]:
    """Lines of dciodvfy that start with Error; skips the test where the validator is not installed."""
    program = shutil.which("dciodvfy")
    if program is None:
        pytest.skip("dciodvfy is not installed (Debian package dicom3tools)")
    done = subprocess.run([program, "-new", str(path)], capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stdout + done.stderr).splitlines()
    assert any(line.startswith(("Segmentation", "ComprehensiveSR")) for line in lines), lines
    return [line for line in lines if line.startswith("Error")]
