"""`breastusassist train`: a model bundle made from images with masks and pathology, or from labels."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from . import train_labels
from .arguments import existing_folder, print_json, show_progress, subcommand, tell

if TYPE_CHECKING:
    from torch import nn

    from ..learning.manifest import ManifestRow
    from ..learning.training_log import TrainingLog

WEIGHTS = "weights.safetensors"
_NAMES = {"outline": "lesion-outline", "reader": "lesion-reader"}


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "train",
        run,
        "train one of the two networks and write it as a MONAI bundle",
        "breastusassist train --network outline --config train.json --manifest data/manifest.csv --root data "
        "--out runs/first",
    )
    parser.add_argument("--network", choices=tuple(_NAMES), default="outline", help="default: outline")
    parser.add_argument("--manifest", type=Path, metavar="CSV", help="one row an image; needs `fold` and `pathology`")
    parser.add_argument("--root", type=Path, metavar="DIR", help="folder that the manifest's paths start from")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help=f"state (a training that was stopped goes on from it), {WEIGHTS} and DIR/<name>/, the bundle",
    )
    parser.add_argument(
        "--config", type=Path, metavar="JSON", help="training options, as `options` in a bundle's train.json"
    )
    parser.add_argument("--log", type=Path, metavar="DIR", help="TensorBoard log (default: log in the folder of --out)")
    parser.add_argument(
        "--validate-every",
        type=int,
        default=1,
        metavar="N",
        help="score the validation folds after every N-th epoch, 0 never (default: 1)",
    )
    parser.add_argument(
        "--outlines",
        type=Path,
        metavar="CSV",
        help="manifest of automatic outlines that the reader learns from as well (see learning.automatic_outlines)",
    )
    parser.add_argument(
        "--start-from", type=Path, metavar="BUNDLE", help="bundle of the same kind to go on from (default: ImageNet)"
    )
    parser.add_argument(
        "--cross-validate",
        type=Path,
        metavar="NPZ",
        help="reader: predict each training fold by a reader trained on the others and keep that for its calibration, "
        "in place of a bundle",
    )
    parser.add_argument("--name", help="name of the bundle (default: lesion-outline or lesion-reader)")
    parser.add_argument("--bundle-version", default="0.1.0", help="version of the bundle (default: 0.1.0)")
    parser.add_argument("--no-bundle", action="store_true", help=f"train only; {WEIGHTS} is written all the same")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")
    train_labels.add_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Train, or go on with a training that was stopped, then write weights and bundle."""
    try:
        import monai  # noqa: F401
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise UsageError("Training needs PyTorch and MONAI; run `pip install 'breastusassist[train]'`.") from error
    from ..learning.manifest import read_manifest
    from ..learning.training_log import open_training_log
    from . import DONE

    if options.from_labels is not None:
        settings = training_options(options.config, "labels")
        return train_labels.run(options, settings, _device(options.device))
    if options.manifest is None or options.root is None:
        raise UsageError("Training needs --manifest and --root, or --from-labels; name one of them.")
    if options.validate_every < 0:
        raise UsageError(f"--validate-every {options.validate_every} is below 0; give a number of epochs, or 0.")
    if options.network == "outline" and options.cross_validate:
        raise UsageError("--cross-validate goes with --network reader; leave it out for the outline.")
    if options.network == "outline" and options.outlines:
        raise UsageError("--outlines goes with --network reader; leave it out for the outline network.")
    if options.cross_validate and options.start_from:
        raise UsageError("--start-from would show --cross-validate what it should leave out; leave one of them out.")
    settings = training_options(options.config, options.network)
    rows = read_manifest(options.manifest, existing_folder(options.root, "--root"))
    device = _device(options.device)
    options.out.mkdir(parents=True, exist_ok=True)
    with open_training_log(options.log or options.out / "log", tell) as log:
        task = _train_outline if options.network == "outline" else _train_reader
        result = task(options, settings, rows, device, log)
    if options.json:
        print_json(result)
    return DONE


def _train_outline(
    options: argparse.Namespace, settings: Any, rows: "Sequence[ManifestRow]", device: str, log: "TrainingLog"
) -> dict[str, Any]:
    from ..learning.checkpoint_validation import outline_scores
    from ..learning.training import train
    from ..model.bundle import load_bundle

    start = None
    if options.start_from is not None:
        from ..model.torch_backend import stored_state

        start = stored_state(load_bundle(options.start_from, "outline"))
    validation = [row for row in rows if row.fold in settings.validation_folds and row.problem is None]
    scores = (lambda: outline_scores(settings, validation, device)) if validation else None
    progress = _progress(options, scores, log)
    network = train(rows, settings, options.out, progress=progress, log=log, start=start, device=device)
    _write_weights(options, network)
    if options.no_bundle:
        return {"weights": str(options.out / WEIGHTS)}
    from ..learning.trained_bundle import write_trained_outline

    folder, name = _bundle(options)
    fitted = write_trained_outline(
        folder, name, options.bundle_version, network, settings, validation, progress=show_progress
    )
    tell(f"bundle written to {folder}; score it with `breastusassist evaluate --model {folder} ...`")
    return {"weights": str(options.out / WEIGHTS), "bundle": str(folder), "inference": fitted.model_dump(mode="json")}


def _train_reader(
    options: argparse.Namespace, settings: Any, rows: "Sequence[ManifestRow]", device: str, log: "TrainingLog"
) -> dict[str, Any]:
    from ..learning.checkpoint_validation import reader_scores
    from ..learning.reader_data import load_reader_lesions
    from ..learning.reader_training import train_reader

    usable = [row for row in rows if row.problem is None]
    start = None
    if options.start_from is not None:
        from ..model.bundle import load_bundle
        from ..model.torch_backend import stored_state

        start = stored_state(load_bundle(options.start_from, "reader"))

    def lesions_of(folds: tuple[int, ...]) -> Any:
        chosen = [row for row in usable if row.fold in folds]
        return load_reader_lesions(chosen, settings.input_size, settings.seed, tell)

    if options.outlines is not None:
        from ..learning.manifest import read_manifest

        # Their paths are absolute, see learning.automatic_outlines.
        usable += read_manifest(options.outlines, Path(options.outlines.resolve().anchor))
    lesions = lesions_of(settings.train_folds)
    if options.cross_validate:
        from ..learning.reader_cross_validation import cross_validate, keep_predictions

        outputs = cross_validate(lesions, settings, options.out, progress=tell, device=device)
        keep_predictions(options.cross_validate, lesions, outputs)
        tell(f"predictions of patients left out written to {options.cross_validate}")
        return {"predictions": str(options.cross_validate)}
    has_validation = any(row.fold in settings.validation_folds and row.mask for row in usable)
    scores = (
        (lambda: reader_scores(settings, lesions_of(settings.validation_folds), device)) if has_validation else None
    )
    network = train_reader(
        lesions, settings, options.out, progress=_progress(options, scores, log), log=log, start=start, device=device
    )
    _write_weights(options, network)
    if options.no_bundle:
        return {"weights": str(options.out / WEIGHTS)}
    from ..learning.trained_bundle import write_trained_reader

    folder, name = _bundle(options)
    written = write_trained_reader(folder, name, options.bundle_version, network, settings)
    tell(f"bundle written to {folder}, not calibrated yet; see `--cross-validate` and learning.reader_calibration")
    return {"weights": str(options.out / WEIGHTS), "bundle": str(folder), "inference": written.model_dump(mode="json")}


def _progress(
    options: argparse.Namespace, scores: Callable[[], Any] | None, log: "TrainingLog"
) -> Callable[[str], None]:
    """Progress that also scores the validation folds, whose images are read before the training starts."""
    from ..learning.checkpoint_validation import CheckpointValidation

    if not options.validate_every:
        return tell
    if scores is None:
        tell("No image is in the validation folds, so nothing is validated.")
        return tell
    return CheckpointValidation(options.out, options.validate_every, scores(), log, tell)


def _write_weights(options: argparse.Namespace, network: "nn.Module") -> None:
    """The trained weights in float32, as they were kept."""
    from safetensors.torch import save

    from ..files import write_bytes

    state = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    write_bytes(options.out / WEIGHTS, save(state, {"format": "pt"}))
    tell(f"weights written to {options.out / WEIGHTS}")


def _bundle(options: argparse.Namespace) -> tuple[Path, str]:
    name = options.name or _NAMES[options.network]
    return options.out / name, name


def _device(asked: str) -> str:
    import torch

    there = torch.cuda.is_available()
    if asked == "cuda" and not there:
        raise UsageError("No CUDA device can be used here; leave out --device or say --device cpu.")
    return "cuda" if there and asked != "cpu" else "cpu"


def training_options(config: Path | None, network: str = "outline") -> Any:
    """Options from a JSON file, either alone or under `options` with MONAI's `_target_`; the defaults without a file.

    Raises:
        InputError: the file is missing, no JSON, of the other network, or has an unknown or impossible option.
    """
    import json

    from pydantic import ValidationError

    from ..learning.fine_tuning import FineTuningOptions
    from ..learning.reader_training import ReaderTrainingOptions
    from ..learning.training import TrainingOptions

    kind: Any = {"outline": TrainingOptions, "reader": ReaderTrainingOptions, "labels": FineTuningOptions}[network]
    if config is None:
        return kind()
    try:
        content = json.loads(config.read_text("utf-8-sig"))
    except OSError as error:
        raise InputError(f"{config} could not be read ({error.strerror}); check --config.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{config} is not JSON ({error}); compare with a bundle's configs/train.json.") from error
    found = content.get("options", content) if isinstance(content, dict) else content
    if not isinstance(found, dict):
        raise InputError(f"{config} holds no options by name; compare with a bundle's configs/train.json.")
    target = str(found.get("_target_", kind.__name__)).rsplit(".", maxsplit=1)[-1]
    if target != kind.__name__:
        raise InputError(f"{config} is of another network ({target}); choose the right --network.")
    try:
        return kind.model_validate_json(json.dumps({k: v for k, v in found.items() if not k.startswith("_")}))
    except ValidationError as error:
        raise InputError(f"{config} does not fit: {_wrong(error, kind)}.") from error


def _wrong(error: Any, kind: Any) -> str:
    """Each wrong option with what is wrong with it, and for an unknown one the name that may have been meant."""
    from difflib import get_close_matches

    words = []
    for detail in error.errors():
        name = ".".join(map(str, detail["loc"]))
        if detail["type"] == "extra_forbidden":
            near = get_close_matches(name, kind.model_fields, n=1)
            meant = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(kind.model_fields)}"
            words.append(f"{name} is no option{meant}")
        else:
            words.append(f"{name}: {detail['msg'][0].lower()}{detail['msg'][1:]}")
    return "; ".join(words)
