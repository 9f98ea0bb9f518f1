"""One changed bit anywhere in a label store is named by verification."""

import json
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.labels.index import INDEX, STATEMENTS
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.labels.verification import verify_store
from label_samples import KEY, label, picture, reading

TESTING = Path(__file__).parents[1]


@pytest.fixture(scope="module", params=[True, False], ids=["encrypted", "unencrypted"])
def sound(request, tmp_path_factory):
    """A closed store of six cases, two of them with two versions."""
    folder = tmp_path_factory.mktemp("sound") / "store"
    with LabelStore.create(folder, encrypted=request.param, secret=KEY) as store:
        for seed in range(6):
            store.put(label(seed, "autosaved", edit=seed + 10, frames={1: picture(seed)}))
        for seed in (1, 4):
            store.put(label(seed, edit=seed + 20))
        store.note("looked at")
    assert not verify_store(folder, secret=KEY).damages
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    shutil.copytree(sound, tmp_path / "store")
    return tmp_path / "store"


def flip(path, bit):
    with open(path, "r+b") as file:
        file.seek(bit // 8)
        (byte,) = file.read(1)
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def damages(folder):
    return verify_store(folder, secret=KEY).damages


def record_of_blob(folder):
    """Names of the records that use each blob."""
    used = {}
    with LabelStore.open(folder, secret=KEY, read_only=True) as store:
        for case in store.list():
            for one in store.history(case.case):
                record = store.get(one.case, one.version)
                parts = [record.result, record.frames, *store._frame_addresses(record).values()]
                for run in record.runs:
                    parts += [run.analysis, run.masks]
                for part in parts:
                    used.setdefault(part, set()).add(record.name)
    return used


def test_a_changed_bit_in_any_blob_names_every_record_that_uses_it(folder):
    chance = random.Random(1)
    used = record_of_blob(folder)
    blobs = [path for path in (folder / "blobs").rglob("*") if path.is_file()]
    assert {path.name for path in blobs} == set(used)
    for path in blobs:
        size = path.stat().st_size * 8
        for bit in {0, 47, size - 1, chance.randrange(size)}:
            flip(path, bit)
            found = verify_store(folder, secret=KEY)
            assert set(found.damaged_records) == used[path.name], f"bit {bit} of {size}"
            flip(path, bit)
    assert not damages(folder)


def test_a_changed_bit_anywhere_in_the_index_is_named(folder):
    chance = random.Random(2)
    path = folder / INDEX
    size = path.stat().st_size * 8
    for bit in [*range(0, 800, 23), *(chance.randrange(size) for _ in range(60))]:
        flip(path, bit)
        found = damages(folder)
        assert found and all("index" in one.words or "trail" in one.words for one in found), f"bit {bit} of {size}"
        flip(path, bit)
    assert not damages(folder)


@pytest.mark.parametrize("name", ["store.json", "index.seal"])
def test_a_changed_bit_in_the_other_files_is_named(folder, name):
    path = folder / name
    size = path.stat().st_size * 8
    for bit in random.Random(3).sample(range(size), 30):
        flip(path, bit)
        try:
            found = damages(folder)
            assert any(name in one.words for one in found), f"bit {bit} of {size}"
        except InputError as error:
            assert name == "store.json" and "of format" in str(error), "a version that this one does not know"
        flip(path, bit)
    assert not damages(folder)


def changed(folder, *statements):
    connection = sqlite3.connect(folder / INDEX, isolation_level=None)
    for trigger in ("trail_kept", "trail_unchanged"):
        connection.execute(f"DROP TRIGGER {trigger}")
    for statement in statements:
        connection.execute(statement)
    for statement in STATEMENTS:
        if "TRIGGER" in statement:
            connection.execute(statement)
    connection.close()


@pytest.mark.parametrize("column", ["time_ms", "event", "hash", "text", "version", "parent"])
def test_a_changed_value_names_its_record_and_no_other(folder, column):
    with LabelStore.open(folder, secret=KEY) as store:
        case = store.case_of(label(1).image)
    # The third entry is version 1 of the second case: after the store's own entry and the first case's.
    values = {"hash": "zeroblob(32)", "text": "zeroblob(length(text))", "event": "2", "version": "9"}
    value = values.get(column, f"coalesce({column}, 0) + 1")
    changed(folder, f"UPDATE trail SET {column} = {value} WHERE id = 3")
    found = verify_store(folder, secret=KEY)
    assert found.damaged_records == (f"{case}/1",)
    # The seal, unchanged at the same head, tells too.
    assert any("index.sqlite has changed" in one.words for one in found.damages)


def test_entries_taken_out_or_swapped_are_named(folder, tmp_path):
    for number, statements in enumerate(
        [
            ["DELETE FROM trail WHERE id = 4"],
            ["UPDATE trail SET id = 100 WHERE id = 3", "UPDATE trail SET id = 3 WHERE id = 4"],
            ["UPDATE trail SET case_id = 6, version = 5 WHERE id = 3"],
            ["UPDATE cases SET latest = 3, event = 1 WHERE id = 5"],
            ["DELETE FROM cases WHERE id = 2"],
        ]
    ):
        copy = tmp_path / str(number)
        shutil.copytree(folder, copy)
        changed(copy, *statements)
        (copy / "index.seal").unlink()
        assert damages(copy), statements


def test_entries_cut_off_at_the_end_are_told_by_a_noted_head(folder):
    with LabelStore.open(folder, secret=KEY) as store:
        head = store.head()
        store.put(label(7))
    assert not verify_store(folder, secret=KEY, head=head).damages
    number = int(head.partition(":")[0])
    changed(folder, f"DELETE FROM trail WHERE id >= {number}", "DELETE FROM cases WHERE id = 7")
    (folder / "index.seal").unlink()
    assert not damages(folder), "nothing in the folder itself can tell"
    (one,) = verify_store(folder, secret=KEY, head=head).damages
    assert "cut off" in one.words
    with pytest.raises(UsageError, match="NUMBER:HASH"):
        verify_store(folder, secret=KEY, head="last")


def test_a_page_that_cannot_be_read_names_the_records_on_it(folder):
    path = folder / INDEX
    connection = sqlite3.connect(path)
    (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'trail'").fetchone()
    connection.close()
    content = bytearray(path.read_bytes())
    start = (root - 1) * 32768
    content[start : start + 32768] = bytes(32768)
    path.write_bytes(content)
    assert damages(folder)
    with LabelStore.open(folder, secret=KEY) as store, pytest.raises(InputError, match=r"damaged.*labels verify"):
        store.put(label(9))


@pytest.mark.parametrize("lost", ["blob", INDEX, "store.json"])
def test_what_is_missing_is_named(folder, lost):
    path = next(p for p in (folder / "blobs").rglob("*") if p.is_file()) if lost == "blob" else folder / lost
    users = record_of_blob(folder)
    path.unlink()
    if lost == "store.json":
        with pytest.raises(InputError, match=r"store\.json"):
            verify_store(folder, secret=KEY)
        return
    found = verify_store(folder, secret=KEY)
    if lost == "blob":
        assert set(found.damaged_records) == users[path.name]
        assert all("missing" in one.words for one in found.damages)
    else:
        assert any("missing" in one.words for one in found.damages)
        with pytest.raises(InputError, match="is missing"):
            LabelStore.open(folder, secret=KEY)


def test_a_damaged_blob_is_told_when_it_is_read_and_healed_when_it_is_put_again(folder):
    with LabelStore.open(folder, secret=KEY) as store:
        record = store.get(store.case_of(label(0).image))
        flip(store._blobs.path(record.result), 300)
        with pytest.raises(InputError, match=r"Blob [0-9a-f]{64} is damaged"):
            store.result(record)
    assert damages(folder)
    with LabelStore.open(folder, secret=KEY) as store:
        assert store.put(label(0, "autosaved", edit=10, frames={1: picture(0)})) == record
    assert not damages(folder)


WRITER = """
import os, signal, sys
sys.path[:0] = [{library!r}, {testing!r}]
from BreastUSAssistLib.labels.store import LabelStore
from label_samples import KEY, label
store = LabelStore.open({folder!r}, secret=KEY)
for seed in range(20, 26):
    store.put(label(seed))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_changed_bit_in_the_log_of_a_killed_program_is_named(folder):
    code = WRITER.format(library=str(TESTING.parent / "BreastUSAssist"), testing=str(TESTING), folder=str(folder))
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL
    log = folder / f"{INDEX}-wal"
    content = log.read_bytes()
    index = (folder / INDEX).read_bytes()
    assert len(content) > 6 * 32768 and not damages(folder)
    # Not the last transaction: SQLite itself drops a last one that is not whole.
    for bit in random.Random(4).sample(range(len(content) * 8 // 2), 5):
        (folder / INDEX).write_bytes(index)
        log.write_bytes(content)
        (folder / f"{INDEX}-shm").unlink(missing_ok=True)
        flip(log, bit)
        found = damages(folder)
        assert any(f"{INDEX}-wal is damaged" in one.words for one in found), f"bit {bit}"
    (folder / INDEX).write_bytes(index)
    log.write_bytes(content)
    (folder / f"{INDEX}-shm").unlink(missing_ok=True)
    found = verify_store(folder, secret=KEY)
    assert not found.damages and found.records == 14 and "sealed at entry" in found.notes[0]
    with LabelStore.open(folder, secret=KEY) as store:
        assert len(store.list()) == 12


def test_a_damaged_latest_version_is_in_nobodys_way(folder):
    with LabelStore.open(folder, secret=KEY) as store:
        case = store.case_of(label(1).image)
    changed(folder, "UPDATE trail SET text = zeroblob(99) WHERE id = (SELECT latest FROM cases WHERE id = 2)")
    with LabelStore.open(folder, secret=KEY) as store:
        with pytest.raises(InputError, match=f"{case}/2 is damaged"):
            store.get(case)
        assert store.put(label(1, edit=30)).version == 3
        assert store.restore(case, 1).version == 4 and store.get(case).restored_from == 1
    assert verify_store(folder, secret=KEY).damaged_records == (f"{case}/2",)


def test_a_reading_that_was_put_into_the_wrong_place_is_named(folder):
    changed(folder, "UPDATE trail SET text = (SELECT text FROM trail WHERE id = 5) WHERE id = 6")
    (folder / "index.seal").unlink()
    assert len(verify_store(folder, secret=KEY).damaged_records) == 1


def test_verification_is_data_for_machines(folder, capsys, monkeypatch):
    from BreastUSAssistLib.command_line import main

    monkeypatch.setenv("BREASTUS_KEY", KEY)
    blob, users = next((b, u) for b, u in record_of_blob(folder).items() if len(u) == 1)
    flip(folder / "blobs" / blob[:2] / blob, 100)
    assert main(["labels", "verify", "--store", str(folder), "--json"]) == 3
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"] and set(found["damaged_records"]) == users and reading().reader not in str(found["damages"])
