"""Folders, series and archives to cases with safe names."""

import io
import stat
import zipfile

import numpy as np
import pytest
import ultrasound_files as us
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.ultrasound import archives
from BreastUSAssistLib.ultrasound.case_names import CaseNames, safe_name
from BreastUSAssistLib.ultrasound.frame import Clip
from BreastUSAssistLib.ultrasound.reading import open_clip, open_clips
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

GREY = us.picture()[0, ..., 0]


def opened(*inputs, workspace):
    found = list(open_clips(inputs, workspace))
    return [x for x in found if isinstance(x, Clip)], [str(x) for x in found if isinstance(x, InputError)]


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "workspace").mkdir()
    return tmp_path / "workspace"


@pytest.fixture
def scans(tmp_path):
    (tmp_path / "scans").mkdir()
    return tmp_path / "scans"


def png():
    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, "PNG")
    return stream.getvalue()


def zipped(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_one_frame_files_of_a_series_are_one_cine_in_instance_order(scans, workspace):
    frames = us.write_series(scans, 5)
    us.write_grey(scans / "other.dcm")
    clips, errors = opened(scans, workspace=workspace)
    assert errors == []
    assert [(clip.name, clip.kind, clip.frame_count) for clip in clips] == [("scans", "cine", 5), ("other", "still", 1)]
    cine = clips[0]
    assert [path.name for path in cine.paths] == ["IM0005", "IM0004", "IM0003", "IM0002", "IM0001"]
    assert len(cine.headers) == 5
    for index in range(5):
        frame = cine.frame(index)
        assert np.array_equal(frame.pixels, frames[index])
        assert frame.source.path == cine.paths[index]
        assert frame.source.frame_number == 1
        assert frame.source.sop_instance_uid == cine.headers[index].SOPInstanceUID


def test_stills_of_an_examination_that_share_a_series_stay_single(scans, workspace):
    uid = us.generate_uid()
    for number, time in enumerate(("101500.1", "101512.9", "101640")):
        us.write_grey(scans / f"{number}.dcm", SeriesInstanceUID=uid, InstanceNumber=number, ContentTime=time)
    assert [clip.kind for clip in opened(scans, workspace=workspace)[0]] == ["still"] * 3


def test_frames_a_moment_apart_and_files_without_instance_numbers_are_one_cine(scans, workspace):
    uid = us.generate_uid()
    for number in range(3):
        us.write_grey(
            scans / f"{number}.dcm", SeriesInstanceUID=uid, InstanceNumber=None, AcquisitionTime=f"101500.{number}"
        )
    (clip,) = opened(scans, workspace=workspace)[0]
    assert [path.name for path in clip.paths] == ["0.dcm", "1.dcm", "2.dcm"]


def test_files_of_other_size_region_or_uid_are_not_frames_of_the_clip(scans, workspace):
    told = {"SeriesInstanceUID": us.generate_uid()}
    us.write_grey(scans / "a.dcm", **told)
    us.write_grey(scans / "b.dcm", **told, SequenceOfUltrasoundRegions=[us.region((0, 0, 9, 9))])
    tall = us.picture(1, 64, 64)[..., 0].copy()
    us.write(scans / "c.dcm", us.header(tall, "MONOCHROME2", **told), tall.tobytes())
    assert [clip.frame_count for clip in opened(scans, workspace=workspace)[0]] == [1, 1, 1]


def test_copies_of_one_image_are_not_frames(scans, workspace):
    us.write_grey(scans / "a.dcm")
    (scans / "b.dcm").write_bytes((scans / "a.dcm").read_bytes())
    assert [clip.name for clip in opened(scans, workspace=workspace)[0]] == ["a", "b"]


def test_slices_with_positions_are_a_volume(scans, workspace):
    uid = us.generate_uid()
    for number in range(4):
        us.write_grey(
            scans / f"{number}.dcm",
            SeriesInstanceUID=uid,
            InstanceNumber=number,
            ImagePositionPatient=[0, 0, 0.5 * number],
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            PixelSpacing=[0.1, 0.1],
            ContentTime=f"10150{number * 3}",
        )
    (clip,) = opened(scans, workspace=workspace)[0]
    assert (clip.kind, clip.frame_count, clip.slice_mm) == ("volume", 4, 0.5)


def test_files_given_by_name_stay_cases_of_their_own(scans, workspace):
    us.write_series(scans, 3)
    clips, _ = opened(*sorted(scans.iterdir()), workspace=workspace)
    assert [clip.frame_count for clip in clips] == [1, 1, 1]


def test_folders_are_searched_to_the_bottom_and_names_differ(scans, workspace):
    for place in ("p1", "p2", "P2 b"):
        (scans / place).mkdir()
        (scans / place / "Image.PNG").write_bytes(png())
    (scans / ".hidden").mkdir()
    (scans / ".hidden" / "x.png").write_bytes(png())
    clips, errors = opened(scans, scans / "p1" / "Image.PNG", workspace=workspace)
    assert errors == []
    names = [clip.name for clip in clips]
    assert len({name.casefold() for name in names}) == len(names) == 4
    assert all(clip.name.endswith(("Image", "Image-2")) for clip in clips)


def test_a_damaged_file_of_a_series_leaves_the_others_a_clip(scans, workspace):
    us.write_series(scans, 4)
    broken = scans / "IM0002"
    broken.write_bytes(broken.read_bytes()[:-500])
    clips, errors = opened(scans, workspace=workspace)
    assert [clip.frame_count for clip in clips] == [3]
    assert len(errors) == 1
    assert "IM0002" in errors[0]


def test_zip_with_folders_and_names_of_any_script(tmp_path, scans, workspace):
    us.write_series(scans, 3)
    members = {f"Patient 1/série é/{path.name}": path.read_bytes() for path in scans.iterdir()}
    members |= {
        "乳房.png": png(),
        "__MACOSX/._x.png": b"junk",
        "notes.txt": b"hello",
        "broken.png": b"\x89PNG\r\n\x1a\n",
    }
    path = zipped(tmp_path / "exam of today.zip", members)
    clips, errors = opened(path, workspace=workspace)
    assert sorted((clip.name, clip.frame_count) for clip in clips) == [("série_é", 3), ("乳房", 1)]
    assert len(errors) == 1
    assert "exam of today.zip (broken.png)" in errors[0]
    assert all(np.array_equal(clip.frame(0).pixels.shape, GREY.shape) for clip in clips)
    assert all(workspace in path.parents for clip in clips for path in clip.paths)


def test_series_at_the_root_of_a_zip_takes_its_name(tmp_path, scans, workspace):
    us.write_series(scans, 3)
    path = zipped(tmp_path / "sweep.zip", {path.name: path.read_bytes() for path in scans.iterdir()})
    assert [clip.name for clip in opened(path, workspace=workspace)[0]] == ["sweep"]


@pytest.mark.parametrize("name", ["../evil.png", "/tmp/evil.png", "a/../../evil.png", "..\\evil.png", "C:/evil.png"])
def test_paths_out_of_the_archive_are_refused(tmp_path, workspace, name):
    path = zipped(tmp_path / "a.zip", {name: png(), "good.png": png()})
    clips, errors = opened(path, workspace=workspace)
    assert clips == []
    assert "leads out of the archive" in errors[0]
    assert not list(tmp_path.rglob("evil*"))


def test_links_in_archives_are_left_out(tmp_path, workspace):
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("good.png", png())
    clips, errors = opened(tmp_path / "a.zip", workspace=workspace)
    assert [clip.name for clip in clips] == ["good"]
    assert errors == []
    assert not any(path.is_symlink() for path in workspace.rglob("*"))


def test_encrypted_damaged_and_empty_archives(tmp_path, workspace):
    path = zipped(tmp_path / "a.zip", {"good.png": png()})
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    locked = bytearray(content)
    locked[6] |= 1
    locked[directory + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(locked)
    (tmp_path / "cut.zip").write_bytes(content[:-30])
    content[60:80] = bytes(20)
    (tmp_path / "crc.zip").write_bytes(content)
    zipped(tmp_path / "empty.zip", {})
    names = ("locked", "cut", "crc", "empty")
    clips, errors = opened(*(tmp_path / f"{name}.zip" for name in names), workspace=workspace)
    assert clips == []
    words = ("is encrypted", "damaged zip", "damaged inside", "holds no ultrasound image")
    assert all(f"{n}.zip" in e and w in e for n, w, e in zip(names, words, errors, strict=True))


def test_bombs_are_refused_before_unpacking(tmp_path, workspace, monkeypatch):
    monkeypatch.setattr(archives, "RATIO_FREE_BYTES", 1 << 20)
    path = zipped(tmp_path / "bomb.zip", {"a.png": bytes(4 << 20)})
    assert "zip bomb" in opened(path, workspace=workspace)[1][0]
    path = zipped(tmp_path / "many.zip", {f"{n}.txt": b"12" for n in range(9)})
    for budget in (archives.UnpackBudget(members=8), archives.UnpackBudget(content=17)):
        with pytest.raises(InputError, match="more than is unpacked"):
            list(archives.unpack_zip(path, "many.zip", workspace, budget))
    assert not any(path.is_file() for path in workspace.rglob("*"))


def test_archives_in_archives_end(tmp_path, workspace):
    content = png()
    for depth in range(4):
        zipped(tmp_path / "next.zip", {"in.zip" if depth else "a.png": content})
        content = (tmp_path / "next.zip").read_bytes()
    clips, errors = opened(tmp_path / "next.zip", workspace=workspace)
    assert clips == []
    assert "an archive inside archives" in errors[0]
    zipped(tmp_path / "inner.zip", {"a.png": png()})
    outer = zipped(tmp_path / "outer.zip", {"inner.zip": (tmp_path / "inner.zip").read_bytes()})
    assert [clip.name for clip in opened(outer, workspace=workspace)[0]] == ["a"]


def test_open_clip_of_folders(scans):
    us.write_series(scans, 3)
    assert open_clip(scans).frame_count == 3
    us.write_grey(scans / "z.dcm")
    with pytest.raises(InputError, match="holds 2 clips"):
        open_clip(scans)


@given(st.text(max_size=300))
def test_names_are_safe_on_every_system(text):
    name = safe_name(text)
    assert name
    assert len(name.encode("utf-8", "replace")) <= 121
    assert not set(name) & set('/\\:*?"<>|\0\n\r\t ')
    assert name.strip(". ") == name
    assert name.partition(".")[0].lower() not in {"con", "nul", "com1", "aux"}


@settings(max_examples=40)
@given(st.lists(st.sampled_from(["a", "A", "a-2", "p-a", "con", ""]), max_size=12))
def test_names_are_unique_even_without_case(wanted):
    names = CaseNames()
    given_out = [names.unique(text, "p").casefold() for text in wanted]
    assert len(set(given_out)) == len(given_out)
