"""The findings of one case as a table node: one row a lesion, the AI's value and the one that counts side by side.

Numbers are numbers (NaN where unknown), so that Slicer's plots and other modules can use them. They are kept to six
digits and text to what can be printed on one line, since that is what a table's file holds.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import vtk

if TYPE_CHECKING:
    from ..birads.lesion import Lesion, VolumeAxes
    from ..birads.reading_view import EffectiveLesion

NOTICE = "Research use only"
ATTRIBUTES = (
    "shape",
    "orientation",
    "margin",
    "echo_pattern",
    "posterior_features",
    "echogenic_rim",
    "calcifications",
    "vascularity",
    "elasticity",
)
LENGTHS = ("longest_axis", "perpendicular_axis", "antero_posterior", "transverse", "depth")
VOLUME = (
    "volume_longest_axis_px",
    "volume_longest_axis_mm",
    "volume_perpendicular_axis_px",
    "volume_perpendicular_axis_mm",
    "volume_slices",
    "volume_slices_mm",
    "volume_ml",
)
"""Of a lesion in a 3D volume: three axes at right angles, and its volume."""
AI = "_ai"
"""End of the names of the columns that hold the AI's draft, which the reader never changes."""
_NAN = float("nan")


def update_table(table_node: Any, lesions: "Sequence[EffectiveLesion]") -> None:
    """Show lesions in a vtkMRMLTableNode, all rows made again; one event."""
    rows = [findings_row(lesion) for lesion in lesions]
    table = vtk.vtkTable()
    for name, kind in COLUMNS.items():
        table.AddColumn(_column(name, kind, [row.get(name) for row in rows]))
    was_modifying = table_node.StartModify()
    table_node.SetAndObserveTable(table)
    for name, kind in COLUMNS.items():
        unit = next((unit for end, unit in _UNITS.items() if end in name), "") if kind is float else ""
        if unit and table_node.GetColumnUnitLabel(name) != unit:
            table_node.SetColumnUnitLabel(name, unit)
    table_node.EndModify(was_modifying)


def findings_row(lesion: "EffectiveLesion") -> dict[str, str | float | int]:
    """Values of one row under the names of COLUMNS; what is unknown is left out."""
    row: dict[str, str | float | int] = {
        "lesion": lesion.number,
        "status": _status(lesion),
        "changed_terms": " ".join(sorted(lesion.changed)),
        "reader_category": lesion.category or "",
        "reader_note": lesion.note,
        "tied_to": lesion.tied_to or "",
        "tracking_uid": lesion.tracking_uid,
        "notice": NOTICE,
    }
    if lesion.joint is not None:
        joint = lesion.joint.assessment
        row["joint_category"] = joint.category or ""
        if joint.probability_malignant is not None:
            row["joint_probability"] = joint.probability_malignant
    if lesion.current is not None:
        row.update(_described(lesion.current, ""))
        row["frames"] = frame_words(lesion.current.frames)
        row["frame_count"] = len(lesion.current.frames)
        row["key_frame"] = lesion.current.key_frame
        row["outline_origin"] = lesion.current.origin
    if lesion.ai is not None:
        row.update(_described(lesion.ai, AI))
    return row


def frame_words(frames: Sequence[int]) -> str:
    """Numbers of frames in few words: "1-5 9"."""
    runs: list[list[int]] = []
    for frame in sorted(set(frames)):
        if runs and frame == runs[-1][-1] + 1:
            runs[-1][1:] = [frame]
        else:
            runs.append([frame])
    return " ".join("-".join(map(str, run)) for run in runs)


def _status(lesion: "EffectiveLesion") -> str:
    if not lesion.present:
        return "removed"
    if lesion.ai is None:
        return "added"
    outline_changed = lesion.current is not None and lesion.current.origin != lesion.ai.origin
    return "changed" if lesion.changed or lesion.category or lesion.note or outline_changed else "draft"


def _described(lesion: "Lesion", end: str) -> dict[str, str | float | int]:
    """What is said of a lesion, under names that end in `end`."""
    measured, assessed = lesion.measurements, lesion.assessment
    low, high = assessed.interval or (None, None)
    found: dict[str, str | float | None] = {
        "category": assessed.category or "",
        "probability_malignant": assessed.probability_malignant,
        "probability_low": low,
        "probability_high": high,
        "area_px": measured.area.px,
        "area_mm2": measured.area.mm2,
        "depth_to_width": measured.depth_to_width,
    }
    for name in LENGTHS:
        length = getattr(measured, name)
        found[f"{name}_px"], found[f"{name}_mm"] = length.px, length.mm
    if lesion.volume_axes is not None:
        found.update(_in_three_axes(lesion.volume_axes))
    found.update({one.attribute: one.label for one in lesion.descriptors if one.attribute in ATTRIBUTES})
    return {name + end: value for name, value in found.items() if value is not None}


def _in_three_axes(axes: "VolumeAxes") -> dict[str, float | None]:
    return {
        "volume_longest_axis_px": axes.longest_axis.px,
        "volume_longest_axis_mm": axes.longest_axis.mm,
        "volume_perpendicular_axis_px": axes.perpendicular_axis.px,
        "volume_perpendicular_axis_mm": axes.perpendicular_axis.mm,
        "volume_slices": axes.across_slices.slices,
        "volume_slices_mm": axes.across_slices.mm,
        "volume_ml": axes.volume_ml,
    }


def _columns() -> dict[str, type]:
    """Kind of every column, by name, in their order."""
    described: dict[str, type] = {
        "category": str,
        "probability_malignant": float,
        "probability_low": float,
        "probability_high": float,
        **dict.fromkeys(ATTRIBUTES, str),
        **{f"{name}_{unit}": float for name in LENGTHS for unit in ("px", "mm")},
        "area_px": float,
        "area_mm2": float,
        "depth_to_width": float,
        **dict.fromkeys(VOLUME, float),
    }
    columns: dict[str, type] = {"lesion": int, "status": str, "changed_terms": str, "reader_category": str}
    for name, kind in described.items():
        columns[name] = columns[name + AI] = kind
    columns.update({"key_frame": float, "frames": str, "frame_count": float, "outline_origin": str})
    columns.update({"tied_to": str, "joint_category": str, "joint_probability": float})
    return {**columns, "reader_note": str, "tracking_uid": str, "notice": str}


COLUMNS = _columns()
_SIGNS = str.maketrans({'"': "'", "#": "\N{FULLWIDTH NUMBER SIGN}"})
_UNITS = {"_mm2": "mm2", "_mm": "mm", "_ml": "ml", "_px": "px"}


def _column(name: str, kind: type, values: Sequence[str | float | int | None]) -> Any:
    column = {int: vtk.vtkIntArray, float: vtk.vtkDoubleArray, str: vtk.vtkStringArray}[kind]()
    column.SetName(name)
    column.SetNumberOfValues(len(values))
    for index, value in enumerate(values):
        if kind is str:
            column.SetValue(index, _text("" if value is None else str(value)))
        elif kind is int:
            column.SetValue(index, int(value or 0))
        else:
            column.SetValue(index, _NAN if value is None else float(f"{float(value):.6g}"))
    return column


def _text(value: str) -> str:
    """On one line, and without the signs that the reader of a table's file takes for its own: quotes and comments."""
    shown = "".join(sign if sign.isprintable() else " " for sign in value.translate(_SIGNS))
    return " ".join(shown.split())
