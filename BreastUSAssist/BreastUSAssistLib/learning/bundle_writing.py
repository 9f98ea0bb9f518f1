"""A trained network as a MONAI bundle: weights without pickles, configs, metadata, and the SHA-256 of every file."""

import json
import platform
from collections.abc import Mapping
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor, nn

from ..files import write_bytes, write_text
from ..model.bundle import (
    INFERENCE,
    METADATA,
    NETWORKS,
    WEIGHTS,
    OutlineSettings,
    ReaderSettings,
    load_bundle,
    write_sums,
)
from ..model.bundle_settings import BundleSettings
from ..model.network import LesionNet
from .onnx_export import export_outline, export_reader, round_weights
from .training import TrainingOptions

INTENDED_USE = "Research use only, not for diagnosis. Drafts for a reader to check."
DATA_SOURCE = "BUS-BRA, BUSI and BrEaST-Lesions-USG; see docs/README.md for citations"
REFERENCES = (
    "Gomez-Flores et al., BUS-BRA, Medical Physics 2024",
    "Al-Dhabyani et al., Data in Brief 28:104863, 2020",
    "Pawlowska et al., Scientific Data 2024",
)
_SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
_OUTLINE_TASK = (
    "Outline lesions in breast ultrasound, follow a reader's prompts, and tell frames without a lesion apart"
)
_OUTLINE_DESCRIPTION = (
    "FlexibleUNet with an EfficientNet-Lite0 encoder, a class head that pools where it outlines, and an encoder of "
    "clicks, boxes and previous masks."
)
_READER_TASK = "Judge one outlined lesion of breast ultrasound: malignancy, BI-RADS category and descriptors"
_READER_DESCRIPTION = "EfficientNet-Lite0 on the grey levels and mask of one lesion, with its measures beside."


def write_outline_bundle(
    folder: Path,
    name: str,
    bundle_version: str,
    network: LesionNet,
    settings: OutlineSettings,
    *,
    card: str,
    training: TrainingOptions | Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    extra_files: Mapping[str, bytes] | None = None,
    today: date | None = None,
) -> None:
    """Write an outline bundle. Weights of `network` are rounded to float16 in place.

    Args:
        folder: of the bundle; files that are there are replaced.
        name: of the bundle.
        bundle_version: such as 1.0.0.
        network: trained.
        settings: chosen and calibrated by the caller.
        card: Markdown of docs/README.md.
        training: options for configs/train.json.
        metadata: entries that are added to configs/metadata.json or replace those there.
        extra_files: content by path relative to the folder, such as models/familiarity.safetensors.
        today: date for the changelog.

    Raises:
        OutputError: the folder cannot be written.
    """
    image, square = _image(settings.input_size, 1), [settings.input_size, settings.input_size]
    described = {
        "task": _OUTLINE_TASK,
        "description": _OUTLINE_DESCRIPTION,
        "network_data_format": {
            "inputs": {"image": {**image, "channel_def": {"0": "grey"}}},
            "outputs": {
                "pred": {**_logits({"0": "lesion"}), "type": "image", "spatial_shape": square},
                "classes": _logits({"0": "normal", "1": "benign", "2": "malignant"}),
            },
        },
    }
    arguments = {
        "in_channels": 1,
        "classes": 3,
        "backbone": network.backbone,
        "decoder_channels": _decoder_channels(network),
    }
    network = network.cpu().eval()
    state = round_weights(network)
    export_outline(network, folder / "models", settings.input_size)
    run = "$main(['analyze'] + list(@inputs) + ['--out', @output_dir, '--model', @bundle_root])"
    config = {**_inference("outline", arguments), "inputs": [], "output_dir": "eval", "run": [run]}
    content = {**_metadata(name, bundle_version, settings, today), **described, **(metadata or {})}
    _write(folder, state, config, _training_config(training), content, card, extra_files)


def write_reader_bundle(
    folder: Path,
    name: str,
    bundle_version: str,
    network: nn.Module,
    settings: ReaderSettings,
    *,
    card: str,
    network_arguments: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    extra_files: Mapping[str, bytes] | None = None,
    today: date | None = None,
) -> None:
    """Write a reader bundle; see `write_outline_bundle`.

    Args:
        folder: see there, as all that is not named here.
        name: see there.
        bundle_version: see there.
        network: a trained ReaderNet.
        settings: its `measures` and `outputs` in the network's order.
        card: see there.
        network_arguments: of the network's constructor, beside `measures`.
        training: content of configs/train.json.
        metadata: see there.
        extra_files: see there; `configs/calibration.json`, for one.
        today: see there.

    Raises:
        OutputError: the folder cannot be written.
    """
    network = network.cpu().eval()
    state = round_weights(network)
    export_reader(network, folder / "models", settings.input_size, len(settings.measures))
    image = {**_image(settings.input_size, 2), "channel_def": {"0": "grey", "1": "mask of the lesion"}}
    measures = {**_logits(_numbered(settings.measures)), "format": "measures; NaN where missing"}
    described = {
        "task": _READER_TASK,
        "description": _READER_DESCRIPTION,
        "network_data_format": {
            "inputs": {"image": image, "measures": measures},
            "outputs": {attribute: _logits(_numbered(terms)) for attribute, terms in settings.outputs.items()},
        },
    }
    arguments = {"measures": len(settings.measures), **(network_arguments or {})}
    config = {
        **_inference("reader", arguments),
        "image": f"$torch.zeros(1, 2, {settings.input_size}, {settings.input_size}, device=@device)",
        "measures": f"$torch.full((1, {len(settings.measures)}), float('nan'), device=@device)",
        "run": ["$print({name: value.tolist() for name, value in @network(@image, @measures).items()})"],
    }
    content = {**_metadata(name, bundle_version, settings, today), **described, **(metadata or {})}
    _write(folder, state, config, dict(training or {}), content, card, extra_files)


def change_settings(folder: Path, settings: BundleSettings) -> None:
    """Replace the settings of a bundle that was written before; its network stays.

    Raises:
        OutputError: the folder cannot be written.
        ModelError: the bundle was changed by others.
    """
    metadata = load_bundle(folder, kind=settings.kind).read_json(METADATA)
    _write_json(folder / METADATA, {**metadata, "inference": settings.model_dump(mode="json")})
    write_sums(folder)


def _write(
    folder: Path,
    state: Mapping[str, Tensor],
    inference: Mapping[str, Any],
    training: Mapping[str, Any],
    metadata: Mapping[str, Any],
    card: str,
    extra_files: Mapping[str, bytes] | None,
) -> None:
    write_bytes(folder / WEIGHTS, save(dict(state), {"format": "pt"}))
    _write_json(folder / INFERENCE, inference)
    _write_json(folder / "configs/train.json", training)
    _write_json(folder / METADATA, metadata)
    write_text(folder / "docs/README.md", card if card.endswith("\n") else card + "\n")
    for relative, content in (extra_files or {}).items():
        write_bytes(folder / relative, content)
    write_sums(folder)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def _decoder_channels(network: LesionNet) -> list[int]:
    """Channels that each block of the decoder gives, coarsest first: those of the convolution before its last norm."""
    blocks: Any = network.decoder.blocks
    return [int(block.convs.conv_1.conv.out_channels) for block in blocks]


def _image(size: int, channels: int) -> dict[str, Any]:
    return {
        "type": "image",
        "format": "ultrasound grey levels",
        "num_channels": channels,
        "spatial_shape": [size, size],
        "dtype": "float32",
        "value_range": [-127 / 128, 1],
        "is_patch_data": False,
    }


def _logits(channels: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "probabilities",
        "format": "logits",
        "num_channels": len(channels),
        "spatial_shape": [],
        "dtype": "float32",
        "value_range": [],
        "is_patch_data": False,
        "channel_def": dict(channels),
    }


def _numbered(names: tuple[str, ...]) -> dict[str, str]:
    return {str(index): name for index, name in enumerate(names)}


def _metadata(name: str, bundle_version: str, settings: BundleSettings, today: date | None) -> dict[str, Any]:
    return {
        "schema": _SCHEMA,
        "version": bundle_version,
        "changelog": {bundle_version: f"trained {(today or date.today()).isoformat()}"},
        "monai_version": version("monai"),
        "pytorch_version": torch.__version__.split("+", maxsplit=1)[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"safetensors": version("safetensors"), "python": platform.python_version()},
        "name": name,
        "authors": "The BreastUSAssist contributors",
        "copyright": "Copyright (c) The BreastUSAssist contributors",
        "intended_use": INTENDED_USE,
        "data_source": DATA_SOURCE,
        "data_type": "grey 8-bit images",
        "references": list(REFERENCES),
        "inference": settings.model_dump(mode="json"),
    }


def _inference(kind: Any, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "imports": [
            "$import torch",
            "$from pathlib import Path",
            "$from safetensors.torch import load_file",
            "$from BreastUSAssistLib.command_line import main",
        ],
        "bundle_root": ".",
        "device": "$torch.device('cuda' if torch.cuda.is_available() else 'cpu')",
        "weights": "$Path(@bundle_root) / 'models' / 'model.safetensors'",
        "network_def": {"_target_": NETWORKS[kind], **arguments},
        "state": (
            "${name: value.float() if value.is_floating_point() else value "
            "for name, value in load_file(str(@weights)).items()}"
        ),
        "load": "$@network_def.load_state_dict(@state)",
        "network": "$@network_def.to(@device).eval()",
        "inferer": {"_target_": "SimpleInferer"},
        "initialize": ["$@load", "$@network"],
    }


def _training_config(training: TrainingOptions | Mapping[str, Any] | None) -> dict[str, Any]:
    if not isinstance(training, TrainingOptions):
        return dict(training or {})
    return {
        "imports": ["$from pathlib import Path", "$from BreastUSAssistLib.learning import manifest, training"],
        "manifest": "manifest.csv",
        "root": ".",
        "output_dir": "runs/train",
        "options": {
            "_target_": "BreastUSAssistLib.learning.training.TrainingOptions",
            **training.model_dump(mode="json"),
        },
        "run": [
            "$training.train(manifest.read_manifest(Path(@manifest), Path(@root)), @options, Path(@output_dir), "
            "progress=print)"
        ],
    }
