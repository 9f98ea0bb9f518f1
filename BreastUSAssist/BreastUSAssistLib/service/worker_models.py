"""The models of the analysis process: loaded when first asked for and kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from ..model.lesion_reader import LesionReader
    from ..model.predictor import Predictor
    from ..model.refiner import Refiner

SMALLEST_BACKEND = "onnxruntime"
MOST_KEPT = 2
"""Models of one kind that stay loaded: the one in use and the one it is compared with."""


@dataclass(frozen=True)
class ModelChoice:
    """Which models a request wants, and on what."""

    model: str | None = None
    """Name of a shipped bundle or folder; None is the default one."""
    promoted: bool = False
    """Whether `model` was left to choose and is the one promoted from labels."""
    backend: str = "auto"
    device: str = "auto"
    reader: str | bool | None = True
    """Name or folder of the bundle that reads lesions; True the default one where it is shipped, False or None none."""

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> "ModelChoice":
        """From a request's arguments; what is missing or None is automatic.

        An automatic `model` is the one promoted in the label store `store`, looked up each time, so that a process
        that runs takes up what was promoted or rolled back meanwhile; without one it is the shipped one.

        Raises:
            ModelError: the promoted model is gone, or which it is cannot be read.
        """
        named = arguments.get("model") or None
        promoted = None if named else _promoted(arguments.get("store"))
        return cls(
            promoted or named,
            promoted is not None,
            arguments.get("backend") or "auto",
            arguments.get("device") or "auto",
            arguments.get("reader", True),
        )

    def told(self, predictor: "Predictor | None") -> dict[str, Any] | None:
        """What an answer says of the outline model; None where none is there."""
        if predictor is None:
            return None
        return {"name": predictor.bundle.name, "version": predictor.bundle.version, "promoted": self.promoted}


@dataclass(eq=False)
class LoadedModels:
    """Models by choice; `notice` is given a sentence when a GPU runs out of memory and the work goes on otherwise."""

    notice: Callable[[str], None] = lambda sentence: None
    _predictors: dict[tuple[object, ...], "Predictor"] = field(default_factory=dict)
    _readers: dict[tuple[object, ...], "LesionReader"] = field(default_factory=dict)

    def predictor(self, choice: ModelChoice) -> "Predictor":
        """The outline model. Raises ModelError or UsageError, see `open_predictor`."""
        from ..model.bundle import load_bundle
        from ..model.predictor import open_predictor

        backend, device = _checked(choice)
        key = (choice.model, backend, device)
        if key not in self._predictors:
            _make_room(self._predictors)
            self._predictors[key] = open_predictor(load_bundle(choice.model), backend, device, self._tell)
        return self._predictors[key]

    def refiner(self, choice: ModelChoice) -> "Refiner":
        """The same model for corrections, on the same back end."""
        from ..model.refiner import Refiner

        predictor = self.predictor(choice)
        return Refiner(predictor.bundle, predictor.backend)

    def reader(self, choice: ModelChoice) -> "LesionReader | None":
        """The model that reads lesions; None where none is wanted or none is shipped."""
        from ..model.bundle import DEFAULT_BUNDLES, load_bundle, shipped_bundles
        from ..model.lesion_reader import open_lesion_reader

        if choice.reader in (None, False, "", "none"):
            return None
        named = choice.reader if isinstance(choice.reader, str) else None
        if named is None and DEFAULT_BUNDLES["reader"] not in {path.name for path in shipped_bundles()}:
            return None
        backend, device = _checked(choice)
        key = (named, backend, device)
        if key not in self._readers:
            _make_room(self._readers)
            self._readers[key] = open_lesion_reader(load_bundle(named, "reader"), backend, device, self._tell)
        return self._readers[key]

    def _tell(self, sentence: str) -> None:
        self.notice(sentence)


def _promoted(store: object) -> str | None:
    if not store:
        return None
    from ..learning.promoted_models import current_bundle

    folder = current_bundle(Path(str(store)))
    return None if folder is None else str(folder)


def _checked(choice: ModelChoice) -> Any:
    """Back end and device, each one of those there are."""
    from ..model.backends import BACKENDS, installed_backends

    if not installed_backends():
        raise ModuleNotFoundError("no back end is installed", name=SMALLEST_BACKEND)
    if choice.backend not in ("auto", *BACKENDS) or choice.device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"There is no back end {choice.backend} on {choice.device}; choose automatic for both.")
    return choice.backend, choice.device


def _make_room(loaded: dict[tuple[object, ...], Any]) -> None:
    while len(loaded) >= MOST_KEPT:
        del loaded[next(iter(loaded))]
