"""A case's work on its way to the label store, a frame a step: drafts, outlines, and which image they are of."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..mrml.source import UltrasoundSource
    from ..service.case_content import CaseContent


def known_image(source: "UltrasoundSource") -> dict[str, Any] | None:
    """What request "keep_label" needs of an image that the label store has, without its pixels; else None."""
    from ..mrml.label_origin import label_origin
    from ..mrml.pixel_calibration import calibration_of

    origin = label_origin(source)
    if origin is None:
        return None
    spacing = calibration_of(source).spacing
    told = spacing and {"row_mm": spacing.row_mm, "column_mm": spacing.column_mm, "source": spacing.source}
    return {"case": origin.case, "spacing": told, "parent": origin.parent, "settles": origin.settles}


def sent_work(content: "CaseContent", runs_of: int | None = None) -> Generator[int, None, dict[str, Any]]:
    """The drafts and the outlines of a case as request "keep_label" takes them, a frame a step.

    Args:
        content: of the case at the moment that is kept; the scene may go on meanwhile.
        runs_of: version that has the same drafts, which need not be sent then.

    Yields:
        Frames done.
    """
    from ..mrml.case_keeping import WorkPacker, run_told

    packed = yield from WorkPacker().packing(content)
    work: dict[str, Any] = {"packed": list(packed.labels)}
    return work | ({"runs": [run_told(run) for run in content.runs]} if runs_of is None else {"runs_of": runs_of})
