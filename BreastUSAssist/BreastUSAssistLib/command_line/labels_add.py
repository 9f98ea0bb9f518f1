"""`breastusassist labels add`: images that wait for a reader into a label store."""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arguments import (
    add_declared_argument,
    add_model_arguments,
    add_reader_argument,
    print_json,
    reader_of,
    show_progress,
    tell,
)

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..labels.adding import AddReport, Draft, Outcome
    from ..labels.masks import MaskStack
    from ..labels.store import LabelStore
    from ..model.predictor import Predictor
    from ..ultrasound.frame import Clip

Part = Callable[..., argparse.ArgumentParser]


def add_to(parts: Any, part: Part) -> None:
    """Add the command."""
    parser = part(parts, "add", run, "add images that wait for a reader", "--draft study/ still.png sweep.zip")
    parser.add_argument("inputs", nargs="+", type=Path, metavar="INPUT", help="file, folder, DICOM series or zip")
    parser.add_argument("--draft", action="store_true", help="have the models outline and describe each image")
    parser.add_argument("--ignore-gates", action="store_true", help="draft frames that the input gates would stop")
    add_declared_argument(parser)
    parser.add_argument("--debug", action="store_true", help="stop at an unexpected error and show where it arose")
    add_model_arguments(parser, "the one promoted in the store, else the one that is shipped")
    add_reader_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Add; 3 when an input could not be added, each named, the good ones added."""
    from ..labels.adding import add_images
    from ..labels.picture_gate import PictureGate
    from ..labels.store import LabelStore
    from ..ultrasound.reading import open_clips
    from . import BAD_INPUT, DONE

    with LabelStore.open(options.store) as store, tempfile.TemporaryDirectory(prefix="breastusassist-") as workspace:
        draft = _draft(store, options) if options.draft else None
        clips = open_clips(options.inputs, Path(workspace))
        report = add_images(store, clips, draft, gate=PictureGate(options.deidentified), tell=tell, debug=options.debug)
    if options.json:
        print_json(_as_json(options.store, report))
    else:
        print(_summary(report))
    return BAD_INPUT if report.bad or not report.cases else DONE


def _draft(store: "LabelStore", options: argparse.Namespace) -> "Draft":
    """What analyses a clip with the models in use."""
    from datetime import UTC, datetime

    from ..birads.analysis import AnalysisSettings
    from ..birads.describe import new_uid
    from ..birads.lexicon import load_lexicon
    from ..labels.masks import MaskStack
    from ..service.analyze import analyze_clip

    predictor, reader, lexicon = _predictor(store, options), reader_of(options), load_lexicon()

    def draft(clip: "Clip") -> "tuple[Analysis, MaskStack]":
        result = analyze_clip(
            clip,
            predictor,
            lexicon,
            created=datetime.now(UTC).astimezone(),
            new_uid=new_uid,
            reader=reader,
            settings=AnalysisSettings(ignore_gates=options.ignore_gates),
            progress=show_progress,
        )
        spoken = [frame.frame_number for frame in result.analysis.frames]
        return result.analysis, MaskStack.of_labels(result.labels, spoken=spoken)

    return draft


def _predictor(store: "LabelStore", options: argparse.Namespace) -> "Predictor":
    from ..learning.promoted_models import bundle_in_use
    from ..model.bundle import load_bundle
    from ..model.predictor import open_predictor

    bundle = bundle_in_use(store) if options.model is None else load_bundle(options.model)
    return open_predictor(bundle, options.backend, options.device, tell)


def _as_json(store: Path, report: "AddReport") -> dict[str, Any]:
    cases = [{"image": name, "case": case, "outcome": outcome} for name, case, outcome in report.cases]
    return {"store": str(store), "cases": cases, "failures": report.bad, "without_pictures": report.withheld}


def _summary(report: "AddReport") -> str:
    """One line: how many of each outcome."""
    words: dict[Outcome, str] = {
        "drafted": "added with a draft",
        "added": "added",
        "there": "there already",
        "kept": "left as a reader or an import has them",
    }
    told = [f"{report.count(outcome)} {said}" for outcome, said in words.items() if report.count(outcome)]
    told += [f"{len(report.withheld)} without their pictures"] if report.withheld else []
    told += [f"{len(report.bad)} could not be added"] if report.bad else []
    return (", ".join(told) or "no image found") + "."
