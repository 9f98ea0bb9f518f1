"""`breastusassist analyze`: any ultrasound to outlines, BI-RADS table, report and DICOM."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .arguments import (
    add_model_arguments,
    add_reader_argument,
    predictor_of,
    print_json,
    reader_of,
    show_progress,
    subcommand,
    tell,
)

if TYPE_CHECKING:
    from ..birads.clinical import ClinicalParameters


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "analyze",
        run,
        "outline and describe lesions in ultrasound files",
        "breastusassist analyze study/ still.png sweep.zip --out results",
    )
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="file, folder, DICOM series or zip")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="results go to DIR/<case>/")
    parser.add_argument("--lexicon", default="birads-us-2013", help="edition of the lexicon (default: birads-us-2013)")
    parser.add_argument(
        "--prevalence",
        type=share,
        metavar="P",
        help="share of malignant among the lesions seen at your site, such as 0.01 (default: as in the training sets)",
    )
    parser.add_argument(
        "--clinical",
        metavar="JSON",
        help="file of clinical parameters of the one patient shown, or the word dicom for the age in each header",
    )
    parser.add_argument("--fractional", action="store_true", help="write seg.dcm with probabilities, not binary")
    parser.add_argument("--ignore-gates", action="store_true", help="draft frames that the input gates would stop")
    parser.add_argument("--debug", action="store_true", help="stop at an unexpected error and show where it arose")
    add_model_arguments(parser)
    add_reader_argument(parser)


def share(text: str) -> float:
    """Parse a number above 0 and below 1."""
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a share above 0 and below 1, such as 0.01")
    return value


def _clinical(named: str | None) -> "ClinicalParameters | Literal['dicom'] | None":
    from ..birads.clinical import read_clinical

    if named is None:
        return None
    return "dicom" if named == "dicom" else read_clinical(Path(named))


def run(options: argparse.Namespace) -> int:
    """Analyse; 3 when any input could not be done."""
    from datetime import UTC, datetime

    from ..birads.describe import new_uid
    from ..birads.lexicon import load_lexicon
    from ..service.batch import BatchOptions, analyze_inputs
    from . import BAD_INPUT, DONE

    outcome = analyze_inputs(
        options.inputs,
        options.out,
        predictor=predictor_of(options),
        reader=reader_of(options),
        lexicon=load_lexicon(options.lexicon),
        now=lambda: datetime.now(UTC).astimezone(),
        new_uid=new_uid,
        options=BatchOptions(
            options.ignore_gates,
            options.fractional,
            debug=options.debug,
            prevalence=options.prevalence,
            clinical=_clinical(options.clinical),
        ),
        tell=tell,
        progress=show_progress,
    )
    if options.json:
        cases = [{"case": a.case, "folder": str(folder), "lesions": len(a.lesions)} for folder, a in outcome.cases]
        print_json({"cases": cases, "failures": outcome.failures})
    done, failed = len(outcome.cases), len(outcome.failures)
    tell(
        f"{done} case{'s' if done != 1 else ''} done"
        + (f", {failed} input{'s' if failed != 1 else ''} not" if failed else "")
    )
    return BAD_INPUT if outcome.failures or not outcome.cases else DONE
