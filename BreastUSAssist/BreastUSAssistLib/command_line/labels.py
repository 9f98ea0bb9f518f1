"""`breastusassist labels init|add|import|deidentify|export|list|show|history|verify|restore`: the label store."""

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from . import labels_add, labels_deidentify, labels_export, labels_import
from .arguments import print_json, show_progress, subcommand, tell

if TYPE_CHECKING:
    from ..labels.record import Deidentification, LabelRecord
    from ..labels.store import LabelStore, LabelSummary
    from ..labels.verification import Verification

KINDS = ("accepted", "rejected", "autosaved", "imported")


def add_to(commands: Any) -> None:
    """Add the command and its parts."""
    parser = commands.add_parser(
        "labels",
        help="make, fill, look into, verify, restore or export a label store",
        description="Works on a label store. The key is taken from BREASTUS_KEY or the keyring. Research use only, not "
        "for diagnosis.",
    )
    parts = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    made = _part(parts, "init", run_init, "make a label store in a new or empty folder")
    made.add_argument("--unencrypted", action="store_true", help="store everything in the clear, without a key")
    listed = _part(parts, "list", run_list, "list the cases with their latest version")
    listed.add_argument("--kind", choices=KINDS, action="append", help="only those (may be given again)")
    shown = _part(parts, "show", run_show, "show a record", "CASE/2")
    shown.add_argument("record", metavar="CASE[/VERSION]", help="name of a case (its latest version) or of a version")
    past = _part(parts, "history", run_history, "list the versions of a case", "CASE")
    past.add_argument("case", metavar="CASE", help="name of the case")
    verified = _part(parts, "verify", run_verify, "check every record, image and entry of the audit trail")
    verified.add_argument(
        "--head", metavar="NUMBER:HASH", help="entry noted from an earlier run that must still be there"
    )
    for one in (labels_add, labels_import, labels_deidentify, labels_export):
        one.add_to(parts, _part)
    restored = _part(parts, "restore", run_restore, "bring an older version back, as a new one", "CASE/1 --reader AB")
    restored.add_argument("record", metavar="CASE/VERSION", help="the version to bring back")
    restored.add_argument("--reader", default="", metavar="NAME", help="who asks for it, for the record")


def run_init(options: argparse.Namespace) -> int:
    """Make a store; 2 when the folder is not empty or there is nowhere to keep the key."""
    from ..labels.keys import ENVIRONMENT, SERVICE
    from ..labels.shared_folders import network_file_system
    from ..labels.store import LabelStore
    from . import DONE

    with LabelStore.create(options.store, encrypted=not options.unencrypted) as store:
        header = store.header
    if options.json:
        print_json({"store": str(options.store), "id": header.id, "encryption": header.encryption})
    elif options.unencrypted:
        print(f"{options.store} is ready and not encrypted: whoever can read the folder can read the labels.")
    else:
        place = ENVIRONMENT if os.environ.get(ENVIRONMENT) else f'the keyring ("{SERVICE}", {header.id})'
        print(f"{options.store} is ready. Its key is that in {place}; keep a copy: without it the labels are lost.")
    share = network_file_system(options.store)
    if share is not None:
        tell(
            f"{options.store} is on a network file system ({share}): one program at a time can have the store open, "
            "and that only as far as the server's locks hold; to share labels, run one server beside the store."
        )
    return DONE


def run_list(options: argparse.Namespace) -> int:
    """List each case with its latest version; 3 when a record is damaged, the good ones still listed."""
    from . import BAD_INPUT, DONE

    damaged = []
    with _opened(options) as store:
        rows = []
        for summary in store.list(options.kind):
            try:
                rows.append(_row(store.get(summary.case, summary.version)))
            except InputError as error:
                damaged.append(summary.name)
                tell(f"breastusassist: {error}")
                rows.append({**_summary(summary), "damaged": True})
        counts = store.counts()
    if options.json:
        print_json({"store": str(options.store), "cases": rows, "counts": counts})
    else:
        _print_rows(rows, ("case", "version", "kind", "reader", "lesions", "created"))
        print(", ".join(f"{number} {kind}" for kind, number in counts.items() if number) or "No label yet.")
    return BAD_INPUT if damaged else DONE


def run_show(options: argparse.Namespace) -> int:
    """Print a record."""
    from . import DONE

    case, version = _named(options.record)
    with _opened(options) as store:
        record = store.get(case, version)
        frames = store.frame_numbers(record)
    content = json.loads(record.model_dump_json())
    if options.json:
        print_json({**content, "stored_frames": list(frames)})
        return DONE
    size = f"{record.image.rows} x {record.image.columns}, {record.image.frame_count} frames, {record.image.kind}"
    lines = {
        "Record": record.name,
        "Made from": record.parent
        if record.restored_from is None
        else f"{record.parent}, restores {record.restored_from}",
        "Kind": record.kind,
        "Created": record.created,
        "Reader": record.reader,
        "Reason": record.reason,
        "Seconds": f"{record.seconds_spent:.0f}",
        "Tools": ", ".join(record.tools),
        "Image": size,
        "Pixels": record.image.sha256,
        "Patient": record.patient,
        "Models": ", ".join(f"{model.name} {model.version} ({model.sha256[:12]})" for model in record.models),
        "Software": record.software,
        "Frames kept": len(frames),
        "Pictures": None if record.deidentified is None else _evidence(record.deidentified),
    }
    for title, value in lines.items():
        if value not in (None, ""):
            print(f"{title + ':':14}{value}")
    for lesion in record.reading.lesions if record.reading else ():
        words = [f"category {lesion.category}"] if lesion.category else []
        words += [f"{attribute} {term}" for attribute, term in lesion.descriptors.items()]
        words += [] if lesion.present else ["no lesion"]
        print(f"  lesion {lesion.number}: {', '.join(words) or 'as drafted'}")
    return DONE


def run_history(options: argparse.Namespace) -> int:
    """List the versions of a case, the first first."""
    from . import DONE

    with _opened(options) as store:
        rows = [_row(store.get(one.case, one.version)) for one in store.history(options.case)]
    if not rows:
        raise InputError(f"{options.case} is not in the label store; `breastusassist labels list` names what is.")
    if options.json:
        print_json({"case": options.case, "versions": rows})
    else:
        _print_rows(rows, ("version", "parent", "kind", "reader", "seconds_spent", "restored_from", "created"))
    return DONE


def run_verify(options: argparse.Namespace) -> int:
    """Verify a store; 3 when anything is damaged, each damaged record named."""
    from ..labels.verification import verify_store
    from . import BAD_INPUT, DONE

    found = verify_store(options.store, progress=show_progress, head=options.head)
    if options.json:
        print_json(_verification_as_json(found))
        return BAD_INPUT if found.damages else DONE
    for damage in found.damages:
        print(f"{damage.record or 'store'}: {damage.words}")
    for note in found.notes:
        print(f"note: {note}")
    unused = f", {found.unused_blobs} blobs that no record uses" if found.unused_blobs else ""
    print(f"{found.records} records, {found.blobs} blobs{unused}; head {found.head or 'not readable'}")
    print(f"{len(found.damages)} damages" if found.damages else "nothing damaged")
    return BAD_INPUT if found.damages else DONE


def run_restore(options: argparse.Namespace) -> int:
    """Bring an older version back as a new one."""
    from . import DONE

    case, version = _named(options.record)
    if version is None:
        raise UsageError("Say which version to bring back, as in CASE/1; `labels history` lists them.")
    with _opened(options) as store:
        record = store.restore(case, version, options.reader)
    if options.json:
        print_json(_row(record))
    else:
        print(f"{record.name} says what {case}/{version} said; all versions are still there.")
    return DONE


def _part(parts: Any, name: str, run: Any, summary: str, rest: str = "") -> argparse.ArgumentParser:
    example = f"breastusassist labels {name} --store labels {rest}".rstrip().replace("CASE", "case-aaaabbbbccccdddd")
    parser = subcommand(parts, name, run, summary, example)
    parser.add_argument("--store", type=Path, required=True, metavar="DIR", help="folder of the label store")
    return parser


def _opened(options: argparse.Namespace) -> "LabelStore":
    from ..labels.store import LabelStore

    return LabelStore.open(options.store)


def _named(text: str) -> tuple[str, int | None]:
    case, slash, version = text.partition("/")
    if not slash:
        return case, None
    if not version.isascii() or not version.isdigit():
        raise UsageError(f"{version!r} is no version; name a record as CASE or CASE/2.")
    return case, int(version)


def _evidence(said: "Deidentification") -> str:
    if said.evidence == "cleaned":
        return f"cleaned, {said.texts} texts filled, {said.blanked_share:.0%} of the picture blanked ({said.finder})"
    return (
        f"declared de-identified by {said.by}" if said.evidence == "declared" else "de-identified, as its header says"
    )


def _row(record: "LabelRecord") -> dict[str, Any]:
    lesions = None if record.reading is None else sum(lesion.present for lesion in record.reading.lesions)
    return {
        "case": record.case,
        "version": record.version,
        "parent": record.parent,
        "kind": record.kind,
        "reader": record.reader,
        "seconds_spent": record.seconds_spent,
        "lesions": lesions,
        "patient": record.patient,
        "restored_from": record.restored_from,
        "created": record.created,
    }


def _summary(summary: "LabelSummary") -> dict[str, Any]:
    return {
        "case": summary.case,
        "version": summary.version,
        "parent": summary.parent,
        "kind": summary.kind,
        "created": summary.created,
    }


def _print_rows(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    table = [[column.upper().replace("_", " ") for column in columns]]
    table += [["-" if row.get(column) in (None, "") else str(row[column]) for column in columns] for row in rows]
    widths = [max(len(line[place]) for line in table) for place in range(len(columns))]
    for line in table if rows else ():
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _verification_as_json(found: "Verification") -> dict[str, Any]:
    return {
        "ok": not found.damages,
        "records": found.records,
        "blobs": found.blobs,
        "unused_blobs": found.unused_blobs,
        "head": found.head,
        "damaged_records": list(found.damaged_records),
        "damages": [{"record": damage.record, "words": damage.words} for damage in found.damages],
        "notes": found.notes,
    }
