"""`breastusassist pacs echo|find|pull|push|outbox|run|listen|status|nodes`: studies from a PACS, results back to it."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BreastUSAssistError, UsageError
from . import pacs_nodes, pacs_outbox, pacs_push, pacs_work
from .arguments import print_json, show_progress, tell
from .pacs_arguments import add_node_argument, add_query_arguments, connect, node_of, part, query_of

if TYPE_CHECKING:
    from ..dicom.network.exchange import StudyFound


def add_to(commands: Any) -> None:
    """Add the command and its parts."""
    parser = commands.add_parser(
        "pacs",
        help="find and pull studies of a PACS, analyse them, send drafts and results back",
        description="Works with the nodes of one TOML file; their passwords are in the keyring, or in the environment "
        "as BREASTUS_PACS_<NODE>_PASSWORD. Research use only, not for diagnosis.",
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_node_argument(part(parts, "echo", run_echo, "ask whether a node answers", "--node archive"))
    found = part(parts, "find", run_find, "list the studies of a node", "--node archive --from 2026-01-01")
    add_node_argument(found)
    add_query_arguments(found)
    pulled = part(
        parts, "pull", run_pull, "copy the ultrasound of studies to a folder", "--node archive 1.2.3 --out study"
    )
    add_node_argument(pulled)
    pulled.add_argument("studies", nargs="+", metavar="STUDY_UID", help="study instance UID, as find lists it")
    pulled.add_argument("--out", type=Path, required=True, metavar="DIR", help="images go to DIR/<study UID>/")
    pulled.add_argument("--all", action="store_true", help="all series, not only ultrasound")
    for one in (pacs_push, pacs_outbox, pacs_work, pacs_nodes):
        one.add_to(parts)


def run_echo(options: argparse.Namespace) -> int:
    """Ask a node whether it answers; 3 when it does not."""
    from . import DONE

    node = node_of(options)
    with connect(node) as connection:
        answer = connection.echo()
    if options.json:
        print_json({"node": node.name, "answer": answer.text, "ms": round(answer.ms, 1)})
    else:
        print(f"{node.name} answers: {answer.text}, {answer.ms:.0f} ms")
    return DONE


def run_find(options: argparse.Namespace) -> int:
    """List studies."""
    from . import DONE

    node = node_of(options)
    with connect(node) as connection:
        found = connection.find_studies(query_of(options))
    if options.json:
        print_json({"node": node.name, "studies": [_as_json(study) for study in found]})
    else:
        for study in found:
            print("  ".join(_columns(study)))
    more = "; there may be more, see --most" if len(found) >= options.most else ""
    tell(f"{len(found)} {'study' if len(found) == 1 else 'studies'}{more}")
    return DONE


def run_pull(options: argparse.Namespace) -> int:
    """Copy studies to a folder; what is there whole is not fetched again."""
    from ..service.pacs.work_folder import checked_uid
    from ..ultrasound.sop_classes import is_ultrasound
    from . import BAD_INPUT, DONE

    node = node_of(options)
    done: list[dict[str, Any]] = []
    failures: list[str] = []
    with connect(node) as connection:
        for number, study in enumerate(options.studies, start=1):
            try:
                folder = options.out / checked_uid(study)
                found = connection.instances(study)
                wanted = {one.series_uid for one in found if is_ultrasound(one.sop_class_uid, one.modality)}
                if not options.all and not wanted:
                    raise UsageError(f"Study {study} at {node.name} holds no ultrasound; --all copies what it holds.")
                series = () if options.all else tuple(sorted(wanted))
                pulled = connection.pull(study, folder, series=series)
            except BreastUSAssistError as error:
                failures.append(str(error))
                tell(f"breastusassist: {error}")
                continue
            skipped = [f"{uid}: {why}" for uid, why in pulled.skipped]
            failures += skipped
            done.append({"study": study, "folder": str(folder), "files": len(pulled.files), "skipped": skipped})
            tell(f"{study}: {len(pulled.files)} file{'' if len(pulled.files) == 1 else 's'} in {folder}")
            for line in skipped:
                tell(f"skipped {line}")
            show_progress(number, len(options.studies))
    if options.json:
        print_json({"node": node.name, "studies": done, "failures": failures})
    return BAD_INPUT if failures else DONE


def _as_json(study: "StudyFound") -> dict[str, Any]:
    return {
        "study_uid": study.study_uid,
        "date": study.study_date.isoformat() if study.study_date else None,
        "time": study.study_time,
        "patient_id": study.patient_id,
        "patient_name": study.patient_name,
        "accession_number": study.accession_number,
        "description": study.description,
        "modalities": list(study.modalities),
        "series": study.series,
        "instances": study.instances,
    }


def _columns(study: "StudyFound") -> list[str]:
    texts = (study.patient_id, study.patient_name, study.accession_number, study.description)
    # What a node sends may hold control characters that a terminal would obey.
    shown = ["".join(letter if letter.isprintable() else "?" for letter in text) or "-" for text in texts]
    images = "-" if study.instances is None else str(study.instances)
    when = study.study_date.isoformat() if study.study_date else "-"
    return [study.study_uid, when, "/".join(study.modalities) or "-", images, *shown]
