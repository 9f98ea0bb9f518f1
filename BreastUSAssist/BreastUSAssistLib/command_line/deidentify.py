"""`breastusassist deidentify`: ultrasound, segmentations and reports without what tells who the patient is."""

import argparse
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import print_json, show_progress, subcommand, tell

if TYPE_CHECKING:
    from ..ultrasound.deidentification.files import DeidentificationOutcome, ReviewChoice
    from ..ultrasound.deidentification.uids import DeidentificationKey


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "deidentify",
        run,
        "remove what tells who the patient is from DICOM ultrasound, segmentations and reports",
        "breastusassist deidentify study/ --out shared --key-file ~/deidentification.key --review ask",
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="IN", help="DICOM file, folder or zip")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="results go to DIR/<patient>/<study>/<instance>.dcm"
    )
    parser.add_argument(
        "--key-file",
        type=Path,
        metavar="F",
        help="key of 64 hexadecimal digits, made where it is missing; the same key gives the same UIDs and pseudonyms "
        "(default: BREASTUS_DEIDENTIFY_KEY, else a key that is used once and forgotten)",
    )
    parser.add_argument(
        "--review",
        choices=("accept", "drop", "ask"),
        default="ask",
        help="where text is found in the kept part of an image: blank all of it without asking, drop the image, or ask "
        "here (default: ask)",
    )
    parser.add_argument(
        "--dates", choices=("shifted", "removed"), default="shifted", help="default: shifted by one amount a patient"
    )
    parser.add_argument(
        "--characteristics",
        choices=("kept", "removed"),
        default="kept",
        help="sex, age (at most 90), height and weight (default: kept)",
    )


def run(options: argparse.Namespace) -> int:
    """De-identify; 3 when any input could not be done, each named, the good ones done."""
    from ..dicom.known_terms import known_terms
    from ..ultrasound.deidentification.files import deidentify_files
    from ..ultrasound.deidentification.options import DeidentificationOptions
    from ..ultrasound.deidentification.record import REPORT
    from ..ultrasound.deidentification.text_finding import open_text_finder
    from . import BAD_INPUT, DONE

    with _cleared_up_on_signals():
        outcome = deidentify_files(
            options.inputs,
            options.out,
            _key(options),
            DeidentificationOptions(
                retain_dates=options.dates == "shifted",
                retain_characteristics=options.characteristics == "kept",
                terms=known_terms(),
            ),
            _review(options.review),
            open_finder=open_text_finder,
            now=lambda: datetime.now(UTC).astimezone(),
            progress=show_progress,
        )
    for sentence in outcome.failures:
        tell(f"breastusassist: {sentence}")
    if options.json:
        print_json(outcome.report.model_dump(mode="json"))
    tell(_summary(outcome) + f" Report: {options.out / REPORT}")
    return BAD_INPUT if outcome.failures else DONE


@contextmanager
def _cleared_up_on_signals() -> Iterator[None]:
    """Let SIGTERM, and SIGHUP of a terminal that is closed, end the run as ctrl-C does.

    Else unpacked originals, and pictures that show names, would stay in the temporary folder.
    """

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signals = [signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # Under nohup SIGHUP stays ignored.
    handlers = {one: signal.signal(one, stop) for one in signals if signal.getsignal(one) is signal.SIG_DFL}
    try:
        yield
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)


def _key(options: argparse.Namespace) -> "DeidentificationKey":
    from ..ultrasound.deidentification.uids import DeidentificationKey

    if options.key_file is not None:
        if options.key_file.resolve().is_relative_to(options.out.resolve()):
            raise UsageError(f"The key must not lie beside the results; choose a --key-file outside {options.out}.")
        if not options.key_file.exists():
            tell(f"A new key is made in {options.key_file}: keep it, apart from the results, to add to them later.")
        return DeidentificationKey.of_file(options.key_file)
    key = DeidentificationKey.of_environment()
    if key is None:
        tell("No key was given: one is made for this run and forgotten, so a second run gives other UIDs.")
        key = DeidentificationKey.random()
    return key


def _review(policy: str) -> "ReviewChoice":
    from ..ultrasound.deidentification.files import ReviewChoice
    from ..ultrasound.deidentification.review import blank_all_found, drop_where_found
    from .deidentify_review import ask_here

    return {
        "accept": ReviewChoice("accept", blank_all_found),
        "drop": ReviewChoice("drop", drop_where_found),
        "ask": ReviewChoice("ask", ask_here),
    }[policy]


def _summary(outcome: "DeidentificationOutcome") -> str:
    parts = [f"{outcome.done} de-identified"]
    for count, words in (
        (outcome.there, "were done already"),
        (outcome.dropped, "dropped because of text in the pixels"),
        (len(outcome.failures), "could not be done"),
        (outcome.passed_over, "other files left out"),
    ):
        if count:
            parts.append(f"{count} {words}")
    return ", ".join(parts) + "."
