"""Connections for the threads of a job."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from ...dicom.network.connection import open_connection
from ...errors import UsageError

if TYPE_CHECKING:
    from ...dicom.network.connection import PacsConnection
    from ...dicom.network.node_settings import PacsNode
    from ...dicom.network.secrets import SecretStore


class NodeConnections:
    """Opens connections to nodes by name.

    A node that sends to a port of ours (C-MOVE, reports of storage commitment) is spoken to by one thread at a time:
    only one can listen on that port.
    """

    def __init__(self, nodes: "Mapping[str, PacsNode]", secrets: "SecretStore") -> None:
        self._nodes, self._secrets = dict(nodes), secrets
        ports = {node.dimse.listening_port for node in nodes.values() if node.dimse and node.dimse.listening_port}
        self._locks = {port: threading.Lock() for port in ports}

    @contextmanager
    def __call__(self, name: str) -> "Iterator[PacsConnection]":
        """A connection to the node of that name; it is closed at the end.

        Raises:
            UsageError: there is no such node in this job, or its secret is not at hand.
        """
        node = self._nodes.get(name)
        if node is None:
            raise UsageError(f"Node {name} is not among those of this job; start it again with that node.")
        port = node.dimse.listening_port if node.dimse else None
        with self._locks[port] if port else nullcontext(), open_connection(node, self._secrets) as connection:
            yield connection
