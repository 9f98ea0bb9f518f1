"""`breastusassist pacs run|listen|status`: many studies from a PACS or a modality, analysed, drafts returned."""

import argparse
import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from .arguments import add_model_arguments, add_reader_argument, predictor_of, print_json, reader_of, tell
from .pacs_arguments import add_node_argument, add_query_arguments, node_of, part, positive, query_of

if TYPE_CHECKING:
    from ..dicom.network.node_settings import PacsNode, TlsSettings
    from ..service.pacs.ledger import Ledger
    from ..service.pacs.study_steps import Analyst
    from ..service.pacs.work import Clock, Connect, StudyWork, WorkSettings
    from ..service.pacs.work_folder import WorkFolder

_LARGEST_LIST = 2**26
_STATE_WORDS: dict[str, str] = {"waiting": "held", "set_aside": "set aside"}
STOPPED = 130
"""Exit code of a run that was stopped before all was done."""


def add_to(parts: Any) -> None:
    """Add the parts."""
    ran = part(
        parts,
        "run",
        run_run,
        "find studies, analyse them, send drafts to a node; goes on where it was stopped",
        "--node archive --from 2026-01-01 --work job --push-to archive",
    )
    add_node_argument(ran)
    add_query_arguments(ran)
    ran.add_argument("--studies", type=Path, metavar="FILE", help="study UIDs, one a line, or what find --json printed")
    ran.add_argument("--resume", action="store_true", help="search nothing new, finish what is in --work")
    ran.add_argument("--push-to", metavar="NODE", help="node that gets the drafts")
    ran.add_argument("--release", action="store_true", help="send the drafts that were held in --work, to --push-to")
    ran.add_argument("--transfers", type=positive, default=2, metavar="N", help="studies moved at once (default: 2)")
    listened = part(
        parts,
        "listen",
        run_listen,
        "analyse what a modality sends, return drafts to a node",
        "--port 11112 --ae-title BREASTUS --work job --return-to archive",
    )
    listened.add_argument("--port", type=positive, default=11112, metavar="P", help="to listen on (default: 11112)")
    listened.add_argument(
        "--ae-title",
        default="BREASTUSASSIST",
        metavar="A",
        help="our application entity title (default: BREASTUSASSIST)",
    )
    listened.add_argument("--return-to", "--node", dest="return_to", metavar="NODE", help="node that gets the drafts")
    listened.add_argument(
        "--address", default="0.0.0.0", metavar="ADDRESS", help="of this computer (default: 0.0.0.0, all networks)"
    )
    listened.add_argument("--certificate", type=Path, metavar="PEM", help="listen with TLS and show this certificate")
    listened.add_argument("--key", type=Path, metavar="PEM", help="its private key")
    listened.add_argument("--ca-file", type=Path, metavar="PEM", help="senders must show a certificate signed by these")
    listened.add_argument("--from-ae-title", action="append", metavar="TITLE", help="take images from these alone")
    listened.add_argument(
        "--quiet-after",
        type=positive,
        default=30,
        metavar="S",
        help="a study is complete after S seconds (default: 30)",
    )
    shown = part(parts, "status", run_status, "show how far the studies of a job are", "--work job")
    for one in (ran, listened, shown):
        one.add_argument("--work", type=Path, required=True, metavar="DIR", help="folder of the job")
    for one in (ran, listened):
        one.add_argument("--hold", action="store_true", help="keep the drafts here, send nothing")
        one.add_argument("--retry-failed", action="store_true", help="try again what failed in --work before")
        one.add_argument("--drop-images", action="store_true", help="remove a study's images once drafts are pushed")
        one.add_argument("--no-report", action="store_true", help="write no report.html: quicker for many studies")
        add_model_arguments(one)
        add_reader_argument(one)


def run_run(options: argparse.Namespace) -> int:
    """Find, pull, analyse, push; 3 when a study failed or a node could not be reached."""
    from ..service.pacs.work import OPEN, WorkSettings

    if not options.hold and not options.push_to:
        raise UsageError("Say with --push-to which node gets the drafts, or with --hold that they stay here.")
    if options.release and not options.push_to:
        raise UsageError("Say with --push-to which node gets the drafts that were held.")
    listed = _listed(options.studies) if options.studies else None
    settings = WorkSettings(transfers=options.transfers, drop_images=options.drop_images)
    with _job(options, {options.node, options.push_to}, settings) as job:
        _enter_studies(options, job, listed)
        with _stopped_by_signals(job.work):
            job.work.run()
        code = _told(options, job.ledger, job.work)
        return code if job.work.error or not job.ledger.items(OPEN) else STOPPED


def run_listen(options: argparse.Namespace) -> int:
    """Listen until stopped."""
    from ..dicom.network.listener import StorageListener
    from ..service.pacs.reception import Reception, ReceptionSettings
    from ..service.pacs.work import WorkSettings

    if not options.hold and not options.return_to:
        raise UsageError("Say with --return-to which node gets the drafts, or with --hold that they stay here.")
    tls = _tls(options)
    _check_port(options)
    received = ReceptionSettings(options.return_to, options.hold, options.quiet_after)
    settings = WorkSettings(endless=True, drop_images=options.drop_images)
    with _job(options, {options.return_to}, settings) as job:
        reception = Reception(job.folder, job.ledger, received, now=job.clock.now, wake=job.work.wake, tell=tell)
        reception.sweep()
        listener = StorageListener(
            options.port,
            options.ae_title,
            reception.keep,
            job.folder.incoming,
            tls=tls,
            allowed_ae_titles=options.from_ae_title,
            address=options.address,
        )
        with listener, _stopped_by_signals(job.work):
            tell(f"{options.ae_title} listens on port {listener.port}; stop with ctrl-C")
            job.work.run()
        return _told(options, job.ledger, job.work)


def run_status(options: argparse.Namespace) -> int:
    """Show the ledger of a job."""
    from ..service.pacs.ledger import Ledger
    from ..service.pacs.work_folder import WorkFolder
    from . import DONE

    folder = WorkFolder(options.work)
    if not folder.ledger.is_file():
        raise UsageError(f"{options.work} is no folder of a job; give the --work of a run or listen.")
    with Ledger(folder.ledger) as ledger:
        counts, items = ledger.counts(), ledger.items()
        if options.json:
            print_json({"counts": counts, "studies": [_shown(ledger, item) for item in items]})
        else:
            for item in items:
                print("  ".join(filter(None, (item.name, _STATE_WORDS.get(item.state, item.state), item.note))))
    tell(_summary(counts))
    return DONE


def _tls(options: argparse.Namespace) -> "TlsSettings | None":
    from ..dicom.network.node_settings import TlsSettings

    if (options.certificate is None) != (options.key is None) or (options.ca_file and options.certificate is None):
        raise UsageError("A listener with TLS needs --certificate and --key; --ca-file goes with them.")
    if options.certificate is None:
        return None
    return TlsSettings(ca_file=options.ca_file, certificate=options.certificate, key=options.key)


def _check_port(options: argparse.Namespace) -> None:
    """The node's own listening port is opened for a moment each time it commits; the listener has its port all day."""
    node = node_of(options, options.return_to) if options.return_to else None
    if node is not None and node.dimse is not None and node.dimse.listening_port == options.port:
        raise UsageError(
            f"Port {options.port} is the listening_port to which node {node.name} reports; choose another --port."
        )


@dataclass(frozen=True)
class _Job:
    """What a job works with."""

    folder: "WorkFolder"
    ledger: "Ledger"
    work: "StudyWork"
    clock: "Clock"
    connect: "Connect"


@contextmanager
def _job(options: argparse.Namespace, names: set[str | None], settings: "WorkSettings") -> Iterator[_Job]:
    """Take the work folder for this program alone, and over what a job that was killed had in hand."""
    from ..dicom.network.secrets import SecretStore
    from ..labels.shared_folders import network_file_system
    from ..service.pacs.connecting import NodeConnections
    from ..service.pacs.ledger import Ledger
    from ..service.pacs.work import OPEN, StudyWork, SystemClock
    from ..service.pacs.work_folder import WorkFolder

    nodes = _nodes_named(options, names)
    analyst = _analyst(options)
    folder, clock = WorkFolder(options.work), SystemClock()
    with folder.alone(), Ledger(folder.ledger) as ledger:
        if options.retry_failed:
            ledger.retry_failed(now=clock.now())
        nodes |= _nodes_named(
            options, {name for one in ledger.items(OPEN) for name in (one.source, one.destination)} - set(nodes)
        )
        share = network_file_system(folder.root)
        if share is not None:
            tell(f"{folder.root} is on a network file system ({share}), where a ledger may break; use a local disk.")
        if freed := ledger.free_leases():
            tell(f"{freed} studies were in work when the last job ended; they are taken up again")
        folder.sweep()
        if options.drop_images:
            for one in ledger.items(("pushed",)):
                folder.drop_images(one.name)

        connections = NodeConnections(nodes, SecretStore())
        work = StudyWork(folder, ledger, analyst, connections, settings=settings, clock=clock, tell=tell)
        yield _Job(folder, ledger, work, clock, connections)


def _nodes_named(options: argparse.Namespace, names: set[str | None]) -> "dict[str, PacsNode]":
    """The nodes of these names; one that is unknown, or whose secret is missing, shows here, before the work begins."""
    from ..dicom.network.secrets import SecretStore

    nodes = {name: node_of(options, name) for name in sorted(filter(None, names))}
    for node in nodes.values():
        SecretStore().read_secret(node)
    return nodes


def _enter_studies(options: argparse.Namespace, job: _Job, listed: list[str] | None) -> None:
    """Put the studies that were listed, or are found, into the ledger; those that are there stay as they are."""
    from ..service.pacs.searching import find_patiently
    from ..service.pacs.work_item import NewItem

    if listed is not None or options.resume:
        studies = listed or []
    else:
        studies = find_patiently(lambda: job.connect(options.node), query_of(options), clock=job.clock, tell=tell)
        if len(studies) >= options.most:
            tell(f"The search ended at {options.most} studies; there may be more, see --most.")
    now, added = job.clock.now(), 0
    for study in studies:
        new = NewItem(study, "query", source=options.node, destination=options.push_to, hold=options.hold)
        added += job.ledger.add(new, now=now)
    if options.release:
        job.ledger.release_held(options.push_to, now=now)
    tell(f"{len(studies)} studies, {added} of them new")


def _analyst(options: argparse.Namespace) -> "Analyst":
    from datetime import UTC, datetime

    from ..birads.describe import new_uid
    from ..birads.lexicon import load_lexicon
    from ..service.batch import BatchOptions, analyze_inputs

    predictor, reader, lexicon = predictor_of(options), reader_of(options), load_lexicon("birads-us-2013")
    return lambda inputs, out: analyze_inputs(
        inputs,
        out,
        predictor=predictor,
        reader=reader,
        lexicon=lexicon,
        now=lambda: datetime.now(UTC).astimezone(),
        new_uid=new_uid,
        options=BatchOptions(report=not options.no_report, goes_on_without_disk=False),
    )


@contextmanager
def _stopped_by_signals(work: "StudyWork") -> Iterator[None]:
    """Let SIGTERM, with which services are ended, and ctrl-C end the work in good order."""
    handlers: dict[int, Any] = {}

    def stop(number: int, frame: object) -> None:
        # Nothing is printed here: the signal may have come in the middle of a print.
        work.stop()
        signal.signal(number, handlers[number])

    try:
        for one in (signal.SIGTERM, signal.SIGINT):
            handlers[one] = signal.signal(one, stop)
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


def _listed(path: Path) -> list[str]:
    """Study UIDs of a file, each once."""
    from ..service.pacs.work_folder import checked_uid

    try:
        if path.stat().st_size > _LARGEST_LIST:
            raise InputError(f"{path} is larger than 64 MB, too large for a list of studies; choose another file.")
        text = path.read_text("utf-8-sig")
        if text.lstrip().startswith("{"):
            found = [str(study["study_uid"]) for study in json.loads(text)["studies"]]
        else:
            found = [line.split()[0] for line in re.split(r"[\r\n]+", text) if line.strip() and line[0] != "#"]
        return [checked_uid(uid) for uid in dict.fromkeys(found)]
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); choose a list of studies.") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is no list of studies; give one UID a line, or what find --json printed.") from error


def _told(options: argparse.Namespace, ledger: "Ledger", work: "StudyWork") -> int:
    from ..service.pacs.work import OPEN
    from . import BAD_INPUT, DONE

    counts = ledger.counts()
    if options.json:
        failures = [{"study": item.name, "why": item.note} for item in ledger.items(("failed",))]
        print_json({"counts": counts, "failures": failures, "error": str(work.error) if work.error else None})
    left = sum(counts[state] for state in OPEN)
    tell(_summary(counts) + (f"; {left} are taken up again the next time" if left else ""))
    if work.error is not None:
        tell(f"breastusassist: {work.error}")
    return BAD_INPUT if work.error is not None or counts["failed"] else DONE


def _shown(ledger: "Ledger", item: Any) -> dict[str, Any]:
    return {
        "name": item.name,
        "study_uid": item.study_uid,
        "state": item.state,
        "origin": item.origin,
        "source": item.source,
        "destination": item.destination,
        "attempts": item.attempts,
        "note": item.note,
        "objects": [
            {"file": one.path, "sop_instance_uid": one.sop_instance_uid, "outcome": one.outcome}
            for one in ledger.objects(item)
        ],
    }


def _summary(counts: dict[Any, int]) -> str:
    return (
        ", ".join(f"{count} {_STATE_WORDS.get(state, state)}" for state, count in counts.items() if count) or "no study"
    )
