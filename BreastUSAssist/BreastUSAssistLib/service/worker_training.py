"""One training from labels in the analysis process: begun or gone on with, told step by step, ended in a candidate."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import OutputError, UsageError
from .worker_learning import TRAINING, candidate_folder, models_folder, options_of, read_rule_of

if TYPE_CHECKING:
    from ..labels.store import LabelStore
    from ..learning.fine_tuning import FineTuningOptions
    from ..learning.label_training import Candidate
    from ..learning.model_comparison import FrameScore
    from ..learning.training_plan import TrainingPlan
    from .worker_requests import Attend, Progress, Worksite

MANIFEST = "manifest.csv"
THREADS_LEFT = 1
"""Cores that a training leaves to the reader, where there are several."""
_JUDGED = {
    "current, new": "judging the model in use on your labels",
    "current, old": "judging the model in use on the original data",
    "candidate, new": "judging the new model on your labels",
    "candidate, old": "judging the new model on the original data",
}


def trained(
    arguments: Mapping[str, Any], folder: Path, site: "Worksite", progress: "Progress", attend: "Attend"
) -> "Candidate":
    """Train as worker_learning.train says, and leave the candidate and its pictures beside the labels."""
    import torch

    from ..learning.candidate_pictures import candidate_pictures, keep_pictures
    from ..learning.label_data import LabelQuery
    from ..learning.label_training import train_from_labels
    from ..learning.manifest import read_manifest
    from ..learning.promoted_models import bundle_in_use

    progress(0, 0, "reading images")
    torch.set_num_threads(max(1, torch.get_num_threads() - THREADS_LEFT))
    manifest, root = _original(arguments)
    rows = [] if manifest is None or root is None else read_manifest(manifest, root)
    rule = read_rule_of(folder, arguments.get("rule"))
    if arguments.get("alone"):
        rule = rule.model_copy(update={"old_needed": False})
    options = _options(options_of(folder, arguments.get("options")))
    out = Path(arguments.get("out") or models_folder(folder) / TRAINING)
    current = bundle_in_use(folder)
    scores: list[tuple[FrameScore, ...]] = []
    with _labels(folder, site) as store:
        plan = _plan(store, out, options, current.sha256, manifest)
        steps = _Steps(out, plan, options.checkpoint_every, progress, attend)
        candidate = train_from_labels(
            store,
            out,
            query=LabelQuery(head=plan.head),
            options=options,
            rule=rule,
            original=rows,
            parent=current,
            device=_device(arguments.get("device")),
            progress=steps.tell,
            scored=lambda before, after: scores.extend((tuple(before), tuple(after))),
        )
        progress(0, 0, "drawing pictures")
        before, after = scores
        pictures = candidate_pictures(store, candidate.data.held_back, before, after, current, candidate.bundle)
    with site.stores.use(folder) as open_store:
        keep_pictures(open_store, pictures)
    _settle(out, candidate_folder(folder))
    return candidate


class _Steps:
    """Tells how far it is in the reader's words, keeps the plan at each checkpoint, and lets the process attend."""

    def __init__(self, out: Path, plan: "TrainingPlan", every: int, progress: "Progress", attend: "Attend") -> None:
        self._out, self._plan, self._every = out, plan, every
        self._progress, self._attend = progress, attend
        self._first: int | None = None
        """Steps that were done before."""
        self._judging = ""

    def tell(self, what: str, done: int, total: int) -> None:
        """See label_training.Progress; raises where the request was taken back."""
        from ..learning.training_plan import keep_plan

        if what.startswith("training"):
            if self._first is None:
                self._first = done - 1
                self._progress(0, total - self._first, f"training, step {done} of {total}")
            if done % self._every == 0 or done == total:
                self._plan = self._plan.model_copy(update={"step": done})
                keep_plan(self._out, self._plan)
            # Counted from where it went on: what is left is judged by the steps of this time.
            self._progress(done - self._first, total - self._first, f"training, step {done} of {total}")
        elif what in _JUDGED:
            if self._judging != what:
                self._judging = what
                self._progress(0, total, _JUDGED[what])
            self._progress(done, total, f"{_JUDGED[what]}, image {done} of {total}")
        else:
            self._progress(0, 0, what)
        self._attend()


@contextmanager
def _labels(folder: Path, site: "Worksite") -> "Iterator[LabelStore]":
    """The store for the length of a training, without keeping others out of it.

    On a network file system one program at a time can have a store, and the reader goes on meanwhile: there a copy on
    this computer is read, sealed as the store is.
    """
    import tempfile

    from ..labels.shared_folders import network_file_system
    from ..labels.store import LabelStore

    with site.stores.use(folder) as store:
        if network_file_system(folder) is None:
            copy = None
        else:
            copy = Path(tempfile.mkdtemp(dir=site.exchange, prefix="labels-"))
            try:
                leave = shutil.ignore_patterns(models_folder(folder).name)
                shutil.copytree(store.folder, copy, dirs_exist_ok=True, ignore=leave)
            except (OSError, shutil.Error) as error:
                shutil.rmtree(copy, ignore_errors=True)
                raise OutputError(
                    "The labels could not be copied to this computer for the training; free space and try again."
                ) from error
    try:
        with LabelStore.open(copy or folder) as opened:
            yield opened
    finally:
        if copy is not None:
            shutil.rmtree(copy, ignore_errors=True)


def _plan(
    store: "LabelStore", out: Path, options: "FineTuningOptions", parent: str, manifest: Path | None
) -> "TrainingPlan":
    """The plan to train by: the kept one where it is the same training, else a new one, with the old state removed."""
    from ..learning.fine_tuning import STATE
    from ..learning.training_plan import TrainingPlan, keep_plan, kept_plan, manifest_digest

    wanted = TrainingPlan(
        parent=parent,
        head=store.head(),
        options=options.model_dump(mode="json"),
        manifest=manifest_digest(manifest),
        steps=options.steps,
    )
    kept = kept_plan(out)
    if kept is not None and kept.is_of(wanted) and (out / STATE).is_file():
        return kept
    _clear(out)
    keep_plan(out, wanted)
    return wanted


def _settle(out: Path, target: Path) -> None:
    """Put the finished candidate into its place, whole, and remove the state. Raises OutputError."""
    from ..files import folder_written_whole
    from ..learning.label_training import BUNDLE

    with folder_written_whole(target, "check the folder of the labels") as folder:
        shutil.copytree(out / BUNDLE, folder, dirs_exist_ok=True)
    _clear(out)


def _clear(out: Path) -> None:
    """Remove what a training leaves in its folder, and nothing else: the folder may be one that somebody named."""
    from ..learning.fine_tuning import STATE
    from ..learning.label_training import BUNDLE
    from ..learning.training_plan import PLAN

    for name in (PLAN, STATE):
        with suppress(OSError):
            (out / name).unlink(missing_ok=True)
    shutil.rmtree(out / BUNDLE, ignore_errors=True)


def _original(arguments: Mapping[str, Any]) -> tuple[Path | None, Path | None]:
    """Table and folder of the original data. Raises UsageError: the folder holds no table."""
    data = str(arguments.get("data") or "").strip()
    if data:
        if not (Path(data) / MANIFEST).is_file():
            raise UsageError(f"{data} holds no {MANIFEST}; choose the folder of the original data, or clear the field.")
        return Path(data) / MANIFEST, Path(data)
    manifest, root = arguments.get("manifest"), arguments.get("root")
    return (Path(manifest), Path(root)) if manifest and root else (None, None)


def _options(content: dict[str, Any]) -> "FineTuningOptions":
    from pydantic import ValidationError

    from ..learning.fine_tuning import FineTuningOptions

    try:
        return FineTuningOptions.model_validate(content)
    except ValidationError as error:
        known = ", ".join(FineTuningOptions.model_fields)
        raise UsageError(f"These are no options of a fine-tuning; there may be {known}.") from error


def _device(named: Any) -> str:
    import torch

    if named in ("cpu", "cuda"):
        return str(named)
    return "cuda" if torch.cuda.is_available() else "cpu"
