"""A label store in trouble: killed writers, full disks, folders that are read-only, gone, shared or held."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from BreastUSAssistLib.errors import InputError, OutputError, UsageError
from BreastUSAssistLib.labels.index import LabelIndex
from BreastUSAssistLib.labels.shared_folders import _kind_of, network_file_system
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.labels.verification import verify_store
from label_samples import KEY, label

TESTING = Path(__file__).parents[1]
LIBRARY = TESTING.parent / "BreastUSAssist"
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="needs fork, signals or limits of POSIX")


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "store"
    with LabelStore.create(folder, secret=KEY) as store:
        store.put(label(0, "autosaved"))
    return folder


def run(code, **options):
    """Run code in a process of its own; what it printed."""
    head = f"import sys; sys.path[:0] = [{str(LIBRARY)!r}, {str(TESTING)!r}]\n"
    done = subprocess.run([sys.executable, "-c", head + code], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@ON_POSIX
def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path):
    script = TESTING / "benchmarks" / "label_store.py"
    options = ["--kills", "30", "--records", "0", "--json", "--folder", str(tmp_path)]
    done = subprocess.run([sys.executable, str(script), *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["kills"]
    assert figures["killed"] == 30 and figures["lost"] == 0 and figures["damages"] == []
    assert figures["records"] >= figures["acknowledged"] > 30


FULL = """
import resource
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.labels.store import LabelStore
from label_samples import KEY, label, picture

with LabelStore.open({folder!r}, secret=KEY) as store:
    before = store.list()
    for limit in {limits}:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        try:
            store.put(label(1, frames={{1: picture(1)}}))
            print("stored within", limit)
        except OutputError as error:
            print(error)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert store.list() == before and not list((store.folder / "temporary").iterdir())
    assert store.put(label(1, frames={{1: picture(1)}})).version == 1
    print("done")
"""


@ON_POSIX
def test_a_full_disk_is_a_sentence_and_the_next_try_stores(folder):
    # Room for nothing, for some blobs alone, for blobs but not for the log of the index.
    limits = [0, 200, 2000, 4000, 20_000]
    lines = run(FULL.format(folder=str(folder), limits=limits)).splitlines()
    assert lines[-1] == "done" and len(lines) == len(limits) + 1
    assert all("free space" in line and line.endswith("try again.") for line in lines[:-1])
    assert not verify_store(folder, secret=KEY).damages


UNMADE = """
import resource
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.labels.store import LabelStore
from label_samples import KEY
for limit in (0, 100, 40_000, 100_000, 190_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        LabelStore.create({folder!r}, secret=KEY).close()
        print("made within", limit)
    except OutputError as error:
        print(error)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
LabelStore.create({folder!r}, secret=KEY).close()
"""


@ON_POSIX
def test_a_store_that_could_not_be_made_is_not_in_the_way_of_the_next_try(tmp_path):
    lines = run(UNMADE.format(folder=str(tmp_path / "store"))).splitlines()
    assert len(lines) == 5 and all("could not be" in line and line.endswith(".") for line in lines)
    assert not verify_store(tmp_path / "store", secret=KEY).damages


READ_ONLY = """
import os
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.labels.verification import verify_store
from label_samples import KEY, label
if os.getuid() == 0:
    # Everything is imported before the rights are given up: the interpreter itself may not be readable afterwards.
    with LabelStore.create({warm!r}, secret=KEY) as store:
        store.put(label(0))
    LabelStore.open({warm!r}, secret=KEY, read_only=True).close()
    verify_store({warm!r}, secret=KEY)
    os.setgid(65534)
    os.setuid(65534)
folder = {folder!r}
print(verify_store(folder, secret=KEY).damages)
with LabelStore.open(folder, secret=KEY) as store:
    (one,) = store.list()
    print(store.get(one.case).kind, store.result(store.get(one.case)).numbers)
    for work in (lambda: store.put(label(1)), lambda: store.restore(one.case, 1), lambda: store.note("x")):
        try:
            work()
        except OutputError as error:
            print(error)
try:
    LabelStore.create(folder + "/other", secret=KEY)
except OutputError as error:
    print(error)
"""


@ON_POSIX
def test_a_read_only_folder_can_be_read_and_says_so_when_written(folder):
    with tempfile.TemporaryDirectory() as place:
        # Not below tmp_path: that is closed to the other user which the code becomes where this one is root.
        Path(place).chmod(0o755)
        here = Path(place) / "store"
        shutil.copytree(folder, here)
        for path in (*here.rglob("*"), here):
            path.chmod(0o555 if path.is_dir() else 0o444)
        try:
            lines = run(READ_ONLY.format(folder=str(here), warm=str(folder.with_name("warm")))).splitlines()
        finally:
            for path in (here, *here.rglob("*")):
                path.chmod(0o755 if path.is_dir() else 0o644)
    assert lines[:2] == ["[]", "autosaved (1, 2)"]
    assert len(lines) == 6 and all("open for reading alone" in line for line in lines[2:5])
    assert "could not be made" in lines[5]


def test_a_folder_taken_away_loses_nothing_unseen(folder, tmp_path):
    store = LabelStore.open(folder, secret=KEY)
    store.put(label(1))
    folder.rename(tmp_path / "elsewhere")
    try:
        # The same content again: no blob to write, so that the index alone could be written, where nobody looks.
        for new in (label(1, "rejected"), label(2)):
            with pytest.raises(OutputError, match=r"gone|could not be used|was not stored"):
                store.put(new)
    finally:
        (tmp_path / "elsewhere").rename(folder)
    store.close()
    assert verify_store(folder, secret=KEY).records == 2 and not verify_store(folder, secret=KEY).damages


def test_a_folder_that_was_replaced_is_not_written(folder, tmp_path):
    with LabelStore.open(folder, secret=KEY) as store:
        store.put(label(1))
        folder.rename(tmp_path / "elsewhere")
        LabelStore.create(folder, secret=KEY).close()
        with pytest.raises(OutputError, match="is gone"):
            store.put(label(1, "rejected"))


def test_a_store_held_by_another_program_is_a_sentence(folder):
    index = LabelIndex(folder, alone=True)
    try:
        with pytest.raises(OutputError, match="held by another program"):
            LabelIndex(folder, wait_s=0.1)
        code = (
            "from BreastUSAssistLib.labels.index import LabelIndex\nfrom pathlib import Path\n"
            f"try:\n    LabelIndex(Path({str(folder)!r}), alone=True, wait_s=0.1)\n"
            "except Exception as error:\n    print(error)"
        )
        assert "held by another program" in run(code)
    finally:
        index.close()
    with LabelStore.open(folder, secret=KEY) as store:
        assert len(store.list()) == 1


MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /srv/labels rw - nfs4 server:/labels rw
31 22 0:41 / /mnt/my\\040share rw - cifs //server/share rw
32 30 0:42 / /srv/labels/here rw - tmpfs none rw
33 22 0:43 / /home/x/remote rw - fuse.sshfs host: rw
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/srv/labels/a/b", "nfs4"),
        ("/srv/labels", "nfs4"),
        ("/srv/labelsx", None),
        ("/srv/labels/here/a", None),
        ("/mnt/my share/a", "cifs"),
        ("/home/x/remote", "fuse.sshfs"),
        ("/", None),
    ],
)
def test_folders_on_a_network_are_known_by_their_mount(folder, kind):
    assert _kind_of(Path(folder), MOUNTS) == kind


def test_a_store_on_a_network_folder_lets_one_program_in(folder, monkeypatch, tmp_path):
    assert network_file_system(tmp_path) is None, "the tests' own folder is local"
    monkeypatch.setattr("BreastUSAssistLib.labels.store.network_file_system", lambda _: "nfs4")
    with LabelStore.open(folder, secret=KEY) as store:
        store.put(label(1))
        assert not (folder / "index.sqlite-shm").exists(), "shared memory does not reach across a network"
        with pytest.raises(OutputError, match="held by another program"):
            LabelIndex(folder, wait_s=0.1)
        assert not store.verify().damages
    with LabelStore.open(folder, secret=KEY) as store:
        assert len(store.list()) == 2


def test_what_a_killed_writer_left_is_swept_but_not_what_may_be_in_use(folder):
    old, new = folder / "temporary" / "old.part", folder / "temporary" / "new.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200, time.time() - 7200))
    LabelStore.open(folder, secret=KEY).close()
    assert [path.name for path in (folder / "temporary").iterdir()] == ["new.part"]
    assert not verify_store(folder, secret=KEY).damages


@ON_POSIX
def test_a_program_that_ends_without_closing_leaves_a_sealed_store(folder):
    run(
        "from BreastUSAssistLib.labels.store import LabelStore\nfrom label_samples import KEY, label\n"
        f"store = LabelStore.open({str(folder)!r}, secret=KEY)\nstore.put(label(3))"
    )
    found = verify_store(folder, secret=KEY)
    assert (found.records, found.damages, found.notes) == (2, [], [])


@pytest.mark.parametrize("content", ["", "{}", "[]", "nothing", '{"schema_version": 1}', "\ud800"])
def test_a_folder_with_another_store_json_is_a_sentence(folder, content):
    (folder / "store.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError, match=r"store\.json is damaged.*\.$"):
        LabelStore.open(folder, secret=KEY)
    assert verify_store(folder, secret=KEY).damages


def test_a_store_of_a_newer_version_asks_for_an_update(folder):
    path = folder / "store.json"
    path.write_text(path.read_text("utf-8").replace('"1.0"', '"2.1"'), "utf-8")
    with pytest.raises(InputError, match=r"format 2\.1.*update BreastUSAssist"):
        LabelStore.open(folder, secret=KEY)


def test_a_folder_that_is_not_empty_is_no_place_for_a_store(folder, tmp_path):
    with pytest.raises(UsageError, match="is not empty"):
        LabelStore.create(folder, secret=KEY)
    (tmp_path / "file").touch()
    with pytest.raises((OutputError, UsageError), match="file"):
        LabelStore.create(tmp_path / "file", secret=KEY)
