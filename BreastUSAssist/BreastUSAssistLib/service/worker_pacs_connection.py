"""The node that a request names, and a connection to it."""

from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..dicom.network.connection import NodeConnection
    from ..dicom.network.nodes import PacsNode


def chosen_node(name: object) -> "PacsNode":
    """The node of a name. Raises UsageError: there is none, or none is named."""
    from ..dicom.network.nodes import default_nodes_file, node_named

    if not isinstance(name, str) or not name:
        raise UsageError("No node is chosen; choose one in section PACS.")
    return node_named(name, default_nodes_file())


def connected(name: object, attempts: int | None = None) -> "NodeConnection":
    """A connection to the node of a name, to be used in `with`.

    Args:
        name: of the node.
        attempts: tries of each request, where somebody waits for the answer; None as the node's settings say.

    Raises:
        UsageError: there is no such node, its password is not at hand, or a package is missing.
    """
    from ..dicom.network.connection import open_connection
    from ..dicom.network.secrets import SecretStore

    node = chosen_node(name)
    if attempts is not None:
        node = node.model_copy(update={"retries": node.retries.model_copy(update={"attempts": attempts})})
    return open_connection(node, SecretStore())
