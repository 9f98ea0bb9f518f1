"""Pictures that a store took before it asked for evidence are cleaned, or declared, as a new version of their case."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import InputError
from ..ultrasound.frame import Clip, SourceReference, UltrasoundFrame
from .picture_gate import PictureGate, outlined_in
from .record import LabelRecord
from .store import LabelStore

Progress = Callable[[int, int], None]


@dataclass
class CleaningReport:
    """What became of the cases of a store."""

    passed: list[str] = field(default_factory=list)
    """Cases whose pictures have evidence now."""
    there: int = 0
    """Cases whose pictures had it, or that have none."""
    bad: list[str] = field(default_factory=list)
    """A sentence for each case whose pictures did not pass, or are damaged; nothing of it was changed."""


def clean_store(store: LabelStore, gate: PictureGate, progress: Progress = lambda done, total: None) -> CleaningReport:
    """Send the pictures without evidence through the gate, case by case; a second run goes on where one was cut short.

    Outlines, readings and drafts stay as they are. Earlier versions keep their pictures, which leave the store no more.

    Raises:
        OutputError: the store cannot be written; the cases before are done.
    """
    report, cases = CleaningReport(), store.list()
    for done, summary in enumerate(cases, start=1):
        try:
            record = store.get(summary.case)
            if record.frames is None or record.deidentified is not None:
                report.there += 1
            elif why := _cleaned(store, record, gate):
                report.bad.append(f"{record.case}: {why}")
            else:
                report.passed.append(record.case)
        except InputError as error:
            report.bad.append(str(error))
        progress(done, len(cases))
    return report


def _cleaned(store: LabelStore, record: LabelRecord, gate: PictureGate) -> str:
    """Clean the pictures of a case; a sentence where they did not pass."""
    numbers = store.frame_numbers(record)

    def decode(index: int) -> UltrasoundFrame:
        number = numbers[index]
        return UltrasoundFrame(store.frame(record, number), SourceReference(store.folder / record.case, number))

    clip = Clip(record.case, record.image.kind, len(numbers), decode, format="png")
    passed = gate(clip, outlined_in(store.result(record)))
    if not passed.frames or passed.deidentified is None:
        return passed.why
    frames = {numbers[index - 1]: pixels for index, pixels in passed.frames.items()}
    store.put_pictures(record, frames, passed.deidentified)
    return ""
