"""A trained network as a MONAI bundle: weights without pickles, configs, metadata, and the SHA-256 of every file."""

import json
import logging
import platform
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import BreastUSAssistError
from ..files import written_whole
from ..model.bundle import InferenceSettings, load_bundle, write_sums
from ..model.network import LesionNet
from ..model.predictor import Predictor, open_predictor
from .calibration import fit_temperature
from .manifest import ManifestRow, load_image
from .training import TrainingOptions

OUTLINE_THRESHOLD = 0.5
SMALLEST_LESION = 0.002
SMALLEST_CONFIDENCE = 0.65
CLOSE_UP_MARGIN = 0.5
MOST_CLOSE_UPS = 3


def rounded_state(network: LesionNet) -> dict[str, Tensor]:
    """State with convolution and linear weights in half precision, which halves the file; norms stay in float32.

    The network itself is set to the rounded values, so that every back end runs the same numbers.
    """
    state = {
        name: (value.half() if value.ndim > 1 else value).contiguous() for name, value in network.state_dict().items()
    }
    network.load_state_dict({name: value.float() for name, value in state.items()})
    return state


def malignancy_log_odds(
    predictor: Predictor, rows: Sequence[ManifestRow], progress: Callable[[int, int], None]
) -> np.ndarray:
    """Log-odds (rows,) of malignant against benign, as the predictor gives them; NaN for rows that cannot be read."""
    log_odds = np.full(len(rows), np.nan)
    for index, row in enumerate(rows):
        progress(index, len(rows))
        try:
            probability = predictor.predict(load_image(row)).malignant_given_lesion
        except BreastUSAssistError:
            continue
        log_odds[index] = np.log(probability) - np.log1p(-probability)
    return log_odds


def write_bundle(
    folder: Path,
    name: str,
    bundle_version: str,
    network: LesionNet,
    options: TrainingOptions,
    validation: Sequence[ManifestRow],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    today: date | None = None,
) -> InferenceSettings:
    """Write the bundle; the temperature is fitted on the benign and malignant rows of `validation`.

    The bundle is first written without calibration and run as it will be run, so that what is calibrated is what is
    shipped.
    """
    from safetensors.torch import save_file

    for part in ("configs", "models", "docs"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    network = network.cpu().eval()
    save_file(rounded_state(network), folder / "models" / "model.safetensors", {"format": "pt"})
    _write_onnx(folder / "models" / "model.onnx", network, options.input_size)
    _write_json(folder / "configs" / "inference.json", _inference(network, options))
    _write_json(folder / "configs" / "train.json", _train(options))

    def write_settings(settings: InferenceSettings) -> None:
        content = _metadata(name, bundle_version, settings, today or date.today())
        _write_json(folder / "configs" / "metadata.json", content)
        write_sums(folder)

    uncalibrated = InferenceSettings(
        input_size=options.input_size,
        outline_threshold=OUTLINE_THRESHOLD,
        smallest_lesion=SMALLEST_LESION,
        smallest_confidence=SMALLEST_CONFIDENCE,
        close_up_margin=CLOSE_UP_MARGIN,
        most_close_ups=MOST_CLOSE_UPS,
        temperature=1.0,
        calibrated_on="",
    )
    write_settings(uncalibrated)
    rows = [row for row in validation if row.pathology in ("benign", "malignant") and row.problem is None]
    log_odds = malignancy_log_odds(open_predictor(load_bundle(folder), device="cpu"), rows, progress)
    known = np.isfinite(log_odds)
    malignant = np.array([row.pathology == "malignant" for row in rows])[known]
    folds = ", ".join(map(str, options.validation_folds))
    settings = uncalibrated.model_copy(
        update={
            "temperature": round(fit_temperature(log_odds[known], malignant), 4),
            "calibrated_on": f"{known.sum()} lesion images of fold {folds}, {malignant.mean():.0%} malignant",
        }
    )
    write_settings(settings)
    return settings


def _write_onnx(path: Path, network: LesionNet, size: int) -> None:
    example = torch.zeros(2, 1, size, size)
    batch = torch.export.Dim("batch", min=1, max=64)
    with _quiet_exporter():
        program = torch.onnx.export(
            network,
            (example,),
            input_names=["image"],
            output_names=["outline", "classes"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None, "the dynamo exporter returns a program"
    model = program.model_proto
    # The exporter writes the call stack of every node, with the paths of the machine, into its metadata.
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info, *model.graph.initializer):
        part.ClearField("metadata_props")
        part.ClearField("doc_string")
    with written_whole(path) as beside:
        beside.write_bytes(model.SerializeToString())


@contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep back what the exporter says of packages that are not needed and of its own deprecated calls."""
    logger = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            yield
    finally:
        logger.setLevel(level)


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def _metadata(name: str, bundle_version: str, settings: InferenceSettings, today: date) -> dict[str, Any]:
    image = {
        "type": "image",
        "format": "ultrasound grey levels",
        "num_channels": 1,
        "spatial_shape": [settings.input_size, settings.input_size],
        "dtype": "float32",
        "value_range": [-127 / 128, 1],
        "is_patch_data": False,
        "channel_def": {"0": "grey"},
    }
    outline = {**image, "format": "logits", "value_range": [], "channel_def": {"0": "lesion"}}
    classes = {**outline, "type": "probabilities", "spatial_shape": [], "num_channels": 3}
    return {
        "schema": "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json",
        "version": bundle_version,
        "changelog": {bundle_version: f"trained {today.isoformat()}"},
        "monai_version": version("monai"),
        "pytorch_version": torch.__version__.split("+", maxsplit=1)[0],
        "numpy_version": np.__version__,
        "required_packages_version": {"safetensors": version("safetensors"), "python": platform.python_version()},
        "name": name,
        "task": "Outline lesions in breast ultrasound and tell normal, benign and malignant frames apart",
        "description": "FlexibleUNet with an EfficientNet-Lite0 encoder and a class head that pools where it outlines.",
        "authors": "The BreastUSAssist contributors",
        "copyright": "Copyright (c) The BreastUSAssist contributors",
        "intended_use": "Research use only, not for diagnosis. Drafts for a reader to check.",
        "data_source": "BUS-BRA, BUSI and BrEaST-Lesions-USG; see docs/README.md for citations",
        "data_type": "grey 8-bit images",
        "references": [
            "Gomez-Flores et al., BUS-BRA, Medical Physics 2024",
            "Al-Dhabyani et al., Data in Brief 28:104863, 2020",
            "Pawlowska et al., Scientific Data 2024",
        ],
        "network_data_format": {
            "inputs": {"image": image},
            "outputs": {
                "pred": outline,
                "classes": {**classes, "channel_def": {"0": "normal", "1": "benign", "2": "malignant"}},
            },
        },
        "inference": settings.model_dump(),
    }


def _inference(network: LesionNet, options: TrainingOptions) -> dict[str, Any]:
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
        "network_def": {
            "_target_": "BreastUSAssistLib.model.network.LesionNet",
            "in_channels": 1,
            "classes": 3,
            "backbone": network.backbone,
            "decoder_channels": list(options.decoder_channels),
        },
        "state": "${name: value.float() for name, value in load_file(str(@weights)).items()}",
        "load": "$@network_def.load_state_dict(@state)",
        "network": "$@network_def.to(@device).eval()",
        "inferer": {"_target_": "SimpleInferer"},
        "inputs": [],
        "output_dir": "eval",
        "initialize": ["$@load", "$@network"],
        "run": ["$main(['analyze'] + list(@inputs) + ['--out', @output_dir, '--model', @bundle_root])"],
    }


def _train(options: TrainingOptions) -> dict[str, Any]:
    return {
        "imports": ["$from pathlib import Path", "$from BreastUSAssistLib.learning import manifest, training"],
        "manifest": "manifest.csv",
        "root": ".",
        "output_dir": "runs/train",
        "options": {
            "_target_": "BreastUSAssistLib.learning.training.TrainingOptions",
            **options.model_dump(mode="json"),
        },
        "run": [
            "$training.train(manifest.read_manifest(Path(@manifest), Path(@root)), @options, Path(@output_dir), "
            "progress=print)"
        ],
    }
