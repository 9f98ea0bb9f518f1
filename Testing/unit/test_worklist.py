"""The worklist as a reader goes through it: next, back, restart, filters, strategies."""

import json

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Gate
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.labels.case_table import case_table
from BreastUSAssistLib.labels.double_reading import choose_double_reading
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.labels.strategies import balanced_order, first_highest, highest_first
from BreastUSAssistLib.labels.worklist import Worklist
from hypothesis import given, settings
from hypothesis import strategies as st
from label_samples import KEY, drafted, label, reading


def draft(probability, interval=(0.0, 0.0), share=0.0, gates=()):
    """A draft whose lesions have this probability, interval and share of uncertain outline."""
    lesions = tuple(
        lesion.model_copy(
            update={
                "outline_uncertain_share": share,
                "assessment": lesion.assessment.model_copy(
                    update={"probability_malignant": probability, "interval": interval}
                ),
            }
        )
        for lesion in drafted().lesions
    )
    return drafted().model_copy(update={"lesions": lesions, "gates": gates})


def waiting(seed):
    return label(seed, "autosaved", reading=None, runs=(), result=None)


def proposed(seed, *arguments, **changes):
    return label(seed, "autosaved", reading=None, result=None, runs=[(draft(*arguments, **changes), None)])


@pytest.fixture
def store(tmp_path):
    with LabelStore.create(tmp_path / "store", encrypted=False) as made:
        yield made


def put(store, *labels):
    return [store.put(one).case for one in labels]


def test_cases_come_in_order_and_decided_ones_no_more(store):
    cases = put(store, waiting(0), label(1), proposed(2, 0.5), label(3, "rejected"), label(4, "autosaved"))
    worklist = Worklist(store, "AB")
    assert [worklist.next() for _ in range(3)] == [cases[0], cases[2], cases[4]]
    assert worklist.next() == cases[0], "what was given and is still open comes again once the others were"
    store.put(label(2))
    assert [worklist.next() for _ in range(3)] == [cases[4], cases[0], cases[4]]
    for seed in (0, 4):
        store.put(label(seed))
    assert worklist.next() is None
    assert worklist.progress() == {
        "waiting": 0,
        "drafted": 0,
        "in_work": 0,
        "accepted": 4,
        "rejected": 1,
        "disputed": 0,
    }


def test_a_reader_goes_back_and_forth_and_on_after_a_restart(store):
    cases = put(store, *map(waiting, range(5)))
    worklist = Worklist(store, "AB")
    assert worklist.current is None and worklist.back() is None
    assert [worklist.next() for _ in range(3)] == cases[:3]
    assert worklist.back() == cases[1]
    again = Worklist(store, " ab ")
    assert again.current == cases[1] and again.next() == cases[2] and again.next() == cases[3]
    assert Worklist(store, "CD").current is None, "each reader has a place of his own"
    assert again.back() and again.back() and again.back() == cases[0] and again.back() is None
    assert again.current == cases[0]
    folder = store.folder
    store.close()
    with LabelStore.open(folder) as opened:
        assert Worklist(opened, "AB").current == cases[0]
        assert Worklist(opened, "AB").order() == tuple(cases)


@pytest.mark.parametrize("by_table", [True, False])
def test_long_stretches_of_decided_cases_are_passed_over(store, by_table):
    choose_double_reading(store, 0.0)
    put(store, *(label(seed, edit=0) for seed in range(25)))
    (first,) = put(store, waiting(30))
    put(store, *(label(seed, edit=0) for seed in range(40, 45)))
    (second,) = put(store, waiting(50))
    worklist = Worklist(store, "AB")
    if by_table:
        worklist.order()
    assert [worklist.next() for _ in range(3)] == [first, second, first]


def test_a_damaged_place_or_one_of_a_newer_store_starts_anew(store):
    cases = put(store, *map(waiting, range(3)))
    Worklist(store, "AB").next()
    (place,) = (store.folder / "beside").iterdir()
    place.write_bytes(place.read_bytes()[:-1])
    worklist = Worklist(store, "AB")
    assert worklist.current is None and worklist.next() == cases[0]
    store.keep_beside("worklist place of ab", json.dumps({"seen": cases[:1], "at": 0, "entry": 99}).encode())
    assert Worklist(store, "AB").current is None


def test_what_is_kept_beside_an_encrypted_store_is_sealed(tmp_path):
    with LabelStore.create(tmp_path / "store", secret=KEY) as store:
        cases = put(store, *(proposed(seed, 0.5) for seed in range(3)))
        assert Worklist(store, "Reader", strategy="balanced").next() == cases[0]
        kept = list((store.folder / "beside").iterdir())
        assert len(kept) == 2
        for path in kept:
            assert b"case" not in path.read_bytes() and b"Reader" not in path.read_bytes() and "eader" not in path.name
    with LabelStore.open(tmp_path / "store", secret=KEY) as again:
        assert Worklist(again, "Reader").current == cases[0] and not again.verify().damages


def test_only_cases_of_the_states_asked_for_come(store):
    cases = put(store, waiting(0), proposed(1, 0.5), label(2, "autosaved"), label(3), label(4, "rejected"))
    asked = ("waiting", "drafted", "in_work", "accepted", "rejected")
    for strategy in ("in-order", "most-uncertain"):
        for case, state in zip(cases, asked, strict=True):
            worklist = Worklist(store, strategy=strategy, states=[state], remember=False)
            assert worklist.next() == case and worklist.state(case) == state
            assert worklist.order() == (case,)
    worklist = Worklist(store, states=["waiting", "rejected"], remember=False)
    assert [worklist.next(), worklist.next()] == [cases[0], cases[4]]


def test_the_filter_and_the_strategy_are_kept(store):
    put(store, proposed(0, 0.1), proposed(1, 0.4))
    first = Worklist(store, "AB", strategy="most-uncertain", states=["drafted"])
    first.next()
    again = Worklist(store, "AB")
    assert (again.strategy, again.states) == ("most-uncertain", ("drafted",))
    assert Worklist(store, "AB", strategy="in-order").states == ("waiting", "drafted", "in_work")


def test_the_most_uncertain_come_first(store):
    sure, near, wide, loose, none = put(
        store,
        proposed(0, 0.02),
        proposed(1, 0.45),
        proposed(2, 0.02, (0.0, 0.9)),
        proposed(3, 0.02, share=0.6),
        waiting(4),
    )
    worklist = Worklist(store, strategy="most-uncertain")
    assert worklist.order() == (wide, near, loose, sure, none)
    assert [worklist.next() for _ in range(5)] == [wide, near, loose, sure, none]
    table = case_table(store)
    # near: (1 - |2 * 0.45 - 1| + 0 + 0) / 3
    assert table.facts[near].scores.uncertainty == pytest.approx(0.9 / 3)


def test_the_most_unlike_the_training_data_come_first(store):
    def gate(severity, frames=()):
        return (Gate(code="unfamiliar", severity=severity, message="unlike", frames=frames),)

    known, unusual, far, part, none = put(
        store,
        proposed(0, 0.5),
        proposed(1, 0.5, gates=gate("warn")),
        proposed(2, 0.5, gates=gate("stop")),
        proposed(3, 0.5, gates=gate("warn", (2,))),
        waiting(4),
    )
    assert Worklist(store, strategy="most-unlike").order() == (far, unusual, part, known, none)


def test_the_classes_of_what_is_decided_stay_even(store):
    malignant = put(store, *(proposed(seed, 0.9) for seed in range(4)))
    benign = put(store, *(proposed(seed, 0.1) for seed in range(4, 6)))
    unknown = put(store, waiting(9))
    worklist = Worklist(store, "AB", strategy="balanced")
    assert worklist.order() == (benign[0], malignant[0], benign[1], malignant[1], malignant[2], malignant[3], *unknown)
    store.put(label(4, runs=[(draft(0.1), None)]))
    assert worklist.next() == malignant[0]


def test_the_kept_table_gives_what_the_records_give(store):
    put(store, *(proposed(seed, seed / 10) for seed in range(6)))
    worklist = Worklist(store, "AB", strategy="most-uncertain")
    before = worklist.order()
    store.put(label(1))
    store.put(proposed(7, 0.5))
    opened = Worklist(store, strategy="most-uncertain", remember=False)
    assert opened.order() == worklist.order() != before
    for path in (store.folder / "beside").iterdir():
        path.unlink()
    assert Worklist(store, strategy="most-uncertain", remember=False).order() == opened.order()
    assert case_table(store).facts == opened._columns.table.facts


def test_a_damaged_record_is_told_and_keeps_nobody_from_the_others(store):
    cases = put(store, proposed(0, 0.1), proposed(1, 0.5), proposed(2, 0.3))
    path = store._blobs.path(store.get(cases[1]).runs[0].analysis)
    path.write_bytes(path.read_bytes()[:-1])
    worklist = Worklist(store, strategy="most-uncertain")
    assert worklist.order() == (cases[2], cases[0], cases[1])
    assert len(worklist.damaged()) == 1 and path.name in worklist.damaged()[0]


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=30),
    st.data(),
)
def test_the_highest_come_first_and_equal_ones_in_order(values, data):
    scores = np.array([np.nan if one is None else one for one in values])
    chosen = data.draw(st.sets(st.integers(0, len(values) - 1), min_size=1))
    order = highest_first(scores, np.array(sorted(chosen)))
    assert sorted(order) == sorted(chosen) and order[0] == first_highest(scores, np.array(sorted(chosen)))
    keys = [(values[row] is None, -(values[row] or 0), row) for row in order]
    assert keys == sorted(keys)


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=25), st.tuples(*[st.integers(0, 5)] * 3))
def test_balancing_always_takes_the_class_with_the_fewest(classes, done):
    found = balanced_order(np.array(classes, int), done, np.arange(len(classes)))
    counts, left, expected = list(done), list(range(len(classes))), []
    while left:
        known = [row for row in left if classes[row] < 3]
        row = min(known, key=lambda one: (counts[classes[one]], classes[one], one)) if known else left[0]
        if classes[row] < 3:
            counts[classes[row]] += 1
        left.remove(row)
        expected.append(row)
    assert found.tolist() == expected


@pytest.fixture
def run(store, monkeypatch, capsys):
    """Run the command; its exit code, standard output and standard error."""
    monkeypatch.setenv("BREASTUS_KEY", KEY)

    def one(*arguments):
        code = main(["worklist", "--store", str(store.folder), *arguments])
        return code, *capsys.readouterr()

    return one


def test_the_command_names_the_next_case_and_the_progress(store, run):
    cases = put(store, proposed(0, 0.1), proposed(1, 0.45), label(2))
    code, text, _ = run("--strategy", "most-uncertain", "--reader", "AB")
    assert code == 0 and text == f"{cases[1]}  drafted\n1 of 3 cases are done: 2 drafted, 1 accepted.\n"
    assert json.loads(run("--reader", "AB", "--json")[1])["case"] == cases[0]
    assert json.loads(run("--reader", "AB", "--json", "--back")[1])["case"] == cases[1]
    assert "No case before" in run("--reader", "AB", "--back")[1]
    listed = json.loads(run("--list", "--json", "--state", "drafted,accepted", "--strategy", "in-order")[1])
    assert [one["case"] for one in listed["cases"]] == cases
    assert listed["progress"]["drafted"] == 2
    assert "No case is rejected" in run("--state", "rejected")[1]


def test_what_cannot_be_done_is_said(store, run):
    code, _, errors = run("--agreement")
    assert code == 3 and "--share" in errors and errors.count("\n") == 1
    assert run("--share", "0.5", "--readers", "1")[0] == 2
    for wrong in (["--share", "2"], ["--state", "done"], ["--strategy", "random"]):
        with pytest.raises(SystemExit):
            run(*wrong)


def test_a_store_that_cannot_be_written_is_still_gone_through(store, run, monkeypatch):
    (case,) = put(store, waiting(0))
    folder = store.folder
    store.close()
    monkeypatch.setattr("BreastUSAssistLib.labels.store._writable", lambda folder: False)
    code, text, errors = run("--reader", "AB")
    assert code == 0 and text.startswith(case) and "not kept" in errors
    assert not (folder / "beside").exists()


def test_reading_of_one_reader_is_revised_by_the_next(store):
    put(store, label(0))
    store.put(label(0, "rejected", reading=reading("CD", decision="rejected")))
    worklist = Worklist(store)
    assert worklist.progress()["rejected"] == 1 and worklist.next() is None
