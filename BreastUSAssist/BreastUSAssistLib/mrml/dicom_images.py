"""Images of Slicer's DICOM database in the scene: loaded once, found again by their SOP instance UIDs."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from ..errors import InputError
from .case_list import cases_of
from .dicom_database import file_of, series_files
from .dicom_geometry import place_in_patient
from .dicom_offers import clips_in, title_of
from .pixel_calibration import apply_known_spacing
from .source import FILES, UltrasoundSource
from .volume_loading import load_clip

if TYPE_CHECKING:
    from pydicom import Dataset

Seek = Callable[[Sequence[str]], bool]
"""Asked for SOP instances that are not at hand; True where the database may have them now."""
Loaded = Callable[[UltrasoundSource, Sequence[str]], None]
"""Told of every image that came into the scene, with its files."""


def load_image(scene: Any, files: Sequence[str], name: str = "") -> tuple[UltrasoundSource, bool]:
    """Put the still, cine or volume of some files into the scene; one that is there already is not loaded twice.

    Spacing is that of the ultrasound regions and times are those of the frames, see `volume_loading.loading`; a volume
    lies in the patient where its files say where, see `dicom_geometry`.

    Args:
        scene: vtkMRMLScene.
        files: of one clip, as `clips_in` puts them together.
        name: for the nodes; None takes that of the series.

    Returns:
        The case, and whether it is new in the scene.

    Raises:
        InputError: no file can be read, or they are several clips.
    """
    from ..ultrasound.dicom_clip import clip_of_file, clip_of_series

    clips = clips_in(files)
    if len(clips) != 1:
        raise InputError(_("These files are no ultrasound image that can be read; import them again."))
    (frames,) = clips
    uids = {one.sop_instance_uid or "" for one in frames}
    there = next((one for one in images_of(scene, uids) if _is_ours(one) and set(one.instance_uids) == uids), None)
    if there is not None:
        return there, False
    name = name or title_of(str(frames[0].source.path), several=len(frames) > 1)
    clip = clip_of_series(name, frames) if len(frames) > 1 else clip_of_file(name, frames[0])
    source = load_clip(scene, clip)
    place_in_patient(source, clip.headers)
    return source, True


def find_image(scene: Any, instance_uids: Iterable[str]) -> UltrasoundSource | None:
    """The first image in the scene that holds one of some SOP instances, whoever loaded it; or None."""
    return next(images_of(scene, instance_uids), None)


def images_of(scene: Any, instance_uids: Iterable[str]) -> Iterator[UltrasoundSource]:
    """All images in the scene that hold one of some SOP instances."""
    wanted = set(instance_uids) - {""}
    return (source for source in cases_of(scene) if wanted & set(source.instance_uids))


def images_under(
    scene: Any, instance_uids: Sequence[str], seek: Seek, on_load: Loaded = lambda source, files: None
) -> tuple[list[UltrasoundSource], list[str]]:
    """The images that a SEG or SR lies on: those of the scene, else loaded from the database.

    Args:
        scene: vtkMRMLScene.
        instance_uids: SOP instances that it refers to.
        seek: asked once, for those that are nowhere.
        on_load: told of each image that was not in the scene.

    Returns:
        The images in the order of the UIDs, and the UIDs that could not be found.

    Raises:
        InputError: an image is damaged.
    """
    unknown = [uid for uid in instance_uids if find_image(scene, [uid]) is None and file_of(uid) is None]
    if unknown and seek(unknown):
        unknown = [uid for uid in unknown if file_of(uid) is None]
    found: list[UltrasoundSource] = []
    for uid in instance_uids:
        if uid in unknown or any(uid in source.instance_uids for source in found):
            continue
        source = find_image(scene, [uid])
        if source is None:
            files = _files_of_clip(uid)
            source, _new = load_image(scene, files)
            on_load(source, files)
        apply_known_spacing(source, None)
        found.append(source)
    return found, unknown


def headers_of(source: UltrasoundSource) -> "list[Dataset]":
    """Headers of the files of an image, in frame order.

    Raises:
        InputError: a file is gone or damaged, or holds other frames than the scene does.
    """
    from ..ultrasound.dicom_source import read_dicom_source

    files = [read_dicom_source(Path(path)) for path in source.files]
    headers = [file.header for file in files]
    sizes = {(int(header["Rows"].value), int(header["Columns"].value)) for header in headers}
    if sum(file.frame_count for file in files) != source.frame_count or sizes != {(source.rows, source.columns)}:
        text = _("{name} in the scene is not what its DICOM files hold; load it again from the DICOM database.")
        raise InputError(text.format(name=source.name))
    return headers


def _is_ours(source: UltrasoundSource) -> bool:
    """Whether this extension loaded it, with its pixel size."""
    return any(node is not None and node.GetAttribute(FILES) for node in (source.sequence, source.volume))


def _files_of_clip(instance_uid: str) -> tuple[str, ...]:
    """Files of the still, cine or volume that a SOP instance is part of."""
    file = file_of(instance_uid)
    assert file is not None, "asked for before"
    for frames in clips_in(series_files(file)):
        if any(one.sop_instance_uid == instance_uid for one in frames):
            return tuple(str(one.source.path) for one in frames)
    return (file,)
