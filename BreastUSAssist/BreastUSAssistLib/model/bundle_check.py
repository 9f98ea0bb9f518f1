"""Whether a bundle is whole and whether all back ends that are installed give the same answers with it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BreastUSAssistError, ModelError
from ..ultrasound.phantom import render, standard_cases
from .backends import BackendName, OutlineBackend, ReaderBackend, installed_backends, open_outline_backend
from .backends import open_reader_backend as open_reader
from .bundle import Bundle, load_bundle
from .preprocessing import Letterbox, network_input

LEAST_DICE = 0.995
LARGEST_DIFFERENCE = 0.01
FRAMES = ("cyst", "normal", "two-lesions", "irregular-spiculated", "oval-circumscribed")


@dataclass(frozen=True)
class BackendCheck:
    """How one back end did; agreement is measured against the first back end that ran."""

    name: str
    version: str | None = None
    precision: str | None = None
    device: str | None = None
    dice: float | None = None
    """Least Dice of the outlines of a frame; None for a reader and for the first back end."""
    difference: float | None = None
    """Largest difference of a probability; None for the first back end."""
    problem: str | None = None


@dataclass(frozen=True)
class BundleCheck:
    """What was found in one bundle."""

    folder: Path
    bundle: Bundle | None
    backends: tuple[BackendCheck, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check_bundle(name_or_folder: str | Path, backends: tuple[BackendName, ...] | None = None) -> BundleCheck:
    """Check a bundle's files, then run it on phantom frames with every back end that is installed (or `backends`)."""
    try:
        bundle = load_bundle(name_or_folder, kind=None)
    except ModelError as error:
        return BundleCheck(Path(name_or_folder), None, (), (str(error),))
    problems = [f"{bundle.folder / name} is not listed in SHA256SUMS; remove it." for name in _unlisted(bundle)]
    checks: list[BackendCheck] = []
    reference: _Answers | None = None
    for name in installed_backends() if backends is None else backends:
        check, answers = _run(bundle, name, reference)
        reference = reference or answers
        checks.append(check)
        if check.problem:
            problems.append(check.problem)
    if not checks:
        problems.append("No back end is installed, so nothing was run; run `pip install onnxruntime`.")
    return BundleCheck(bundle.folder, bundle, tuple(checks), tuple(problems))


@dataclass(frozen=True, eq=False)
class _Answers:
    masks: np.ndarray
    """bool (frames, rows, columns); no frames for a reader."""
    probabilities: np.ndarray


def _unlisted(bundle: Bundle) -> list[str]:
    found = {path.relative_to(bundle.folder).as_posix() for path in bundle.folder.rglob("*") if path.is_file()}
    return sorted(found - set(bundle.files) - {"SHA256SUMS"})


def _run(bundle: Bundle, name: BackendName, reference: _Answers | None) -> tuple[BackendCheck, _Answers | None]:
    try:
        if bundle.kind == "outline":
            outline = open_outline_backend(bundle, name)
            used, answers = BackendCheck(name, outline.version, outline.precision), _outline_answers(bundle, outline)
            device = outline.device
        else:
            reader = open_reader(bundle, name)
            used, answers = BackendCheck(name, reader.version, reader.precision), _reader_answers(bundle, reader)
            device = reader.device
    except BreastUSAssistError as error:
        return BackendCheck(name, problem=str(error)), None
    dice, difference = (None, None) if reference is None else _agreement(answers, reference)
    problem = None
    if (dice is not None and dice < LEAST_DICE) or (difference is not None and not difference <= LARGEST_DIFFERENCE):
        problem = f"{bundle.folder} gives other answers with {name}; install the bundle and the back end again."
    elif not np.isfinite(answers.probabilities).all():
        problem = f"{bundle.folder} gives answers that are no numbers with {name}; use another bundle."
    return BackendCheck(name, used.version, used.precision, device, dice, difference, problem), answers


def phantom_inputs(size: int) -> np.ndarray:
    """Phantom frames as a network takes them, float32 (frames, 1, size, size)."""
    greys = [render(standard_cases()[name]).frame().grey for name in FRAMES]
    squares = [network_input(Letterbox((0, 0, *grey.shape), size).apply(grey)) for grey in greys]
    return np.stack(squares)[:, None]


def _outline_answers(bundle: Bundle, backend: OutlineBackend) -> _Answers:
    settings = bundle.outline_settings
    images = phantom_inputs(settings.input_size)
    middle = slice(settings.input_size // 2 - 3, settings.input_size // 2 + 3)
    prompts = np.zeros((len(images), 4, *images.shape[2:]), np.float32)
    prompts[:, 0, middle, middle] = 1
    features = backend.encode(images)
    drafts = [backend.decode(features), backend.decode(features, prompts)]
    one = backend.encode(images[:1])
    drafts.append(backend.decode(one))
    outlines, classes = (np.concatenate(parts) for parts in zip(*drafts, strict=True))
    odds = np.exp(classes.astype(np.float64) / settings.temperature - classes.max(1, keepdims=True))
    return _Answers(_sigmoid(outlines[:, 0]) >= settings.outline_threshold, odds / odds.sum(1, keepdims=True))


def _reader_answers(bundle: Bundle, backend: ReaderBackend) -> _Answers:
    settings = bundle.reader_settings
    greys = phantom_inputs(settings.input_size)
    quarter = settings.input_size // 4
    masks = np.zeros_like(greys)
    masks[:, :, quarter:-quarter, quarter:-quarter] = 1
    # A missing measure each, so that this is compared as well.
    measures = np.ones((len(greys), len(settings.measures)), np.float32)
    measures[np.arange(len(greys)), np.arange(len(greys)) % max(len(settings.measures), 1)] = np.nan
    found = backend.read(np.concatenate([greys, masks], 1), measures)
    columns = [values.reshape(len(greys), -1) for values in found.values()]
    return _Answers(np.zeros((0, 1, 1), bool), _sigmoid(np.concatenate(columns, 1)))


def _agreement(ours: _Answers, theirs: _Answers) -> tuple[float | None, float]:
    dice = [_dice(a, b) for a, b in zip(ours.masks, theirs.masks, strict=True)]
    difference = float(np.abs(ours.probabilities - theirs.probabilities).max())
    return (min(dice) if dice else None), difference


def _dice(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Dice of two bool masks; 1 where both are empty."""
    total = int(np.count_nonzero(ours)) + int(np.count_nonzero(theirs))
    return 2 * int(np.count_nonzero(ours & theirs)) / total if total else 1.0


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(logits.astype(np.float64), -30, 30)))
