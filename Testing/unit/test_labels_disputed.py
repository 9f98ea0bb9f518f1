"""Cases whose readers disagree: neither exported nor learnt from until somebody settles them, unless asked for."""

import json

import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.labels.adjudication import adjudicate
from BreastUSAssistLib.labels.counted_labels import Disputes
from BreastUSAssistLib.labels.double_reading import choose_double_reading
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.store import LabelStore
from label_samples import KEY, label, outlines, picture, reading


def said(seed, reader, edit, kind="accepted"):
    """A reader's decision; another `edit`, other outlines."""
    left = MaskStack.of_labels(outlines(edit))
    return label(seed, kind, reading=reading(reader, decision=kind), result=left, frames={1: picture(seed)})


@pytest.fixture
def folder(tmp_path):
    """Case 0 is in dispute, 1 agreed on, 2 waits for its second reader; 3 holds a draft, 4 work in progress."""
    with LabelStore.create(tmp_path / "store", secret=KEY) as store:
        choose_double_reading(store, 1.0)
        for seed, edits in enumerate([(10, 11), (12, 12), (13,)]):
            for reader, edit in zip(("AB", "CD"), edits, strict=False):
                store.put(said(seed, reader, edit))
        store.put(label(3, "autosaved", reading=None, frames={1: picture(3)}))
        store.put(label(4, "autosaved", reading=reading(decision="open"), frames={1: picture(4)}))
    return tmp_path / "store"


def exported(folder, out, *options):
    call = ["labels", "export", "--store", str(folder), "--format", "csv", "--out", str(out), *options]
    assert main(call) == 0
    content = json.loads((out / "query.json").read_text("utf-8"))
    return [one["record"].partition("/")[0] for one in content["records"]], content


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("BREASTUS_KEY", KEY)


def cases_of(store):
    return [store.case_of(label(seed).image) for seed in range(5)]


def test_exports_leave_disputes_out_and_say_so(folder, tmp_path):
    with LabelStore.open(folder) as store:
        cases = cases_of(store)
    found, content = exported(folder, tmp_path / "a")
    assert found == cases[1:3] and content["counts"]["left_out"] == 1
    assert any(note.startswith("1 cases are in dispute") for note in content["notes"])
    found, content = exported(folder, tmp_path / "b", "--include-disputed")
    assert found == cases[:3] and content["query"]["include_disputed"] and content["counts"]["left_out"] == 0
    assert not any("dispute" in note for note in content["notes"])


def test_a_settled_dispute_counts_from_then_on(folder, tmp_path):
    with LabelStore.open(folder) as store:
        cases, head = cases_of(store), store.head()
        adjudicate(store, said(0, "EF", 11))
        last = int(head.partition(":")[0])
        assert Disputes(store, last).holds(cases[0]) and not Disputes(store, last + 1).holds(cases[0])
    assert exported(folder, tmp_path / "a")[0] == cases[:3]
    assert exported(folder, tmp_path / "b", "--head", head)[0] == cases[1:3], "as it was then"


def test_a_share_that_cannot_be_told_is_an_error_and_not_a_guess(folder, tmp_path, capsys):
    for path in (folder / "beside").iterdir():
        path.write_bytes(b"torn")
    call = ["labels", "export", "--store", str(folder), "--format", "csv", "--out", str(tmp_path / "a")]
    assert main(call) == 3
    assert "read blind" in capsys.readouterr().err
    assert main([*call, "--include-disputed"]) == 0


def test_training_leaves_disputes_drafts_and_open_work_out(folder):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from BreastUSAssistLib.learning.label_data import LabelQuery, label_data

    with LabelStore.open(folder, read_only=True) as store:
        cases = cases_of(store)

        def learnt(**asked):
            data = label_data(store, LabelQuery(held_back=1e-9, **asked))
            return {one.record.case for one in (*data.training, *data.held_back)}, data.notes

        assert learnt()[0] == set(cases[1:3])
        assert learnt()[1] == ("1 cases are in dispute and were left out; settle them, or ask for --include-disputed.",)
        assert learnt(include_disputed=True) == (set(cases[:3]), ())


def test_training_knows_what_was_proven(tmp_path):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from BreastUSAssistLib.learning.label_data import LabelQuery, label_data, label_images

    with LabelStore.create(tmp_path / "store") as store:
        for seed, pathology in enumerate(("benign", "malignant", "normal", None)):
            store.put(label(seed, pathology=pathology, frames={1: picture(seed)}))
        data = label_data(store, LabelQuery(held_back=1e-9))
        assert [one.pathology for one in data.training] == ["benign", "malignant", None, None]
        assert sorted(label_images(store, data.training, 32).classes.tolist()) == [-1, -1, 1, 2]
