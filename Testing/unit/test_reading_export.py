"""A reader's result written as files by the analysis process, and read back."""

import csv
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.describe import new_uid
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.reader_terms import with_terms
from BreastUSAssistLib.birads.reading import LesionReading, Reading
from BreastUSAssistLib.birads.reading_view import effective_analysis
from BreastUSAssistLib.dicom.segmentation_reading import read_segmentation
from BreastUSAssistLib.errors import InputError, OutputError, UsageError
from BreastUSAssistLib.model.predictor import open_predictor
from BreastUSAssistLib.service.analysis_file import read_analysis, write_analysis
from BreastUSAssistLib.service.analyze import CaseResult, analyze_clip
from BreastUSAssistLib.service.case_files import FORMATS
from BreastUSAssistLib.service.reading_export import ExportedReading, export_reading
from BreastUSAssistLib.service.worker_client import WorkerClient
from BreastUSAssistLib.service.worker_protocol import new_path, write_array
from BreastUSAssistLib.ultrasound.frame import Clip
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom, standard_cases
from BreastUSAssistLib.ultrasound.reading import open_clip
from PIL import Image
from worker_child import answer, handed, new_client, refusal

CREATED = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def client() -> Iterator[WorkerClient]:
    made = new_client()
    yield made
    made.close()


@pytest.fixture(scope="module")
def still() -> Phantom:
    return render(standard_cases()["irregular-spiculated"])


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, still: Phantom) -> Clip:
    """A DICOM still."""
    return open_clip(save_dicom(still, tmp_path_factory.mktemp("source") / "still.dcm"))


@pytest.fixture(scope="module")
def drafted(clip: Clip) -> CaseResult:
    lexicon = load_lexicon("birads-us-2013")
    return analyze_clip(clip, open_predictor(backend="onnxruntime"), lexicon, created=CREATED, new_uid=new_uid)


@pytest.fixture(scope="module")
def corrected(drafted: CaseResult, still: Phantom) -> np.ndarray:
    """Outlines as a reader left them: the phantom's own truth."""
    assert len(drafted.analysis.lesions) == 1
    return np.asarray(still.masks[:1] > 0).astype(np.uint8)


@pytest.fixture(scope="module")
def effective(drafted: CaseResult, corrected: np.ndarray) -> Analysis:
    """The draft with a term that the reader chose."""
    (lesion,) = drafted.analysis.lesions
    lexicon = load_lexicon("birads-us-2013")
    revised = lesion.model_copy(update={"origin": "semiautomatic"})
    reading = Reading(
        case="still",
        lesions=(
            LesionReading(
                tracking_uid=lesion.tracking_uid, number=1, run=0, revised=revised, descriptors={"shape": "round"}
            ),
        ),
    )
    assert with_terms(lesion, {}, lexicon) == lesion
    return effective_analysis([drafted.analysis], reading, lexicon, labels=corrected)


@pytest.fixture
def arguments(
    client: WorkerClient, still: Phantom, clip: Clip, effective: Analysis, corrected: np.ndarray, tmp_path: Path
) -> Callable[..., dict[str, Any]]:
    def made(*, analysis: Analysis = effective, labels: np.ndarray = corrected, **more: Any) -> dict[str, Any]:
        path = new_path(client.exchange(), "analysis", ".json")
        write_analysis(path, analysis)
        sent = handed(client, still.frames, **{"name": "still", "header_files": (str(clip.paths[0]),), **more})
        files = {"analysis": str(path), "labels": str(write_array(client.exchange(), "labels", labels))}
        return {"clip": sent, **files, "formats": None, "out": str(tmp_path / "out")}

    return made


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_file_says_what_the_reader_left(
    client: WorkerClient, arguments: Callable[..., dict[str, Any]], clip: Clip, corrected: np.ndarray, tmp_path: Path
) -> None:
    result = answer(client, "export", arguments())
    folder = tmp_path / "out" / "still"
    assert result["folder"] == str(folder) and result["notes"] == [] and names_in(folder) == sorted(FORMATS)
    assert sorted(result["files"]) == sorted(str(path) for path in folder.rglob("*") if path.is_file())
    read = read_segmentation(folder / "seg.dcm", clip.headers)
    assert np.array_equal(read.labels, corrected)
    assert np.array_equal(np.asarray(Image.open(folder / "masks" / "still.png")), corrected[0])
    import nrrd
    import pydicom

    stored, header = nrrd.read(str(folder / "seg.nrrd"))
    assert np.array_equal(np.squeeze(stored).T, corrected[0])
    assert header["Segment0_LabelValue"] == "1"
    assert pydicom.dcmread(folder / "seg.dcm").SegmentSequence[0].SegmentAlgorithmType == "SEMIAUTOMATIC"
    assert pydicom.dcmread(folder / "sr.dcm").Modality == "SR"
    analysis = read_analysis(folder / "analysis.json")
    (lesion,) = analysis.lesions
    terms = {one.attribute: (one.term, one.origin) for one in lesion.descriptors}
    assert terms["shape"] == ("round", "reader")
    assert analysis.frames[0].areas_px == (float(corrected.sum()),)
    with open(folder / "findings.csv", encoding="utf-8-sig", newline="") as file:
        assert "round" in str(list(csv.DictReader(file))).lower()
    assert "Round" in (folder / "report.html").read_text("utf-8")


def test_only_the_chosen_formats_are_written_in_place_of_an_older_export(
    client: WorkerClient, arguments: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "out" / "still"
    answer(client, "export", {**arguments(), "formats": ["analysis.json", "seg.nrrd"]})
    assert names_in(folder) == ["analysis.json", "seg.nrrd"]
    answer(client, "export", {**arguments(), "formats": ["findings.csv"]})
    assert names_in(folder) == ["findings.csv"] and names_in(tmp_path / "out") == ["still"]


def test_without_a_dicom_source_the_note_says_why(
    client: WorkerClient, arguments: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    result = answer(client, "export", arguments(header_files=()))
    assert names_in(tmp_path / "out" / "still") == sorted(set(FORMATS) - {"seg.dcm", "sr.dcm"})
    (note,) = result["notes"]
    assert note.startswith("seg.dcm and sr.dcm not written: ")
    moved = answer(client, "export", {**arguments(header_files=("/nowhere/x.dcm",)), "formats": ["sr.dcm", "masks"]})
    assert len(moved["notes"]) == 2 and "header was left out" in moved["notes"][0]


def test_nothing_outlined_is_an_export_too(
    client: WorkerClient, arguments: Callable[..., dict[str, Any]], effective: Analysis, corrected: np.ndarray
) -> None:
    none = effective.model_copy(update={"lesions": ()})
    result = answer(client, "export", arguments(analysis=none, labels=np.zeros_like(corrected)))
    assert result["notes"] == ["seg.dcm not written: no lesion is outlined, and a DICOM SEG cannot be empty."]
    assert any(path.endswith("sr.dcm") for path in result["files"])


def test_pixels_without_a_measured_lesion_are_left_out_and_told(
    client: WorkerClient, arguments: Callable[..., dict[str, Any]], corrected: np.ndarray, tmp_path: Path
) -> None:
    labels = corrected.copy()
    labels[0, 5:9, 5:9] = 2
    result = answer(client, "export", arguments(labels=labels))
    (note,) = result["notes"]
    assert note.startswith("Lesion 2 was left out: it has not been measured yet")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "still" / "masks" / "still.png")), corrected[0])


def test_a_lesion_that_is_gone_from_its_key_frame_is_left_out_and_told(
    drafted: CaseResult, still: Phantom, tmp_path: Path
) -> None:
    cine = Clip("cine", "cine", 2, lambda index: _frame(still), times_ms=(0.0, 40.0), format="png")
    (lesion,) = drafted.analysis.lesions
    source = drafted.analysis.source.model_copy(update={"frame_count": 2})
    analysis = drafted.analysis.model_copy(
        update={"source": source, "frames": (), "lesions": (lesion, lesion.model_copy(update={"number": 2}))}
    )
    labels = np.zeros((2, 600, 800), np.uint8)
    labels[0, 100:200, 100:200] = 1
    labels[1, 300:310, 300:310] = 2
    labels[1, 100:200, 100:200] = 1
    written = export_reading(tmp_path, ExportedReading(cine, analysis, labels), created=CREATED)
    assert len(written.notes) == 2 and "Lesion 2 was left out: it is not outlined in frame 1" in written.notes[0]
    read = read_analysis(written.folder / "analysis.json")
    assert [one.frames for one in read.lesions] == [(1, 2)] and read.frames[1].time_ms == 40.0
    assert names_in(written.folder / "masks") == ["cine_0001.png", "cine_0002.png"]


def _frame(still: Phantom) -> Any:
    from BreastUSAssistLib.ultrasound.frame import SourceReference, UltrasoundFrame

    return UltrasoundFrame(still.frames[0], SourceReference(Path("x.png")))


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda case: (case / "my-notes.txt").write_text("mine"), "my-notes.txt"),
        (lambda case: (case / "masks.bak").mkdir(), "masks.bak"),
        (lambda case: (case.rmdir(), case.write_text("a file")), "is a file"),
    ],
)
def test_a_folder_that_holds_other_things_is_left_alone(
    client: WorkerClient, arguments: Callable[..., dict[str, Any]], tmp_path: Path, prepare: Any, words: str
) -> None:
    case = tmp_path / "out" / "still"
    case.mkdir(parents=True)
    prepare(case)
    sentence = refusal(client, "export", arguments())
    assert words in sentence and "choose another folder" in sentence
    assert case.exists() and names_in(tmp_path / "out") == ["still"]


def test_the_export_of_another_image_of_that_name_is_left_alone(
    client: WorkerClient, arguments: Callable[..., dict[str, Any]], effective: Analysis, tmp_path: Path
) -> None:
    answer(client, "export", arguments())
    other = effective.model_copy(update={"source": effective.source.model_copy(update={"sop_instance_uids": ("9",)})})
    assert "another image of that name" in refusal(client, "export", arguments(analysis=other))
    (tmp_path / "out" / "still" / "analysis.json").write_text("damaged")
    answer(client, "export", arguments(analysis=other))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"out": ""}, "No folder is chosen"),
        ({"out": None}, "No folder is chosen"),
        ({"out": "/proc/nowhere"}, "could not be written"),
        ({"formats": ["seg.docx"]}, "no format seg.docx"),
        ({"labels": "/nowhere.npy"}, "gone or damaged"),
        ({"analysis": "/nowhere.json"}, "could not be read"),
    ],
)
def test_an_export_that_cannot_be_is_a_sentence(
    client: WorkerClient, arguments: Callable[..., dict[str, Any]], more: dict[str, Any], words: str
) -> None:
    assert words in refusal(client, "export", {**arguments(), **more})


def test_a_part_of_a_case_is_not_exported(client: WorkerClient, arguments: Callable[..., dict[str, Any]]) -> None:
    assert "all frames" in refusal(client, "export", arguments(first_frame=2, frame_count=9, header_files=()))


def test_outlines_that_do_not_fit_are_refused(clip: Clip, drafted: CaseResult, tmp_path: Path) -> None:
    analysis = drafted.analysis
    for labels in (np.zeros((2, 600, 800), np.uint8), np.zeros((1, 6, 8), np.uint8), np.zeros((1, 600, 800), int)):
        with pytest.raises(InputError, match="do not fit"):
            export_reading(tmp_path, ExportedReading(clip, analysis, labels), created=CREATED)
    more = analysis.model_copy(update={"source": analysis.source.model_copy(update={"frame_count": 3})})
    with pytest.raises(InputError, match="another number of frames"):
        export_reading(tmp_path, ExportedReading(clip, more, drafted.labels), created=CREATED)
    with pytest.raises(UsageError, match="No file format"):
        export_reading(tmp_path, ExportedReading(clip, analysis, drafted.labels), (), created=CREATED)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_stopped_leaves_the_older_one(clip: Clip, drafted: CaseResult, tmp_path: Path) -> None:
    reading = ExportedReading(clip, drafted.analysis, drafted.labels)
    export_reading(tmp_path, reading, ("analysis.json",), created=CREATED)
    calls = iter(range(3))

    def attend() -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_reading(tmp_path, reading, ("masks", "findings.csv"), created=CREATED, attend=attend)
    assert names_in(tmp_path) == ["still"] and names_in(tmp_path / "still") == ["analysis.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's file size limit stands in for a full disk on Linux")
def test_a_full_disk_leaves_the_older_export(
    clip: Clip, drafted: CaseResult, corrected: np.ndarray, tmp_path: Path
) -> None:
    import resource

    reading = ExportedReading(clip, drafted.analysis, corrected)
    export_reading(tmp_path, reading, ("analysis.json",), created=CREATED)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    try:
        with pytest.raises(
            OutputError, match=r"still could not be written \(File too large\); free space or choose an"
        ):
            export_reading(tmp_path, reading, created=CREATED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names_in(tmp_path) == ["still"] and names_in(tmp_path / "still") == ["analysis.json"]
