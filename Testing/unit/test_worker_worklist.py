"""Request "worklist": a reader's way through a store, kept over restarts of the analysis process."""

from pathlib import Path

import pytest
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.labels.double_reading import choose_double_reading
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.service import worker_worklist
from BreastUSAssistLib.service.worker_requests import Worksite, perform
from label_samples import drafted, label


@pytest.fixture
def folder(tmp_path):
    """A store of five cases: two waiting, two drafted, one accepted."""
    with LabelStore.create(tmp_path / "store", encrypted=False) as store:
        for seed in range(5):
            kind = "accepted" if seed == 4 else "autosaved"
            runs = [(drafted(), None)] if seed in (2, 3) else ()
            more = {} if seed == 4 else {"reading": None, "result": None, "runs": runs}
            store.put(label(seed, kind, **more))
    return tmp_path / "store"


@pytest.fixture
def site(tmp_path):
    made = Worksite(tmp_path)
    yield made
    made.close()


def ask(site: Worksite, folder: Path, move: str = "look", reader: str = "AB", **more: object) -> dict:
    said = {"store": str(folder), "reader": reader, "move": move, **more}
    return perform("worklist", said, site, lambda *_: None, lambda: None)


def cases_of(folder: Path) -> list[str]:
    with LabelStore.open(folder) as store:
        return [one.case for one in store.list()]


def test_a_reader_goes_on_and_back_and_goes_on_there_after_a_restart(folder, site):
    cases = cases_of(folder)
    looked = ask(site, folder)
    assert (looked["case"], looked["state"], looked["can_go_back"]) == (None, None, False)
    assert looked["counts"] == {
        "waiting": 2,
        "drafted": 2,
        "in_work": 0,
        "accepted": 1,
        "rejected": 0,
        "disputed": 0,
    }
    assert (looked["total"], looked["decided"], looked["due"]) == (5, 1, 4)
    assert [case for case, _ in looked["listed"]] == cases[:4]
    assert [state for _, state in looked["listed"]] == ["waiting", "waiting", "drafted", "drafted"]
    assert [ask(site, folder, "next")["case"] for _ in range(3)] == cases[:3]
    assert ask(site, folder)["case"] == cases[2] and ask(site, folder)["can_go_back"]
    site.close()
    assert ask(Worksite(site.exchange), folder)["case"] == cases[2]
    assert ask(site, folder, "back")["case"] == cases[1]
    back = [ask(site, folder, "back")["case"] for _ in range(2)]
    assert back == [cases[0], None]
    assert ask(site, folder)["case"] == cases[0], "where there is none before, the reader stays"
    assert ask(site, folder, reader="CD")["case"] is None


def test_order_and_filter_are_remembered(folder, site):
    cases = cases_of(folder)
    chosen = ask(site, folder, strategy="most-uncertain", states=["drafted"])
    assert (chosen["strategy"], chosen["states"]) == ("most-uncertain", ["drafted"])
    assert sorted(case for case, _ in chosen["listed"]) == sorted(cases[2:4])
    site.close()
    again = ask(Worksite(site.exchange), folder)
    assert (again["strategy"], again["states"], again["due"]) == ("most-uncertain", ["drafted"], 2)
    assert ask(site, folder, strategy="in-order")["states"] == ["waiting", "drafted", "in_work"]
    assert ask(site, folder, "next", states=["rejected"])["case"] is None
    for wrong in ({"strategy": "by-luck"}, {"states": ["done"]}, {"states": []}, {"move": "up"}):
        with pytest.raises(UsageError):
            ask(site, folder, **wrong)


def test_what_others_store_meanwhile_is_seen(folder, site):
    before = ask(site, folder)
    with LabelStore.open(folder) as other:
        other.put(label(0))
        added = other.put(label(9, "autosaved", reading=None, result=None, runs=()))
    after = ask(site, folder)
    assert after["total"] == before["total"] + 1 and after["decided"] == 2
    assert after["listed"][-1] == [added.case, "waiting"]


def test_a_long_list_is_cut_and_blind_cases_say_so(tmp_path, site, monkeypatch):
    monkeypatch.setattr(worker_worklist, "MOST_LISTED", 6)
    with LabelStore.create(tmp_path / "long", encrypted=False) as store:
        for seed in range(10):
            store.put(label(seed, "autosaved", reading=None, result=None, runs=()))
        choose_double_reading(store, 0.5)
        blind = {one.case for one in store.list() if choose_double_reading(store, 0.5).holds(one.case)}
    looked = ask(site, tmp_path / "long", "next")
    assert (len(looked["listed"]), looked["due"]) == (6, 10)
    assert set(looked["blind_listed"]) == blind & {case for case, _ in looked["listed"]}
    assert looked["blind"] == (looked["case"] in blind)


def test_a_request_within_another_leaves_the_store_open(folder, site, tmp_path):
    """Short requests are served between the steps of long ones, also those about other stores."""
    others = [tmp_path / name for name in ("a", "b", "c")]
    for other in others:
        LabelStore.create(other, encrypted=False).close()
    with site.stores.use(folder) as store:
        for other in others:
            ask(site, other)
        assert store.list()
    site.close()
    assert ask(site, folder)["total"] == 5
