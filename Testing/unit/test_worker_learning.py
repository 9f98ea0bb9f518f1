"""The requests that turn labels into a model: what they tell, going on after a stop, promote, roll back."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_samples import fixed_salt

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from BreastUSAssistLib.errors import UsageError  # noqa: E402
from BreastUSAssistLib.files import resource_path  # noqa: E402
from BreastUSAssistLib.labels import shared_folders  # noqa: E402
from BreastUSAssistLib.labels import store as label_store  # noqa: E402
from BreastUSAssistLib.labels.store import LabelStore  # noqa: E402
from BreastUSAssistLib.learning import promoted_models  # noqa: E402
from BreastUSAssistLib.learning.candidate_pictures import chosen  # noqa: E402
from BreastUSAssistLib.learning.model_comparison import FrameScore  # noqa: E402
from BreastUSAssistLib.learning.training_plan import kept_plan, plan_schema  # noqa: E402
from BreastUSAssistLib.model.bundle import Bundle, BundleKind, load_bundle  # noqa: E402
from BreastUSAssistLib.service import worker_learning, worker_training  # noqa: E402
from BreastUSAssistLib.service.worker_requests import Worksite  # noqa: E402
from label_store_of_phantoms import label, store_of  # noqa: E402
from PIL import Image  # noqa: E402
from tiny_bundles import tiny_outline_bundle  # noqa: E402

OPTIONS = {"steps": 4, "batch_size": 4, "stored_size": 64, "checkpoint_every": 2}
SALT = bytes([81]) * 16
"""With it four of ten patients are held back."""
LENIENT = {"least_patients_new": 2, "least_gain_new": -1, "least_chance_new": 0}


class StoppedError(BaseException):
    """Stands for a reader's Cancel."""


@pytest.fixture(scope="module", autouse=True)
def shipped_is_tiny() -> Iterator[None]:
    """The shipped model is a tiny one, and the same patients are held back in each run."""
    shipped = promoted_models.load_bundle

    def tiny(folder: str | Path | None = None, kind: BundleKind = "outline") -> Bundle:
        return shipped(tiny_outline_bundle() if folder is None else folder, kind)

    with fixed_salt(SALT), pytest.MonkeyPatch.context() as patch:
        patch.setattr(promoted_models, "load_bundle", tiny)
        yield


class Asked:
    """A process's side of the requests, without the process."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "labels"
        self.words: list[tuple[int, int, str]] = []
        exchange = folder / "exchange"
        exchange.mkdir(exist_ok=True)
        self.site = Worksite(exchange)

    def __call__(self, do: str, attend: Callable[[], None] = lambda: None, **more: Any) -> dict[str, Any]:
        arguments = {"store": str(self.store), **more}
        answer = getattr(worker_learning, do)(arguments, self.site, self._progress, attend)
        json.dumps(answer, allow_nan=False)
        return dict(answer)

    def _progress(self, done: int, total: int, words: str) -> None:
        self.words.append((done, total, words))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose labels were trained from once, after a stop at the third step; what was told is in told.json."""
    folder = tmp_path_factory.mktemp("trained")
    asked = Asked(folder)
    store_of(asked.store, 20).close()
    (asked.store / "models").mkdir()
    (asked.store / "models" / "rule.json").write_text(json.dumps(LENIENT))
    steps = []

    def stop() -> None:
        steps.append(asked.words[-1])
        if asked.words[-1][2].startswith("training, step 3"):
            raise StoppedError

    with pytest.raises(StoppedError):
        asked("train", attend=stop, options=OPTIONS, alone=True, device="cpu")
    between = asked("learning_state")
    with LabelStore.open(asked.store) as store:
        # After the stop: it counts the next time.
        store.put(label(40))
    asked.words.clear()
    result = asked("train", options=OPTIONS, alone=True, device="cpu")
    for one in result["pictures"]:
        shutil.copy(one["path"], folder / "picture.png")
    (folder / "told.json").write_text(json.dumps({"between": between, "words": asked.words, "result": result}))
    asked.site.close()
    return folder


@pytest.fixture
def asked(trained: Path, tmp_path: Path) -> Iterator[Asked]:
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    made = Asked(tmp_path)
    yield made
    made.site.close()


def test_without_labels_the_shipped_model_is_in_use_and_nothing_can_be_done(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    state = asked("learning_state")
    assert state["model"]["name"] == "tiny-outline" and not state["model"]["promoted"]
    assert (state["labels"], state["new"], state["candidate"], state["can_roll_back"]) == (0, 0, None, False)
    assert state["needed"] == 5 and [one["state"] for one in state["line"]] == ["in use"]
    with pytest.raises(UsageError, match="No folder"):
        worker_learning.learning_state({}, asked.site, asked._progress, lambda: None)


def test_a_stopped_training_is_told_and_goes_on_with_the_same_labels(trained: Path) -> None:
    told = json.loads((trained / "told.json").read_text())
    assert told["between"]["stopped"] == {"step": 2, "steps": 4} and told["between"]["candidate"] is None
    words = [text for _, _, text in told["words"]]
    assert [one for one in words if one.startswith("training, step")][1:] == [
        "training, step 3 of 4",
        "training, step 4 of 4",
    ]
    assert "reading images" in words and any(one.startswith("judging the new model on your labels") for one in words)
    lineage = load_bundle(trained / "labels" / "models" / "candidate").read_json("configs/lineage.json")
    assert lineage["training"]["frames"] + lineage["held_back"]["frames"] == 20
    assert kept_plan(trained / "labels" / "models" / "training") is None


def test_the_state_after_a_training_tells_of_the_candidate_again_after_a_restart(asked: Asked, trained: Path) -> None:
    told, state = json.loads((trained / "told.json").read_text())["result"], asked("learning_state")
    candidate = state["candidate"]
    assert (
        candidate["offered"] and candidate["refused"] == [] and candidate["judgement"] == told["candidate"]["judgement"]
    )
    assert candidate["figures"]["new"]["images"] > 0 and candidate["figures"]["old"] is None
    assert (state["labels"], state["new"], state["disputed"], state["stopped"]) == (21, 21, 0, None)
    assert 2 <= state["held_back"] < state["patients"]
    assert 2 <= len(state["pictures"]) <= 6
    for one in state["pictures"]:
        assert Image.open(one["path"]).size == (648, 320)
    gains = [one["dice_after"] - one["dice_before"] for one in state["pictures"] if one["dice_after"] is not None]
    assert gains == sorted(gains)


def test_the_pictures_lie_beside_the_labels_as_those_do(asked: Asked) -> None:
    for path in (asked.store).rglob("*"):
        assert path.suffix != ".png" and (path.is_dir() or not path.read_bytes().startswith(b"\x89PNG"))


def test_reader_and_model_are_drawn_in_a_picture(trained: Path) -> None:
    seen = np.asarray(Image.open(trained / "picture.png"))
    colours = {tuple(int(value) for value in one) for one in seen.reshape(-1, 3)}
    assert (86, 180, 233) in colours


def test_promote_use_and_roll_back(asked: Asked) -> None:
    before = asked("learning_state")["model"]
    made = asked("promote", bundle=None)["model"]
    assert made["promoted"] and made["version"].startswith("0.0.1+labels.")
    state = asked("learning_state")
    assert state["model"]["version"] == made["version"] and state["model"]["figures"]["new"]["images"] > 0
    assert (state["new"], state["candidate"], state["can_roll_back"]) == (1, None, True)
    assert [one["state"] for one in state["line"]] == ["before", "in use"] and state["line"][1]["promoted"]
    with pytest.raises(UsageError, match="not compared with the model in use"):
        asked("promote", bundle=None)
    back = asked("rollback")["model"]
    assert (back["version"], back["promoted"]) == (before["version"], False)
    assert [one["state"] for one in asked("learning_state")["line"]] == ["in use", "left"]
    with pytest.raises(UsageError, match="nothing to roll back"):
        asked("rollback")


def test_a_candidate_that_was_compared_with_another_model_is_shown_but_not_offered(asked: Asked) -> None:
    judgement = asked.store / "models" / "candidate" / "configs" / "promotion.json"
    content = json.loads(judgement.read_text())
    judgement.write_text(json.dumps({**content, "current": "0" * 64}))
    from BreastUSAssistLib.model.bundle import write_sums

    write_sums(judgement.parents[1])
    candidate = asked("learning_state")["candidate"]
    assert not candidate["offered"] and "another model" in candidate["refused"][-1]


def test_a_damaged_candidate_is_none(asked: Asked) -> None:
    (asked.store / "models" / "candidate" / "configs" / "promotion.json").write_text("{")
    assert asked("learning_state")["candidate"] is None


def test_what_cannot_be_trained_is_a_sentence(asked: Asked, tmp_path: Path) -> None:
    for arguments, words in (
        ({"data": str(tmp_path)}, "holds no manifest.csv"),
        ({"options": {"step": 3}}, "no options of a fine-tuning"),
    ):
        with pytest.raises(UsageError, match=words):
            asked("train", device="cpu", **arguments)
    (asked.store / "models" / "fine_tuning.json").write_text("[1]")
    with pytest.raises(UsageError, match="holds no options"):
        asked("train", device="cpu")


def test_on_a_network_folder_a_training_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked(tmp_path)
    store_of(asked.store, 4).close()
    for place in (shared_folders, label_store):
        monkeypatch.setattr(place, "network_file_system", lambda folder: "nfs")
    with worker_training._labels(asked.store, asked.site) as training:
        assert training.folder != asked.store and len(training.list()) == 4
        with LabelStore.open(asked.store) as reading:
            reading.put(label(40))
            assert len(reading.list()) == 5
        assert len(training.list()) == 4
    assert not any(asked.site.exchange.iterdir())


def test_pictures_run_from_the_worst_change_to_the_best() -> None:
    def score(dice: float | None, outlined: bool = True) -> FrameScore:
        return FrameScore(None, dice, outlined, None, 0.5)

    before = [score(0.5) for _ in range(9)] + [score(None, True)]
    after = [score(0.5 + 0.05 * index) for index in (3, -2, 0, 7, 1, -4, 2, 5, 6)] + [score(None, False)]
    places = chosen(before, after)
    assert len(places) == 6 and places[0] == 5 and places[-1] == 9
    assert chosen(before[:3], after[:3]) == [1, 2, 0]


def test_the_published_schema_is_that_of_the_code() -> None:
    assert resource_path("Schema", "training-plan-1.0.schema.json").read_text("utf-8") == plan_schema()
