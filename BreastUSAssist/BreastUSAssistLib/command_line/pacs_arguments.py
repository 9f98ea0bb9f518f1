"""Arguments that the parts of `breastusassist pacs` share, and what they open."""

import argparse
import re
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import subcommand

if TYPE_CHECKING:
    from ..dicom.network.connection import NodeConnection
    from ..dicom.network.exchange import StudyQuery
    from ..dicom.network.nodes import PacsNode

Part = Callable[..., argparse.ArgumentParser]


def part(parts: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, rest: str) -> Any:
    """Add a part of the command with --nodes."""
    parser = subcommand(parts, name, run, summary, f"breastusassist pacs {name} {rest}".rstrip())
    parser.add_argument(
        "--nodes",
        type=Path,
        metavar="FILE",
        help="TOML file of the nodes (default: BREASTUS_NODES, else nodes.toml in your configuration folder)",
    )
    return parser


def add_node_argument(parser: argparse.ArgumentParser) -> None:
    """--node."""
    parser.add_argument("--node", required=True, metavar="NAME", help="name of the node in the file of nodes")


def add_query_arguments(parser: argparse.ArgumentParser) -> None:
    """What studies are searched by."""
    searched = parser.add_argument_group("search", "* stands for any letters, ? for one; empty fields match all")
    searched.add_argument("--patient-id", default="", metavar="ID")
    searched.add_argument("--patient-name", default="", metavar="NAME", help="as in DICOM, such as DOE*")
    searched.add_argument("--accession", default="", metavar="NUMBER", help="accession number")
    searched.add_argument("--description", default="", metavar="TEXT", help="study description")
    searched.add_argument("--modality", default="US", metavar="CODE", help="that the study has (default: US)")
    searched.add_argument("--from", dest="date_from", type=day, metavar="DATE", help="first day, such as 2026-01-31")
    searched.add_argument("--to", dest="date_to", type=day, metavar="DATE", help="last day")
    searched.add_argument("--most", type=positive, default=200, metavar="N", help="studies at most (default: 200)")


def query_of(options: argparse.Namespace) -> "StudyQuery":
    """The query that the arguments ask for."""
    from ..dicom.network.exchange import StudyQuery

    if options.date_from and options.date_to and options.date_from > options.date_to:
        raise UsageError("--from is later than --to, so no study can be found; exchange them.")
    return StudyQuery(
        patient_id=options.patient_id,
        patient_name=options.patient_name,
        accession_number=options.accession,
        description=options.description,
        modality=options.modality,
        date_from=options.date_from,
        date_to=options.date_to,
        limit=options.most,
    )


def day(text: str) -> date:
    """Parse 2026-01-31 or 20260131."""
    digits = re.fullmatch(r"(\d{4})-?(\d\d)-?(\d\d)", text, re.ASCII)
    try:
        if digits is None:
            raise ValueError
        return date(*map(int, digits.groups()))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date such as 2026-01-31") from error


def positive(text: str) -> int:
    """Parse a whole number above 0."""
    if not re.fullmatch(r"[1-9]\d{0,8}", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def nodes_file(options: argparse.Namespace) -> Path:
    """The file of nodes that is used."""
    from ..dicom.network.nodes import default_nodes_file

    return Path(options.nodes) if options.nodes else default_nodes_file()


def node_of(options: argparse.Namespace, name: str | None = None) -> "PacsNode":
    """The node of that name, or that of --node.

    Raises:
        UsageError: there is no such node.
        InputError: the file of nodes is wrong; names line and field.
    """
    from ..dicom.network.nodes import node_named

    return node_named(name or options.node, nodes_file(options))


def connect(node: "PacsNode") -> "NodeConnection":
    """Open a connection, with the secret from the environment or the keyring.

    Raises:
        UsageError: the secret is nowhere, or a package is missing.
    """
    from ..dicom.network.connection import open_connection
    from ..dicom.network.secrets import SecretStore

    return open_connection(node, SecretStore())
