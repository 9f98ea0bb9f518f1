"""Images that nobody has read yet into the store, drafted or not: they wait there for a reader."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Literal

from ..birads.analysis import Analysis, Spacing
from ..errors import BreastUSAssistError, InputError, OutputError
from ..ultrasound.frame import Clip, UltrasoundFrame
from ..ultrasound.tissue import tissue_box
from .case_facts import case_steps
from .image_identity import identity_of
from .masks import MaskStack
from .new_label import NewLabel
from .picture_evidence import has_pictures
from .picture_gate import PictureGate
from .store import LabelStore

Draft = Callable[[Clip], tuple[Analysis, MaskStack]]
"""Analyses one clip."""
Outcome = Literal["added", "drafted", "there", "kept"]
"""added: the image is new, or its pixels are. drafted: it got the models' draft. there: nothing was to be added.
kept: a reader began the case, or masks came with it from outside, and a draft would lie above them."""
_WORDS = {
    "added": "added",
    "drafted": "added with a draft",
    "there": "is there already",
    "kept": "is left as it is, because a reader began it or its masks were imported",
}


@dataclass
class AddReport:
    """What became of the images."""

    cases: list[tuple[str, str, Outcome]] = field(default_factory=list)
    """Name of each clip, its case in the store, and what became of it."""
    bad: list[str] = field(default_factory=list)
    """One sentence for each image that could not be added."""
    withheld: list[str] = field(default_factory=list)
    """One sentence for each image that was added without its pixels: nothing says that it shows no patient data."""

    def count(self, outcome: Outcome) -> int:
        """Number of images of which that became."""
        return sum(one == outcome for _, _, one in self.cases)


def add_images(
    store: LabelStore,
    clips: Iterable[Clip | InputError],
    draft: Draft | None = None,
    *,
    gate: PictureGate | None = None,
    tell: Callable[[str], None] = lambda line: None,
    debug: bool = False,
) -> AddReport:
    """Put images into a store one by one, with all their frames and without a reader.

    Each is on the disk before the next is read, so that a run cut short goes on later; a second run adds nothing.

    Args:
        store: open store.
        clips: images, or why one could not be opened.
        draft: analyses those that have no draft yet and that nobody began; None adds them as they are.
        gate: what pictures pass on their way into the store; None: one that nobody declares anything to.
        tell: given a line for each image.
        debug: let an unexpected error stop the run with its traceback, which may quote the file.

    Raises:
        OutputError: the store cannot be written; the images before are stored.
    """
    report, gate = AddReport(), gate or PictureGate()
    for clip in clips:
        try:
            if isinstance(clip, InputError):
                raise clip
            case, outcome, why = _add(store, clip, draft, gate)
        except OutputError:
            raise
        except BreastUSAssistError as error:
            told = str(error)
        except Exception as error:
            if debug or not isinstance(clip, Clip):
                raise
            # One broken image must not cost the others, and the error's own words may quote patient data.
            what = type(error).__name__
            told = f"{clip.paths[0]} could not be added ({what}); run it with --debug and report what that shows."
        else:
            report.cases.append((clip.name, case, outcome))
            tell(f"{clip.name}: {case} {_WORDS[outcome]}")
            if why:
                report.withheld.append(f"{clip.name}: {why}")
                tell(report.withheld[-1])
            continue
        report.bad.append(told)
        tell(told)
    return report


def _add(store: LabelStore, clip: Clip, draft: Draft | None, gate: PictureGate) -> tuple[str, Outcome, str]:
    """Case of a clip, what became of it, and a sentence where its pictures were not kept."""
    frames = list(clip)
    uids = dict.fromkeys(str(header.get("SOPInstanceUID") or "") for header in clip.headers)
    image = identity_of((frame.pixels for frame in frames), clip.kind, [uid for uid in uids if uid])
    case = store.case_of(image)
    steps = case_steps(store, case)
    if any(step.begun or step.kind == "imported" for step in steps):
        return case, "kept", ""
    last = store.latest(case)
    drafted = any(step.drafted for step in steps)
    stored = last is not None and has_pictures(store, last)
    if (stored and drafted) or (draft is None and (stored or drafted)):
        return case, "there", ""
    # Each frame was decoded once, to know the image; gate and models get the same.
    decoded = replace(clip, decode=frames.__getitem__)
    passed = None if stored else gate(decoded)
    if passed is not None and not passed.frames and last is not None and (drafted or draft is None):
        return case, "there", passed.why
    runs = [] if draft is None else [draft(decoded)]
    store.put(
        NewLabel(
            kind="autosaved",
            image=image,
            runs=runs,
            frames={} if passed is None else passed.frames,
            deidentified=None if passed is None else passed.deidentified,
            spacing=_spacing(frames[0]),
            slice_mm=clip.slice_mm,
            frame_ms=clip.frame_ms,
            patient=next((str(header.PatientID) for header in clip.headers if header.get("PatientID")), None),
        )
    )
    return case, "drafted" if runs else "added", "" if passed is None else passed.why


def _spacing(frame: UltrasoundFrame) -> Spacing | None:
    found = frame.spacing_in(tissue_box(frame))
    if found is None:
        return None
    return Spacing(row_mm=found.row_mm, column_mm=found.column_mm, source=found.source)
