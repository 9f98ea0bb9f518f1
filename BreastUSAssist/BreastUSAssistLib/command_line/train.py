"""`breastusassist train`: a model bundle made from images with masks and pathology."""

import argparse
from pathlib import Path
from typing import Any

from ..errors import InputError, UsageError
from .arguments import existing_folder, print_json, show_progress, subcommand, tell


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "train",
        run,
        "train the lesion network and write it as a MONAI bundle",
        "breastusassist train --manifest data/manifest.csv --root data --out runs/first",
    )
    parser.add_argument(
        "--manifest", type=Path, required=True, metavar="CSV", help="one row an image; needs `fold` and `pathology`"
    )
    parser.add_argument(
        "--root", type=Path, required=True, metavar="DIR", help="folder that the manifest's paths start from"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="training state and DIR/<name>/, the bundle"
    )
    parser.add_argument(
        "--config", type=Path, metavar="JSON", help="training options, as `options` in a bundle's train.json"
    )
    parser.add_argument("--start-from", type=Path, metavar="BUNDLE", help="bundle to go on from (default: ImageNet)")
    parser.add_argument("--name", default="lesion-first-light", help="name of the bundle (default: lesion-first-light)")
    parser.add_argument("--bundle-version", default="0.1.0", help="version of the bundle (default: 0.1.0)")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto", help="default: auto")


def run(options: argparse.Namespace) -> int:
    """Train, or go on with a training that was stopped, then write the bundle."""
    try:
        import torch

        from ..learning.bundle_writing import write_bundle
        from ..learning.training import train
        from ..model.backends import stored_state
    except ImportError as error:
        raise UsageError("Training needs PyTorch and MONAI; run `pip install 'breastusassist[train]'`.") from error
    from ..learning.manifest import read_manifest
    from ..model.bundle import load_bundle
    from . import DONE

    settings = training_options(options.config)
    rows = read_manifest(options.manifest, existing_folder(options.root, "--root"))
    device = options.device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    options.out.mkdir(parents=True, exist_ok=True)
    start = None if options.start_from is None else stored_state(load_bundle(options.start_from))
    network = train(rows, settings, options.out, start=start, progress=tell, device=device)
    validation = [row for row in rows if row.fold in settings.validation_folds]
    folder = options.out / options.name
    fitted = write_bundle(
        folder, options.name, options.bundle_version, network, settings, validation, progress=show_progress
    )
    tell(f"bundle written to {folder}; score it with `breastusassist evaluate --model {folder} ...`")
    if options.json:
        print_json({"bundle": str(folder), "inference": fitted.model_dump()})
    return DONE


def training_options(config: Path | None) -> Any:
    """Options from a JSON file, either alone or under `options` with MONAI's `_target_`; the defaults without a file.

    Raises:
        InputError: the file is missing, no JSON, or has an unknown or impossible option.
    """
    import json

    from pydantic import ValidationError

    from ..learning.training import TrainingOptions

    if config is None:
        return TrainingOptions()
    try:
        content = json.loads(config.read_text("utf-8"))
        content = content.get("options", content)
        return TrainingOptions.model_validate({k: v for k, v in content.items() if not k.startswith("_")})
    except (OSError, ValueError, AttributeError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else None
        where = f" ({'.'.join(map(str, detail['loc']))}: {detail['msg']})" if detail else ""
        raise InputError(
            f"{config} holds no training options{where}; compare with a bundle's configs/train.json."
        ) from error
