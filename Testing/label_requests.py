"""The analysis process without its pipes, asked about a label store: for the tests of these requests."""

from pathlib import Path

import numpy as np
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.reading import LesionReading, Reading
from BreastUSAssistLib.labels.case_states import STATES
from BreastUSAssistLib.labels.picture_gate import PictureGate
from BreastUSAssistLib.service.worker_clip import WorkerClip, write_frames_now
from BreastUSAssistLib.service.worker_protocol import write_array
from BreastUSAssistLib.service.worker_requests import Worksite, perform
from label_samples import drafted, outlines, picture

SHAPE = (3, 48, 65)


class Process:
    """The analysis process without its pipes."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "store"
        self.site = Worksite(folder / "exchange")
        self.site.stores.gate = PictureGate("tests")
        self.site.exchange.mkdir()
        self.told: list[tuple[int, int, str]] = []

    def ask(self, do: str, **arguments: object) -> dict:
        handed = {"store": str(self.store), "encrypted": False, **arguments}
        return perform(do, handed, self.site, lambda *said: self.told.append(said), lambda: None)

    def clip(self, seed: int = 0, **more: object) -> dict:
        path = write_frames_now(self.site.exchange, frames(seed))
        return WorkerClip(**{"name": "Doe^Jane", "kind": "cine", "frames": path, **more}).to_json()

    def array(self, labels: np.ndarray) -> str:
        return str(write_array(self.site.exchange, "labels", labels))

    def keep(self, reader: str = "AB", seed: int = 0, edit: int | None = None, **more: object) -> dict:
        """Keep a case as drafted from `seed`, its outlines as of `edit`; decided unless said otherwise."""
        kind = more.get("kind")
        said = reading(reader, "open" if kind == "autosaved" else "accepted")
        drafts = [{"analysis": draft().model_dump_json(), "labels": self.array(masks(seed))}]
        given = {
            "reading": said.model_dump_json(),
            "reader": reader,
            "runs": drafts,
            "labels": self.array(masks(seed if edit is None else edit)),
            **more,
        }
        if "case" not in more:
            given.setdefault("clip", self.clip(seed))
        return self.ask("keep_label", **given)

    def autosave(self, reader: str = "AB", **more: object) -> dict:
        return self.keep(reader, kind="autosaved", **more)

    def open(self, case: str, reader: str = "AB", **more: object) -> dict:
        return self.ask("open_label", case=case, reader=reader, **more)

    def find(self, reader: str = "AB", **more: object) -> dict:
        return self.ask("find_label", reader=reader, **more)

    def state(self, case: str, reader: str = "") -> str:
        listed = dict(self.ask("worklist", reader=reader, states=list(STATES))["listed"])
        return listed[case]


def frames(seed: int) -> np.ndarray:
    return np.stack([picture(10 * seed + number) for number in range(SHAPE[0])])


def masks(seed: int) -> np.ndarray:
    """Lesions 1 and 2 in the first two of three frames."""
    labels = outlines(seed, SHAPE[0])
    labels[2] = 0
    return labels


def draft() -> Analysis:
    analysis = drafted()
    source = analysis.source.model_copy(update={"rows": SHAPE[1], "columns": SHAPE[2], "slice_mm": None})
    timed = [one.model_copy(update={"time_ms": 40.0 * (one.frame_number - 1)}) for one in analysis.frames]
    return analysis.model_copy(update={"source": source, "frames": tuple(timed)})


def reading(reader: str, decision: str, **changes: object) -> Reading:
    lesions = (
        LesionReading(tracking_uid="2.25.1", number=1, run=0, descriptors={"shape": "irregular"}, edited_frames=(1,)),
        LesionReading(tracking_uid="2.25.2", number=2, present=False, note="rib", tools=("removed",)),
    )
    decided = None if decision == "open" else "2026-01-02T03:04:05+00:00"
    return Reading(case="Doe^Jane", reader=reader, lesions=lesions, decision=decision, decided=decided, **changes)


def array_of(answer: dict, name: str) -> np.ndarray:
    return np.load(answer[name])
