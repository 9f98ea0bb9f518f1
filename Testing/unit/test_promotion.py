"""From labels to a promoted model and back: the rule, the pointer, the lineage, the commands."""

import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from label_samples import fixed_salt

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")

from BreastUSAssistLib.command_line import main  # noqa: E402
from BreastUSAssistLib.errors import ModelError, UsageError  # noqa: E402
from BreastUSAssistLib.files import resource_path  # noqa: E402
from BreastUSAssistLib.labels.store import LabelStore  # noqa: E402
from BreastUSAssistLib.learning import promoted_models  # noqa: E402
from BreastUSAssistLib.learning.fine_tuning import FineTuningOptions  # noqa: E402
from BreastUSAssistLib.learning.model_comparison import FrameScore, compare  # noqa: E402
from BreastUSAssistLib.learning.promoted_models import (  # noqa: E402
    current_bundle,
    promote,
    promoted_schema,
    rollback,
)
from BreastUSAssistLib.learning.promotion import (  # noqa: E402
    PromotionRule,
    judgement_schema,
    keep_judgement,
    kept_judgement,
    refusals,
)
from BreastUSAssistLib.model.bundle import WEIGHTS, Bundle, load_bundle, write_sums  # noqa: E402
from BreastUSAssistLib.model.predictor import open_predictor  # noqa: E402
from label_store_of_phantoms import store_of, variant  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from tiny_bundles import tiny_outline_bundle  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def the_same_patients_held_back_in_each_run() -> Iterator[None]:
    with fixed_salt():
        yield


SMALL = FineTuningOptions(steps=2, batch_size=4, stored_size=64, checkpoint_every=2)
LENIENT = PromotionRule(least_patients_new=2, least_gain_new=-1, least_chance_new=0, old_needed=False)


def use_tiny(patch: pytest.MonkeyPatch) -> None:
    """Let the shipped model be a tiny one."""
    shipped = promoted_models.load_bundle

    def tiny(folder: object = None, kind: str = "outline") -> Bundle:
        return shipped(tiny_outline_bundle() if folder is None else folder, kind)

    patch.setattr(promoted_models, "load_bundle", tiny)


@pytest.fixture
def store(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LabelStore]:
    """The store in `tmp_path`, and a judged candidate in `tmp_path`/first."""
    use_tiny(monkeypatch)
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    with LabelStore.open(tmp_path / "labels") as opened:
        yield opened


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a candidate and what the command said of it, made once: exporting networks takes long."""
    folder = tmp_path_factory.mktemp("trained")
    store_of(folder / "labels", 8).close()
    (folder / "options.json").write_text(json.dumps({"options": SMALL.model_dump(mode="json")}))
    (folder / "rule.json").write_text(LENIENT.model_dump_json())
    words = ["train", "--from-labels", str(folder / "labels"), "--out", str(folder / "first"), "--held-back", "0.5"]
    words += ["--config", str(folder / "options.json"), "--rule", str(folder / "rule.json"), "--device", "cpu"]
    told = StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(told):
        use_tiny(patch)
        assert main(words) == 0
    (folder / "told.txt").write_text(told.getvalue())
    return folder


def another(first: Bundle, folder: Path) -> Bundle:
    """A candidate with other weights, made from the first and judged against it."""
    shutil.copytree(first.folder, folder)
    weights = load_file(folder / WEIGHTS)
    weights["segmentation_head.0.bias"] += 0.01
    save_file(weights, folder / WEIGHTS, {"format": "pt"})
    (folder / "models" / "familiarity.safetensors").unlink(missing_ok=True)
    judgement = kept_judgement(first)
    assert judgement is not None
    write_sums(folder)
    changes = {"candidate": load_bundle(folder).sha256, "current": first.sha256}
    keep_judgement(folder, judgement.model_copy(update=changes))
    return load_bundle(folder)


def in_use(store: LabelStore) -> Bundle:
    return promoted_models.bundle_in_use(store)


def scores(dice: list[float], free: int = 0) -> list[FrameScore]:
    with_lesion = [FrameScore(f"p{index}", value, True, index % 2 == 0, 0.5) for index, value in enumerate(dice)]
    return with_lesion + [FrameScore(None, None, False, None, 0.1)] * free


def test_what_the_rule_asks_for() -> None:
    rule = PromotionRule()
    worse, same, better = [0.7] * 10, [0.8] * 10, [0.85] * 10
    gain, none = compare(scores(same), scores(better)), compare(scores(same), scores(same))
    old_same = compare(scores(same), scores(same), margin=-rule.most_loss_old)
    old_worse = compare(scores(same), scores(worse), margin=-rule.most_loss_old)
    assert refusals(rule, gain, old_same) == ()
    assert ["Dice changes by +0.0000" in one for one in refusals(rule, none, old_same)] == [True]
    assert ["Dice falls by 0.1000" in one for one in refusals(rule, gain, old_worse)] == [True]
    assert ["not at hand" in one for one in refusals(rule, gain, None)] == [True]
    assert refusals(rule.model_copy(update={"old_needed": False}), gain, None) == ()
    few = compare(scores(same[:3]), scores(better[:3]))
    assert ["Only 3 patients" in one for one in refusals(rule, few, old_same)] == [True]


def test_a_gain_of_one_patient_in_many_may_be_chance() -> None:
    before = [0.8] * 10
    found = compare(scores(before), scores([*before[:9], 0.95]))
    assert found.gain == pytest.approx(0.015) and found.chance is not None and found.chance < 0.9
    assert "may be chance" in refusals(PromotionRule(old_needed=False), found, None)[0]


def test_images_of_one_patient_count_as_one() -> None:
    before = [replace(one, patient="same") for one in scores([0.5] * 6)]
    after = [replace(one, patient="same") for one in scores([0.9] * 6, free=0)]
    found = compare(before, after)
    assert (found.images, found.patients, found.interval, found.chance) == (6, 1, None, None)


def test_outlines_where_there_is_no_lesion_are_counted_apart() -> None:
    before, after = scores([0.5, 0.6], free=3), scores([0.5, 0.6], free=3)
    after[-1] = replace(after[-1], outlined=True)
    found = compare(before, after)
    assert (found.lesion_free, found.false_before, found.false_after, found.gain) == (3, 0, 1, 0.0)


def test_a_candidate_is_promoted_used_and_rolled_back(store: LabelStore, tmp_path: Path) -> None:
    assert current_bundle(store) is None
    first = load_bundle(tmp_path / "first" / "candidate")
    assert first.version.startswith("0.0.1+labels.") and first.sha256 != in_use(store).sha256
    lineage = first.read_json("configs/lineage.json")
    assert lineage["parent"]["sha256"] == in_use(store).sha256
    assert lineage["query"]["head"] == store.head()
    assert first.read_json("configs/train.json")["options"]["steps"] == 2

    promote(store, first, in_use(store))
    promoted = current_bundle(store.folder)
    assert promoted is not None
    assert load_bundle(promoted).files == first.files
    open_predictor(load_bundle(promoted), device="cpu").predict(variant(0)[0])
    second = another(first, tmp_path / "second")
    promote(store, second, in_use(store))
    shutil.rmtree(tmp_path / "first")
    shutil.rmtree(tmp_path / "second")
    assert in_use(store).sha256 == second.sha256

    assert rollback(store) is not None
    assert in_use(store).files == first.files
    assert rollback(store) is None and current_bundle(store) is None
    with pytest.raises(UsageError, match="nothing to roll back"):
        rollback(store)
    kept = promoted_models.promoted_models(store)
    assert [one.sha256 for one in kept.models] == [first.sha256, second.sha256]
    assert [one.what for one in kept.changes] == ["promote", "promote", "rollback", "rollback"]
    assert not store.verify().damages


def test_a_candidate_that_is_not_better_is_refused(store: LabelStore, tmp_path: Path) -> None:
    made = load_bundle(tmp_path / "first" / "candidate")
    judgement = kept_judgement(made)
    assert judgement is not None and judgement.offered
    strict = LENIENT.model_copy(update={"least_gain_new": 0.9})
    again = refusals(strict, judgement.new, judgement.old)
    keep_judgement(made.folder, judgement.model_copy(update={"rule": strict, "refused": again}))
    refused = load_bundle(made.folder)
    with pytest.raises(UsageError, match=r"not promoted\. On the new labels Dice changes by"):
        promote(store, refused, in_use(store))
    assert current_bundle(store) is None and not promoted_models.promoted_models(store).models


def test_only_a_judgement_of_this_model_against_the_one_in_use_counts(store: LabelStore, tmp_path: Path) -> None:
    made = load_bundle(tmp_path / "first" / "candidate")
    with pytest.raises(UsageError, match="was not judged"):
        promote(store, load_bundle(tiny_outline_bundle()), in_use(store))
    judgement = kept_judgement(made)
    assert judgement is not None
    for change, words in (
        ({"current": "0" * 64}, "not compared with the model in use"),
        ({"store": "other"}, "labels of another store"),
    ):
        keep_judgement(made.folder, judgement.model_copy(update=change))
        with pytest.raises(UsageError, match=words):
            promote(store, load_bundle(made.folder), in_use(store))
    keep_judgement(made.folder, judgement.model_copy(update={"candidate": "0" * 64}))
    with pytest.raises(ModelError, match="of another model"):
        promote(store, load_bundle(made.folder), in_use(store))
    assert current_bundle(store) is None


def test_a_damaged_pointer_or_bundle_is_told(store: LabelStore, tmp_path: Path) -> None:
    made = load_bundle(tmp_path / "first" / "candidate")
    promote(store, made, in_use(store))
    folder = current_bundle(store)
    assert folder is not None
    (folder / "models" / "model.safetensors").write_bytes(b"changed")
    with pytest.raises(ModelError, match="SHA-256"):
        in_use(store)
    shutil.rmtree(folder)
    with pytest.raises(ModelError, match="is gone"):
        current_bundle(store)
    (store.folder / "models" / "promoted.json").write_text("{")
    with pytest.raises(ModelError, match="damaged"):
        current_bundle(store)


def test_the_commands(store: LabelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = str(store.folder)
    told = (tmp_path / "told.txt").read_text()
    assert "labels held back: Dice" in told and "models promote" in told
    assert main(["models", "promote", str(tmp_path / "first" / "candidate"), "--store", where]) == 0
    capsys.readouterr()
    assert main(["models", "list", "--store", where, "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    (row,) = listed["models"]
    assert row["current"] and row["problem"] is None and listed["current"] == row["sha256"]
    assert row["lineage"]["store"] == store.header.id and row["judgement"]["new"]["images"] > 0
    assert main(["models", "list", "--store", where]) == 0
    assert "in use" in capsys.readouterr().out
    assert main(["models", "rollback", "--store", where]) == 0
    assert main(["models", "rollback", "--store", where]) == 2
    assert main(["train", "--out", str(tmp_path / "other")]) == 2
    assert "--from-labels" in capsys.readouterr().err


def test_the_published_schemas_are_those_of_the_code() -> None:
    assert resource_path("Schema", "promotion-1.0.schema.json").read_text("utf-8") == judgement_schema()
    assert resource_path("Schema", "promoted-1.0.schema.json").read_text("utf-8") == promoted_schema()
