"""The badge that says how large a pixel is, and the ruler for images that do not say it."""

from typing import Any

import slicer
from slicer.i18n import tr as _

from .session import Session


class CalibrationRow:
    """Shows the calibration of the session's case and sets it by a line of known length."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._line: Any = None
        self._observed = slicer.util.VTKObservationMixin()
        ui.calibrateButton.toggled.connect(self._on_toggled)
        ui.drawLineButton.clicked.connect(self._on_draw)
        ui.applyCalibrationButton.clicked.connect(self._on_apply)

    def show(self) -> None:
        """Show the calibration of the case."""
        from ..mrml.pixel_calibration import calibration_of

        case = self._session.case
        self._ui.calibrateButton.setEnabled(case is not None)
        if case is None:
            self._ui.calibrateButton.setChecked(False)
            self._ui.calibrationLabel.setText("")
            return
        calibration = calibration_of(case.source)
        sign = "✔" if calibration.known else "⚠"
        self._ui.calibrationLabel.setText(f"{sign} {calibration.words}")
        self._ui.calibrateButton.setText(_("Calibrate…") if not calibration.known else _("Change…"))

    def _on_toggled(self, on: bool) -> None:
        self._ui.calibrateFrame.setVisible(on)
        if not on:
            self._drop_line()

    def _on_draw(self, checked: bool = False) -> None:
        self._drop_line()
        line = self._session.scene.AddNewNodeByClass("vtkMRMLMarkupsLineNode", _("Ruler"))
        line.CreateDefaultDisplayNodes()
        line.SetSaveWithScene(False)
        self._line = line
        self._observed.addObserver(line, slicer.vtkMRMLMarkupsNode.PointPositionDefinedEvent, self._on_point)
        self._observed.addObserver(line, slicer.vtkMRMLMarkupsNode.PointModifiedEvent, self._on_point)
        logic = slicer.modules.markups.logic()
        logic.SetActiveList(line)
        logic.StartPlaceMode(False)
        self._session.say(_("Click both ends of a known length in the image, for example along the depth scale."))

    def _on_point(self, _caller: Any, _event: Any) -> None:
        defined = self._line is not None and self._line.GetNumberOfDefinedControlPoints() == 2
        self._ui.applyCalibrationButton.setEnabled(defined)

    def _on_apply(self, checked: bool = False) -> None:
        from ..mrml.pixel_calibration import calibrate

        case, line = self._session.case, self._line
        if case is None or line is None:
            return
        length = float(self._ui.lengthSpinBox.value)
        if self._session.change(lambda: calibrate(case.source, case.segmentation, line, length)):
            self._ui.calibrateButton.setChecked(False)
            slicer.util.setSliceViewerLayers(background=case.source.volume, fit=True)
            self._session.say(_("The size of a pixel was set; run again or edit an outline to measure in mm."))
        self.show()

    def _drop_line(self) -> None:
        self._observed.removeObservers()
        line, self._line = self._line, None
        if line is not None and line.GetScene() is not None:
            line.GetScene().RemoveNode(line)
        self._ui.applyCalibrationButton.setEnabled(False)
