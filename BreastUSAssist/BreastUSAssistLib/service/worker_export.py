"""Request "export": the reader's result as files."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .worker_clip import WorkerClip
from .worker_protocol import read_array

if TYPE_CHECKING:
    from .worker_requests import Attend, Worksite


def export(arguments: Mapping[str, Any], site: "Worksite", attend: "Attend") -> dict[str, Any]:
    """Write the chosen formats of a case to `out`/<case>/, see reading_export.

    Args:
        arguments: `clip` WorkerClip as JSON, of all frames; `analysis` path of the effective analysis as JSON; `labels`
            path of a .npy file, uint8 (frames, rows, columns), of all frames or of those of the clip; `formats` list,
            or None for all; `out` folder.
        site: of this process.
        attend: called between files.

    Returns:
        `folder`; `files` paths; `notes` sentences.
    """
    from .analysis_file import read_analysis
    from .case_files import FORMATS
    from .reading_export import ExportedReading, export_reading

    handed = WorkerClip.from_json(arguments.get("clip") or {})
    if handed.is_part:
        raise InputError("An export needs all frames of the case; try again.")
    if not arguments.get("out"):
        raise InputError("No folder is chosen; choose where to export to.")
    clip, notes = handed.clip_and_notes()
    analysis = read_analysis(Path(str(arguments.get("analysis"))))
    labels = read_array(arguments.get("labels"))
    attend()
    written = export_reading(
        Path(arguments["out"]),
        ExportedReading(clip, analysis, labels),
        tuple(arguments.get("formats") or FORMATS),
        created=datetime.now(UTC).astimezone(),
        attend=attend,
    )
    files = sorted(str(path) for path in written.folder.rglob("*") if path.is_file())
    return {"folder": str(written.folder), "files": files, "notes": [*notes, *written.notes]}
