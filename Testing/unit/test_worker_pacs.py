"""Requests about a PACS: forms of nodes, secrets, what is refused, and results that are sent once whatever happens."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keyring
import numpy as np
import pytest
from BreastUSAssistLib.dicom.network.nodes import DimseService, PacsNode, TlsSettings, WebService, load_nodes, save_node
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.service import worker_requests
from BreastUSAssistLib.service.pacs.outbox import Outbox
from BreastUSAssistLib.service.reading_export import ExportedReading, export_reading
from BreastUSAssistLib.service.worker_pacs_nodes import node_form, node_of_form
from BreastUSAssistLib.service.worker_protocol import REQUESTS
from BreastUSAssistLib.service.worker_requests import PACS, Worksite
from BreastUSAssistLib.ultrasound.frame import Clip, SourceReference, UltrasoundFrame
from dicom import drafts
from dicom.orthanc import OrthancServer
from dicom.read_reports import ACCEPTED, ReadReport
from dicom.small_studies import check_no_name_in, study_uid, write_study
from file_keyring import FILE, FileKeyring
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pynetdicom", reason="the packages for a PACS are not installed")

KEY = "0123456789abcdef0123456789abcdef"


class Asked:
    """A process's side of the requests, without the process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "exchange").mkdir()
        self.site = Worksite(folder / "exchange")
        self.told: list[tuple[int, int, str]] = []

    def __call__(self, do: str, attend: Callable[[], None] = lambda: None, **arguments: Any) -> dict[str, Any]:
        answer = worker_requests.perform(do, arguments, self.site, lambda *told: self.told.append(told), attend)
        # It travels as JSON.
        return dict(json.loads(json.dumps(answer, allow_nan=False)))


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    monkeypatch.setenv("BREASTUS_NODES", str(tmp_path / "nodes.toml"))
    monkeypatch.setenv("BREASTUS_OUTBOX", str(tmp_path / "outbox"))
    # Before the file is named: keyring remembers for good which backends there are.
    before = keyring.get_keyring()
    monkeypatch.setenv(FILE, str(tmp_path / "keyring.json"))
    keyring.set_keyring(FileKeyring())
    yield Asked(tmp_path)
    keyring.set_keyring(before)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[OrthancServer]:
    server = OrthancServer(tmp_path / "orthanc").start()
    yield server
    server.kill()


def secrets_of(folder: Path) -> dict[str, str]:
    path = folder / "keyring.json"
    return dict(json.loads(path.read_text())) if path.is_file() else {}


def web_form(name: str = "archive", url: str = "https://pacs.example/dicom-web", **more: Any) -> dict[str, Any]:
    return {"name": name, "way": "web", "url": url, "auth": "basic", "user": "alice", **more}


def know(server: OrthancServer, asked: Asked, name: str = "archive") -> None:
    """Enter a server as a node."""
    asked("pacs_keep_node", node=web_form(name, server.web_url, user=server.user), secret=server.password, before="")


def exported_case(folder: Path, decision: str = "accepted") -> Path:
    """An exported case with SEG and SR, as its reader decided; each call makes other objects of the same image."""
    made = ReadReport().case(**{**ACCEPTED, "decision": decision, "reason": "too dark"})
    analysis, read = made.effective()
    frame = UltrasoundFrame(np.zeros(made.labels.shape[1:], np.uint8), SourceReference(Path("a.dcm")))
    clip = Clip("case", "still", 1, lambda _: frame, headers=tuple(made.headers))
    return export_reading(folder, ExportedReading(clip, analysis, made.labels, read), created=drafts.CREATED).folder


def kinds(server: OrthancServer) -> list[str]:
    return sorted(one["Modality"] for one in server.instances())


def test_every_request_about_a_pacs_is_known() -> None:
    assert {do for do in REQUESTS if do.startswith("pacs_")} == set(PACS)
    assert all(worker_requests._long_request(do) is not None for do in PACS)


def nodes() -> st.SearchStrategy[PacsNode]:
    paths = st.sampled_from([None, Path("/certificates/ca.pem")])
    own = st.booleans()
    certificate, key = Path("/certificates/own.pem"), Path("/certificates/own.key")

    def web(auth: str, ca: Path | None) -> WebService:
        mine = {"certificate": certificate, "key": key} if auth == "certificate" else {}
        user = {"user": "alice"} if auth == "basic" else {}
        return WebService.model_validate({"url": "https://pacs.example/w", "auth": auth, "ca_file": ca, **mine, **user})

    def dimse(port: int, retrieve: Any, ca: Path | None, tls: bool, shown: bool) -> DimseService:
        settings = TlsSettings(ca_file=ca, certificate=certificate if shown else None, key=key if shown else None)
        return DimseService(
            host="pacs.example",
            port=port,
            ae_title="ARCHIVE",
            retrieve=retrieve,
            listening_port=11112 if retrieve == "move" else None,
            tls=settings if tls else None,
        )

    webs = st.builds(web, st.sampled_from(["none", "basic", "bearer", "certificate"]), paths)
    dimses = st.builds(dimse, st.integers(1, 65535), st.sampled_from(["get", "move"]), paths, own, own)
    return st.one_of(
        st.builds(lambda one: PacsNode(name="archive", web=one), webs),
        st.builds(lambda one: PacsNode(name="archive", dimse=one), dimses),
    )


@given(nodes())
def test_a_form_gives_back_the_node_that_it_shows(node: PacsNode) -> None:
    assert node_of_form(node_form(node), node) == node


def test_what_a_form_has_no_field_for_stays() -> None:
    node = PacsNode.model_validate(
        {
            "name": "archive",
            "dimse": {"host": "a", "port": 1, "ae_title": "A", "move_destination": "OURS", "listening_port": 4000},
            "timeouts": {"answer_s": 7},
        }
    )
    changed = node_of_form({**node_form(node), "host": "b"}, node)
    assert changed.dimse is not None and (changed.dimse.host, changed.dimse.move_destination) == ("b", "OURS")
    assert changed.timeouts.answer_s == 7 and changed.dimse.listening_port == 4000


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (web_form(name="no spaces please"), "A node's name is of letters"),
        (web_form(url="ftp://somewhere"), "web: url must look like"),
        (web_form(url="https://alice:planted-secret@pacs.example/w"), "must not hold a user or password"),
        (web_form(user=""), "web.user: "),
        ({"name": "a", "way": "dimse", "host": "planted-secret host", "port": 1, "ae_title": "A"}, "dimse.host: "),
        ({"name": "a"}, "needs a web or a dimse part"),
        (None, "A node's name"),
    ],
)
def test_a_wrong_field_is_named_without_what_was_typed(form: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        node_of_form(form)
    check_no_name_in(str(caught.value))


def test_a_secret_goes_along_with_a_new_name_but_to_no_other_computer(asked: Asked, tmp_path: Path) -> None:
    asked("pacs_keep_node", node=web_form(), secret="hush", before="")
    told = asked("pacs_keep_node", node=web_form("store"), secret="", before="archive")
    assert [one["name"] for one in told["nodes"]] == ["store"]
    assert list(secrets_of(tmp_path).values()) == ["hush"] and "store" in next(iter(secrets_of(tmp_path)))
    asked("pacs_keep_node", node=web_form("store", "https://elsewhere.example/w"), secret="", before="store")
    assert secrets_of(tmp_path) == {}
    assert "hush" not in json.dumps(told) and "hush" not in (tmp_path / "nodes.toml").read_text()


def test_a_name_that_is_taken_and_a_damaged_list_are_said(asked: Asked, tmp_path: Path) -> None:
    asked("pacs_keep_node", node=web_form(), secret="hush", before="")
    with pytest.raises(UsageError, match="There is a node archive already"):
        asked("pacs_keep_node", node=web_form(), secret="", before="")
    with pytest.raises(UsageError, match="Node other is not in"):
        asked("pacs_echo", node="other")
    with pytest.raises(UsageError, match="No node is chosen"):
        asked("pacs_find", node=None, query={"patient_id": "1"})
    (tmp_path / "nodes.toml").write_text("nodes = [")
    told = asked("pacs_nodes")
    assert told["nodes"] == [] and "this is not TOML" in told["problem"]


def test_without_a_keyring_a_node_can_still_be_removed(asked: Asked, tmp_path: Path) -> None:
    from keyring.backends.fail import Keyring

    save_node(tmp_path / "nodes.toml", node_of_form(web_form()))
    keyring.set_keyring(Keyring())
    told = asked("pacs_remove_node", name="archive")
    assert told["nodes"] == [] and "keyring" in told["problem"]
    with pytest.raises(UsageError, match="BREASTUS_PACS_ARCHIVE_PASSWORD"):
        asked("pacs_keep_node", node=web_form(), secret="hush", before="")
    assert load_nodes(tmp_path / "nodes.toml") == {}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "would list the whole archive"),
        ({"modality": "US"}, "would list the whole archive"),
        ({"from": "yesterday"}, "no date"),
    ],
)
def test_a_search_without_limits_is_refused(asked: Asked, query: dict[str, str], words: str) -> None:
    asked("pacs_keep_node", node=web_form(auth="none", user=""), secret="", before="")
    with pytest.raises(UsageError, match=words):
        asked("pacs_find", node="archive", query=query)


def test_a_study_is_found_by_parts_of_a_name_and_fetched_once(
    asked: Asked, server: OrthancServer, tmp_path: Path
) -> None:
    server.store(*write_study(tmp_path / "files", 1, images=3))
    know(server, asked)
    assert asked("pacs_echo", node="archive")["ms"] >= 0
    for typed in ("zwetschgen", "Zwetschgenkern, Ottilie", "zwetsch otti"):
        (study,) = asked("pacs_find", node="archive", query={"patient_name": typed, "modality": "US"})["studies"]
        assert (study["study_uid"], study["images"]) == (study_uid(1), 3)
    told = asked("pacs_pull", node="archive", study_uid=study_uid(1), folder=str(tmp_path / "pulled"))
    assert sorted(Path(one).parent.name for one in told["files"]) == [study_uid(1)] * 3
    assert asked.told[-1][:2] == (3, 3)
    changed = {path: path.stat().st_mtime_ns for path in Path(told["folder"]).iterdir()}
    asked("pacs_pull", node="archive", study_uid=study_uid(1), folder=str(tmp_path / "pulled"))
    assert changed == {path: path.stat().st_mtime_ns for path in Path(told["folder"]).iterdir()}
    for uid in ("../1.2", "", "1.2/3"):
        with pytest.raises(UsageError, match="No study"):
            asked("pacs_pull", node="archive", study_uid=uid, folder=str(tmp_path / "pulled"))


def test_a_pull_that_is_stopped_keeps_whole_files(asked: Asked, server: OrthancServer, tmp_path: Path) -> None:
    server.store(*write_study(tmp_path / "files", 1, images=4))
    know(server, asked)
    folder = tmp_path / "pulled" / study_uid(1)

    class StoppedError(BaseException):
        pass

    def stop() -> None:
        if len(list(folder.glob("*.dcm"))) >= 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        asked("pacs_pull", attend=stop, node="archive", study_uid=study_uid(1), folder=str(tmp_path / "pulled"))
    left = sorted(path.name for path in folder.iterdir())
    assert 2 <= len(left) < 4 and all(name.endswith(".dcm") for name in left)
    told = asked("pacs_pull", node="archive", study_uid=study_uid(1), folder=str(tmp_path / "pulled"))
    assert len(told["files"]) == 4


def test_a_decision_is_sent_once_and_to_a_second_node_as_the_same_objects(
    asked: Asked, server: OrthancServer, tmp_path: Path
) -> None:
    case, again = exported_case(tmp_path / "a"), exported_case(tmp_path / "b")
    know(server, asked)
    assert asked("pacs_push", key=KEY, node="archive") == {"needs_files": True}
    for folder in (case, again):
        told = asked("pacs_push", key=KEY, node="archive", case_folder=str(folder))
        assert [one["state"] for one in told["items"]] == ["sent"] and told["problem"] == ""
        assert kinds(server) == ["SEG", "SR"]
    other = OrthancServer(tmp_path / "other").start()
    try:
        know(other, asked, "other")
        told = asked("pacs_push", key=KEY, node="other")
        assert [(one["node"], one["state"]) for one in told["items"]] == [("archive", "sent"), ("other", "sent")]
        uids = [{one["SOPInstanceUID"] for one in each.instances()} for each in (server, other)]
        assert uids[0] == uids[1] and len(uids[0]) == 2
    finally:
        other.kill()


def test_what_no_reader_accepted_is_not_sent(asked: Asked, server: OrthancServer, tmp_path: Path) -> None:
    know(server, asked)
    case = exported_case(tmp_path / "a", "rejected")
    with pytest.raises(UsageError, match="accept"):
        asked("pacs_push", key=KEY, node="archive", case_folder=str(case))
    assert kinds(server) == [] and asked("pacs_outbox")["items"] == []


def test_while_the_pacs_is_down_nothing_is_lost(asked: Asked, server: OrthancServer, tmp_path: Path) -> None:
    case = exported_case(tmp_path / "a")
    know(server, asked)
    server.kill()
    (item,) = asked("pacs_push", key=KEY, node="archive", case_folder=str(case))["items"]
    assert item["state"] == "waiting" and item["attempts"] == 1 and "archive" in item["words"]
    (same,) = asked("pacs_outbox", send="due")["items"]
    assert same["attempts"] == 1, "not due yet"
    server.restart()
    (item,) = asked("pacs_outbox", send="all")["items"]
    assert (item["key"], item["state"]) == (KEY, "sent")
    assert kinds(server) == ["SEG", "SR"]


def test_an_item_whose_node_is_gone_says_so_and_holds_up_no_other(
    asked: Asked, server: OrthancServer, tmp_path: Path
) -> None:
    case = exported_case(tmp_path / "a")
    know(server, asked)
    with Outbox(tmp_path / "outbox") as outbox:
        for node in ("gone", "archive"):
            outbox.put(f"{KEY}-{node}", node, case)
    told = asked("pacs_outbox", send="all")
    assert {one["node"]: one["state"] for one in told["items"]} == {"gone": "waiting", "archive": "sent"}
    assert "Node gone is not in" in told["problem"]


def test_an_item_whose_file_is_damaged_holds_up_no_other(asked: Asked, server: OrthancServer, tmp_path: Path) -> None:
    know(server, asked)
    with Outbox(tmp_path / "outbox") as outbox:
        for number in (1, 2):
            outbox.put(f"{number}-archive", "archive", exported_case(tmp_path / str(number)))
        first = outbox.items()[0].files[0]
    first.write_bytes(first.read_bytes() + b"\0\0")
    told = asked("pacs_outbox", send="all")
    assert {one["key"]: one["state"] for one in told["items"]} == {"1": "waiting", "2": "sent"}
    assert "was changed" in told["problem"]
