"""The command `breastusassist`."""

import argparse
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import BreastUSAssistError, UsageError

DONE, BAD_USAGE, BAD_INPUT = 0, 2, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 2 bad usage, 3 bad input (each bad file named, the good ones still done)."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except UsageError as error:
        return _fail(error, BAD_USAGE)
    except BreastUSAssistError as error:
        return _fail(error, BAD_INPUT)
    except KeyboardInterrupt:
        print("Stopped; cases already reported are complete.", file=sys.stderr)
        return 130


def _fail(error: Exception, code: int) -> int:
    print(f"breastusassist: {error}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    from . import (
        analyze,
        deidentify,
        demo,
        dicom,
        evaluate,
        labels,
        models,
        pacs,
        phantom,
        refine,
        train,
        worker,
        worklist,
    )

    parser = argparse.ArgumentParser(
        prog="breastusassist",
        description="Drafts of breast-ultrasound lesions for a reader to check. Research use only, not for diagnosis.",
        epilog="Each command explains itself: breastusassist analyze --help",
    )
    parser.add_argument("--version", action="version", version=f"BreastUSAssist {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        analyze,
        refine,
        evaluate,
        train,
        labels,
        worklist,
        models,
        dicom,
        pacs,
        deidentify,
        phantom,
        demo,
        worker,
    ):
        command.add_to(commands)
    return parser
