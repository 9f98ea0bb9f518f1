"""`breastusassist pacs run|listen|status`: many studies from a PACS or a modality, analysed, drafts returned."""

import argparse
import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from .arguments import add_model_arguments, add_reader_argument, predictor_of, print_json, reader_of, tell
from .pacs_arguments import add_node_argument, add_query_arguments, connect, node_of, part, positive, query_of

if TYPE_CHECKING:
    from ..dicom.network.node_settings import TlsSettings
    from ..service.pacs.ledger import Ledger
    from ..service.pacs.study_steps import Analyst
    from ..service.pacs.work import Connect, StudyWork
    from ..service.pacs.work_folder import WorkFolder

_LARGEST_LIST = 2**26
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
    ran.add_argument("--retry-failed", action="store_true", help="try again what failed before")
    ran.add_argument("--transfers", type=positive, default=2, metavar="N", help="studies moved at once (default: 2)")
    listened = part(
        parts,
        "listen",
        run_listen,
        "analyse what a modality sends, return drafts to a node",
        "--port 11112 --ae-title BREASTUS --work job --return-to archive",
    )
    listened.add_argument("--port", type=positive, required=True, metavar="P", help="port to listen on")
    listened.add_argument("--ae-title", required=True, metavar="A", help="our application entity title")
    listened.add_argument("--return-to", metavar="NODE", help="node that gets the drafts")
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
        add_model_arguments(one)
        add_reader_argument(one)


def run_run(options: argparse.Namespace) -> int:
    """Find, pull, analyse, push; 3 when a study failed or a node could not be reached."""
    from ..service.pacs.ledger import Ledger, NewItem
    from ..service.pacs.searching import find_patiently
    from ..service.pacs.work import OPEN, StudyWork, SystemClock, WorkSettings
    from ..service.pacs.work_folder import WorkFolder

    if not options.hold and not options.push_to:
        raise UsageError("Say with --push-to which node gets the drafts, or with --hold that they stay here.")
    if options.release and not options.push_to:
        raise UsageError("Say with --push-to which node gets the drafts that were held.")
    listed = _listed(options.studies) if options.studies else None
    connections = _connections(options, [options.node, *([options.push_to] if options.push_to else [])])
    analyst = _analyst(options)
    folder, clock = WorkFolder(options.work), SystemClock()
    with folder.alone(), Ledger(folder.ledger) as ledger:
        _begin(folder, ledger)
        if listed is not None or options.resume:
            studies = listed or []
        else:
            studies = find_patiently(lambda: connections(options.node), query_of(options), clock=clock, tell=tell)
            if len(studies) >= options.most:
                tell(f"The search ended at {options.most} studies; there may be more, see --most.")
        now, added = clock.now(), 0
        for study in studies:
            new = NewItem(study, "query", source=options.node, destination=options.push_to, hold=options.hold)
            added += ledger.add(new, now=now)
        if options.release:
            ledger.release_held(options.push_to, now=now)
        if options.retry_failed:
            ledger.retry_failed(now=now)
        tell(f"{len(studies)} studies found, {added} of them new")
        settings = WorkSettings(transfers=options.transfers)
        work = StudyWork(folder, ledger, analyst, connections, settings=settings, clock=clock, tell=tell)
        with _stopped_by_term(work):
            work.run()
        code = _told(options, ledger, work)
        return code if work.error or not ledger.items(OPEN) else STOPPED


def run_listen(options: argparse.Namespace) -> int:
    """Listen until stopped."""
    from ..dicom.network.listener import StorageListener
    from ..service.pacs.ledger import Ledger
    from ..service.pacs.reception import Reception, ReceptionSettings
    from ..service.pacs.work import StudyWork, SystemClock, WorkSettings
    from ..service.pacs.work_folder import WorkFolder

    if not options.hold and not options.return_to:
        raise UsageError("Say with --return-to which node gets the drafts, or with --hold that they stay here.")
    connections = _connections(options, [options.return_to] if options.return_to else [])
    analyst = _analyst(options)
    folder, clock = WorkFolder(options.work), SystemClock()
    with folder.alone(), Ledger(folder.ledger) as ledger:
        _begin(folder, ledger)
        settings = WorkSettings(endless=True)
        work = StudyWork(folder, ledger, analyst, connections, settings=settings, clock=clock, tell=tell)
        received = ReceptionSettings(options.return_to, options.hold, options.quiet_after)
        reception = Reception(folder, ledger, received, now=clock.now, wake=work.wake, tell=tell)
        reception.sweep()
        listener = StorageListener(
            options.port,
            options.ae_title,
            reception.keep,
            folder.incoming,
            tls=_tls(options),
            allowed_ae_titles=options.from_ae_title,
            address=options.address,
        )
        with listener, _stopped_by_term(work):
            tell(f"{options.ae_title} listens on port {options.port}; stop with ctrl-C")
            work.run()
        return _told(options, ledger, work)


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
                print("  ".join(filter(None, (item.name, item.state, item.note))))
    tell(_summary(counts))
    return DONE


def _tls(options: argparse.Namespace) -> "TlsSettings | None":
    from ..dicom.network.node_settings import TlsSettings

    if (options.certificate is None) != (options.key is None) or (options.ca_file and options.certificate is None):
        raise UsageError("A listener with TLS needs --certificate and --key; --ca-file goes with them.")
    if options.certificate is None:
        return None
    return TlsSettings(ca_file=options.ca_file, certificate=options.certificate, key=options.key)


def _begin(folder: "WorkFolder", ledger: "Ledger") -> None:
    """Take over what a job that was killed had in hand."""
    freed = ledger.free_leases()
    folder.sweep()
    if freed:
        tell(f"{freed} studies were in work when the last job ended; they are taken up again")


def _connections(options: argparse.Namespace, names: list[str]) -> "Connect":
    """What opens connections to the nodes of these names; a node that is unknown or lacks its secret shows now."""
    from ..dicom.network.secrets import SecretStore

    nodes = {name: node_of(options, name) for name in names}
    for node in nodes.values():
        SecretStore().read_secret(node)
    return lambda name: connect(nodes[name] if name in nodes else node_of(options, name))


def _analyst(options: argparse.Namespace) -> "Analyst":
    from datetime import UTC, datetime

    from ..birads.describe import new_uid
    from ..birads.lexicon import load_lexicon
    from ..service.batch import analyze_inputs

    predictor, reader, lexicon = predictor_of(options), reader_of(options), load_lexicon("birads-us-2013")
    return lambda inputs, out: analyze_inputs(
        inputs,
        out,
        predictor=predictor,
        reader=reader,
        lexicon=lexicon,
        now=lambda: datetime.now(UTC).astimezone(),
        new_uid=new_uid,
    )


@contextmanager
def _stopped_by_term(work: "StudyWork") -> Iterator[None]:
    """Let SIGTERM, with which services are ended, and ctrl-C end the work in good order."""
    handlers: dict[int, Any] = {}

    def stop(number: int, frame: object) -> None:
        tell("stopping; what is not done is taken up again the next time")
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
    from . import BAD_INPUT, DONE

    counts = ledger.counts()
    if options.json:
        failures = [{"study": item.name, "why": item.note} for item in ledger.items(("failed",))]
        print_json({"counts": counts, "failures": failures, "error": str(work.error) if work.error else None})
    tell(_summary(counts))
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
    words: dict[str, str] = {"waiting": "held", "set_aside": "set aside"}
    return ", ".join(f"{count} {words.get(state, state)}" for state, count in counts.items() if count) or "no study"
