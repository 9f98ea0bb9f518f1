"""Several readers of one case through the analysis process: nobody's work hides another's decision, or is lost."""

import json
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.reading import Reading
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.labels.double_reading import choose_double_reading
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.service.work_beside import work_of
from label_requests import Process, array_of, frames, masks


@pytest.fixture
def process(tmp_path):
    made = Process(tmp_path)
    yield made
    made.site.close()


def test_work_of_another_hides_no_decision_and_is_lost_by_nobody(process):
    case = process.keep("AB")["case"]
    kept = process.autosave("CD", edit=7, case=case, parent=1)
    assert kept["beside"] and kept["version"] is None and kept["new"]
    assert not process.autosave("CD", edit=7, case=case, parent=1)["new"]
    assert process.state(case) == "accepted"
    with LabelStore.open(process.store) as store:
        assert [one.kind for one in store.list()] == ["accepted"] and len(store.history(case)) == 1
    for reader, outlined in (("AB", masks(0)), ("cd ", masks(7)), ("EF", masks(0))):
        assert np.array_equal(array_of(process.open(case, reader), "labels"), outlined)
    opened = process.open(case, "CD")
    assert opened["state"] == "accepted" and opened["parent"] == 1
    assert [one["version"] for one in opened["versions"]] == [1, 0]
    assert np.array_equal(np.load(opened["runs"][0]["labels"]), masks(0))
    assert Reading.model_validate_json(opened["reading"]).reader == "CD"
    further = process.autosave("CD", edit=8, case=case, runs_of=0, runs=None)
    assert further["beside"] and further["new"]
    assert np.array_equal(array_of(process.find("CD", case=case), "labels"), masks(8))
    assert process.keep("CD", edit=9, case=case)["version"] == 2
    assert [one["version"] for one in process.open(case, "CD")["versions"]] == [1, 2]
    assert np.array_equal(array_of(process.open(case, "CD"), "labels"), masks(9))


def test_a_reader_who_goes_on_with_his_own_decision_takes_it_back(process):
    case = process.keep("AB")["case"]
    again = process.autosave("AB", edit=7, case=case)
    assert (again["version"], process.state(case)) == (2, "in_work")


def test_work_beside_that_is_damaged_is_told(process):
    case = process.keep("AB")["case"]
    process.autosave("CD", edit=7, case=case)
    for path in (process.store / "beside").iterdir():
        path.write_bytes(path.read_bytes()[:-3])
    opened = process.open(case, "CD")
    assert np.array_equal(array_of(opened, "labels"), masks(0)) and "is damaged" in opened["notes"][0]
    assert process.autosave("CD", edit=8, case=case)["new"]
    assert process.open(case, "CD")["notes"] == []


def test_a_blind_case_shows_nobody_anothers_work(process):
    case = process.autosave("AB", edit=7)["case"]
    with LabelStore.open(process.store) as store:
        choose_double_reading(store, 1.0)
    with pytest.raises(UsageError, match="name the reader"):
        process.open(case, "")
    opened = process.open(case, "CD")
    assert opened["blind"] and opened["reading"] is None and opened["labels"] is None and opened["versions"] == []
    assert np.array_equal(np.load(opened["runs"][0]["labels"]), masks(0))
    assert np.array_equal(array_of(opened, "frames"), frames(0))
    own = process.autosave("CD", edit=8, case=case, parent=opened["parent"])
    assert own["version"] == 2
    assert np.array_equal(array_of(process.open(case, "AB"), "labels"), masks(7))
    assert np.array_equal(array_of(process.find("CD", case=case), "labels"), masks(8))
    looked = process.ask("worklist", reader="CD")
    assert looked["blind_listed"] == [case]
    unblinded = process.open(case, "CD", unblind=True)
    assert not unblinded["blind"] and [one["reader"] for one in unblinded["versions"]] == ["AB", "CD"]


def test_a_dispute_is_shown_to_whom_may_settle_it(process):
    case = process.autosave("AB")["case"]
    with LabelStore.open(process.store) as store:
        choose_double_reading(store, 1.0)
    process.keep("AB", edit=7, case=case)
    process.keep("CD", edit=8, case=case)
    assert process.state(case) == "disputed"
    assert process.open(case, "AB")["dispute"] is None
    opened = process.open(case, "EF")
    dispute = opened["dispute"]
    assert [(one["reader"], one["decision"]) for one in dispute["opinions"]] == [("AB", "accepted"), ("CD", "accepted")]
    for one, edit in zip(dispute["opinions"], (7, 8), strict=True):
        assert np.array_equal(np.load(one["labels"]), masks(edit))
        assert Reading.model_validate_json(one["reading"]).reader == one["reader"]
    assert dispute["differences"] and all(one.startswith("AB and CD: ") for one in dispute["differences"])
    assert process.autosave("EF", edit=9, case=case)["beside"], "the dispute stays one"
    assert process.state(case) == "disputed" and process.open(case, "EF")["dispute"]
    settled = process.keep("EF", edit=9, case=case, settles=True, parent=opened["parent"])
    assert process.state(case) == "accepted"
    with LabelStore.open(process.store) as store:
        assert store.get(case, settled["version"]).settles == (2, 3)
        assert work_of(store, case, "EF") is None


def test_the_schema_of_work_beside_is_current():
    from BreastUSAssistLib.files import resource_path
    from BreastUSAssistLib.service.work_beside import work_schema

    assert resource_path("Schema", "label-work-1.0.schema.json").read_text("utf-8") == work_schema()


def test_work_of_an_older_version_still_opens(process):
    case = process.keep("AB")["case"]
    with LabelStore.open(process.store) as store:
        kept = (Path(__file__).parent / "data" / "label-work-1.0.json").read_text()
        said = json.loads(kept)
        store.keep_beside(f"work of cd on {case}", kept.encode())
        work = work_of(store, case, "CD")
        assert work is not None and work.result().numbers == (1, 2) and len(work.runs()) == 1
        store.keep_beside(f"work of cd on {case}", json.dumps({**said, "schema_version": "9.0"}).encode())
        with pytest.raises(InputError, match="is damaged"):
            work_of(store, case, "CD")
