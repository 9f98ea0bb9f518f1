"""Work of many small steps, a few at a time between the turns of Qt's event loop, so that the window stays alive."""

import time
from collections.abc import Callable, Generator
from typing import Any

import qt

BUDGET_S = 0.02
"""Time spent on steps before the event loop has its turn."""


class Stepper:
    """Runs one generator at a time; each `next` of it is a step."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._timer = qt.QTimer()
        self._timer.setInterval(0)
        self._timer.timeout.connect(self._turn)
        self._steps: Generator[Any, None, Any] | None = None
        self._finished: Callable[[Any], None] | None = None
        self._failed: Callable[[Exception], None] | None = None

    @property
    def busy(self) -> bool:
        """Whether steps are left."""
        return self._steps is not None

    def run(
        self,
        steps: Generator[Any, None, Any],
        finished: Callable[[Any], None],
        failed: Callable[[Exception], None],
    ) -> None:
        """Run `steps`, then call `finished` with what the generator returned, or `failed` with what it raised.

        Steps that are still being run are dropped, see `stop`.
        """
        self.stop()
        self._steps, self._finished, self._failed = steps, finished, failed
        self._timer.start()

    def finish(self) -> None:
        """Do the steps that are left now: what they read is about to go."""
        while self.busy:
            self._turn()

    def stop(self) -> None:
        """Drop the steps that are left; the generator is closed, so that its `finally` runs."""
        self._timer.stop()
        steps, self._steps = self._steps, None
        if steps is not None:
            steps.close()

    def _turn(self) -> None:
        until = self._clock() + BUDGET_S
        steps, finished, failed = self._steps, self._finished, self._failed
        if steps is None or finished is None or failed is None:
            return
        try:
            while self._clock() < until and self._steps is steps:
                next(steps)
        except StopIteration as end:
            self._end()
            finished(end.value)
        except Exception as error:  # `failed` decides what the reader is told
            self._end()
            failed(error)

    def _end(self) -> None:
        self._timer.stop()
        self._steps = None
