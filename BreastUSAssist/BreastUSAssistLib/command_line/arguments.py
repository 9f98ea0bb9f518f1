"""Arguments that several commands share, and what they print."""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from ..model.lesion_reader import LesionReader
    from ..model.predictor import Predictor


def subcommand(
    commands: Any, name: str, run: Callable[[argparse.Namespace], int], summary: str, example: str
) -> argparse.ArgumentParser:
    """Add a command whose --help ends with an example."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}. Research use only, not for diagnosis.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON on standard output")
    parser.set_defaults(run=run)
    return parser


def add_model_arguments(parser: argparse.ArgumentParser, default: str = "the one that is shipped") -> None:
    """--model, --backend, --device."""
    parser.add_argument("--model", type=Path, metavar="FOLDER", help=f"bundle that outlines (default: {default})")
    parser.add_argument(
        "--backend",
        choices=("auto", "openvino", "onnxruntime", "torch"),
        default="auto",
        help="default: the fastest that is there",
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")


def add_reader_argument(parser: argparse.ArgumentParser) -> None:
    """--reader."""
    parser.add_argument(
        "--reader",
        type=lambda text: text if text == "none" else Path(text),
        metavar="FOLDER",
        help="bundle that reads lesions (default: the one that is shipped), or none",
    )


def predictor_of(options: argparse.Namespace) -> "Predictor":
    """Open the model that the arguments name."""
    from ..model.bundle import load_bundle
    from ..model.predictor import open_predictor

    return open_predictor(load_bundle(options.model), options.backend, options.device, tell)


def reader_of(options: argparse.Namespace) -> "LesionReader | None":
    """Open the lesion reader that the arguments name; None where they say none, or none is shipped."""
    from ..model.bundle import DEFAULT_BUNDLES, load_bundle, shipped_bundles
    from ..model.lesion_reader import open_lesion_reader

    shipped = {path.name for path in shipped_bundles()}
    if options.reader == "none" or (options.reader is None and DEFAULT_BUNDLES["reader"] not in shipped):
        return None
    return open_lesion_reader(load_bundle(options.reader, "reader"), options.backend, options.device, tell)


def folds_of(text: str) -> tuple[int, ...]:
    """Parse "4" or "1,2,3"."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of fold numbers such as 1,2,3") from error


def existing_folder(path: Path, option: str) -> Path:
    """The folder itself, or a UsageError that names the option."""
    if not path.is_dir():
        raise UsageError(f"{option} {path} is not a folder; name one that exists.")
    return path


def show_progress(done: int, total: int) -> None:
    """Overwrite one line on a terminal's stderr; silent elsewhere, where lines would pile up."""
    if sys.stderr.isatty() and total > 1:
        print(f"\r{done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)


def tell(line: str) -> None:
    """Print one line on stderr."""
    print(line, file=sys.stderr, flush=True)


def print_json(content: Any) -> None:
    """Print JSON on standard output."""
    print(json.dumps(content, indent=2, ensure_ascii=False))


def add_declared_argument(parser: argparse.ArgumentParser) -> None:
    """Add --deidentified: who says that the pictures show no patient data, so that they are stored as they are."""
    parser.add_argument(
        "--deidentified",
        default="",
        metavar="NAME",
        help="who declares that the images are de-identified, such as a public data set; without it, and without a "
        "DICOM header that says so, images are cleaned: black outside the ultrasound regions, text in them filled",
    )
