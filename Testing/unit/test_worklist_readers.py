"""Several readers of one case: blind to each other, compared, settled by another."""

import json
from dataclasses import replace

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Spacing
from BreastUSAssistLib.birads.kappa import fleiss_kappa, kappa
from BreastUSAssistLib.birads.reading import LesionReading
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.labels.adjudication import adjudicate, open_dispute
from BreastUSAssistLib.labels.blind_view import open_for
from BreastUSAssistLib.labels.case_states import STATES, Step, opinions, state_of
from BreastUSAssistLib.labels.case_table import case_steps
from BreastUSAssistLib.labels.disagreement import Thresholds, difference
from BreastUSAssistLib.labels.double_reading import DoubleReading, choose_double_reading, double_reading_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.reader_agreement import agreement
from BreastUSAssistLib.labels.reader_results import reader_result
from BreastUSAssistLib.labels.record_excerpts import record_excerpt
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.labels.worklist import Worklist
from hypothesis import given
from hypothesis import strategies as st
from label_samples import drafted, label, outlines, reading

FLEISS_1971 = [
    [0, 0, 0, 6, 0],
    [0, 3, 0, 0, 3],
    [0, 1, 4, 0, 1],
    [0, 0, 0, 0, 6],
    [0, 3, 0, 3, 0],
    [2, 0, 4, 0, 0],
    [0, 0, 4, 0, 2],
    [2, 0, 3, 1, 0],
    [2, 0, 0, 4, 0],
    [0, 0, 0, 0, 6],
    [1, 0, 0, 5, 0],
    [1, 1, 0, 4, 0],
    [0, 3, 3, 0, 0],
    [1, 0, 0, 5, 0],
    [0, 2, 0, 3, 1],
    [0, 0, 5, 0, 1],
    [3, 0, 0, 1, 2],
    [5, 1, 0, 0, 0],
    [0, 2, 0, 4, 0],
    [1, 0, 2, 0, 3],
    [0, 0, 0, 0, 6],
    [0, 1, 0, 5, 0],
    [0, 2, 0, 1, 3],
    [2, 0, 0, 4, 0],
    [1, 0, 0, 4, 1],
    [0, 5, 0, 1, 0],
    [4, 0, 0, 0, 2],
    [0, 2, 0, 4, 0],
    [1, 0, 5, 0, 0],
    [0, 0, 0, 0, 6],
]
"""Table 1 of Fleiss, Psychol Bull 1971;76:378: 30 patients, 6 psychiatrists; depression, personality disorder,
schizophrenia, neurosis, other."""


@pytest.fixture
def store(tmp_path):
    with LabelStore.create(tmp_path / "store", encrypted=False) as made:
        yield made


def square(top, left, size=12):
    mask = np.zeros((1, 48, 65), np.uint8)
    mask[0, top : top + size, left : left + size] = 1
    return mask


def said(seed, reader, labels, category="4A", kind="accepted", uid="", **descriptors):
    """A reader's decision on the picture `seed`: one lesion, drafted by nobody."""
    lesion = LesionReading(
        tracking_uid=uid or f"{reader}.{seed}", number=1, category=category, descriptors=descriptors, tools=("added",)
    )
    return label(
        seed,
        kind,
        reading=reading(reader, decision=kind, lesions=(lesion,)),
        runs=(),
        result=MaskStack.of_labels(labels),
        spacing=Spacing(row_mm=0.1, column_mm=0.2, source="user"),
    )


def test_fleiss_kappa_is_that_of_the_publication():
    assert fleiss_kappa(np.array(FLEISS_1971)) == pytest.approx(0.430, abs=5e-4)
    assert np.isnan(fleiss_kappa(np.array([[3, 0], [3, 0]]))) and np.isnan(fleiss_kappa(np.zeros((0, 2))))
    assert fleiss_kappa(np.array([[2, 0], [0, 2]])) == pytest.approx(1)
    for wrong in ([[3, 0], [1, 1]], [[1, 0]]):
        with pytest.raises(ValueError, match="same number of raters"):
            fleiss_kappa(np.array(wrong))


def test_cohens_kappa_is_that_of_a_hand_calculation():
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5 * 0.6 + 0.5 * 0.4 = 0.5.
    cells = [(1, 1)] * 20 + [(1, 0)] * 5 + [(0, 1)] * 10 + [(0, 0)] * 15
    first, second = np.array(cells).T
    assert kappa(first, second, 2)[0] == pytest.approx(0.4)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=20))
def test_fleiss_of_two_raters_is_scotts_pi(pairs):
    counts = np.array([[unit.count(term) for term in range(4)] for unit in pairs])
    observed = np.mean([one == other for one, other in pairs])
    chance = np.square(counts.sum(axis=0) / (2 * len(pairs))).sum()
    value = fleiss_kappa(counts)
    assert np.isnan(value) if chance == 1 else value == pytest.approx((observed - chance) / (1 - chance))


@given(st.floats(0, 1), st.integers(0, 5), st.lists(st.text("abcdefgh234567", min_size=16, max_size=16), max_size=30))
def test_a_larger_share_of_the_same_seed_holds_the_smaller(share, seed, names):
    small = DoubleReading(share=share / 2, seed=seed)
    large = DoubleReading(share=share, seed=seed)
    assert all(large.holds(name) for name in names if small.holds(name))
    assert not any(DoubleReading(share=0, seed=seed).holds(name) for name in names)
    assert all(DoubleReading(share=1, seed=seed).holds(name) for name in names)


def test_the_share_is_met_and_another_seed_holds_others():
    names = [f"case-{number}" for number in range(4000)]
    one, other = ({name for name in names if DoubleReading(share=0.2, seed=seed).holds(name)} for seed in (0, 1))
    assert 700 < len(one) < 900 and 700 < len(other) < 900 and 100 < len(one & other) < 220


READERS = ("AB", "CD", "EF", "")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["accepted", "rejected", "autosaved", "imported"]), st.sampled_from(READERS), st.booleans()
    ),
    max_size=8,
)


def steps_of(drawn):
    made = []
    for version, (kind, reader, run) in enumerate(drawn, 1):
        decided = kind in ("accepted", "rejected")
        name = reader or ("GH" if decided else "")
        begun = decided or (kind == "autosaved" and bool(name))
        made.append(Step(version, version, kind, name, begun, run))
    return made


@given(STEPS, st.booleans(), st.sampled_from(READERS))
def test_every_case_is_in_one_state_and_open_ones_are_undecided(drawn, disputed, reader):
    steps = steps_of(drawn)
    assert state_of(steps, disputed=disputed, reader=reader) in STATES
    double = DoubleReading(share=1)
    whole = state_of(steps, double, disputed=disputed)
    held = opinions(steps, double)
    assert (whole in ("accepted", "rejected", "disputed")) == (len(held) >= 2)
    assert (whole == "disputed") == (disputed and len(held) >= 2)
    assert len({one.reader for one in held}) == len(held)
    first = opinions(steps, double, first=True)
    assert [one.reader for one in first] == [one.reader for one in held]
    assert all(one.version <= other.version for one, other in zip(first, held, strict=True))


@given(STEPS, st.sampled_from(["accepted", "rejected", "autosaved"]))
def test_a_reader_learns_nothing_of_the_only_other_from_the_state(drawn, kind):
    """Whatever one other reader does, the state of a case to a reader who has not decided stays what it was."""
    steps = [step for step in steps_of(drawn) if step.reader in ("", "CD") and not (step.decided and step.reader == "")]
    double = DoubleReading(share=1)
    before = state_of([step for step in steps if step.reader == ""], double, reader="AB")
    drafted_before = any(step.drafted for step in steps)
    after = state_of([*steps, Step(9, 9, kind, "CD", True, False)], double, reader="AB")
    assert after == ("drafted" if before == "waiting" and drafted_before else before)


def test_a_reader_sees_nothing_of_the_other_before_he_decided(store):
    choose_double_reading(store, 1.0)
    first = store.put(label(0, edit=5, frames={}, reading=reading("AB", reason="secret")))
    view = open_for(store, first.case, "CD")
    assert view.blind and view.result() is None and view.record.reading is None and view.record.reader == ""
    assert np.array_equal(view.drafts()[0].labels(), outlines(0)) and len(view.analyses()) == 1
    for words in ("AB", "secret", "accepted", "4C", "scribble", "61.5"):
        assert words not in view.record.model_dump_json()
    assert view.versions == () and view.record.image == first.image
    assert (
        Worklist(store, "CD").state(first.case) == "drafted" and Worklist(store, "AB").state(first.case) == "accepted"
    )
    with pytest.raises(UsageError, match="name the reader"):
        open_for(store, first.case, " ")
    store.put(label(0, "autosaved", edit=6, reading=reading("CD", decision="open"), parent=view.parent))
    begun = open_for(store, first.case, "cd ")
    assert begun.blind and [one.reader for one in begun.versions] == ["CD"]
    assert np.array_equal(begun.result().labels(), outlines(6))
    second = store.put(label(0, edit=6, reading=reading("CD")))
    after = open_for(store, first.case, "CD")
    assert not after.blind and [one.reader for one in after.versions] == ["AB", "CD", "CD"]
    assert after.record == second


def test_imported_masks_are_kept_from_blind_readers_as_well(store):
    choose_double_reading(store, 1.0)
    case = store.put(label(0, "imported", reading=None, runs=())).case
    view = open_for(store, case, "AB")
    assert view.blind and view.result() is None and view.versions == ()
    assert Worklist(store, "AB").next() == case


def test_outside_the_share_the_latest_version_is_shown(store):
    first = store.put(label(0))
    assert open_for(store, first.case, "CD").record == first
    choose_double_reading(store, 0.0)
    assert open_for(store, first.case, "").record == first
    with pytest.raises(InputError, match="not in the label store"):
        open_for(store, "case-" + "a" * 16, "AB")


def test_seeing_the_other_on_purpose_is_noted(store):
    choose_double_reading(store, 1.0)
    first = store.put(label(0))
    before = int(store.head().partition(":")[0])
    assert open_for(store, first.case, "CD", unblind=True).record == first
    assert int(store.head().partition(":")[0]) == before + 1
    open_for(store, first.case, "CD")
    assert int(store.head().partition(":")[0]) == before + 1


def test_a_blind_readers_worklist_goes_on_until_both_decided(store):
    choose_double_reading(store, 1.0)
    cases = [store.put(label(seed, edit=9, reading=reading("AB"))).case for seed in (0, 1)]
    assert Worklist(store, "AB", remember=False).next() is None
    second = Worklist(store, "CD")
    assert second.next() == cases[0] and second.progress()["drafted"] == 2
    store.put(label(0, edit=9, reading=reading("CD")))
    assert second.next() == cases[1] and second.progress() == {**dict.fromkeys(STATES, 0), "accepted": 1, "drafted": 1}
    assert Worklist(store).progress()["in_work"] == 1
    assert Worklist(store, "EF").order() == (cases[1],)


def test_what_was_read_before_the_share_was_chosen_is_no_second_opinion(store):
    store.put(said(0, "AB", square(5, 5)))
    case = store.put(said(0, "CD", square(30, 30))).case
    choose_double_reading(store, 1.0)
    double = double_reading_of(store)
    assert [one.reader for one in opinions(case_steps(store, case), double)] == ["CD"]
    assert Worklist(store).state(case) == "in_work"
    store.put(said(0, "EF", square(30, 30)))
    assert Worklist(store).state(case) == "accepted"
    choose_double_reading(store, 1.0, readers=3)
    again = double_reading_of(store).of_case(case)
    assert [one.reader for one in opinions(case_steps(store, case), again)] == ["CD", "EF"]


def test_a_choice_that_cannot_be_read_is_no_reason_to_show_everything(store):
    choose_double_reading(store, 1.0)
    first = store.put(label(0))
    for path in (store.folder / "beside").iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="choose --share and --seed again"):
        open_for(store, first.case, "CD")
    choose_double_reading(store, 1.0)
    assert open_for(store, first.case, "CD").blind and open_for(store, first.case, "CD").result() is None


def test_two_outlines_are_compared_in_mm_where_the_spacing_is_known(store):
    one = store.put(said(0, "AB", square(10, 10), "3", shape="oval", margin="circumscribed"))
    other = store.put(said(0, "CD", square(10, 13), "4A", shape="oval", margin="indistinct"))
    found = difference(reader_result(store, one), reader_result(store, other))
    (lesion,) = found.lesions
    assert lesion.dice == pytest.approx(2 * 12 * 9 / 288) and lesion.unit == "mm"
    assert lesion.hd95 == pytest.approx(3 * 0.2)
    assert lesion.categories == ("3", "4A")
    assert lesion.descriptors == {"shape": ("oval", "oval"), "margin": ("circumscribed", "indistinct")}
    assert found.disputes == ("lesion 1: category 3 and 4A",), "one step, but one calls for tissue"
    strict = Thresholds(least_dice=0.8, largest_hd95_mm=0.5, descriptors=("shape", "margin"))
    words = difference(reader_result(store, one), reader_result(store, other), strict).disputes
    assert len(words) == 4 and "Dice 0.75" in words[0] and "HD95 0.6 mm" in words[1] and "margin" in words[3]
    bare = store.put(replace(said(0, "EF", square(10, 13)), spacing=None))
    against = difference(reader_result(store, bare), reader_result(store, bare)).lesions[0]
    assert (against.hd95, against.unit, against.dice) == (0, "px", 1)


def test_lesions_that_one_alone_sees_and_decisions_are_disputes(store):
    one, other = (store.put(said(0, name, square(5, left))) for name, left in (("AB", 5), ("CD", 40)))
    found = difference(reader_result(store, one), reader_result(store, other))
    assert found.alone == (1, 1) and found.score == 2 and "2 lesions" in found.disputes[0]
    against = store.put(said(0, "EF", square(5, 5), kind="rejected"))
    found = difference(reader_result(store, one), reader_result(store, against))
    assert found.alone == (0, 0) and found.score == 1 and "one accepted, the other rejected" in found.disputes[0]


def test_lesions_of_one_draft_are_the_same_wherever_they_are_outlined(store):
    one, other = (store.put(said(0, name, square(5, left), uid="1.2")) for name, left in (("AB", 5), ("CD", 40)))
    found = difference(reader_result(store, one), reader_result(store, other))
    assert found.alone == (0, 0) and found.lesions[0].dice == 0 and found.score == 1


def test_an_accepted_draft_keeps_its_terms_and_category(store):
    lesion = drafted().lesions[0]
    runs = [(drafted().model_copy(update={"lesions": (lesion,)}), None)]
    plain = LesionReading(tracking_uid=lesion.tracking_uid, number=1, run=0)
    changed = plain.model_copy(update={"descriptors": {"shape": "not the draft's"}})
    results = []
    for said_of_it in (plain, changed):
        masks = MaskStack.of_labels(square(3, 3))
        record = store.put(label(0, reading=reading(lesions=(said_of_it,)), result=masks, runs=runs))
        results += reader_result(store, record).lesions
    assert results[0].descriptors == {one.attribute: one.term for one in lesion.descriptors}
    assert results[0].category == lesion.assessment.category
    assert results[1].category is None and results[1].descriptors["shape"] == "not the draft's"


def test_a_dispute_is_settled_by_a_third_named_reader(store):
    choose_double_reading(store, 1.0)
    case = store.put(said(0, "AB", square(5, 5))).case
    with pytest.raises(UsageError, match="still waits for a reader"):
        open_dispute(store, case, "EF")
    store.put(said(0, "CD", square(5, 40)))
    worklist = Worklist(store, "EF", strategy="most-disagreeing")
    assert worklist.next() == case and worklist.state(case) == "disputed"
    for name, words in (("ab", "did not decide it"), ("", "named reader")):
        with pytest.raises(UsageError, match=words):
            open_dispute(store, case, name)
    assert [one.reader for one in open_dispute(store, case, "EF").opinions] == ["AB", "CD"]
    with pytest.raises(UsageError, match="accepting or rejecting"):
        adjudicate(store, label(0, "autosaved", reading=reading("EF", decision="open")))
    settled = adjudicate(store, said(0, "EF", square(5, 5)))
    assert settled.settles == (1, 2) and settled.version == 3
    assert store.get(case, 3) == settled and [store.get(case, v).reader for v in (1, 2)] == ["AB", "CD"]
    assert worklist.progress()["accepted"] == 1 and worklist.next() is None
    assert Worklist(store).state(case) == "accepted"


def test_readers_who_come_to_agree_need_nobody_to_settle(store):
    choose_double_reading(store, 1.0)
    case = store.put(said(0, "AB", square(5, 5))).case
    store.put(said(0, "CD", square(5, 40)))
    store.put(said(0, "CD", square(5, 5)))
    assert Worklist(store).state(case) == "accepted"
    with pytest.raises(UsageError, match="agree within the thresholds"):
        open_dispute(store, case, "EF")
    with pytest.raises(UsageError, match="nothing to settle"):
        choose_double_reading(store, 0.0)
        open_dispute(store, case, "EF")
    assert agreement(store).cases == 0


def test_the_most_disagreeing_come_first_and_nobody_blind_learns_of_it(store):
    choose_double_reading(store, 1.0, readers=3)
    cases = [store.put(said(seed, "AB", square(5, 5))).case for seed in range(3)]
    for seed, left in enumerate((7, 40, 5)):
        store.put(said(seed, "CD", square(5, left)))
    everything = {"strategy": "most-disagreeing", "states": STATES, "remember": False}
    assert Worklist(store, **everything).order() == (cases[1], cases[0], cases[2])
    assert Worklist(store, "EF", **everything).order() == ()
    assert Worklist(store, "AB", **everything).order() == (cases[1], cases[0], cases[2])


def test_the_agreement_is_that_of_the_first_decisions(store, capsys):
    with pytest.raises(InputError, match="--share"):
        agreement(store)
    choose_double_reading(store, 1.0, seed=3)
    # AB and CD on category: 2 x (3, 3), 1 x (3, 4A), 1 x (4A, 4A); observed 3/4, by chance 3/4 * 1/2 + 1/4 * 1/2 = 1/2.
    for seed, (one, other) in enumerate((("3", "3"), ("3", "3"), ("3", "4A"), ("4A", "4A"))):
        store.put(said(seed, "AB", square(5, 5), one, shape="oval"))
        store.put(said(seed, "CD", square(5, 8), other, shape="oval"))
    store.put(said(2, "CD", square(5, 5), "3"))
    found = agreement(store)
    (pair,) = found.pairs
    assert (found.cases, pair.cases, pair.readers, pair.disputed, pair.lesions) == (4, 4, ("AB", "CD"), 1, 4)
    assert pair.dice_mean == pytest.approx(0.75) and pair.hd95_mm_median == pytest.approx(0.6)
    assert pair.hd95_px_median is None and found.raters == 0 and found.fleiss == ()
    about = {one.about: one for one in pair.kappas}
    assert about["category"].kappa == pytest.approx(0.5) and about["category"].agreed == 3
    assert about["category"].weighted == pytest.approx(0.5)
    assert about["shape"].kappa is None and about["shape"].units == about["shape"].agreed == 4
    assert about["decision"].kappa is None
    assert agreement(store) == found, "the same store gives the same figures"
    assert main(["worklist", "--store", str(store.folder), "--agreement"]) == 0
    assert "category: kappa 0.50, weighted 0.50 (3 of 4 alike)" in capsys.readouterr().out
    assert main(["worklist", "--store", str(store.folder), "--agreement", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"][0]["lesions"] == 4


def test_three_readers_are_compared_by_fleiss(store):
    choose_double_reading(store, 1.0, readers=3)
    table = (("3", "3", "3"), ("4A", "4A", "3"), ("4A", "4A", "4A"))
    for seed, categories in enumerate(table):
        for reader, category in zip(("AB", "CD", "EF"), categories, strict=True):
            store.put(said(seed, reader, square(5, 5), category))
    store.put(said(7, "AB", square(5, 5)))
    store.put(said(7, "CD", square(5, 5)))
    found = agreement(store)
    assert found.raters == 3 and len(found.pairs) == 3 and found.cases == 4
    value = next(one for one in found.fleiss if one.about == "category")
    counts = np.array([[unit.count("3"), unit.count("4A")] for unit in table])
    assert value.units == 3 and value.agreed == 2 and value.kappa == pytest.approx(fleiss_kappa(counts))


@pytest.mark.parametrize("kind", ["accepted", "rejected", "autosaved", "imported"])
@pytest.mark.parametrize("said", [{}, {"reading": None}, {"reading": reading("", decision="open")}, {"runs": ()}])
def test_an_excerpt_says_of_a_version_what_its_whole_text_says(store, kind, said):
    if kind in ("accepted", "rejected"):
        said = {name: value for name, value in said.items() if name != "reading"}
    first = store.put(label(1, kind, **said))
    store.put(label(1, "rejected", edit=9))
    back = store.restore(first.case, 1)
    for record, text in zip((first, store.get(first.case, 2), back), store.texts(), strict=True):
        excerpt = record_excerpt(text.text, record.name)
        assert Step.of_excerpt(excerpt, text.entry) == Step.of(record, text.entry)
        assert (text.case, text.version, text.parent) == (record.case, record.version, record.parent)
