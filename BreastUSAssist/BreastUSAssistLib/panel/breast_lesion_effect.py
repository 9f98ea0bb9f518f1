"""The click effect of Segment Editor: the reader points at a lesion, the AI outlines it.

Events, options and the effect's life are here; what a mark means is in effect_correction.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import qt
import slicer
import vtk
from SegmentEditorEffects import AbstractScriptedSegmentEditorEffect  # type: ignore[import-not-found]
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError
from ..files import resource_path
from .effect_correction import Correction
from .effect_marks import Mark, Pixel
from .effect_options import MODES, EffectOptions, Mode
from .effect_questions import Questions
from .effect_target import pixel_at
from .signals import Signal

EFFECT_NAME = "Breast lesion"
"""By which modules find the effect; never translated."""
EFFECT_FILE = Path(__file__).resolve().parents[2] / "SegmentEditorBreastLesionLib" / "SegmentEditorEffect.py"
"""What Slicer loads: it names the Python module after the folder, and the class after the file."""
POLL_MS = 5
"""Between two looks for an answer, while one is awaited."""
SETTLE_MS = 200
"""Frames that are shown for less are not prepared: the reader is leafing through."""
LEAST_DRAG = 3.0
"""Pixels of the image between two points of a scribble, and the least side of a box."""


class BreastLesionEffect(AbstractScriptedSegmentEditorEffect, slicer.util.VTKObservationMixin):
    """Clicks, boxes and scribbles on the selected segment, answered by the AI's outline."""

    def __init__(self, scriptedEffect: Any) -> None:  # noqa: N803
        scriptedEffect.name = EFFECT_NAME
        scriptedEffect.title = _("Breast lesion")
        AbstractScriptedSegmentEditorEffect.__init__(self, scriptedEffect)
        slicer.util.VTKObservationMixin.__init__(self)
        self.worker_client: Callable[[], Any] = shared_worker_client
        """Gives the WorkerClient to ask; shared with the module's panel unless set otherwise."""
        self.request_options: Callable[[], dict[str, Any]] = dict
        """Further arguments of each request: model, backend, device."""
        self.said = Signal()
        """(sentence, "note" | "busy" | "error") whenever the status changes."""
        self.options: EffectOptions | None = None
        self._correction: Correction | None = None
        self._questions: Questions | None = None
        self._line: list[Pixel] = []
        self._slice = 0
        self._positive = True
        self._observed: tuple[Any, Any] = (None, None)
        self._poll_timer: Any = None
        self._settle_timer: Any = None

    def clone(self) -> Any:
        """A new effect of this kind, for another Segment Editor."""
        import qSlicerSegmentationsEditorEffectsPythonQt  # type: ignore[import-not-found]

        cloned = qSlicerSegmentationsEditorEffectsPythonQt.qSlicerSegmentEditorScriptedEffect(None)
        cloned.setPythonSource(str(EFFECT_FILE).replace("\\", "/"))
        return cloned

    def icon(self) -> Any:
        """QIcon of the effect's button."""
        return qt.QIcon(str(resource_path("Icons", "SegmentEditorBreastLesion.png")))

    def helpText(self) -> str:  # noqa: N802
        """What Segment Editor shows above the options."""
        return "<html>{text}</html>".format(
            text=_(
                "Point at a lesion, the AI outlines it. Research use only, not for diagnosis.<ul style='margin: 0'>"
                "<li><b>Left-click:</b> this belongs to the lesion."
                "<li><b>Ctrl + left-click</b> (Mac: Cmd), or mode Remove: this does not."
                "<li><b>Box:</b> drag around the lesion."
                "<li><b>Scribble:</b> drag over what belongs to it; with Ctrl over what does not.</ul>"
            )
        )

    def setupOptionsFrame(self) -> None:  # noqa: N802
        """Build the options; once for each Segment Editor."""
        self.options = EffectOptions(self._on_mode, self._on_clear)
        self.scriptedEffect.addOptionsWidget(self.options.widget)

    def setMRMLDefaults(self) -> None:  # noqa: N802
        """Parameters that a new segment editor node starts with."""
        self.scriptedEffect.setParameterDefault("Mode", MODES[0])

    def updateGUIFromMRML(self) -> None:  # noqa: N802
        """Show the parameters."""
        if self.options is not None:
            self.options.show_mode(self.mode)

    def updateMRMLFromGUI(self) -> None:  # noqa: N802
        """Nothing to do: each control writes its own parameter."""

    @property
    def mode(self) -> Mode:
        """What the left button does."""
        stored = self.scriptedEffect.parameter("Mode")
        return next((mode for mode in MODES if mode == stored), MODES[0])

    def createCursor(self, viewWidget: Any) -> Any:  # noqa: N802, N803
        """A cross: the mark comes where it points."""
        return qt.QCursor(qt.Qt.CrossCursor)

    def activate(self) -> None:
        """The effect was chosen: let the AI look at the frame, so that the first click is quick."""
        self._questions = Questions(self.worker_client, self.request_options)
        self._correction = Correction(self.scriptedEffect, self._questions, self.say)
        self._poll_timer = _timer(POLL_MS, self._on_poll, repeated=True)
        self._settle_timer = _timer(SETTLE_MS, self._on_settled)
        if self.options is not None:
            self.options.show_icons()
        self._observe()
        self.say(hint(self.mode))
        self._prepare()

    def deactivate(self) -> None:
        """Another effect was chosen: leave no mark, timer or observer behind."""
        self.removeObservers()
        for timer in (self._poll_timer, self._settle_timer):
            if timer is not None:
                timer.stop()
        correction, self._correction, self._questions = self._correction, None, None
        self._line = []
        if correction is not None:
            correction.close()
            self.say("", "note")

    def cleanup(self) -> None:
        """Slicer is about to delete the effect."""
        self.deactivate()
        self.options = None

    def sourceVolumeNodeChanged(self) -> None:  # noqa: N802
        """Another image is to be segmented."""
        if self._correction is not None:
            self._observe()
            self._correction.look()
            self._settle_timer.start()

    def processViewNodeEvents(self, callerViewNode: Any, eventId: int, viewWidget: Any) -> None:  # noqa: N802, N803
        """The view moved: in a 3D volume perhaps to another slice."""
        if self._correction is not None and callerViewNode.IsA("vtkMRMLSliceNode"):
            self._settle_timer.start()

    def processInteractionEvents(self, callerInteractor: Any, eventId: int, viewWidget: Any) -> bool:  # noqa: N802, N803
        """Left button in a slice view; True keeps the event from the view's own actions."""
        command = vtk.vtkCommand
        if self._correction is None or viewWidget.className() != "qMRMLSliceWidget":
            return False
        # The second press of a quick pair comes as a double click: it is a mark like any other.
        if eventId in (command.LeftButtonPressEvent, command.LeftButtonDoubleClickEvent):
            if callerInteractor.GetShiftKey() or callerInteractor.GetAltKey():
                return False
            return self._press(callerInteractor, viewWidget)
        if not self._line or eventId not in (command.MouseMoveEvent, command.LeftButtonReleaseEvent):
            return False
        if eventId == command.MouseMoveEvent:
            self._move(callerInteractor, viewWidget)
        else:
            self._release()
        return True

    def say(self, sentence: str, kind: str = "note") -> None:
        """Show a sentence in the options, and tell whoever listens; look for answers while one is awaited."""
        if self.options is not None:
            self.options.say(sentence, kind)
            self.options.show_marks(len(self._correction.marks) if self._correction is not None else 0)
        self._poll_while_busy()
        self.said.emit(sentence, kind)

    def _press(self, interactor: Any, view_widget: Any) -> bool:
        confirmed = self.scriptedEffect.confirmCurrentSegmentVisible()
        if confirmed in (self.scriptedEffect.NotConfirmed, self.scriptedEffect.ConfirmedWithDialog):
            # After a dialog the pointer is elsewhere: that press marks nothing, and is not the view's either.
            return True
        place = self._place(interactor, view_widget)
        if place is None:
            self.say(_("Choose an image as source volume first."), "error")
            return True
        (row, column), self._slice, inside = place
        mode = self.mode
        self._positive = mode != "remove" and not interactor.GetControlKey()
        if mode in ("box", "scribble"):
            self._line = [(row, column)]
            if not inside and mode == "scribble":
                self._line = []
                self._outside()
        elif inside:
            self._mark(Mark("point", self._positive, ((row, column),)))
        else:
            self._outside()
        return True

    def _move(self, interactor: Any, view_widget: Any) -> None:
        place = self._place(interactor, view_widget)
        if place is None or self._correction is None:
            return
        pixel, k, inside = place
        if k != self._slice:
            return
        if self.mode == "box":
            self._line = [self._line[0], pixel]
        elif inside and float(np.hypot(*np.subtract(pixel, self._line[-1]))) >= LEAST_DRAG:
            self._line.append(pixel)
        mark = self._drawn()
        if mark is not None:
            self._correction.draw(mark, self._slice)

    def _release(self) -> None:
        mark, self._line = self._drawn(), []
        if mark is not None:
            self._mark(mark)
        elif self._correction is not None:
            self._correction.draw(None, 0)
            self.say(_("Drag from one corner of the box to the other, around the lesion."), "note")

    def _drawn(self) -> Mark | None:
        """The mark that the line so far makes; None while a box has no area."""
        if self.mode == "scribble":
            return Mark("scribble", self._positive, tuple(self._line))
        if len(self._line) < 2:
            return None
        correction = self._correction
        try:
            rows, columns = correction.target(self._slice).shape if correction is not None else (0, 0)
        except BreastUSAssistError:
            return None
        corners = np.clip(self._line, 0, [rows - 1, columns - 1])
        if np.abs(corners[0] - corners[1]).min() < LEAST_DRAG:
            return None
        first, second = ((float(row), float(column)) for row, column in corners)
        return Mark("box", True, (first, second))

    def _mark(self, mark: Mark) -> None:
        if self._correction is not None:
            self._correction.add(mark, self._slice)
            self._poll_while_busy()

    def _outside(self) -> None:
        self.say(_("That is outside the image; mark inside it."), "error")

    def _place(self, interactor: Any, view_widget: Any) -> tuple[Pixel, int, bool] | None:
        """Pixel and slice of the source volume under the pointer, and whether the image holds it."""
        volume = self.scriptedEffect.parameterSetNode().GetSourceVolumeNode()
        if volume is None or volume.GetImageData() is None:
            return None
        x, y = interactor.GetEventPosition()
        column, row, k = np.floor(pixel_at(volume, np.array(self.xyToRas((x, y), view_widget))) + 0.5)
        columns, rows, slices = volume.GetImageData().GetDimensions()
        inside = 0 <= row < rows and 0 <= column < columns and 0 <= k < slices
        return (float(row), float(column)), int(k), bool(inside)

    def _observe(self) -> None:
        """Follow what is shown and what is edited."""
        self.removeObservers()
        parameters = self.scriptedEffect.parameterSetNode()
        if parameters is None:
            return
        self.addObserver(parameters, vtk.vtkCommand.ModifiedEvent, self._on_selection)
        segmentation, volume = self._observed = parameters.GetSegmentationNode(), parameters.GetSourceVolumeNode()
        if segmentation is not None:
            changes = slicer.vtkSegmentation
            # Undo tells of a modified segment alone, painting of the representation, too.
            for event in (changes.SourceRepresentationModified, changes.SegmentModified, changes.SegmentRemoved):
                self.addObserver(segmentation, event, self._on_edit)
        if volume is not None:
            self.addObserver(volume, slicer.vtkMRMLVolumeNode.ImageDataModifiedEvent, self._on_frame)

    def _on_selection(self, parameters: Any, _event: Any) -> None:
        if self._correction is None:
            return
        if self._observed != (parameters.GetSegmentationNode(), parameters.GetSourceVolumeNode()):
            self._observe()
        self._correction.look()
        self._settle_timer.start()

    def _on_edit(self, _caller: Any, _event: Any) -> None:
        if self._correction is not None:
            self._correction.look()

    def _on_frame(self, _caller: Any, _event: Any) -> None:
        if self._correction is not None:
            # A sequence changes the image before the segmentation: look at both once the frame is complete.
            self._settle_timer.start()

    def _on_settled(self) -> None:
        if self._correction is not None:
            self._correction.look()
            self._prepare()

    def _prepare(self) -> None:
        if self._correction is not None:
            self._correction.prepare()
            self._poll_while_busy()

    def _on_mode(self, mode: Mode) -> None:
        self.scriptedEffect.setParameter("Mode", mode)
        if self._questions is not None and not self._questions.asking:
            self.say(hint(mode))

    def _on_clear(self) -> None:
        if self._correction is not None:
            self._correction.forget()
            self.say(_("Marks cleared; the outline stays."), "note")

    def _poll_while_busy(self) -> None:
        if self._questions is not None and self._questions.busy and self._poll_timer is not None:
            self._poll_timer.start()

    def _on_poll(self) -> None:
        questions = self._questions
        try:
            client = self.worker_client()
            client.poll()
            if questions is not None and questions.busy and not client.busy:
                # Somebody closed the client, and with it what was asked.
                questions.give_up(_("The analysis program was closed; mark again."))
        except BreastUSAssistError as error:
            self.say(str(error), "error")
        if questions is None or not questions.busy:
            self._poll_timer.stop()


def hint(mode: Mode) -> str:
    """What to do in a mode, one sentence."""
    return {
        "add": _("Left-click on the lesion."),
        "remove": _("Left-click on what does not belong to the lesion."),
        "box": _("Drag a box around the lesion."),
        "scribble": _("Drag over what belongs to the lesion."),
    }[mode]


def shared_worker_client() -> Any:
    """The child process of the module's panel."""
    return slicer.util.getModuleLogic("BreastUSAssist").workerClient()


def _timer(milliseconds: int, listener: Callable[[], None], *, repeated: bool = False) -> Any:
    timer = qt.QTimer()
    timer.setInterval(milliseconds)
    timer.setSingleShot(not repeated)
    timer.timeout.connect(listener)
    return timer
