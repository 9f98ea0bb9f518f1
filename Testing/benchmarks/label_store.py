"""Prints the figures of the label store: puts, 100,000 records, and writers killed at random moments.

    .venv/bin/python Testing/benchmarks/label_store.py [--kills 1000] [--records 100000] [--json]

Writers are killed with SIGKILL while several of them put labels into one store. A label is acknowledged when its put
has returned: every acknowledged one must be there afterwards, and nothing may be damaged. Linux and macOS.
"""

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

CHECKOUT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / "BreastUSAssist"), str(CHECKOUT / "Testing")]

from BreastUSAssistLib.labels import durable  # noqa: E402
from BreastUSAssistLib.labels.image_identity import identity_of  # noqa: E402
from BreastUSAssistLib.labels.masks import MaskStack  # noqa: E402
from BreastUSAssistLib.labels.store import LabelStore  # noqa: E402
from BreastUSAssistLib.labels.verification import verify_store  # noqa: E402
from BreastUSAssistLib.labels.worklist import Worklist  # noqa: E402
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases  # noqa: E402
from label_samples import KEY, label, outlines, picture  # noqa: E402

WRITERS = 4


def main() -> int:
    """Measure and print; 1 when an acknowledged label is lost or anything is damaged."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="writers to kill (default: 1000)")
    parser.add_argument("--records", type=int, default=100_000, help="records of the large store (default: 100000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to make the stores (default: a temporary folder)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.kills:
            figures["kills"] = killed(Path(folder) / "killed", options.kills, random.Random(options.seed))
        if options.records:
            figures["puts"] = puts(Path(folder) / "puts")
            figures["large"] = large(Path(folder) / "large", options.records)
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for part, values in figures.items():
            print(part, *(f"  {name}: {value}" for name, value in values.items()), sep="\n")
    lost = figures.get("kills", {})
    return 1 if lost.get("lost") or lost.get("damages") else 0


def killed(folder: Path, kills: int, chance: random.Random) -> dict[str, Any]:
    """Kill writers while they put, then look for everything they said was stored."""
    LabelStore.create(folder, secret=KEY).close()
    acknowledged: list[tuple[str, int, str]] = []
    writers = [Writer(folder, number) for number in range(WRITERS)]
    for done in range(kills):
        time.sleep(chance.uniform(0.0, 0.1))
        victim = chance.randrange(WRITERS)
        acknowledged += writers[victim].kill()
        writers[victim] = Writer(folder, WRITERS + done)
    for writer in writers:
        acknowledged += writer.kill()
    left = len(list((folder / "temporary").iterdir()))
    lost = 0
    with LabelStore.open(folder, secret=KEY) as store:
        for case, version, digest in acknowledged:
            record = store.get(case, version)
            lost += record.result != digest or store.result(record) is None
    found = verify_store(folder, secret=KEY)
    return {
        "killed": kills,
        "acknowledged": len(acknowledged),
        "records": found.records,
        "lost": lost,
        "damages": [damage.words for damage in found.damages],
        "unused blobs": found.unused_blobs,
        "temporary files left": left,
    }


class Writer:
    """A process that puts labels, one after another, and tells of each that is stored."""

    def __init__(self, folder: Path, number: int) -> None:
        self._pipe, told = os.pipe()
        self._process = os.fork()
        if self._process:
            os.close(told)
            return
        try:
            _write_for_ever(folder, number, told)
        finally:
            os._exit(1)

    def kill(self) -> list[tuple[str, int, str]]:
        """Kill the process; what it had acknowledged: case, version, address of the result."""
        os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)
        with open(self._pipe, encoding="ascii") as pipe:
            lines = pipe.read().splitlines(keepends=True)
        said = [line.split() for line in lines if line.endswith("\n")]
        if any(len(words) != 3 for words in said):
            raise SystemExit(f"A writer failed: {said}")
        return [(case, int(version), digest) for case, version, digest in said]


def _write_for_ever(folder: Path, number: int, told: int) -> None:
    try:
        store = LabelStore.open(folder, secret=KEY)
        turn = 0
        while True:
            # Writers meet at the same few cases: versions are made from under each other.
            record = store.put(label(turn % 5, edit=number * 10_000 + turn, frames={1: picture(turn % 50)}))
            os.write(told, f"{record.case} {record.version} {record.result}\n".encode("ascii"))
            turn += 1
    except BaseException as error:
        os.write(told, f"failed {type(error).__name__} {error}\n".encode("ascii", "replace"))


def puts(folder: Path) -> dict[str, Any]:
    """Time of a put: one mask of 1024 x 768 with its record; the same with draft, analysis and image besides.

    The image is noise, which is the worst to compress, and a phantom, which is like ultrasound.
    """
    whole: dict[str, list[float]] = {"noise": [], "phantom": []}
    bare = []
    grey = render(standard_cases()["irregular-spiculated"]).frame().grey
    shown = np.asarray(Image.fromarray(grey).resize((1024, 768)))
    with LabelStore.create(folder, secret=KEY) as store:
        for seed in range(60):
            image = picture(seed, 768, 1024)
            identity = identity_of([image], "still")
            result = MaskStack.of_labels(outlines(seed, 1, 768, 1024))
            plain = label(image=identity, result=result, runs=())
            bare.append(_ms(lambda put=store.put, new=plain: put(new)))
            draft = MaskStack.of_labels(outlines(2000 + seed, 1, 768, 1024))
            runs = [(label().runs[0][0], draft)]
            images = {"noise": picture(1000 + seed, 768, 1024), "phantom": np.roll(shown, seed + 1, axis=1)}
            for kind, image in images.items():
                full = label(image=identity_of([image], "still"), result=result, runs=runs, frames={1: image})
                whole[kind].append(_ms(lambda put=store.put, new=full: put(new)))
    return {
        "put ms": _spread(bare),
        **{f"put with draft, analysis and image ({kind}) ms": _spread(times) for kind, times in whole.items()},
    }


def large(folder: Path, records: int) -> dict[str, Any]:
    """A store of many cases with one record each: size of its index, opening, next case, and the rest."""
    LabelStore.create(folder, secret=KEY).close()
    began = time.perf_counter()
    # Filled without waiting for the disk at each record; everything measured afterwards does wait.
    with mock.patch.object(durable, "_sync"), LabelStore.open(folder, secret=KEY) as store:
        store._index._connection.execute("PRAGMA synchronous=OFF")
        for seed in range(records):
            store.put(label(seed, ("accepted", "rejected", "autosaved")[seed % 3], edit=seed % 1000))
    return {"filled s": round(time.perf_counter() - began, 1), **of_large(folder, records)}


def of_large(folder: Path, records: int) -> dict[str, Any]:
    """Figures of a filled store."""
    figures: dict[str, Any] = {}
    stores: list[LabelStore] = []
    opened = [_ms(lambda: stores.append(LabelStore.open(folder, secret=KEY))) for _ in range(5)]
    figures["open ms"] = _spread(opened)
    for store in stores[1:]:
        store.close()
    store = stores[0]
    cases = [summary.case for summary in store.list()]
    figures["list ms"] = _spread([_ms(store.list)])
    chance = random.Random(0)
    figures["next case ms"] = _spread(
        [_ms(lambda after=after: store.next_case(after)) for after in chance.choices(cases, k=1000)]
        + [_ms(lambda: store.next_case(None, ("imported",)))]
    )
    figures["get ms"] = _spread([_ms(lambda case=case: store.get(case)) for case in chance.choices(cases, k=1000)])
    figures |= worklists(store)
    (text,) = store._index._connection.execute("SELECT sum(length(text)) FROM trail").fetchone()
    size = (folder / "index.sqlite").stat().st_size
    figures["text bytes a record"] = round(text / records)
    figures["index bytes a record beyond its text"] = round((size - text) / records, 1)
    image = identity_of([picture(records, 768, 1024)], "still")
    new = [label(image=image, result=MaskStack.of_labels(outlines(seed, 1, 768, 1024)), runs=()) for seed in range(30)]
    figures["put ms"] = _spread([_ms(lambda one=one: store.put(one)) for one in new])
    figures["close and seal ms"] = round(_ms(store.close), 1)
    began = time.perf_counter()
    found = verify_store(folder, secret=KEY)
    figures["verify s"] = round(time.perf_counter() - began, 1)
    figures["verify found"] = len(found.damages)
    return figures


def worklists(store: LabelStore) -> dict[str, Any]:
    """A worklist that needs every case: the first time, again in another process's place, and its next cases."""
    began, busy = time.perf_counter(), time.process_time()
    first = Worklist(store, "AB", strategy="most-uncertain")
    first.progress()
    figures: dict[str, Any] = {
        "first table s": round(time.perf_counter() - began, 1),
        "first table, processor time s": round(time.process_time() - busy, 1),
    }
    again = [Worklist(store, "AB", strategy="most-uncertain") for _ in range(5)]
    figures["table again ms"] = _spread([_ms(one.progress) for one in again])
    after = []
    for seed in range(30):
        store.put(label(seed, edit=2000 + seed))
        after.append(_ms(again[0].next))
    figures["next case of a worklist, after a put ms"] = _spread(after)
    return figures


def _ms(work: Any) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    late = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"median {statistics.median(values):.2f}, 95 % {late:.2f}, longest {ordered[-1]:.2f}"


if __name__ == "__main__":
    sys.exit(main())
