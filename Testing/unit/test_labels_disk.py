"""A label store on a disk that is really full, really read-only, or really gone while it is open.

Each test mounts a file system of its own, in a mount namespace that ends with it.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTING = Path(__file__).parents[1]
_CAN_MOUNT = ["unshare", "-Urm", "sh", "-c", 'mount -t tmpfs none "$0" && umount "$0"', "/mnt"]


def can_mount():
    if sys.platform != "linux" or shutil.which("unshare") is None or not Path("/mnt").is_dir():
        return False
    return subprocess.run(_CAN_MOUNT, capture_output=True, check=False).returncode == 0


pytestmark = pytest.mark.skipif(not can_mount(), reason="needs Linux and leave to mount in a namespace of its own")

HEAD = """
import os, subprocess, sys
from pathlib import Path
sys.path[:0] = [{library!r}, {testing!r}]
from BreastUSAssistLib.errors import BreastUSAssistError, OutputError
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.store import LabelStore
from BreastUSAssistLib.labels.verification import verify_store
from BreastUSAssistLib.labels.worklist import Worklist
from label_samples import KEY, label, picture

here, other = Path({here!r}), Path({other!r})

def mount(*options):
    subprocess.run(["mount", *map(str, options)], check=True)

def large(seed):
    image = picture(seed, 300, 400)
    return label(image=identity_of([image], "still"), result=None, runs=(), frames={{1: image}})

def refused(work):
    try:
        work()
    except OutputError as error:
        assert str(error).endswith(".") and KEY not in str(error), error
        return str(error)
    raise AssertionError("stored")
"""

FULL = """
mount("-t", "tmpfs", "-o", "size=2500k", "none", here)
stored = []
with LabelStore.create(here / "store", secret=KEY) as store:
    worklist = Worklist(store, "AB")
    worklist.progress()
    while True:
        before = store.list()
        try:
            stored.append(store.put(large(len(stored))))
        except OutputError as error:
            assert "free space" in str(error), error
            break
    assert 2 < len(stored) < 40 and store.list() == before and not list((here / "store" / "temporary").iterdir())
    (here / "filler").write_bytes(bytes(os.statvfs(here).f_bavail * os.statvfs(here).f_bsize))
    refused(lambda: store.put(label(1)))
    refused(lambda: store.keep_beside("place", os.urandom(9999)))
    assert [store.frame(one, 1).shape for one in stored] == [(300, 400)] * len(stored)
    (here / "filler").unlink()
    mount("-o", "remount,size=9000k", here)
    assert store.put(large(len(stored))).version == 1 and len(store.list()) == len(stored) + 1
    assert worklist.progress()["accepted"] == len(stored) + 1
assert not verify_store(here / "store", secret=KEY).damages
"""

READ_ONLY = """
mount("-t", "tmpfs", "none", here)
with LabelStore.create(here / "store", secret=KEY) as store:
    first = store.put(label(1))
mount("-o", "remount,ro", here)
with LabelStore.open(here / "store", secret=KEY) as store:
    assert store.read_only and store.get(first.case) == first and store.result(first) is not None
    refused(lambda: store.put(label(2)))
    refused(lambda: store.keep_beside("place", b"x"))
    refused(lambda: store.note("something"))
    assert Worklist(store, "AB", remember=False).progress()["accepted"] == 1
refused(lambda: LabelStore.create(here / "new", secret=KEY))
mount("-o", "remount,rw", here)
with LabelStore.open(here / "store", secret=KEY) as store:
    assert store.put(label(2)).version == 1
assert not verify_store(here / "store", secret=KEY).damages
"""

GONE = """
mount("--bind", other, here)
store = LabelStore.create(here / "store", secret=KEY)
first = store.put(label(1))
subprocess.run(["umount", "-l", str(here)], check=True)
for new in (label(1, "rejected"), label(2)):
    refused(lambda: store.put(new))
try:
    store.result(first)
    raise AssertionError("read from nowhere")
except BreastUSAssistError as error:
    assert "missing" in str(error) or "could not" in str(error), error
left = [path for path in here.rglob("*") if path.is_file()]
assert not left, left
mount("--bind", other, here)
assert store.put(label(2)).version == 1
store.close()
found = verify_store(here / "store", secret=KEY)
assert not found.damages and found.records == 2
"""


def run_mounted(code, tmp_path):
    here, other = tmp_path / "here", tmp_path / "other"
    here.mkdir()
    other.mkdir()
    places = {"library": str(TESTING.parent / "BreastUSAssist"), "testing": str(TESTING)}
    head = HEAD.format(**places, here=str(here), other=str(other))
    call = ["unshare", "-Urm", sys.executable, "-c", head + code]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("code", [FULL, READ_ONLY, GONE], ids=["full", "read-only", "gone"])
def test_a_disk_that_fails_loses_nothing_that_was_acknowledged(code, tmp_path):
    run_mounted(code, tmp_path)
