"""`breastusassist labels`, as a person and as a script calls it."""

import json
import subprocess
import sys
from pathlib import Path

import BreastUSAssistLib
import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.labels.store import LabelStore
from label_samples import KEY, label, reading


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A store of two cases, the first with two versions."""
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    with LabelStore.create(tmp_path / "store") as store:
        store.put(label(0, "autosaved", edit=3, patient="P"))
        store.put(label(0, edit=4))
        store.put(label(1, "rejected", reading=reading("CD", decision="rejected", reason="shadow only")))
    return tmp_path / "store"


@pytest.fixture
def run(folder, capsys):
    """Run a part of the command; its exit code, standard output and standard error."""

    def one(part, *arguments):
        code = main(["labels", part, "--store", str(folder), *arguments])
        return code, *capsys.readouterr()

    return one


def listed(run):
    return json.loads(run("list", "--json")[1])["cases"]


def test_the_cases_are_listed(run):
    first, second = listed(run)
    assert (first["version"], first["kind"], first["reader"], first["lesions"]) == (2, "accepted", "AB", 1)
    assert (second["kind"], second["reader"], second["patient"]) == ("rejected", "CD", None)
    code, table, _ = run("list")
    assert code == 0 and table.count("case-") == 2 and "1 accepted, 1 rejected" in table
    assert [row["case"] for row in json.loads(run("list", "--json", "--kind", "rejected")[1])["cases"]] == [
        second["case"]
    ]


def test_a_record_is_shown(run):
    first, second = listed(run)
    code, text, _ = run("show", first["case"])
    assert code == 0 and f"{first['case']}/2" in text and "category 4C" in text and "shape irregular" in text
    assert "shadow only" in run("show", second["case"])[1]
    shown = json.loads(run("show", f"{first['case']}/1", "--json")[1])
    assert (shown["version"], shown["kind"], shown["schema_version"]) == (1, "autosaved", "1.2")
    assert shown["patient"].startswith("patient-") and shown["stored_frames"] == []


def test_a_version_is_brought_back(run):
    case = listed(run)[0]["case"]
    code, text, _ = run("restore", f"{case}/1", "--reader", "CD")
    assert code == 0 and f"{case}/3 says what {case}/1 said" in text
    versions = json.loads(run("history", case, "--json")[1])["versions"]
    assert [(one["version"], one["kind"], one["restored_from"]) for one in versions] == [
        (1, "autosaved", None),
        (2, "accepted", None),
        (3, "autosaved", 1),
    ]
    assert run("history", case)[1].count("\n") == 4


def test_verification_says_that_all_is_well_and_what_to_note(run):
    code, text, _ = run("verify")
    assert code == 0 and "3 records" in text and text.endswith("nothing damaged\n")
    head = json.loads(run("verify", "--json")[1])["head"]
    assert run("verify", "--head", head)[0] == 0
    code, text, _ = run("verify", "--head", head[:-1] + ("0" if head[-1] != "0" else "1"))
    assert code == 3 and "cut off" in text


def test_damaged_records_are_named_and_the_good_ones_still_listed(run, folder):
    first, second = listed(run)
    with LabelStore.open(folder) as store:
        path = store._blobs.path(store.get(second["case"]).result)
    path.write_bytes(path.read_bytes()[:-1])
    code, text, _ = run("verify")
    assert code == 3 and f"{second['case']}/1: Blob {path.name} is damaged" in text and first["case"] not in text
    index = folder / "index.sqlite"
    content = index.read_bytes()
    index.write_bytes(bytes(len(content)))
    code, _, errors = run("list")
    assert code == 3 and "index.sqlite is damaged" in errors and "labels verify" in errors
    code, text, _ = run("verify")
    assert code == 3 and "index.sqlite" in text and path.name in text


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["show", "case-" + "a" * 16], 3, "is not in the label store"),
        (["show", "Doe^Jane"], 3, "no name of a case"),
        (["history", "case-" + "a" * 16], 3, "is not in the label store"),
        (["restore", "case-" + "a" * 16], 2, "which version"),
        (["restore", "case-" + "a" * 16 + "/x"], 2, "is no version"),
        (["verify", "--head", "newest"], 2, "NUMBER:HASH"),
        (["init"], 2, "is not empty"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(run, arguments, code, words):
    found, _, errors = run(*arguments)
    assert found == code and words in errors and errors.count("\n") == 1 and "Jane" not in errors


def test_stores_are_made_with_and_without_a_key(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BREASTUS_KEY", KEY)
    assert main(["labels", "init", "--store", str(tmp_path / "a"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["encryption"] == "aes-256-gcm"
    assert main(["labels", "init", "--store", str(tmp_path / "b"), "--unencrypted"]) == 0
    assert "not encrypted" in capsys.readouterr().out
    monkeypatch.setenv("BREASTUS_KEY", "e" * 64)
    assert main(["labels", "list", "--store", str(tmp_path / "a")]) == 2
    assert "key does not fit" in capsys.readouterr().err
    assert main(["labels", "list", "--store", str(tmp_path / "b")]) == 0
    assert main(["labels", "list", "--store", str(tmp_path / "c")]) == 3
    assert "labels init" in capsys.readouterr().err


def test_a_python_without_sqlite_or_cryptography_is_a_sentence(folder):
    for module, words in (("_sqlite3", "without SQLite"), ("cryptography", "breastusassist[labels]")):
        code = (
            f"import sys; sys.modules[{module!r}] = None; from BreastUSAssistLib.command_line import main; "
            f"sys.exit(main(['labels', 'list', '--store', {str(folder)!r}]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(BreastUSAssistLib.__file__).parents[1],
        )
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_without_a_keyring_the_key_is_asked_for(tmp_path):
    environment = {"PATH": "/usr/bin:/bin", "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    command = [sys.executable, "-m", "BreastUSAssistLib", "labels", "init", "--store", str(tmp_path / "store")]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(BreastUSAssistLib.__file__).parents[1],
        env=environment,
    )
    assert done.returncode == 2 and "BREASTUS_KEY" in done.stderr and not (tmp_path / "store").exists()


def test_the_keyring_holds_the_key_of_a_store(tmp_path, monkeypatch, capsys):
    keyring = pytest.importorskip("keyring")
    from keyring.backend import KeyringBackend

    class Memory(KeyringBackend):
        priority = 1
        held: dict = {}  # noqa: RUF012

        def set_password(self, service, username, password):
            self.held[service, username] = password

        def get_password(self, service, username):
            return self.held.get((service, username))

    monkeypatch.delenv("BREASTUS_KEY", raising=False)
    before = keyring.get_keyring()
    keyring.set_keyring(Memory())
    try:
        assert main(["labels", "init", "--store", str(tmp_path / "store")]) == 0
        assert "the keyring" in capsys.readouterr().out and len(Memory.held) == 1
        assert main(["labels", "list", "--store", str(tmp_path / "store")]) == 0
        Memory.held.clear()
        assert main(["labels", "list", "--store", str(tmp_path / "store")]) == 2
        assert "neither in BREASTUS_KEY nor" in capsys.readouterr().err
    finally:
        keyring.set_keyring(before)
