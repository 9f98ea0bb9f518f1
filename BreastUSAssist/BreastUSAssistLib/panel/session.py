"""What the sections of the panel share: the case before the reader, the child process, the status line, signals."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import qt
import slicer
import vtk
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from .signals import Signal
from .stepper import Stepper

if TYPE_CHECKING:
    from ..mrml.case import Case, CaseChange
    from ..service.worker_protocol import WorkerEvent

POLL_MS = 5
"""Between two looks for an answer of the child process, while one is awaited."""
LONGEST_PAUSE_S = 120.0
"""Time without any action of the reader that still counts as work on the case."""


class Session(slicer.util.VTKObservationMixin):
    """One panel's state. Nothing here has a widget."""

    def __init__(self, scene: Any, logic: Any, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self.scene = scene
        self.logic = logic
        self.parameters: Any = None
        self.case: Case | None = None
        self.stepper = Stepper()
        self.case_changed = Signal()
        """Another case, or none, is before the reader."""
        self.leaving = Signal()
        """(case, at_once) before a case is let go; `at_once`: its images or the whole panel go with it."""
        self.frame_changed = Signal()
        """Another frame of it is shown."""
        self.findings_changed = Signal()
        """Something was drafted, edited, decided or undone."""
        self.selection_changed = Signal()
        """Another lesion is selected."""
        self.said = Signal()
        """(sentence, "note" or "error") for the status line."""
        self._clock = clock
        self._since = clock()
        self._frame = -1
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MS)
        self._timer.timeout.connect(self._poll)

    @property
    def client(self) -> Any:
        """The child process that computes, shared with the click effect."""
        return self.logic.workerClient()

    def start(self) -> None:
        """Take up the scene as it is now: the panel's saved state, and the case that was open."""
        self.parameters = self.logic.getParameterNode()
        self.choose(self.parameters.input_node, quietly=True)

    def stop(self) -> None:
        """Let go of the scene, before it closes. What the child process was asked for is taken back, and waited for."""
        self.stepper.stop()
        self._leave_case(at_once=True)
        self.parameters = None
        self.case_changed.emit()

    def close(self) -> None:
        """The module goes: let go of the scene, and wait for nothing."""
        self.stop()
        self._timer.stop()

    def say(self, sentence: str, kind: str = "note") -> None:
        """Show a sentence in the status line."""
        self.said.emit(sentence, kind)

    def choose(self, node: Any, quietly: bool = False) -> None:
        """Make the case of `node` (volume, sequence, browser, or None) the one before the reader.

        A node that cannot be read leaves no case, and a sentence in the status line.
        """
        if self.case is not None and node is not None and node in (self.case.source.volume, self.case.source.sequence):
            return
        case = None
        if node is not None:
            from ..mrml.case import open_case

            try:
                case = open_case(self.scene, node, later=lambda action: qt.QTimer.singleShot(0, action))
            except BreastUSAssistError as error:
                self.say(str(error), "error")
            except ImportError as error:
                text = _("The Python package {name} is missing; press Install above.")
                self.say(text.format(name=error.name), "error")
        if self.parameters is not None:
            self.parameters.input_node = node
        if case is not None and self.case is not None and not self.case.closed:
            # Slicer draws every segmentation over every image.
            self.case.show_outlines(False)
        self._leave_case()
        self.case = case
        if case is not None:
            case.show_outlines(True)
            self._lay_out(case)
            self._watch(case)
            slicer.util.setSliceViewerLayers(background=case.source.volume, fit=True)
            if not quietly:
                self.say(_("{name} is open.").format(name=case.source.name))
        self.case_changed.emit()
        self.findings_changed.emit()

    def show_frame(self, index: int) -> None:
        """Show frame `index`, from 0."""
        if self.case is not None:
            self.case.source.show_frame(index)
            self._see_frame()

    def frame(self) -> int:
        """Index of the frame shown, from 0."""
        return int(self.case.source.current_frame()) if self.case is not None else 0

    @property
    def selected(self) -> str:
        """Tracking UID of the selected lesion, empty without one."""
        return str(self.parameters.selected_lesion) if self.parameters is not None else ""

    def select(self, tracking_uid: str) -> None:
        """Select a lesion, or none with an empty UID."""
        if self.parameters is not None and tracking_uid != self.selected:
            self.parameters.selected_lesion = tracking_uid
            self.selection_changed.emit()

    def change(self, action: Callable[[], Any]) -> bool:
        """Do one thing to the case, which tells the sections; where it cannot be done the status line says why.

        Returns whether it was done.
        """
        try:
            action()
        except BreastUSAssistError as error:
            self.say(str(error), "error")
            return False
        self.count_time()
        return True

    def ask(self, do: str, arguments: dict[str, Any], on_event: "Callable[[WorkerEvent], None]") -> int:
        """Ask the child process for something; `on_event` is called from the event loop."""
        number = int(self.client.request(do, arguments, on_event))
        self._timer.start()
        return number

    def keep_polling(self) -> None:
        """Go on reading answers that somebody else asked the child process for and no longer waits for."""
        if self.client.busy:
            self._timer.start()

    def count_time(self) -> None:
        """Book the time since the last action to the case; a long pause counts as the longest that is work."""
        now = self._clock()
        spent, self._since = min(now - self._since, LONGEST_PAUSE_S), now
        if self.case is not None and not self.case.closed and self.case.reading.decision == "open":
            self.case.add_seconds(spent)

    def _poll(self) -> None:
        try:
            self.client.poll()
        finally:
            if not self.client.busy:
                self._timer.stop()

    def _lay_out(self, case: "Case") -> None:
        """Give the images the pixel size of their DICOM file where Slicer's loader passed over it."""
        from ..mrml.pixel_calibration import apply_known_spacing

        apply_known_spacing(case.source, case.segmentation if case.has_segmentation else None)

    def _watch(self, case: "Case") -> None:
        self._frame = case.source.current_frame()
        self._since = self._clock()
        shown = case.source.browser or self.scene.GetNodeByID("vtkMRMLSliceNodeRed")
        if shown is not None:
            self.addObserver(shown, vtk.vtkCommand.ModifiedEvent, self._on_shown)
        case.on_change.append(self._on_case_changed)

    def _leave_case(self, at_once: bool = False) -> None:
        if self.case is not None:
            self.leaving.emit(self.case, at_once)
        self.removeObservers()
        case, self.case = self.case, None
        if case is not None and self._on_case_changed in case.on_change:
            case.on_change.remove(self._on_case_changed)
        if case is not None:
            case.close()

    def _on_shown(self, _caller: Any, _event: Any) -> None:
        self._see_frame()

    def _see_frame(self) -> None:
        if self.case is None or self.case.closed:
            return
        frame = self.case.source.current_frame()
        if frame != self._frame:
            self._frame = frame
            self.frame_changed.emit()

    def _on_case_changed(self, change: "CaseChange") -> None:
        if change.what != "closed":
            self.findings_changed.emit()
            return
        self._leave_case(at_once=True)
        if self.parameters is not None:
            self.say(_("The image was removed from the scene; choose another one."), "error")
        self.case_changed.emit()
        self.findings_changed.emit()
