"""Folders de-identified: what becomes of each file, runs that were stopped, folders that belong to another key."""

import io
import json
import warnings
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.ultrasound.deidentification.files import ReviewChoice, deidentify_files
from BreastUSAssistLib.ultrasound.deidentification.options import DeidentificationOptions
from BreastUSAssistLib.ultrasound.deidentification.record import REPORT, read_report
from BreastUSAssistLib.ultrasound.deidentification.record_journal import JOURNAL
from BreastUSAssistLib.ultrasound.deidentification.review import ReviewAnswer, blank_all_found, drop_where_found
from BreastUSAssistLib.ultrasound.deidentification.text_boxes import TextBox
from BreastUSAssistLib.ultrasound.deidentification.uids import DeidentificationKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import Dataset, dcmread
from pydicom.fileset import FileSet
from pydicom.uid import ExplicitVRLittleEndian
from ultrasound_files import header, picture

KEY = DeidentificationKey(b"k" * 32)
DATA = Path(__file__).parent / "data"


class Finder:
    """Finds text wherever the picture has its brightest grey level."""

    version = "brightest"

    def __init__(self) -> None:
        self.searched = 0

    def __call__(self, picture: np.ndarray) -> list[TextBox]:
        self.searched += 1
        rows, columns = np.nonzero((picture if picture.ndim == 2 else picture.max(axis=2)) == 255)
        return [TextBox((rows.min(), columns.min(), rows.max() + 1, columns.max() + 1))] if len(rows) else []


def image(folder: Path, name: str, *, text: bool = False, frames: int = 1, **attributes) -> Path:
    """Write an image with one region below its first eight rows; `text` puts some in."""
    pixels = np.minimum(picture(frames)[..., 0], 254)
    if text:
        pixels[:, 20:26, 10:40] = 255
    dataset = header(pixels, "MONOCHROME2", **attributes)
    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1
    region.RegionLocationMinX0, region.RegionLocationMinY0 = 0, 8
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = 63, 47
    dataset.SequenceOfUltrasoundRegions = [region]
    dataset.PixelData = pixels.tobytes()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    folder.mkdir(parents=True, exist_ok=True)
    dataset.save_as(folder / name, implicit_vr=False, little_endian=True, enforce_file_format=True)
    return folder / name


def run(folder, out, *, key=KEY, review=drop_where_found, policy="drop", finder=None, **more):
    found = finder or Finder()
    return deidentify_files(
        folder if isinstance(folder, list) else [folder],
        out,
        key,
        more.pop("options", DeidentificationOptions()),
        ReviewChoice(policy, review),
        open_finder=lambda: found,
        now=lambda: datetime(2026, 1, 2, tzinfo=UTC),
        **more,
    )


def snapshot(out: Path) -> dict[str, tuple[int, bytes]]:
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(out.rglob("*.dcm"))}


@pytest.fixture
def study(tmp_path):
    """Four images, one of them with text."""
    folder = tmp_path / "MUELLER^ANNA"
    for number in range(3):
        image(folder, f"Mueller-{number}.dcm")
    image(folder, "Mueller-text.dcm", text=True)
    return folder


def test_a_folder_of_all_kinds(study, tmp_path):
    (study / "notes.txt").write_text("nothing")
    (study / "damaged.dcm").write_bytes((study / "Mueller-0.dcm").read_bytes()[:700])
    (study / "empty.dcm").write_bytes(b"")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(study / "screen.png")
    image(study, "mammogram.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2")
    FileSet().write(study)
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.write(image(tmp_path / "elsewhere", "inside.dcm"), "deep/inside.dcm")
    (study / "more.zip").write_bytes(content.getvalue())
    outcome = run(study, tmp_path / "out")
    assert (outcome.done, outcome.dropped, outcome.there, outcome.passed_over) == (4, 1, 0, 3)
    named = [Path(sentence.partition(": ")[0].partition(" is ")[0]).name for sentence in sorted(outcome.failures)]
    assert named == ["damaged.dcm", "empty.dcm", "mammogram.dcm"]
    assert sorted(one.state for one in outcome.report.files) == ["done"] * 4 + ["dropped"] + ["failed"] * 2


def test_the_report_and_the_paths_name_nobody(study, tmp_path):
    image(study, "Mueller-mg.dcm", SOPClassUID="1.2.840.10008.5.1.4.1.1.1.2")
    run(study, tmp_path / "out")
    text = (tmp_path / "out" / REPORT).read_text() + "".join(map(str, (tmp_path / "out").rglob("*"))).replace(
        str(tmp_path), ""
    )
    assert "mueller" not in text.lower() and "secret" not in text.lower()
    for path in study.iterdir():
        assert str(dcmread(path).SOPInstanceUID) not in text


def test_pixels_outside_the_region_are_black_and_it_is_said(study, tmp_path):
    run(study, tmp_path / "out", review=blank_all_found, policy="accept")
    for path in (tmp_path / "out").rglob("*.dcm"):
        done = dcmread(path)
        assert done.BurnedInAnnotation == "NO" and not done.pixel_array[:8].any() and done.pixel_array[8:].any()
        assert "113101" in [item.CodeValue for item in done.DeidentificationMethodCodeSequence]


def test_a_second_run_changes_nothing_and_looks_at_nothing(study, tmp_path):
    run(study, tmp_path / "out")
    before = snapshot(tmp_path / "out")
    finder = Finder()
    outcome = run(study, tmp_path / "out", finder=finder)
    assert (outcome.done, outcome.there, finder.searched) == (0, 4, 0)
    assert snapshot(tmp_path / "out") == before and len(outcome.report.files) == 4
    assert outcome.report.text_finder == "brightest"


def test_a_run_that_was_stopped_goes_on(study, tmp_path):
    class StoppedError(Exception):
        pass

    def stop(done, total):
        if done == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        run(study, tmp_path / "out", progress=stop)
    begun = read_report(tmp_path / "out")
    assert begun is not None and begun.files == () and len(snapshot(tmp_path / "out")) == 2
    with pytest.raises(UsageError, match="another key"):
        run(study, tmp_path / "out", key=DeidentificationKey.random())
    # Power was lost while a line was written.
    with open(tmp_path / "out" / JOURNAL, "ab") as journal:
        journal.write(b'\n{"input_digest": "ab')
    outcome = run(study, tmp_path / "out")
    assert (outcome.done, outcome.there, outcome.dropped) == (1, 2, 1)
    assert not (tmp_path / "out" / JOURNAL).exists()
    run(study, tmp_path / "other")
    assert [one[1] for one in snapshot(tmp_path / "out").values()] == [
        one[1] for one in snapshot(tmp_path / "other").values()
    ]


def test_the_caller_can_stop_within_a_file(study, tmp_path):
    class StoppedError(Exception):
        pass

    def finder(picture):
        stopping.append(True)
        return []

    def attend():
        if stopping:
            raise StoppedError

    stopping: list[bool] = []
    finder.version = "stops"
    with pytest.raises(StoppedError):
        run(study, tmp_path / "out", finder=finder, attend=attend)
    assert run(study, tmp_path / "out").failures == []


def test_a_result_that_was_damaged_is_made_again(study, tmp_path):
    run(study, tmp_path / "out")
    whole = snapshot(tmp_path / "out")
    path = Path(next(iter(whole)))
    path.write_bytes(b"half")
    assert run(study, tmp_path / "out").done == 1
    assert path.read_bytes() == whole[str(path)][1]


def test_a_folder_of_another_key_or_of_other_options_is_left_alone(study, tmp_path):
    run(study, tmp_path / "out")
    before = snapshot(tmp_path / "out")
    with pytest.raises(UsageError, match="another key"):
        run(study, tmp_path / "out", key=DeidentificationKey.random())
    with pytest.raises(UsageError, match="other options"):
        run(study, tmp_path / "out", options=DeidentificationOptions(retain_dates=False))
    assert snapshot(tmp_path / "out") == before


def test_what_was_dropped_is_asked_about_again_under_another_policy(study, tmp_path):
    run(study, tmp_path / "out")
    asked = []

    def accept(question):
        asked.append(question.found)
        return ReviewAnswer("accept")

    outcome = run(study, tmp_path / "out", review=accept, policy="ask")
    assert (outcome.done, outcome.there, len(asked)) == (1, 3, 1)
    (record,) = [one for one in outcome.report.files if one.pixels and one.pixels.state == "accepted"]
    assert record.pixels.found == ((20, 10, 26, 40),) and record.state == "done"


def test_copies_are_done_once_and_contradictions_are_told(study, tmp_path):
    first = study / "Mueller-0.dcm"
    (study / "copy.dcm").write_bytes(first.read_bytes())
    changed = dcmread(first)
    changed.PixelData = bytes(len(changed.PixelData))
    changed.save_as(study / "different.dcm")
    outcome = run(study, tmp_path / "out")
    assert (outcome.done, outcome.there) == (3, 1)
    assert len(outcome.failures) == 1 and "another file of an instance" in outcome.failures[0]


def test_results_in_the_input_folder_are_not_done_again(study):
    run(study, study / "out")
    assert run(study, study / "out").there == 4


@pytest.mark.parametrize("inside", ["", "raw", "link"])
def test_originals_in_the_folder_of_results_are_refused(inside, tmp_path):
    out = tmp_path / "out"
    original = image(out / "raw", "Mueller.dcm")
    (out / "link").symlink_to(out / "raw")
    with pytest.raises(UsageError, match="holds no originals"):
        run(out / inside, out)
    assert sorted(path.name for path in out.rglob("*.*")) == [original.name]


def test_a_damaged_report_stops_the_run(study, tmp_path):
    run(study, tmp_path / "out")
    (tmp_path / "out" / REPORT).write_text('{"schema_version": "1.0"}')
    with pytest.raises(InputError, match="damaged"):
        run(study, tmp_path / "out")
    (tmp_path / "out" / REPORT).write_text('{"schema_version": "7.0"}')
    with pytest.raises(InputError, match=r"format 7\.0"):
        run(study, tmp_path / "out")


def test_a_report_of_the_first_version_still_loads(tmp_path):
    (tmp_path / REPORT).write_bytes((DATA / "deidentification-1.0.json").read_bytes())
    report = read_report(tmp_path)
    assert report is not None and {one.state for one in report.files} == {"done", "dropped"}
    assert json.loads(report.model_dump_json()) == json.loads((DATA / "deidentification-1.0.json").read_bytes())


def test_a_cine_is_blanked_in_every_frame(tmp_path):
    image(tmp_path / "in", "cine.dcm", frames=5, text=True)
    run(tmp_path / "in", tmp_path / "out", review=blank_all_found, policy="accept")
    (path,) = (tmp_path / "out").rglob("*.dcm")
    frames = dcmread(path).pixel_array
    assert frames.shape[0] == 5 and not frames[:, 20:26, 10:40].any() and frames[:, 30:].any()


def test_an_object_larger_than_memory_allows_is_refused_before_it_is_inflated(tmp_path, monkeypatch):
    from BreastUSAssistLib.ultrasound.deidentification import files_reading

    monkeypatch.setattr(files_reading, "MAX_DEFLATED_BYTES", 1 << 20)
    dataset = dcmread(image(tmp_path, "plain.dcm"))
    dataset.ImageComments = "x" * (4 << 20)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1.99"
    dataset.save_as(tmp_path / "bomb.dcm", enforce_file_format=True)
    assert (tmp_path / "bomb.dcm").stat().st_size < 20_000
    outcome = run([tmp_path / "bomb.dcm"], tmp_path / "out")
    assert len(outcome.failures) == 1 and "inflates to more than" in outcome.failures[0]
    assert snapshot(tmp_path / "out") == {}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=8))
def test_flipped_bytes_leave_no_name_and_stop_nothing(tmp_path_factory, flips):
    folder = tmp_path_factory.mktemp("flipped")
    path = image(folder / "in", "a.dcm", OperatorsName="SECRET^PERSON", InstitutionName="SECRET-PLACE")
    content = bytearray(path.read_bytes()[:-3072])
    pixels = path.read_bytes()[-3072:]
    for at, change in flips:
        content[at % len(content)] ^= change
    path.write_bytes(bytes(content) + pixels)
    with warnings.catch_warnings():
        # pydicom's warnings quote values.
        warnings.simplefilter("error")
        outcome = run(folder / "in", folder / "out")
    assert "secret" not in "".join(outcome.failures).lower()
    assert outcome.done + outcome.dropped + outcome.passed_over + len(outcome.failures) >= 1
    for done in [*(folder / "out").rglob("*.dcm"), folder / "out" / REPORT]:
        assert b"secret" not in done.read_bytes().lower()


@pytest.mark.parametrize("levels", [200, 3000, 200_000])
def test_nesting_without_end_is_refused(tmp_path, levels):
    path = image(tmp_path / "in", "deep.dcm")
    content = path.read_bytes()
    # Before the patient's name: (0008,1110) of undefined length, an item of undefined length, and so on.
    sequence = bytes.fromhex("08001011") + b"SQ\0\0\xff\xff\xff\xff" + bytes.fromhex("feff00e0ffffffff")
    at = content.index(b"\x10\0\x10\0PN")
    path.write_bytes(content[:at] + sequence * levels + content[at:])
    outcome = run(path.parent, tmp_path / "out")
    assert len(outcome.failures) == 1 and outcome.failures[0].startswith(str(path))
    assert snapshot(tmp_path / "out") == {}


def test_a_length_beyond_the_end_is_refused(tmp_path):
    path = image(tmp_path / "in", "long.dcm")
    content = path.read_bytes()
    at = content.index(b"\xe0\x7f\x10\0")
    path.write_bytes(content[: at + 8] + b"\xf0\xff\xff\x7f" + content[at + 12 :])
    outcome = run(path.parent, tmp_path / "out")
    assert len(outcome.failures) + outcome.done == 1
    for done in (tmp_path / "out").rglob("*.dcm"):
        assert dcmread(done).pixel_array.shape == (48, 64)
