"""SEG and SR of Slicer's DICOM database put into the scene: their images first, then the case as they tell it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from ..errors import InputError
from .dicom_images import Loaded, Seek, headers_of, images_under
from .dicom_references import referenced_in
from .source import UltrasoundSource


def load_segmentation(
    scene: Any, file: str, seek: Seek, on_load: Loaded = lambda source, files: None
) -> list[UltrasoundSource]:
    """Lay a DICOM Segmentation on its images, pixel on pixel, as the segmentation of each case.

    Args:
        scene: vtkMRMLScene.
        file: the Segmentation.
        seek: asked for images that are neither in the scene nor in the database.
        on_load: told of each image that was not in the scene.

    Returns:
        The images that it lies on.

    Raises:
        InputError: it is damaged, its images are missing or changed, or the reader worked on the case already.
    """
    from ..dicom.reading import read_dataset
    from ..dicom.segmentation_reading import read_segmentation
    from .dicom_case import lesions_of, take_lesions

    dataset = read_dataset(Path(file))
    sources = _images(scene, file, seek, on_load)
    laid = [(source, lesions_of(read_segmentation(dataset, headers_of(source)))) for source in sources]
    for source, lesions in laid:
        take_lesions(scene, source, lesions)
    return sources


def _images(scene: Any, file: str, seek: Seek, on_load: Loaded) -> list[UltrasoundSource]:
    uids = [uid for _class_uid, uid in referenced_in(file)]
    sources, missing = images_under(scene, uids, seek, on_load)
    if not sources:
        raise InputError(_missing(missing))
    return sources


def _missing(uids: Sequence[str]) -> str:
    text = _("The image that it lies on is not in the DICOM database ({uids}); import the image, then load again.")
    shown = ", ".join(uids[:3]) + ("…" if len(uids) > 3 else "")
    return text.format(uids=shown)
