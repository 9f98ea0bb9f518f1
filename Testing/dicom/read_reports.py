"""Reports of cases that a made-up reader has read, written as the export writes them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.lesion import Lesion
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.read_case import ReadCase, beside_lesions
from BreastUSAssistLib.birads.reading import LesionReading, Reading
from BreastUSAssistLib.birads.reading_view import effective_analysis, effective_lesions, first_reading
from BreastUSAssistLib.dicom.source_frames import source_frames
from BreastUSAssistLib.dicom.structured_report import write_report
from BreastUSAssistLib.service.drafts_file import with_outlines
from dicom import drafts, sources
from pydicom import Dataset

LEXICON = load_lexicon("birads-us-2013")
MOMENT = "2026-03-04T05:06:07+01:00"
ACCEPTED: dict[str, object] = {"reader": "Dr. M. Example", "decision": "accepted", "decided": MOMENT}


class ReadReport:
    """Two drafts on a still, a cine or given headers, and the report of what a reader made of them."""

    def __init__(self, frames: int = 1, *, headers: Sequence[Dataset] = (), mm: bool = True) -> None:
        self.headers = list(headers) or [sources.still() if frames == 1 else sources.cine(frames)]
        self.labels = drafts.two_lesions(len(source_frames(self.headers)))
        analysis = drafts.analysis_of(self.labels, drafts.lesions_of(self.labels, mm=mm), mm=mm)
        self.draft = analysis.model_copy(update={"lexicon": LEXICON.edition})
        self.reading = first_reading(self.draft)

    def case(self, **fields: object) -> "ReadReport":
        """Change fields of the reading."""
        self.reading = Reading.model_validate({**dict(self.reading), **fields})
        return self

    def lesion(self, number: int, **fields: object) -> "ReadReport":
        """Change fields of the reading of one lesion."""
        own = next(one for one in self.reading.lesions if one.number == number)
        self.reading = self.reading.with_lesion(LesionReading.model_validate({**dict(own), **fields}))
        return self

    def added(self, described: Lesion, **fields: object) -> "ReadReport":
        """A lesion that the reader drew and that was measured since."""
        own = {"tracking_uid": described.tracking_uid, "number": described.number, "revised": described}
        self.reading = self.reading.with_lesion(LesionReading.model_validate({**own, **fields}))
        return self

    def effective(self) -> tuple[Analysis, ReadCase]:
        """The analysis as the reader left it, and what the reader said with the AI's drafts."""
        drafted = beside_lesions(effective_lesions([self.draft], self.reading, LEXICON))
        numbers = [one.draft for one in drafted if one.draft is not None]
        masks = np.stack([self.labels[one.key_frame - 1] == one.number for one in numbers])
        read = ReadCase(reading=self.reading, beside=with_outlines(drafted, masks))
        return effective_analysis([self.draft], self.reading, LEXICON), read

    def write(self, path: Path, labels: np.ndarray | None = None, **options: object) -> Path:
        """Write the report; `labels` are the reader's outlines, the drafts' where None."""
        analysis, read = self.effective()
        drawn = self.labels if labels is None else labels
        write_report(
            path,
            self.headers,
            analysis,
            drawn,
            created=drafts.CREATED,
            read=read,
            **options,  # type: ignore[arg-type]
        )
        return path


def items_of(dataset: Dataset) -> list[Dataset]:
    """Every content item below a data set, in the order of the tree."""
    found: list[Dataset] = []
    for item in dataset.get("ContentSequence") or []:
        found += [item, *items_of(item)]
    return found


def named(items: Sequence[Dataset], value: str) -> list[Dataset]:
    """The items of a concept name's code value."""
    return [item for item in items if item.ConceptNameCodeSequence[0].get("CodeValue") == value]
