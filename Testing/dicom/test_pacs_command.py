"""`breastusassist pacs` as a person and as a script calls it."""

import io
import json

import keyring
import keyring.backend
import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.service.pacs.ledger import Ledger
from BreastUSAssistLib.service.pacs.work_item import NewItem
from dicom.small_studies import ACCESSION, NAME, PATIENT, check_no_name_in, study_uid, write_study

SECRET = "planted-secret-4711"


class MemoryKeyring(keyring.backend.KeyringBackend):
    """A keyring that forgets with the test."""

    priority = 1

    def __init__(self):
        super().__init__()
        self.kept = {}

    def get_password(self, service, username):
        return self.kept.get((service, username))

    def set_password(self, service, username, password):
        self.kept[service, username] = password

    def delete_password(self, service, username):
        del self.kept[service, username]


@pytest.fixture
def memory():
    before, memory = keyring.get_keyring(), MemoryKeyring()
    keyring.set_keyring(memory)
    yield memory
    keyring.set_keyring(before)


@pytest.fixture
def pacs(tmp_path, monkeypatch, capsys, memory):
    """Run a part of the command with a file of nodes; exit code, standard output, standard error."""
    monkeypatch.setenv("BREASTUS_NODES", str(tmp_path / "nodes.toml"))

    def run(*arguments):
        try:
            code = main(["pacs", *map(str, arguments)])
        except SystemExit as error:
            code = error.code
        out, err = capsys.readouterr()
        check_no_name_in(err)
        return code, out, err

    return run


@pytest.fixture
def archive(pacs, orthanc, monkeypatch):
    """The PACS as node `archive`, added as a script does."""
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    added = ("nodes", "add", "archive", "--url", orthanc.web_url, "--auth", "basic", "--user", orthanc.user)
    code, out, err = pacs(*added, "--secret-from-stdin")
    assert code == 0, err
    check_no_name_in(out)
    return orthanc


def test_a_node_is_added_listed_and_removed_with_its_password_in_the_keyring(pacs, archive, memory, tmp_path):
    assert list(memory.kept.values()) == [SECRET]
    assert SECRET not in (tmp_path / "nodes.toml").read_text()
    code, out, _ = pacs("nodes", "--json")
    (node,) = json.loads(out)["nodes"]
    assert code == 0 and node["name"] == "archive" and node["has_secret"] and SECRET not in out
    assert "archive  DICOMweb http" in pacs("nodes")[1]
    assert pacs("nodes", "remove", "archive")[0] == 0
    assert memory.kept == {} and json.loads(pacs("nodes", "--json")[1])["nodes"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("bad name", "--url", "https://a/b"), "name"),
        (("one", "--url", "ftp://a/b"), "url must look like"),
        (("one", "--url", "https://me:pw@a/b"), "url must not hold"),
        (("one",), "web or a dimse"),
        (("one", "--host", "a", "--port", "104"), "ae_title"),
        (("one", "--host", "a", "--port", "104", "--ae-title", "SEVENTEENLETTERSX"), "AE title"),
    ],
)
def test_a_node_that_cannot_be_is_refused_with_its_field(pacs, arguments, words):
    code, _, err = pacs("nodes", "add", *arguments)
    assert code == 2 and words in err and err.count("\n") == 1


def test_a_node_answers_and_its_studies_are_found_and_pulled(pacs, archive, tmp_path):
    archive.store(*write_study(tmp_path / "in", 0, 2), *write_study(tmp_path / "in", 1))
    code, out, _ = pacs("echo", "--node", "archive")
    assert code == 0 and out.startswith("archive answers")
    assert json.loads(pacs("echo", "--node", "archive", "--json")[1])["ms"] > 0
    code, out, err = pacs("find", "--node", "archive", "--patient-id", f"{PATIENT}-0")
    assert code == 0 and study_uid(0) in out and study_uid(1) not in out and "1 study" in err
    code, out, _ = pacs("find", "--node", "archive", "--accession", ACCESSION, "--json")
    found = json.loads(out)["studies"]
    assert {one["study_uid"] for one in found} == {study_uid(0), study_uid(1)}
    assert {one["patient_name"] for one in found} == {NAME} and found[0]["date"] == "2024-01-02"
    assert pacs("find", "--node", "archive", "--from", "2025-01-01")[1] == ""
    pulled = ("pull", "--node", "archive", study_uid(0), "1.2.3", "--out", tmp_path / "out", "--json")
    code, out, err = pacs(*pulled)
    answer = json.loads(out)
    assert code == 3 and len(answer["failures"]) == 1 and answer["studies"][0]["files"] == 2
    assert len(list((tmp_path / "out" / study_uid(0)).glob("*.dcm"))) == 2


def test_bad_usage_and_bad_nodes_are_told_apart(pacs, archive, tmp_path):
    assert pacs("echo", "--node", "elsewhere")[0] == 2
    assert pacs("find", "--node", "archive", "--from", "yesterday")[0] == 2
    assert pacs("run", "--node", "archive", "--work", tmp_path / "w")[0] == 2
    assert pacs("listen", "--port", "11112", "--ae-title", "A", "--work", tmp_path / "w")[0] == 2
    assert pacs("listen", "--node", "archive", "--port", "70000", "--work", tmp_path / "w", "--reader", "none")[0] == 2
    calling = ("--host", "127.0.0.1", "--port", "104", "--ae-title", "A", "--listening-port", "11112")
    assert pacs("nodes", "add", "caller", *calling)[0] == 0
    code, _, err = pacs("listen", "--node", "caller", "--work", tmp_path / "w")
    assert code == 2 and "choose another --port" in err
    assert pacs("status", "--work", tmp_path)[0] == 2
    (tmp_path / "nodes.toml").write_text("[nodes.archive\n")
    code, _, err = pacs("echo", "--node", "archive")
    assert code == 3 and "line 1" in err


def test_a_wrong_password_and_a_pacs_that_is_down(pacs, archive, memory):
    key = next(iter(memory.kept))
    memory.kept[key] = "planted-secret-wrong"
    code, _, err = pacs("echo", "--node", "archive")
    assert code == 3 and err.startswith("breastusassist: ") and err.count("\n") == 1
    archive.kill()
    assert pacs("echo", "--node", "archive")[0] == 3


def test_a_list_of_studies_is_read_with_care(pacs, archive, tmp_path):
    work = ("run", "--node", "archive", "--hold", "--work", tmp_path / "w", "--studies", tmp_path / "list")
    for content in ("1.2.3\n../../etc\n", '{"studies": 7}', "{" * 5000, "patient 7"):
        (tmp_path / "list").write_text(content)
        code, _, err = pacs(*work, "--reader", "none")
        assert code == 3 and err.splitlines()[-1].startswith("breastusassist: "), content
    assert not (tmp_path / "w" / "pulled").exists()


def test_a_job_tells_how_far_its_studies_are(pacs, tmp_path):
    with Ledger(tmp_path / "w" / "ledger.sqlite") as ledger:
        ledger.add(NewItem("1.2.3", "query", source="a", hold=True), now=0.0)
    code, out, err = pacs("status", "--work", tmp_path / "w", "--json")
    shown = json.loads(out)
    assert code == 0 and shown["studies"][0]["state"] == "found" and shown["counts"]["found"] == 1 and "1 found" in err
    assert pacs("status", "--work", tmp_path / "w")[1] == "1.2.3  found\n"


def test_certificates_are_named_from_where_the_command_runs(pacs, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    (here / "ca.pem").write_text("certificate")
    monkeypatch.chdir(here)
    code, out, _ = pacs(
        "nodes", "add", "a", "--host", "h", "--port", 104, "--ae-title", "A", "--tls", "--ca-file", "ca.pem", "--json"
    )
    assert code == 0
    assert json.loads(out)["node"]["dimse"]["tls"]["ca_file"] == str(here / "ca.pem")
    code, _, err = pacs("nodes", "add", "b", "--url", "https://pacs.example/dicom-web", "--ca-file", "other.pem")
    assert code == 2 and "--ca-file other.pem is not there" in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nodes", "add", "a", "--host", "h"), "dimse.port: is missing"),
        (("nodes", "add", "a", "--host", "h", "--port", 99999, "--ae-title", "A"), "dimse.port: is too large"),
        (("nodes", "add", "a b", "--url", "https://pacs.example/dicom-web"), "name: must be letters"),
        (("nodes", "add", "a", "--url", "https://pacs.example/dicom-web", "--ae-title", "A"), "give --host too"),
    ],
)
def test_faults_of_a_node_are_plain_sentences(pacs, arguments, words):
    code, _, err = pacs(*arguments)
    assert code == 2 and words in err


def test_search_that_ends_before_it_begins(pacs):
    assert pacs("nodes", "add", "a", "--url", "http://127.0.0.1:1/dicom-web")[0] == 0
    code, _, err = pacs("find", "--node", "a", "--from", "2026-03-30", "--to", "2026-01-01")
    assert code == 2 and "--from is later than --to" in err
