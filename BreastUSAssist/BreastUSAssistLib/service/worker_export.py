"""Request "export": the reader's result as files."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .worker_clip import WorkerClip
from .worker_protocol import read_array

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.read_case import ReadCase
    from .worker_requests import Attend, Worksite


def export(arguments: Mapping[str, Any], site: "Worksite", attend: "Attend") -> dict[str, Any]:
    """Write the chosen formats of a case to `out`/<case>/, see reading_export.

    Args:
        arguments: `clip` WorkerClip as JSON, of all frames; `analysis` path of the effective analysis as JSON; `labels`
            path of a .npy file, uint8 (frames, rows, columns), of all frames or of those of the clip; `formats` list,
            or None for all; `out` folder; `reading` optional, JSON text of a birads.reading.Reading; `beside` optional,
            list of birads.read_case.BesideLesion as JSON objects: drafts and other views, which a reading lacks;
            `drafted` optional, path of a .npy file, uint8 (drafts, rows, columns): the AI's outline, in its key frame,
            of each of `beside` that has a draft.
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
        ExportedReading(clip, analysis, labels, _read_case(arguments, analysis)),
        tuple(arguments.get("formats") or FORMATS),
        created=datetime.now(UTC).astimezone(),
        attend=attend,
    )
    files = sorted(str(path) for path in written.folder.rglob("*") if path.is_file())
    return {"folder": str(written.folder), "files": files, "notes": [*notes, *written.notes]}


def _read_case(arguments: Mapping[str, Any], analysis: "Analysis") -> "ReadCase | None":
    """What the reader said; None where nothing was handed."""
    from pydantic import ValidationError

    from ..birads.lexicon import load_lexicon
    from ..birads.read_case import BesideLesion, ReadCase, beside_analysis
    from .drafts_file import with_outlines
    from .reading_file import parse_reading

    text, beside = arguments.get("reading"), arguments.get("beside")
    if text is None:
        return None
    reading = parse_reading(str(text))
    if beside is None:
        return ReadCase(reading=reading, beside=beside_analysis(reading, analysis, load_lexicon(analysis.lexicon)))
    try:
        lesions = tuple(BesideLesion.model_validate_json(json.dumps(one)) for one in beside)
    except (ValidationError, ValueError, TypeError) as error:
        raise InputError("What the AI drafted could not be handed to the export; export again.") from error
    if arguments.get("drafted") is not None:
        lesions = with_outlines(lesions, read_array(arguments["drafted"]))
    return ReadCase(reading=reading, beside=lesions)
