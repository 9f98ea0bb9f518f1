"""A part of a clip's frames analysed by itself, and what was found there in the frame numbers of the whole clip."""

from dataclasses import replace

import numpy as np

from ..birads.analysis import Analysis, mask_name
from ..birads.lesion import Lesion
from ..errors import UsageError
from ..ultrasound.frame import Clip, UltrasoundFrame
from .analyze import CaseResult


def clip_of_frames(clip: Clip, first: int, last: int) -> Clip:
    """The frames `first` to `last` of a clip, 1-based, both included, as a clip of its own.

    Its frames know the numbers and times that they have in the whole clip; of a source of one file a frame, only the
    files of these frames are named.

    Raises:
        UsageError: the clip does not have these frames.
    """
    if not 1 <= first <= last <= len(clip):
        raise UsageError(f"Frames {first} to {last} are not among the {len(clip)} of this clip; choose others.")
    if (first, last) == (1, len(clip)):
        return clip
    part = slice(first - 1, last)

    def decode(index: int) -> UltrasoundFrame:
        return clip.frame(first - 1 + index)

    return replace(
        clip,
        frame_count=last - first + 1,
        decode=decode,
        paths=clip.paths[part] if len(clip.paths) == len(clip) else clip.paths,
        headers=clip.headers[part] if len(clip.headers) == len(clip) else clip.headers,
        times_ms=clip.times_ms[part] if clip.times_ms is not None else None,
    )


def analysis_in_whole(analysis: Analysis, first: int, frame_count: int, whole: Clip | None = None) -> Analysis:
    """The analysis of a part of a clip with the frame numbers, mask names and gates of the whole clip.

    Args:
        analysis: of the part, its frames numbered from 1.
        first: number, in the whole clip, of the first frame of the part.
        frame_count: frames of the whole clip.
        whole: the whole clip, so that all its files are named; None leaves those of the part.

    Raises:
        UsageError: the part does not fit into so many frames.
    """
    by = first - 1
    numbers = tuple(frame.frame_number + by for frame in analysis.frames)
    if by < 0 or any(number > frame_count for number in numbers):
        raise UsageError(
            f"Frame {max(numbers, default=first)} is not in a clip of {frame_count} frames; analyze again."
        )
    if not by and len(numbers) == frame_count:
        return analysis

    def moved(frames: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(number + by for number in frames)

    source = analysis.source.model_copy(update={"frame_count": frame_count})
    if whole is not None:
        uids = [str(header.get("SOPInstanceUID", "")) for header in whole.headers]
        files = tuple(path.name for path in whole.paths)
        source = source.model_copy(
            update={"kind": whole.kind, "files": files, "sop_instance_uids": tuple(uid for uid in uids if uid)}
        )
    frames = (
        frame.model_copy(update={"frame_number": number, "mask": mask_name(analysis.case, number, frame_count)})
        for frame, number in zip(analysis.frames, numbers, strict=True)
    )
    # A gate without frames holds for all of them; those of the part are not all of the whole.
    gates = (gate.model_copy(update={"frames": moved(gate.frames) or numbers}) for gate in analysis.gates)
    lesions = (_moved(lesion, by) for lesion in analysis.lesions)
    changes = {"source": source, "frames": tuple(frames), "gates": tuple(gates), "lesions": tuple(lesions)}
    return analysis.model_copy(update=changes)


def _moved(lesion: Lesion, by: int) -> Lesion:
    axes = lesion.volume_axes
    return lesion.model_copy(
        update={
            "key_frame": lesion.key_frame + by,
            "frames": tuple(number + by for number in lesion.frames),
            "volume_axes": axes and axes.model_copy(update={"axis_frame": axes.axis_frame + by}),
        }
    )


def images_in_whole(images: np.ndarray, first: int, frame_count: int) -> np.ndarray:
    """Label images or probabilities of a part, (frames, rows, columns), as those of the whole clip; 0 elsewhere.

    Raises:
        UsageError: they do not fit into so many frames.
    """
    if first < 1 or first - 1 + len(images) > frame_count:
        raise UsageError(f"{len(images)} frames from {first} on are not in a clip of {frame_count}; analyze again.")
    if len(images) == frame_count:
        return images
    whole = np.zeros((frame_count, *images.shape[1:]), images.dtype)
    whole[first - 1 : first - 1 + len(images)] = images
    return whole


def result_in_whole(result: CaseResult, first: int, whole: Clip) -> CaseResult:
    """The result of a part with analysis, images and key frames of the whole clip. Raises UsageError as above."""
    probability = result.probability
    return replace(
        result,
        analysis=analysis_in_whole(result.analysis, first, len(whole), whole),
        labels=images_in_whole(result.labels, first, len(whole)),
        probability=None if probability is None else images_in_whole(probability, first, len(whole)),
        key_frames={number + first - 1: frame for number, frame in result.key_frames.items()},
    )
