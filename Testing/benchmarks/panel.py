"""How quick the panel is in the host: module load, event loop during a run, click to outline, frame step.

    .venv/bin/python Testing/benchmarks/panel.py

Prints a table in Markdown. Times are of this machine, and of the host's stand-ins over the real scene: the desktop
application draws more. Nothing of it is a test.
"""

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Testing"), str(ROOT / "BreastUSAssist")]

from host import start_host  # noqa: E402

REPEATS = 20


def main() -> None:
    """Measure and print."""
    host = start_host()
    host.load_module("SegmentEditorBreastLesion")
    # From here on the library's scene and panel can be imported.
    rows = []
    started = time.perf_counter()
    module = host.load_module("BreastUSAssist")
    rows.append(("module load", "300 ms", ms(time.perf_counter() - started)))
    from BreastUSAssistLib.mrml.volume_loading import load_clip
    from BreastUSAssistLib.ultrasound.phantom import render, save_dicom
    from BreastUSAssistLib.ultrasound.phantom_spec import standard_cases
    from BreastUSAssistLib.ultrasound.reading import open_clip

    window = host.window(module)
    panel = module.panel
    with tempfile.TemporaryDirectory() as folder:
        path = save_dicom(render(standard_cases()["cine"]), Path(folder) / "cine.dcm")
        source = load_clip(host.slicer.mrmlScene, open_clip(path))
        panel.session.choose(source.volume)
        panel.install.ensure = lambda: True
        for what in ("31-frame run, first", "31-frame run, models loaded"):
            with host.event_loop_gaps() as gaps:
                started = time.perf_counter()
                panel.analyze.start()
                wait(host, lambda: not panel.analyze.run.running)
                spent = time.perf_counter() - started
            rows.append((f"{what}: longest stop of the event loop", "100 ms", f"{gaps.longest_ms:.0f} ms"))
            rows.append((f"{what}: from Run to outlines", "", f"{spent:.1f} s"))
        rows.append(("frame step with overlay", "50 ms", ms(step_time(host, panel))))
        rows.append(("click to updated outline", "200 ms", ms(click_time(host, panel))))
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores\n")
    print("| what | asked | measured |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    module.cleanup()
    window.close()


def step_time(host: Any, panel: Any) -> float:
    """Median seconds from a step to a picture of the view that shows it."""
    view = host.app.layoutManager().sliceWidget("Red")
    times = []
    for index in range(REPEATS):
        started = time.perf_counter()
        panel.session.show_frame(8 + index % 12)
        view.grab()
        host.app.processEvents()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def click_time(host: Any, panel: Any) -> float:
    """Median seconds from a mouse click to the changed segment in the scene; features of the frame are there."""
    import numpy as np

    case, view = panel.session.case, host.app.layoutManager().sliceWidget("Red")
    lesion = case.lesions[0]
    frame = lesion.current.key_frame - 1
    panel.session.show_frame(frame)
    panel.correct._set_mode("remove")
    host.process_events(1.0)
    times = []
    for index in range(REPEATS):
        before = case.segmentation.mask(frame, lesion.number).copy()
        rows, columns = np.nonzero(before)
        side = index % 2
        place = rows.argmax() if side else rows.argmin()
        row = int(rows[place]) + (-2 if side else 2)
        started = time.perf_counter()
        view.click(row, int(columns[place]))
        wait(host, lambda before=before: not np.array_equal(case.segmentation.mask(frame, lesion.number), before))
        times.append(time.perf_counter() - started)
        wait(host, lambda: not panel.revising.busy and not panel.session.client.busy)
        panel.correct.undo()
        wait(host, lambda: not panel.revising.busy and not panel.session.client.busy)
        host.process_events(0.3)
    return statistics.median(times)


def wait(host: Any, until: Callable[[], bool]) -> None:
    """Turn the event loop until something holds."""
    if not host.process_events(until=until, timeout=120):
        raise TimeoutError("it did not happen within two minutes")


def ms(seconds: float) -> str:
    """In milliseconds."""
    return f"{seconds * 1000:.0f} ms"


if __name__ == "__main__":
    main()
