"""The table of all cases: the same however it came to be, kept, and made anew where what was kept is damaged."""

import random

import numpy as np
import pytest
from BreastUSAssistLib.labels import case_table as case_table_module
from BreastUSAssistLib.labels.case_facts import CaseFacts, case_facts
from BreastUSAssistLib.labels.case_states import STATES, Step
from BreastUSAssistLib.labels.case_table import case_table
from BreastUSAssistLib.labels.double_reading import choose_double_reading, double_reading_of
from BreastUSAssistLib.labels.draft_scores import CLASSES, DraftScores
from BreastUSAssistLib.labels.fact_columns import FactColumns
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.labels.worklist import Worklist
from hypothesis import given, settings
from hypothesis import strategies as st
from label_samples import KEY, label, outlines, reading

NAMES = [f"case-{letter * 16}" for letter in "abcdefgh"]
OPTIONAL = st.none() | st.floats(0, 2)
STEPS = st.builds(
    Step,
    st.integers(1, 99),
    st.integers(1, 2**40),
    st.sampled_from(["accepted", "rejected", "autosaved", "imported"]),
    st.sampled_from(["", "AB", "Ö"]),
    st.booleans(),
    st.booleans(),
    st.sampled_from([(), (1, 2), (3,)]),
)
FACTS = st.builds(
    CaseFacts,
    st.sampled_from(NAMES),
    st.lists(STEPS, max_size=4).map(tuple),
    st.builds(DraftScores, OPTIONAL, OPTIONAL, st.none() | st.sampled_from(CLASSES)),
    st.booleans(),
    OPTIONAL,
    st.sampled_from([(), ("one", "two")]),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(FACTS, max_size=5), max_size=4))
def test_columns_hold_what_was_put_last(several):
    columns, expected = FactColumns(), {}
    for some in several:
        found = list({one.case: one for one in some}.values())
        columns.put(found)
        expected |= {one.case: one for one in found}
    again, said = FactColumns.from_bytes(columns.to_bytes({"entry": 7}))
    for table in (columns, again):
        assert dict(table) == expected and list(table) == list(expected)
        assert table.damaged == tuple(words for one in expected.values() for words in one.damaged)
        assert [STATES[state] for state in table.plain_states] == [one.state(None) for one in expected.values()]
    assert said == {"entry": 7}
    again.put(found for found in expected.values())
    assert dict(again) == expected


def read_alone(store):
    double = double_reading_of(store)
    return {one.case: case_facts(store, one.case, double) for one in store.list()}


def fill(store, seeds, chance):
    for seed in seeds:
        store.put(label(seed, "autosaved", reading=None, **({} if seed % 5 else {"runs": ()})))
    for _ in range(2 * len(seeds)):
        seed, kind = chance.choice(seeds), chance.choice(["accepted", "rejected", "autosaved"])
        decision = "open" if kind == "autosaved" else kind
        left = MaskStack.of_labels(outlines(chance.randrange(3)))
        said = reading(chance.choice(["AB", "CD", "EF"]), decision=decision)
        store.put(label(seed, kind, reading=said, result=left))


@pytest.mark.parametrize("share", [0.0, 0.6])
def test_read_at_once_in_parts_or_case_by_case_it_is_the_same(tmp_path, monkeypatch, share):
    chance = random.Random(5)
    with LabelStore.create(tmp_path / "store", encrypted=False) as store:
        if share:
            choose_double_reading(store, share)
        fill(store, range(8), chance)
        monkeypatch.setattr(case_table_module, "_ONE_BY_ONE", 0)
        early = case_table(store)
        assert early.facts == read_alone(store)
        fill(store, range(4, 12), chance)
        early.refresh(store)
        monkeypatch.setattr(case_table_module, "_ONE_BY_ONE", 10**9)
        assert early.facts == case_table(store).facts == read_alone(store)
        store.put(label(2, "rejected"))
        store.put(label(20))
        choose_double_reading(store, 1.0, seed=3)
        early.refresh(store)
        assert early.facts == read_alone(store) and early.entry == int(store.head().partition(":")[0])
        for reader in ("", "AB", "CD", "nobody"):
            way = Worklist(store, reader, remember=False)
            told = {case: way.state(case) for case in early.facts}
            assert {case: state for case, (state, _) in way.told(list(early.facts)).items()} == told
            assert way.progress() == {state: list(told.values()).count(state) for state in STATES}


def test_a_kept_table_is_taken_up_where_it_ends_and_never_trusted_when_damaged(tmp_path, monkeypatch):
    with LabelStore.create(tmp_path / "store", secret=KEY) as store:
        fill(store, range(6), random.Random(6))
        case_table(store).keep(store)
        (path,) = (store.folder / "beside").iterdir()
        store.put(label(30))
        expected, whole = read_alone(store), path.read_bytes()
        read = []
        texts = LabelStore.texts
        monkeypatch.setattr(LabelStore, "texts", lambda *asked, **named: read.append(1) or texts(*asked, **named))
        assert case_table(store).facts == expected and len(read) == 1, "the new case alone is read"
        for bit in random.Random(7).sample(range(len(whole) * 8), 40):
            torn = bytearray(whole)
            torn[bit // 8] ^= 1 << bit % 8
            path.write_bytes(torn)
            assert store.kept_beside("case table 2") is None
        for torn in (b"", whole[: len(whole) // 2], bytes(len(whole))):
            path.write_bytes(torn)
            assert case_table(store).facts == expected
        for content in (b"", b"{}", b"PK\x03\x04", np.arange(9).tobytes()):
            store.keep_beside("case table 2", content)
            assert case_table(store).facts == expected


def test_a_long_worklist_keeps_its_table_as_it_goes(tmp_path, monkeypatch):
    monkeypatch.setattr("BreastUSAssistLib.labels.worklist._KEPT_AFTER", 3)
    with LabelStore.create(tmp_path / "store", secret=KEY) as store:
        way = Worklist(store, "AB")
        way.progress()
        for seed in range(4):
            store.put(label(seed))
        way.progress()
        assert store.kept_beside("case table 2") is not None
        assert case_table(store).kept_entry == 5
