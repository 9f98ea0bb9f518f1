"""The analysis process: what it answers is what the library answers in this process, and bad requests are sentences."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.describe import new_uid
from BreastUSAssistLib.birads.lesion import Lesion
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.model.lesion_reader import open_lesion_reader
from BreastUSAssistLib.model.predictor import Predictor, open_predictor
from BreastUSAssistLib.model.prompt import Prompt
from BreastUSAssistLib.model.refiner import Refiner
from BreastUSAssistLib.service.analysis_file import read_analysis
from BreastUSAssistLib.service.analyze import CaseResult, LesionReader, analyze_clip
from BreastUSAssistLib.service.worker_client import WorkerClient, worker_command
from BreastUSAssistLib.service.worker_protocol import (
    take_array,
    write_array,
)
from BreastUSAssistLib.ultrasound.frame import Clip
from BreastUSAssistLib.ultrasound.phantom import Phantom, render, save_dicom, standard_cases
from BreastUSAssistLib.ultrasound.reading import open_clip
from BreastUSAssistLib.ultrasound.tissue import tissue_box
from worker_child import answer, ask, handed, new_client, refusal

LIBRARY = Path(__file__).resolve().parents[2] / "BreastUSAssist"
BACKEND = "onnxruntime"


@pytest.fixture(scope="module")
def client() -> Iterator[WorkerClient]:
    made = new_client()
    yield made
    made.close()


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return open_predictor(backend=BACKEND)


@pytest.fixture(scope="module")
def reader() -> LesionReader:
    return open_lesion_reader(backend=BACKEND)


@pytest.fixture(scope="module")
def still() -> Phantom:
    return render(standard_cases()["irregular-spiculated"])


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, still: Phantom) -> Clip:
    """A DICOM still."""
    return open_clip(save_dicom(still, tmp_path_factory.mktemp("case") / "still.dcm"))


@pytest.fixture(scope="module")
def drafted(case: Clip, predictor: Predictor, reader: LesionReader) -> CaseResult:
    return here(case, predictor, reader)


def here(clip: Clip, predictor: Predictor, reader: LesionReader | None = None) -> CaseResult:
    lexicon = load_lexicon("birads-us-2013")
    return analyze_clip(clip, predictor, lexicon, created=datetime.now(UTC), new_uid=new_uid, reader=reader, at_once=1)


def dicom(client: WorkerClient, still: Phantom, case: Clip) -> dict[str, Any]:
    return handed(client, still.frames, name="still", header_files=tuple(map(str, case.paths)))


def told(analysis: Analysis) -> dict[str, Any]:
    """What has to be the same in every run."""
    content = analysis.model_dump(exclude={"created", "timings_ms"})
    for lesion in content["lesions"]:
        lesion["tracking_uid"] = ""
    return content


def without(lesion: Lesion, *names: str) -> dict[str, Any]:
    return lesion.model_dump(exclude={"tracking_uid", *names})


def test_an_analysis_is_the_one_made_in_this_process(
    client: WorkerClient, still: Phantom, case: Clip, drafted: CaseResult
) -> None:
    events = ask(client, "analyze", {"backend": BACKEND, "clip": dicom(client, still, case)})
    result = events[-1].result
    assert told(read_analysis(Path(result["analysis"]))) == told(drafted.analysis)
    assert np.array_equal(take_array(result["labels"]), drafted.labels)
    assert np.array_equal(take_array(result["probability"]), drafted.probability)
    assert result["notes"] == [] and result["ms"] > 0
    assert drafted.analysis.lesions and len(drafted.analysis.models) == 2


def test_a_part_of_a_cine_has_the_numbers_of_the_whole(client: WorkerClient, still: Phantom) -> None:
    frames, times = np.repeat(still.frames, 4, axis=0), (400.0, 440.0, 480.0, 520.0)
    clip = handed(client, frames, name="sweep", times_ms=times, first_frame=11, frame_count=31)
    events = ask(client, "analyze", {"backend": BACKEND, "clip": clip, "reader": False})
    steps = [event for event in events[:-1] if event.done]
    assert [(event.done, event.total) for event in steps] == [(done, 4) for done in range(1, 5)]
    assert all(event.kind == "progress" and event.result["elapsed_ms"] > 0 for event in steps)
    assert steps[-1].result["left_ms"] == 0
    analysis = read_analysis(Path(events[-1].result["analysis"]))
    assert [frame.frame_number for frame in analysis.frames] == [11, 12, 13, 14]
    assert tuple(frame.time_ms for frame in analysis.frames) == times
    assert analysis.frames[0].mask == "masks/sweep_0011.png" and analysis.source.frame_count == 31
    assert len(analysis.models) == 1 and analysis.source.kind == "cine"
    (lesion,) = analysis.lesions
    assert lesion.frames == (11, 12, 13, 14) and lesion.key_frame in lesion.frames
    assert all(gate.frames for gate in analysis.gates), "no frames would stand for all 31"
    assert take_array(events[-1].result["labels"]).shape == frames.shape


def test_models_stay_loaded_and_can_be_chosen(client: WorkerClient, still: Phantom) -> None:
    unnamed = answer(client, "analyze", {"backend": BACKEND, "clip": handed(client, still.frames), "reader": False})
    folder = LIBRARY / "Resources" / "Models" / "lesion-outline"
    for name in ("lesion-outline", str(folder)):
        named = {"backend": BACKEND, "clip": handed(client, still.frames), "reader": False, "model": name}
        analysis = read_analysis(Path(answer(client, "analyze", named)["analysis"]))
        assert analysis.model.backend == BACKEND
    assert unnamed["ms"] > 0


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"model": "/nowhere/model"}, "neither a shipped model nor a folder"),
        ({"model": "lesion-reader"}, "kind reader where outline is needed"),
        ({"backend": "abacus"}, "no back end abacus"),
        ({"settings": {"prevalence": 2}}, "settings do not fit (prevalence)"),
        ({"settings": {"prevalence": 0.1}, "reader": False}, "Prevalence and clinical parameters need a reader"),
        ({"clip": {"name": "x", "kind": "still", "frames": "/nowhere.npy"}}, "gone or damaged"),
        ({"lexicon": "birads-1999"}, "birads-1999"),
    ],
)
def test_an_analysis_that_cannot_be_is_a_sentence(
    client: WorkerClient, still: Phantom, more: dict[str, Any], words: str
) -> None:
    clip = handed(client, still.frames) if "clip" not in more else {}
    assert words in refusal(client, "analyze", {"backend": BACKEND, "clip": clip, **more})


def test_a_damaged_model_is_a_sentence_and_the_next_request_works(
    client: WorkerClient, still: Phantom, tmp_path: Path
) -> None:
    import shutil

    folder = Path(shutil.copytree(LIBRARY / "Resources" / "Models" / "lesion-outline", tmp_path / "model"))
    (folder / "models" / "decoder.onnx").write_bytes(b"damaged")
    wrong = {"model": str(folder), "backend": BACKEND, "clip": handed(client, still.frames)}
    assert "damaged or was changed" in refusal(client, "analyze", wrong)
    assert answer(client, "analyze", {"backend": BACKEND, "clip": handed(client, still.frames), "reader": False})


def test_corrections_are_those_of_a_refiner_in_this_process(
    client: WorkerClient, still: Phantom, case: Clip, predictor: Predictor
) -> None:
    frame = case.frame(0)
    session = Refiner(predictor.bundle, predictor.backend).open(frame.grey, tissue_box(frame))
    truth = np.argwhere(still.masks[0])
    middle = tuple(map(float, truth.mean(axis=0)))
    opened = {"frame": str(write_array(client.exchange(), "frame", frame.pixels)), "tissue": tissue_box(frame)}
    key = answer(client, "open_frame", {"backend": BACKEND, **opened})["key"]
    top, left = truth.min(axis=0) - 5
    bottom, right = truth.max(axis=0) + 5
    marks: list[tuple[dict[str, Any], Prompt]] = [
        ({"positive": [middle]}, Prompt(positive_points=(middle,))),
        (
            {"negative": [[50, 60]], "box": [int(top), int(left), int(bottom), int(right)]},
            Prompt(negative_points=((50.0, 60.0),), box=(int(top), int(left), int(bottom), int(right))),
        ),
        (
            {"positive_scribbles": [[middle, [middle[0] + 9, middle[1]]]], "negative_scribbles": [[[30, 100]]]},
            Prompt(positive_scribbles=((middle, (middle[0] + 9, middle[1])),), negative_scribbles=(((30.0, 100.0),),)),
        ),
    ]
    so_far = None
    for arguments, prompt in marks:
        if so_far is not None:
            arguments["mask"] = str(write_array(client.exchange(), "mask", so_far))
        expected = session.refine(Prompt(**{**prompt.__dict__, "mask": so_far}) if so_far is not None else prompt)
        result = answer(client, "refine", {"backend": BACKEND, "key": key, **arguments})
        so_far = take_array(result["mask"])
        assert so_far.dtype == bool and np.array_equal(so_far, expected.pixels)
        assert result["confidence"] == pytest.approx(expected.confidence) and result["ms"] > 0
    assert so_far is not None and 2 * (so_far & still.masks[0].astype(bool)).sum() > 1.6 * still.masks[0].sum()


def test_a_frame_stays_open_for_the_next_process(client: WorkerClient, still: Phantom) -> None:
    frame = still.frames[0]
    labels = write_array(client.exchange(), "labels", still.masks[0].astype(np.uint8))
    arguments = {
        "backend": BACKEND,
        "frame": str(write_array(client.exchange(), "frame", frame)),
        "labels": str(labels),
    }
    key = answer(client, "open_frame", arguments)["key"]
    again = {"backend": BACKEND, "frame": str(write_array(client.exchange(), "frame", frame))}
    assert answer(client, "open_frame", again)["key"] == key
    point = {"backend": BACKEND, "key": key, "positive": [[250, 400]]}
    before = take_array(answer(client, "refine", point)["mask"])
    client.restart()
    assert np.array_equal(take_array(answer(client, "refine", point)["mask"]), before)


@pytest.mark.parametrize(
    ("do", "arguments", "words"),
    [
        ("refine", {"key": "0" * 32 + "-0-0-9-9", "positive": [[1, 1]]}, "not open any more"),
        ("refine", {"key": "../../etc/passwd", "positive": [[1, 1]]}, "not open any more"),
        ("refine", {}, "not open any more"),
        ("open_frame", {"frame": "/nowhere.npy"}, "gone or damaged"),
        ("open_frame", {}, "gone or damaged"),
        ("describe", {}, "could not be handed"),
        ("export", {}, "could not be handed"),
        ("dance", {}, "knows no request dance"),
    ],
)
def test_a_request_that_cannot_be_done_is_a_sentence(
    client: WorkerClient, do: str, arguments: dict[str, Any], words: str
) -> None:
    assert words in refusal(client, do, {"backend": BACKEND, **arguments})


def test_marks_that_cannot_be_meant_are_refused(client: WorkerClient, still: Phantom) -> None:
    arguments = {"backend": BACKEND, "frame": str(write_array(client.exchange(), "frame", still.frames[0]))}
    key = answer(client, "open_frame", arguments)["key"]
    for marks, words in (
        ({}, "marks nothing"),
        ({"positive": [[5000, 1]]}, "outside the image"),
        ({"positive": [["a", 1]]}, "not understood"),
        ({"positive": [[1]]}, "not understood"),
        ({"box": [9, 9, 3, 3]}, "no area"),
    ):
        assert words in refusal(client, "refine", {"backend": BACKEND, "key": key, **marks})
    for frame in (np.zeros((4, 4), np.int16), np.zeros((0, 4), np.uint8), np.zeros((4, 4, 2), np.uint8)):
        path = str(write_array(client.exchange(), "frame", frame))
        assert "8 bits deep" in refusal(client, "open_frame", {"backend": BACKEND, "frame": path})
    path = str(write_array(client.exchange(), "frame", still.frames[0]))
    assert "tissue" in refusal(client, "open_frame", {"backend": BACKEND, "frame": path, "tissue": [0, 0, 9999, 9]})


def described(client: WorkerClient, clip: dict[str, Any], mask: np.ndarray, **more: Any) -> tuple[Lesion, list[str]]:
    path = str(write_array(client.exchange(), "mask", mask))
    result = answer(client, "describe", {"backend": BACKEND, "clip": clip, "mask": path, **more})
    return Lesion.model_validate(result["lesion"]), result["notes"]


def test_the_draft_s_own_outline_gets_the_draft_s_own_description(
    client: WorkerClient, still: Phantom, case: Clip, drafted: CaseResult
) -> None:
    (draft,) = drafted.analysis.lesions
    lesion, notes = described(
        client, dicom(client, still, case), drafted.labels[0] == 1, origin="automatic", number=1, frames=[1]
    )
    assert without(lesion) == without(draft) and notes == []


def test_a_corrected_outline_is_measured_and_read(
    client: WorkerClient, still: Phantom, case: Clip, drafted: CaseResult, reader: LesionReader
) -> None:
    (draft,) = drafted.analysis.lesions
    mask = still.masks[0].astype(bool)
    more = {"number": 7, "tracking_uid": "2.25.7", "frames": [3, 5], "key_frame": 4, "confidence": 0.5}
    lesion, _ = described(client, dicom(client, still, case), mask, origin="semiautomatic", **more)
    assert (lesion.number, lesion.tracking_uid, lesion.frames, lesion.key_frame) == (7, "2.25.7", (3, 4, 5), 4)
    assert lesion.origin == "semiautomatic" and lesion.outline_confidence == 0.5 and lesion.outline_band_px is None
    assert lesion.measurements.area.px == mask.sum() and lesion.measurements.area.mm2 is not None
    assert {one.origin for one in lesion.descriptors} > {"model"}
    assert lesion.assessment.probability_calibrated and lesion.assessment.category is not None
    probability = lesion.assessment.probability_malignant
    assert probability == pytest.approx(draft.assessment.probability_malignant, abs=0.2)


def test_clinical_parameters_and_the_reader_s_terms_are_heeded(
    client: WorkerClient, still: Phantom, case: Clip
) -> None:
    mask = still.masks[0].astype(bool)
    plain, _ = described(client, dicom(client, still, case), mask)
    rare, _ = described(client, dicom(client, still, case), mask, settings={"prevalence": 0.01})
    assert (rare.assessment.probability_malignant or 1) < (plain.assessment.probability_malignant or 0)
    changed, _ = described(client, dicom(client, still, case), mask, descriptors={"shape": "oval"})
    assert {one.attribute: one.term for one in changed.descriptors}["shape"] == "oval"


def test_without_models_an_outline_is_still_measured(client: WorkerClient, still: Phantom, case: Clip) -> None:
    mask = still.masks[0].astype(bool)
    with_models, _ = described(client, dicom(client, still, case), mask)
    more = {"model": "/nowhere", "reader": "/nowhere", "settings": {"prevalence": 0.1}, "origin": "manual"}
    lesion, notes = described(client, dicom(client, still, case), mask, **more)
    assert lesion.measurements == with_models.measurements and lesion.origin == "manual"
    assert {one.origin for one in lesion.descriptors} == {"geometry", "grey_level"}
    assert lesion.assessment.probability_malignant is None
    assert len(notes) == 3 and "/nowhere is neither" in notes[0] and "no say" in notes[2]


@pytest.mark.parametrize(
    ("mask", "more", "words"),
    [
        (np.zeros((600, 800), bool), {}, "no outline"),
        (np.ones((5, 5), bool), {}, "does not fit"),
        (np.ones((600, 800), bool), {"origin": "truth"}, "automatic, semiautomatic or manual"),
    ],
)
def test_an_outline_that_cannot_be_described_is_a_sentence(
    client: WorkerClient, still: Phantom, mask: np.ndarray, more: dict[str, Any], words: str
) -> None:
    path = str(write_array(client.exchange(), "mask", mask))
    arguments = {"backend": BACKEND, "clip": handed(client, still.frames), "mask": path, **more}
    assert words in refusal(client, "describe", arguments)


def test_a_full_exchange_folder_is_a_sentence(still: Phantom) -> None:
    if sys.platform != "linux":
        pytest.skip("the kernel's file size limit stands in for a full disk on Linux")
    limited = ["sh", "-c", 'ulimit -f 100; exec "$0" "$@"', *worker_command(sys.executable)]
    client = WorkerClient(limited)
    try:
        arguments = {"backend": BACKEND, "reader": False, "clip": handed(client, still.frames)}
        sentence = refusal(client, "analyze", arguments)
        assert str(client.exchange()) in sentence and "(File too large); free space there" in sentence
        assert "knows no request" in refusal(client, "dance", {})
    finally:
        client.close()
