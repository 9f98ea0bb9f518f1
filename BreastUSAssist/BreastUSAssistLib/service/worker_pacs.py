"""Requests to a PACS: is it there, which studies has it, fetch one."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .worker_pacs_connection import connected

if TYPE_CHECKING:
    from ..dicom.network.connection import StudyFound
    from .worker_requests import Attend, Progress, Worksite

MOST_STUDIES = 200
"""Listed of a search."""
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")


def pacs_echo(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Ask the node `node` whether it is there: `words` and `ms`. Raises NodeError."""
    progress(0, 0, "asking the node")
    with connected(arguments.get("node"), attempts=1) as connection:
        told = connection.echo()
    return {"words": told.text, "ms": told.ms}


def pacs_find(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Studies that a node has.

    Args:
        arguments: `node` name; `query` with any of patient_name, patient_id, accession_number, from, to (ISO dates) and
            modality.
        site, progress, attend: as of every request.

    Returns:
        `studies` objects with study_uid, date, patient_name, patient_id, description, modalities, accession_number and
        images (or None), the latest first; `more` whether there are others.

    Raises:
        UsageError: the query is too wide or makes no sense.
        NodeError: the node did not answer, or with nonsense.
    """
    query = _query(arguments.get("query") or {})
    progress(0, 0, "looking for studies")
    with connected(arguments.get("node"), attempts=1) as connection:
        found = connection.find_studies(query)
    told = sorted((_study(one) for one in found), key=lambda one: str(one["date"]), reverse=True)
    return {"studies": told, "more": len(told) >= MOST_STUDIES}


def pacs_pull(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Fetch a study into a folder of its own; what is there already is not fetched again.

    Args:
        arguments: `node` name; `study_uid`; `folder` for studies.
        site: of this process.
        progress: told for each file.
        attend: called between files; may raise to stop: whole files stay.

    Returns:
        `folder` of the study; `files` in it; `skipped` sentences.

    Raises:
        NodeError: the node did not answer, or with nonsense.
        OutputError: the folder cannot be written.
    """
    study_uid = str(arguments.get("study_uid") or "")
    if not _UID.fullmatch(study_uid) or not arguments.get("folder"):
        raise UsageError("No study or no folder is chosen; choose both, then pull again.")
    folder = Path(str(arguments["folder"])).expanduser() / study_uid
    with connected(arguments.get("node")) as connection:
        pulled = connection.pull(
            study_uid, folder, attend=attend, progress=lambda done, total: progress(done, total, "fetching")
        )
    return {
        "folder": str(folder),
        "files": [str(path) for path in pulled.files],
        "skipped": [why for _, why in pulled.skipped],
    }


def _query(asked: Mapping[str, Any]) -> Any:
    from datetime import date

    from ..dicom.network.connection import StudyQuery

    fields = {
        key: str(asked[key]).strip() for key in ("patient_name", "patient_id", "accession_number") if asked.get(key)
    }
    if "patient_name" in fields:
        fields["patient_name"] = _name_pattern(fields["patient_name"])
    try:
        days = {key: date.fromisoformat(str(asked[key])) for key in ("from", "to") if asked.get(key)}
    except ValueError as error:
        raise UsageError("A date is no date; write it as 2026-01-31.") from error
    if not fields and not days:
        raise UsageError("The search would list the whole archive; give a name, an ID, an accession number or a date.")
    modality = {"modality": str(asked["modality"])} if asked.get("modality") else {}
    return StudyQuery(**fields, **modality, date_from=days.get("from"), date_to=days.get("to"), limit=MOST_STUDIES)


def _name_pattern(typed: str) -> str:
    """What finds a patient by the beginnings of the names that were typed, family name first.

    Without wildcards a PACS finds only who has exactly that name (PS3.4 C.2.2.2.4); between the names stands whatever
    the PACS has there.
    """
    return "*".join([*re.split(r"[\s,^*]+", typed.strip(" ,^*")), ""])


def _study(found: "StudyFound") -> dict[str, Any]:
    return {
        "study_uid": found.study_uid,
        "date": str(found.study_date or ""),
        "patient_name": found.patient_name,
        "patient_id": found.patient_id,
        "description": found.description,
        "modalities": ", ".join(found.modalities),
        "accession_number": found.accession_number,
        "images": found.instances,
    }
