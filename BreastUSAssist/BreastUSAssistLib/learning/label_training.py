"""From labels to a judged candidate: fine-tune, write the bundle with its lineage, judge it against the one in use."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..labels.store import LabelStore
from ..model.bundle import Bundle, load_bundle
from ..model.familiarity import FAMILIARITY_FILE, familiarity_bytes, load_familiarity
from ..model.network import LesionNet
from .bundle_writing import write_outline_bundle
from .fine_tuning import FAMILIAR_STAGES, FineTuningOptions, FineTuningTask, fine_tune, replay_images, replay_of
from .label_data import LabelData, LabelQuery, label_data, label_images, rows_apart
from .manifest import ManifestRow
from .onnx_export import round_weights
from .promoted_models import bundle_in_use
from .promotion import Judgement, PromotionRule, Scored, judge, keep_judgement

LINEAGE = "configs/lineage.json"
BUNDLE = "candidate"
Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much. What it raises stops the work; started
again, the fine-tuning goes on from its last checkpoint."""

_CARD = """# {name} {version}

Outline network fine-tuned on labels of one label store with `breastusassist train --from-labels`. Research use only,
not for diagnosis.

## Lineage

Parent: {parent} {parent_version}, weights {parent_sha256}.
Learnt from {frames} frames of {cases} labelled cases; {held_back} frames of other patients were held back.
{replay} images of the original training were mixed in. See configs/lineage.json and configs/train.json.

## Figures

Those by which it was judged against the model that was in use are in configs/promotion.json.

## Limits

Settings and temperature are the parent's and were not fitted again. {familiarity}
"""


@dataclass(frozen=True)
class Candidate:
    """A fine-tuned bundle and how it was judged."""

    bundle: Bundle
    judgement: Judgement
    notes: tuple[str, ...]
    """What was left out and why."""
    data: LabelData
    """What was learnt from, and what it was judged by."""


def train_from_labels(
    store: LabelStore,
    out: Path,
    *,
    query: LabelQuery | None = None,
    options: FineTuningOptions | None = None,
    rule: PromotionRule | None = None,
    original: Sequence[ManifestRow] = (),
    parent: Bundle | None = None,
    device: str = "cpu",
    progress: Progress = lambda what, done, total: None,
    scored: Scored = lambda before, after: None,
) -> Candidate:
    """Fine-tune the model in use on the labels of a store, and judge the candidate; nothing is promoted.

    Args:
        store: open store; nothing is written to it.
        out: folder of the state, which a training that was stopped goes on from, and of the bundle, `out`/candidate.
        query: which labels count.
        options: of the fine-tuning.
        rule: by which the candidate is judged.
        original: rows of the original data, for replay and for the validation set; none where it is not at hand.
        parent: what is fine-tuned and compared with; None: the model in use. Only a candidate that was compared with
            that one can be promoted.
        device: cpu or cuda.
        progress: see `Progress`.
        scored: see promotion.Scored.

    Raises:
        InputError: no label can be learnt from, or something cannot be read.
        UsageError: no patient is held back, or `out` holds another training.
        ModelError: the model in use is damaged.
        OutputError: `out` cannot be written.
    """
    options, rule = options or FineTuningOptions(), rule or PromotionRule()
    current = parent or bundle_in_use(store)
    data = label_data(store, query or LabelQuery())
    if not data.held_back:
        raise UsageError("No patient's labels are held back to judge by; accept more cases, or use another --seed.")
    labelled = (*data.training, *data.held_back)
    progress("reading images", 0, 1)
    rows = rows_apart(store, replay_of(original, options), labelled)
    unseen = [row for row in original if row.fold in options.validation_folds]
    named = hashlib.sha256("\n".join(row.name for row in rows).encode()).hexdigest() if rows else ""
    task = FineTuningTask(options=options, parent=current.sha256, labels=data.digest, replay=named)
    images = label_images(store, data.training, options.stored_size)
    network = fine_tune(
        current,
        images,
        replay_images(rows, options),
        task,
        out,
        progress=lambda done, total, told: progress(f"training  {told}", done, total),
        device=device,
    )
    folder = out / BUNDLE
    write_candidate(folder, current, network, store, data, task, len(rows))
    candidate = load_bundle(folder)
    old_rows = rows_apart(store, unseen, labelled)
    head = data.query.head or store.head()
    judgement = judge(candidate, current, store, data.held_back, head, old_rows, rule, progress=progress, scored=scored)
    keep_judgement(folder, judgement)
    return Candidate(load_bundle(folder), judgement, data.notes, data)


def write_candidate(
    folder: Path,
    parent: Bundle,
    network: LesionNet,
    store: LabelStore,
    data: LabelData,
    task: FineTuningTask,
    replayed: int,
) -> None:
    """Write the fine-tuned network as a bundle that runs as its parent does and names where it comes from.

    Raises:
        OutputError: the folder cannot be written.
        ModelError: the parent is damaged.
    """
    lineage = {
        "parent": {"name": parent.name, "version": parent.version, "sha256": parent.sha256},
        "store": store.header.id,
        "query": data.query.model_dump(mode="json"),
        "labels": data.digest,
        "training": _counts(data.training),
        "held_back": _counts(data.held_back),
        "replayed": replayed,
    }
    entry = (data.query.head or "0").partition(":")[0]
    version = f"{parent.version.partition('+')[0]}+labels.{entry}"
    extra = {LINEAGE: (json.dumps(lineage, indent=1) + "\n").encode()}
    familiar = load_familiarity(parent) if task.options.frozen_stages >= FAMILIAR_STAGES else None
    words = "It does not tell images unlike its training images: its encoder is another than its parent's."
    if familiar is not None:
        # The features that it looks at are the parent's; the hash of the weights alone is another.
        extra[FAMILIARITY_FILE] = familiarity_bytes(replace(familiar, encoder=_sha256_as_written(network)))
        words = "The model of familiar images is the parent's, as is all that it sees; it knows nothing of the labels."
    training = {
        "options": {
            "_target_": "BreastUSAssistLib.learning.fine_tuning.FineTuningOptions",
            **task.options.model_dump(mode="json"),
        }
    }
    card = _CARD.format(
        name=parent.name,
        version=version,
        parent=parent.name,
        parent_version=parent.version,
        parent_sha256=parent.sha256,
        frames=len(data.training),
        cases=lineage["training"]["cases"],  # type: ignore[index]
        held_back=len(data.held_back),
        replay=replayed,
        familiarity=words,
    )
    settings = parent.outline_settings
    write_outline_bundle(
        folder, parent.name, version, network, settings, card=card, training=training, extra_files=extra
    )


def _counts(frames: Sequence[Any]) -> dict[str, int]:
    return {
        "frames": len(frames),
        "cases": len({one.record.case for one in frames}),
        "patients": len({one.patient for one in frames}),
    }


def _sha256_as_written(network: LesionNet) -> str:
    """SHA-256 of the weights as `write_outline_bundle` writes them; they are rounded in place here already."""
    from safetensors.torch import save

    return hashlib.sha256(save(dict(round_weights(network.cpu().eval())), {"format": "pt"})).hexdigest()
