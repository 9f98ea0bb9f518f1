"""An analysis process that knows the tiny networks of tiny_bundles: run as a script, or asked for by `tiny_client`."""

import os
import sys
from pathlib import Path

from BreastUSAssistLib.service.worker_client import WorkerClient


def tiny_client() -> WorkerClient:
    """A client of such a process, which can train a tiny network; nothing is started yet."""
    here = Path(__file__).resolve()
    path = os.pathsep.join(filter(None, [str(here.parent), os.environ.get("PYTHONPATH")]))
    return WorkerClient([sys.executable, str(here), "worker"], environment={**os.environ, "PYTHONPATH": path})


if __name__ == "__main__":
    import tiny_bundles  # noqa: F401 - registers the encoder
    from BreastUSAssistLib.command_line import main

    sys.exit(main(sys.argv[1:]))
