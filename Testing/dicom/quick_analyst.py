"""An analyst that needs no network: real case folders with real SEG and SR of an ellipse, for tests of the way to a
PACS and back."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.files import folder_written_whole
from BreastUSAssistLib.service.batch import BatchOutcome
from BreastUSAssistLib.service.case_files import CaseMaterial, write_files
from BreastUSAssistLib.ultrasound.frame import Clip
from BreastUSAssistLib.ultrasound.reading import open_clips
from dicom import drafts


def drafted(clip: Clip) -> tuple[Analysis, np.ndarray]:
    """Analysis and label images of a clip: one lesion, in every frame."""
    frame = clip.frame(0)
    outline = drafts.ellipse(frame.rows, frame.columns, (frame.rows / 2, frame.columns / 2), (9, 14))
    labels = np.repeat(outline[None].astype(np.uint8), len(clip), axis=0)
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels))
    uids = tuple(str(header.SOPInstanceUID) for header in clip.headers)
    source = analysis.source.model_copy(update={"sop_instance_uids": uids})
    return analysis.model_copy(update={"case": clip.name, "source": source}), labels


def quick_analyst(inputs: Sequence[Path], out: Path, then: Callable[[Clip], None] = lambda clip: None) -> BatchOutcome:
    """As service.batch.analyze_inputs; `then` is called after each case."""
    outcome = BatchOutcome()
    with tempfile.TemporaryDirectory() as workspace:
        for clip in open_clips(inputs, Path(workspace)):
            if isinstance(clip, InputError):
                outcome.failures.append(str(clip))
                continue
            analysis, labels = drafted(clip)
            with folder_written_whole(out / clip.name) as folder:
                material = CaseMaterial(clip, analysis, labels, [], drafts.CREATED)
                write_files(folder, material, ("analysis.json", "seg.dcm", "sr.dcm"))
            outcome.cases.append((out / clip.name, analysis))
            then(clip)
    return outcome
