"""The cases of a scene in the order in which they were loaded, and which of them wait for a decision."""

from collections.abc import Iterator
from typing import Any

from ..errors import BreastUSAssistError
from .case_record import CaseRecord
from .source import UltrasoundSource, source_of

_IMAGES = ("vtkMRMLSequenceBrowserNode", "vtkMRMLScalarVolumeNode")


def cases_of(scene: Any) -> Iterator[UltrasoundSource]:
    """Every image of the scene that can be read, each once: a sequence is one case, not its proxy too."""
    seen: list[Any] = []
    for class_name in _IMAGES:
        for node in _nodes(scene, class_name):
            if node.GetHideFromEditors() and class_name != "vtkMRMLSequenceBrowserNode":
                continue
            try:
                source = source_of(scene, node)
            except BreastUSAssistError:
                # A browser of transforms or a label map: no case, and not worth a sentence.
                continue
            if source.volume not in seen:
                seen.append(source.volume)
                yield source


def next_undecided(scene: Any, current: UltrasoundSource | None) -> Any:
    """Volume of the next case after `current` that has no decision, going round; None when all others are decided."""
    sources = list(cases_of(scene))
    place = next((i for i, one in enumerate(sources) if current is not None and one.volume is current.volume), -1)
    for source in [*sources[place + 1 :], *sources[: max(place, 0)]]:
        if not _decided(scene, source):
            return source.volume
    return None


def _decided(scene: Any, source: UltrasoundSource) -> bool:
    try:
        record = CaseRecord.find(scene, source)
    except BreastUSAssistError:
        # A damaged record is not a decision; opening the case tells what is wrong with it.
        return False
    return record is not None and record.reading.decision != "open"


def _nodes(scene: Any, class_name: str) -> list[Any]:
    collection = scene.GetNodesByClass(class_name)
    collection.UnRegister(None)
    return [collection.GetItemAsObject(index) for index in range(collection.GetNumberOfItems())]
