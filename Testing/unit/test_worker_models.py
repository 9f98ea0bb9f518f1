"""Which model the analysis process uses: a running one takes up what is promoted or rolled back in a label store."""

import shutil
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from BreastUSAssistLib.errors import ModelError  # noqa: E402
from BreastUSAssistLib.learning.promoted_models import FOLDER, POINTER, PromotedModel, PromotedModels  # noqa: E402
from BreastUSAssistLib.model.bundle import load_bundle  # noqa: E402
from BreastUSAssistLib.service.worker_clip import WorkerClip, write_frames_now  # noqa: E402
from BreastUSAssistLib.service.worker_models import ModelChoice  # noqa: E402
from BreastUSAssistLib.service.worker_protocol import write_array  # noqa: E402
from BreastUSAssistLib.service.worker_requests import Worksite, perform  # noqa: E402
from tiny_bundles import tiny_outline_bundle  # noqa: E402

FRAME = np.random.default_rng(0).integers(0, 255, (80, 96), np.uint8)
TORCH = {"backend": "torch", "device": "cpu", "reader": False}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The folder of a label store in which a model was promoted; no label is needed to use it."""
    folder = tmp_path / "labels"
    bundle = load_bundle(tiny_outline_bundle())
    name = bundle.sha256[:16]
    shutil.copytree(bundle.folder, folder / FOLDER / name)
    model = PromotedModel(
        folder=name, name=bundle.name, version=bundle.version, sha256=bundle.sha256, parent="0" * 64, head="0:"
    )
    point(folder, PromotedModels(models=(model,), line=(name,)))
    return folder


@pytest.fixture
def site(tmp_path: Path) -> Worksite:
    folder = tmp_path / "exchange"
    folder.mkdir()
    return Worksite(folder)


def point(folder: Path, models: PromotedModels) -> None:
    (folder / FOLDER / POINTER).write_text(models.model_dump_json())


def roll_back(folder: Path) -> None:
    content = PromotedModels.model_validate_json((folder / FOLDER / POINTER).read_bytes())
    point(folder, content.model_copy(update={"line": ()}))


def ask(site: Worksite, do: str, **arguments: object) -> dict:
    return perform(do, {**TORCH, **arguments}, site, lambda *_: None, lambda: None)


def clip(site: Worksite) -> dict:
    return WorkerClip("case", "still", write_frames_now(site.exchange, FRAME[None])).to_json()


def test_a_model_that_is_automatic_is_the_promoted_one(store: Path) -> None:
    promoted = ModelChoice.of({"store": str(store)})
    assert promoted.promoted and load_bundle(promoted.model).name == "tiny-outline"
    named = ModelChoice.of({"store": str(store), "model": "lesion-outline"})
    assert (named.model, named.promoted) == ("lesion-outline", False)
    shipped = ModelChoice.of({})
    assert (shipped.model, shipped.promoted) == (None, False)
    assert ModelChoice.of({"store": str(store.parent / "none")}) == shipped
    roll_back(store)
    assert ModelChoice.of({"store": str(store)}) == shipped, "looked up anew each time"


def test_every_request_runs_on_it_and_says_so(store: Path, site: Worksite) -> None:
    said = {"name": "tiny-outline", "version": "0.0.1", "promoted": True}
    where = {"store": str(store)}
    assert ask(site, "analyze", clip=clip(site), **where)["model"] == said
    frame = ask(site, "open_frame", frame=str(write_array(site.exchange, "frame", FRAME)), **where)
    assert frame["model"] == said
    assert ask(site, "refine", key=frame["key"], positive=[[40, 40]], **where)["model"] == said
    mask = np.zeros(FRAME.shape, bool)
    mask[20:50, 30:60] = True
    described = ask(site, "describe", clip=clip(site), mask=str(write_array(site.exchange, "mask", mask)), **where)
    assert described["model"] == said


def test_a_running_process_goes_back_with_a_rollback(store: Path, site: Worksite) -> None:
    used = []
    for step in (lambda: None, lambda: roll_back(store)):
        step()
        answer = ask(site, "analyze", clip=clip(site), store=str(store), backend="onnxruntime")
        used.append((answer["model"]["name"], answer["model"]["promoted"]))
    assert used == [("tiny-outline", True), ("lesion-outline", False)]


def test_a_promoted_model_that_is_gone_is_a_sentence_and_no_outline_goes_undescribed(
    store: Path, site: Worksite
) -> None:
    (promoted,) = [path for path in (store / FOLDER).iterdir() if path.is_dir()]
    promoted.rename(store / "elsewhere")
    with pytest.raises(ModelError, match="is gone; roll back"):
        ask(site, "analyze", clip=clip(site), store=str(store))
    mask = np.zeros(FRAME.shape, bool)
    mask[20:50, 30:60] = True
    path = str(write_array(site.exchange, "mask", mask))
    described = ask(site, "describe", clip=clip(site), mask=path, store=str(store), backend="onnxruntime")
    assert described["lesion"]["measurements"]["area"]["px"] == 900
    assert any("is gone" in note for note in described["notes"])
    (store / FOLDER / POINTER).write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        ask(site, "analyze", clip=clip(site), store=str(store))
