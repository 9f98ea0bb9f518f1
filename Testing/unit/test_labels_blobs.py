"""Blobs: bit-exact whatever their length, whole or not there, and put by several at once."""

import os
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import OutputError
from BreastUSAssistLib.labels import blobs as blobs_module
from BreastUSAssistLib.labels import durable
from BreastUSAssistLib.labels.blobs import BlobFolder, Content, DamagedBlobError
from BreastUSAssistLib.labels.keys import StoreKey
from BreastUSAssistLib.labels.store import LabelStore
from hypothesis import given, settings
from hypothesis import strategies as st
from label_samples import KEY, label, picture

PART = blobs_module._PART


def made(folder, secret=KEY):
    blobs = BlobFolder(folder, StoreKey(secret, bytes(16)))
    blobs.create()
    return blobs


@pytest.fixture(scope="module")
def blobs(tmp_path_factory):
    return made(tmp_path_factory.mktemp("blobs"))


def stored(blobs, *contents):
    found = {blobs.address(one): one for one in contents}
    blobs.put(found)
    return list(found)


@settings(deadline=None, max_examples=40)
@given(st.binary(max_size=200), st.sampled_from([0, 1, 3]))
def test_contents_come_back_bit_for_bit(blobs, data, stride):
    (address,) = stored(blobs, Content(data, stride))
    assert blobs.get(address) == data


@pytest.mark.parametrize("length", [PART - 1, PART, PART + 1, 3 * PART, 3 * PART + 7])
@pytest.mark.parametrize("stride", [1, 3])
def test_pixels_that_several_cores_compress_are_one_stream(blobs, length, stride):
    data = np.random.default_rng(length).integers(0, 256, length, np.uint8).tobytes()
    (address,) = stored(blobs, Content(data, stride))
    assert blobs.get(address) == data
    packed = blobs_module._packed_pixels(Content(data, stride))
    unpacking = zlib.decompressobj()
    assert len(unpacking.decompress(packed)) == length and unpacking.eof and not unpacking.unused_data


def test_every_byte_of_a_blob_is_covered(tmp_path):
    for secret in (KEY, None):
        blobs = made(tmp_path / str(secret), secret)
        (address,) = stored(blobs, Content(b"outline " * 9, 1))
        path = blobs.path(address)
        whole = path.read_bytes()
        for place in range(len(whole)):
            for bit in (0, 3, 7):
                path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
                with pytest.raises(DamagedBlobError, match=address):
                    blobs.get(address)
        for torn in (b"", whole[:-1], whole + b"\0"):
            path.write_bytes(torn)
            with pytest.raises(DamagedBlobError):
                blobs.get(address)


def test_a_blob_that_cannot_be_made_leaves_nothing_and_the_others_unnamed(tmp_path, monkeypatch):
    blobs = made(tmp_path)
    contents = [Content(bytes([number]) * 99) for number in range(6)]
    sync = blobs_module.write_durably

    def full(files):
        first = next(iter(files))
        first.mkdir()
        try:
            sync(files)
        finally:
            first.rmdir()

    monkeypatch.setattr(blobs_module, "write_durably", full)
    with pytest.raises(OutputError, match="free space"):
        stored(blobs, *contents)
    assert not list(blobs.addresses()) and not list((tmp_path / "temporary").iterdir())
    monkeypatch.undo()
    assert len(stored(blobs, *contents)) == len(list(blobs.addresses())) == 6


def test_several_may_put_the_same_at_once(tmp_path):
    contents = [Content(bytes([number]) * 5000, number % 2) for number in range(8)]
    makers = [made(tmp_path) for _ in range(4)]
    work = [threading.Thread(target=stored, args=(one, *contents)) for one in makers]
    for thread in work:
        thread.start()
    for thread in work:
        thread.join()
    for content in contents:
        assert makers[0].get(makers[0].address(content)) == content.data
    assert not list((tmp_path / "temporary").iterdir())


def test_content_is_on_the_disk_before_its_name_and_its_name_before_its_record(tmp_path, monkeypatch):
    with LabelStore.create(tmp_path / "store", secret=KEY) as store, LabelStore.open(store.folder, secret=KEY) as other:
        told = []
        sync, replace = durable._sync, Path.replace

        def synced(handle):
            sync(handle)
            told.append(("synced", os.fstat(handle).st_ino, len(other.list())))

        def named(path, target):
            told.append(("named", path.stat().st_ino, Path(target).parent.stat().st_ino))
            return replace(path, target)

        monkeypatch.setattr(durable, "_sync", synced)
        monkeypatch.setattr(Path, "replace", named)
        store.put(label(0, edit=9, frames={1: picture(0)}))
        monkeypatch.undo()
        blobs = [path.stat().st_ino for path in (store.folder / "blobs").glob("*/*")]
    assert len(blobs) == 5 and all(records == 0 for what, _, records in told if what == "synced")
    for blob in blobs:
        (place,) = (index for index, (what, inode, _) in enumerate(told) if what == "named" and inode == blob)
        assert any(what == "synced" and inode == blob for what, inode, _ in told[:place])
        folder = told[place][2]
        assert any(what == "synced" and inode == folder for what, inode, _ in told[place:])
