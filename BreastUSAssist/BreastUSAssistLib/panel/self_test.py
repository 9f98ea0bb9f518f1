"""The module's self-test: load, draft, edit, correct, accept and export a phantom in the scene, as a reader would."""

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import slicer
from slicer.i18n import tr as _

from .install import Installer

if TYPE_CHECKING:
    from ..birads.lesion import Lesion
    from ..mrml.case import Case
    from ..service.worker_client import WorkerClient
    from ..service.worker_protocol import WorkerEvent

LONGEST_WAIT_S = 300.0
"""For one answer of the child process; a slow computer loads the models in some ten seconds."""
FORMATS = ("seg.dcm", "sr.dcm", "seg.nrrd", "findings.csv", "report.html", "analysis.json")


def run_self_test(test: Any, kinds: tuple[str, ...] = ("still", "cine")) -> None:
    """Run the whole loop on the project's own phantoms, in the scene that is open, and check each step.

    Nothing is installed, and nothing is written outside a temporary folder and Slicer's cache.

    Args:
        test: a ScriptedLoadableModuleTest; it is skipped where the packages are missing.
        kinds: of phantoms, still and cine.
    """
    from .python_command import worker_client

    missing = Installer().plan("cpu").requirements
    if missing:
        test.skipTest(f"packages are missing: {', '.join(missing)}; press Run in the module to install them")
    client = worker_client()
    try:
        for kind in kinds:
            _whole_loop(test, client, kind)
    finally:
        client.close()
    test.delayDisplay(_("The self-test passed."))


def _whole_loop(test: Any, client: "WorkerClient", kind: str) -> None:
    from ..mrml.case import open_case
    from .sample_data import load_phantom, phantom_spec

    test.delayDisplay(_("Loading a simulated {kind}.").format(kind=kind))
    source = load_phantom(slicer.mrmlScene, kind)
    test.assertEqual(source.frame_count, phantom_spec(kind).frame_count)
    case = open_case(slicer.mrmlScene, source.volume)
    try:
        _check_draft(test, client, case)
        _check_terms(test, case)
        _check_correction(test, client, case)
        _check_decision(test, client, case)
        _check_export(test, client, case)
        _check_reopened(test, case)
    finally:
        case.close()


def _check_draft(test: Any, client: "WorkerClient", case: "Case") -> None:
    from ..service.analysis_file import read_analysis
    from ..service.worker_protocol import take_array

    test.delayDisplay(_("The AI outlines the lesion."))
    middle, count = case.source.frame_count // 2, case.source.frame_count
    frames = range(max(middle - 2, 0), min(middle + 3, count))
    arguments = {"clip": _sent(client, case, frames), "reader": True, "device": "cpu"}
    result = _ask(test, client, "analyze", arguments)
    analysis = read_analysis(Path(result["analysis"]))
    for _step in case.apply_run(analysis, take_array(result["labels"]), frames[0] + 1):
        slicer.app.processEvents()
    test.assertGreaterEqual(len(case.lesions), 1, "no lesion was found in the phantom")
    lesion = case.lesions[0]
    test.assertIsNotNone(_current(case).measurements.longest_axis.mm, "the phantom has a spacing, so sizes are in mm")
    test.assertEqual(case.table.GetNumberOfRows(), len(case.lesions))
    mask = case.mask(_key_frame(case), lesion.number)
    test.assertTrue(mask.any())
    test.assertTrue(np.array_equal(mask, case.segmentation.mask(_key_frame(case), lesion.number)))


def _check_terms(test: Any, case: "Case") -> None:
    from ..birads.reader_terms import terms_for

    test.delayDisplay(_("The reader changes a term."))
    number = case.lesions[0].number
    draft = _term(_draft(case), "orientation")
    other = next(term for term, _label in terms_for("orientation", case.lexicon) if term != draft)
    case.set_term(number, "orientation", other)
    lesion = case.lesions[0]
    test.assertEqual(_term(_current(case), "orientation"), other)
    test.assertEqual(_term(_draft(case), "orientation"), draft, "the draft stays as it was")
    test.assertIn("orientation", lesion.changed)
    case.put_back_term(number, "orientation")
    test.assertNotIn("orientation", case.lesions[0].changed)
    case.set_term(number, "orientation", other)
    case.set_category(number, "4B")


def _check_correction(test: Any, client: "WorkerClient", case: "Case") -> None:
    from ..service.worker_protocol import take_array, write_array

    test.delayDisplay(_("A click corrects the outline, and is undone and redone."))
    frame, number = _key_frame(case), case.lesions[0].number
    draft = case.mask(frame, number)
    pixels = np.ascontiguousarray(case.source.frame(frame).pixels)
    opened = _ask(test, client, "open_frame", {"frame": str(write_array(client.exchange(), "frame", pixels))})
    arguments = {
        "key": opened["key"],
        "positive": [_beside(draft)],
        "mask": str(write_array(client.exchange(), "mask", draft)),
    }
    refined = take_array(_ask(test, client, "refine", arguments)["mask"]).astype(bool)
    test.assertEqual(refined.shape, draft.shape)
    test.assertFalse(np.array_equal(refined, draft), "a click beside the outline changes it")
    others = [case.mask(other, number) for other in range(case.source.frame_count) if other != frame]
    case.set_mask(frame, number, refined, "click")
    test.assertTrue(np.array_equal(case.segmentation.mask(frame, number), refined))
    test.assertEqual(case.undo(), frame)
    test.assertTrue(np.array_equal(case.mask(frame, number), draft))
    test.assertEqual(case.redo(), frame)
    test.assertTrue(np.array_equal(case.mask(frame, number), refined))
    test.assertTrue(np.array_equal(case.record.draft_mask(number, frame), draft), "the AI's outline is kept")
    kept = [case.mask(other, number) for other in range(case.source.frame_count) if other != frame]
    test.assertTrue(all(map(np.array_equal, others, kept)), "an edit stays on its frame")
    test.assertEqual(case.segmentation.origin(number, frame), "semiautomatic")


def _check_decision(test: Any, client: "WorkerClient", case: "Case") -> None:
    from ..service.worker_protocol import write_array

    test.delayDisplay(_("The reader accepts the case, which is kept as a label."))
    decided = case.decided("self-test", "accepted", "", datetime.now(UTC))
    drafts = [(run.model_dump_json(), write_array(client.exchange(), "draft", labels)) for run, labels in case.drafts()]
    # The analysis process has the labels open for a while yet; Windows lets nobody remove an open file.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        arguments = {
            "clip": _sent(client, case, range(case.source.frame_count)),
            "reading": decided.model_dump_json(),
            "runs": [{"analysis": analysis, "labels": str(labels)} for analysis, labels in drafts],
            "labels": str(write_array(client.exchange(), "result", case.labels())),
            "store": folder,
            "encrypted": False,
        }
        test.assertEqual(_ask(test, client, "keep_label", arguments)["version"], 1)
    case.settle(decided)
    test.assertEqual(case.reading.decision, "accepted")


def _check_export(test: Any, client: "WorkerClient", case: "Case") -> None:
    from ..service.analysis_file import write_analysis
    from ..service.worker_protocol import new_path, write_array

    test.delayDisplay(_("Exporting DICOM SEG and SR, segmentation, table and report."))
    labels, path = case.labels(), new_path(client.exchange(), "effective", ".json")
    write_analysis(path, case.effective_analysis(labels))
    with tempfile.TemporaryDirectory() as folder:
        result = _ask(
            test,
            client,
            "export",
            {
                "clip": _sent(client, case, range(case.source.frame_count)),
                "analysis": str(path),
                "labels": str(write_array(client.exchange(), "labels", labels)),
                "formats": list(FORMATS),
                "out": folder,
            },
        )
        names = {Path(file).name for file in result["files"]}
        test.assertLessEqual(set(FORMATS), names, result["notes"])


def _check_reopened(test: Any, case: "Case") -> None:
    """What was done is found again by whoever opens the case next."""
    from ..mrml.case import open_case

    volume, masks, reading = case.source.volume, case.labels(), case.reading
    case.close()
    again = open_case(slicer.mrmlScene, volume)
    test.assertEqual(again.reading, reading)
    test.assertTrue(np.array_equal(again.labels(), masks))
    again.close()


def _draft(case: "Case") -> "Lesion":
    """The first lesion as the AI drafted it."""
    lesion = case.lesions[0].ai
    assert lesion is not None
    return lesion


def _current(case: "Case") -> "Lesion":
    """The first lesion as it stands after the reader's changes."""
    lesion = case.lesions[0].current
    assert lesion is not None
    return lesion


def _term(lesion: "Lesion", attribute: str) -> str:
    return next(one.term for one in lesion.descriptors if one.attribute == attribute)


def _key_frame(case: "Case") -> int:
    """Frame, from 0, in which the first lesion was measured."""
    return _draft(case).key_frame - 1


def _beside(mask: np.ndarray) -> list[int]:
    """A point just outside the left end of an outline, at its middle height: [row, column]."""
    rows, columns = np.nonzero(mask)
    left = int(columns.min())
    return [int(np.median(rows[columns == left])), max(left - 8, 0)]


def _sent(client: "WorkerClient", case: "Case", frames: range) -> dict[str, Any]:
    from .frame_sending import sent_clip

    steps = sent_clip(client.exchange, case.source, frames)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            clip: dict[str, Any] = end.value.to_json()
            return clip


def _ask(test: Any, client: "WorkerClient", do: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Ask the child process and turn Slicer's event loop until it answers."""
    answers: list[WorkerEvent] = []
    client.request(do, arguments, answers.append)
    until = time.monotonic() + LONGEST_WAIT_S
    while not answers or answers[-1].kind == "progress":
        test.assertLess(time.monotonic(), until, f"{do} took too long")
        client.poll()
        slicer.app.processEvents()
        time.sleep(0.002)
    test.assertEqual(answers[-1].kind, "done", answers[-1].message)
    return answers[-1].result
