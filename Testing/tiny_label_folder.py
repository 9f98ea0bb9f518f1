"""A label folder in which a tiny network is the model in use, so that tests can train from its labels in seconds."""

import json
import shutil
from pathlib import Path
from typing import Any

from BreastUSAssistLib.learning.promoted_models import FOLDER, POINTER, Change, PromotedModel, PromotedModels
from BreastUSAssistLib.model.bundle import load_bundle
from label_samples import fixed_salt
from label_store_of_phantoms import store_of
from tiny_bundles import tiny_outline_bundle

SALT = bytes([81]) * 16
"""With it four of the first ten patients are held back."""
OPTIONS = {
    "steps": 80,
    "stored_size": 64,
    "checkpoint_every": 5,
    "frozen_stages": 0,
    "learning_rate": 1e-2,
    "encoder_learning_rate": 3e-3,
    "average_decay": 0.9,
    "marks": 0.0,
    "prompted": 0.1,
}
RULE = {"least_patients_new": 2}


def tiny_label_folder(folder: Path, count: int = 24, options: dict[str, Any] | None = None, **rule: Any) -> Path:
    """A store of `count` phantoms, the model in use tiny, and the user's own options and rule beside."""
    tiny = load_bundle(tiny_outline_bundle())
    with fixed_salt(SALT):
        store = store_of(folder, count)
    name = tiny.sha256[:16]
    models = folder / FOLDER
    shutil.copytree(tiny.folder, models / name)
    model = PromotedModel(
        folder=name, name=tiny.name, version=tiny.version, sha256=tiny.sha256, parent="0" * 64, head=store.head()
    )
    store.close()
    change = Change(what="promote", time="2026-01-02T03:04:05+00:00", current=name)
    (models / POINTER).write_text(PromotedModels(models=(model,), line=(name,), changes=(change,)).model_dump_json())
    (models / "rule.json").write_text(json.dumps({**RULE, **rule}))
    (models / "fine_tuning.json").write_text(json.dumps({**OPTIONS, **(options or {})}))
    return folder
