"""The server behind a listener: a slow or silent client holds up nobody else."""

import ssl
from typing import Any


def server_class(context: ssl.SSLContext | None, handshake_s: float) -> type:
    """A server class for pynetdicom's AE.make_server, one thread a client.

    pynetdicom's own makes the TLS handshake in the thread that accepts clients, without a limit: one that connects and
    says nothing would stop the listener.
    """
    from pynetdicom.transport import ThreadedAssociationServer

    class Server(ThreadedAssociationServer):
        """Handshakes in the client's own thread."""

        daemon_threads = True
        request_queue_size = 64

        def process_request_thread(self, request: Any, client_address: Any) -> None:
            if context is not None:
                try:
                    request.settimeout(handshake_s)
                    request = context.wrap_socket(request, server_side=True)
                    request.settimeout(None)
                except OSError:
                    self.shutdown_request(request)
                    return
            super().process_request_thread(request, client_address)

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Nothing on stderr: the client is told by the closed connection."""

    return Server
