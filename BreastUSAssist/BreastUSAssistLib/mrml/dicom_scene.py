"""An offer of the DICOM browser put into the scene, with its place in the subject hierarchy."""

from collections.abc import Callable, Sequence
from typing import Any

from slicer.i18n import tr as _

from .case_segmentation import CaseSegmentation
from .dicom_images import Seek, headers_of, load_image
from .dicom_loading import listed, load_report, load_segmentation
from .dicom_offers import Kind
from .dicom_outlines import frame_keys
from .dicom_points import mark_points
from .dicom_report_table import report_table
from .source import UltrasoundSource
from .subject_hierarchy import place_beside

Place = Callable[[Any, Sequence[str], Sequence[str]], None]
"""Puts a node into the subject hierarchy as the series of some files, which refer to some SOP instances."""


def load_offer(
    scene: Any, kind: Kind, files: Sequence[str], name: str, seek: Seek, place: Place
) -> tuple[UltrasoundSource | None, str]:
    """Load what `dicom_offers.offers_of` offered.

    Args:
        scene: vtkMRMLScene.
        kind: of the offer, as its files and name.
        files: of it.
        name: of it.
        seek: asked for images that a SEG or SR lies on and that are nowhere.
        place: told of every node that stands for a series.

    Returns:
        The image to show, None where a report's image is not to be had and only its findings are in the scene; and one
        sentence where other images are missing, else "".

    Raises:
        InputError: it is damaged, its image is missing or changed, or the reader worked on the case already.
    """

    def on_load(source: UltrasoundSource, its_files: Sequence[str]) -> None:
        place(source.volume, its_files, ())

    if kind == "image":
        source, new = load_image(scene, files, name)
        if new:
            on_load(source, files)
        return source, ""
    if kind == "segmentation":
        sources, missing = load_segmentation(scene, files[0], seek, on_load)
        found = CaseSegmentation.find(scene, sources[0])
        if found is not None:
            place(found.node, files, _uids(sources))
        return sources[0], _left_out(missing)
    sources, missing, report = load_report(scene, files[0], seek, on_load)
    table = report_table(scene, report, name)
    place(table, files, _uids(sources))
    if not sources:
        return None, ""
    place_beside(scene, sources[0], [table])
    for source in sources:
        mark_points(scene, source, report, frame_keys(headers_of(source)))
    return sources[0], _left_out(missing)


def _left_out(uids: Sequence[str]) -> str:
    if not uids:
        return ""
    text = _("{count} of its images are not in the DICOM database and were left out ({uids}); import them to see all.")
    return text.format(count=len(uids), uids=listed(uids))


def _uids(sources: Sequence[UltrasoundSource]) -> list[str]:
    return [uid for source in sources for uid in source.instance_uids]
