"""What an analysis says of its source, for a case that no network has seen."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from .. import __version__
from .pixel_calibration import calibration_of
from .source import UltrasoundSource

if TYPE_CHECKING:
    from ..birads.analysis import Analysis
    from ..birads.lexicon import Lexicon


def analysis_without_run(source: UltrasoundSource, lexicon: "Lexicon") -> "Analysis":
    """An analysis of a case without lesions and probabilities; the reader's lesions are put into it."""
    from ..birads.analysis import Source, Spacing
    from ..birads.reading_view import case_without_run

    spacing = calibration_of(source).spacing
    described = Source(
        format="slicer",
        files=tuple(path.name for path in source.files),
        kind=source.kind,
        frame_count=source.frame_count,
        rows=source.rows,
        columns=source.columns,
        sop_instance_uids=source.instance_uids,
        spacing=None
        if spacing is None
        else Spacing(row_mm=spacing.row_mm, column_mm=spacing.column_mm, source=spacing.source),
        slice_mm=abs(source.volume.GetSpacing()[2]) if source.kind == "volume" and spacing is not None else None,
    )
    created = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
    return case_without_run(source.name, described, lexicon, created, f"BreastUSAssist {__version__}")
