"""Section 1: which image, which frame, where in the breast, how large a pixel is, and why not to trust it."""

from typing import TYPE_CHECKING, Any

from slicer.i18n import tr as _

from .calibration_row import CalibrationRow
from .clinical_form import ClinicalForm
from .session import Session

if TYPE_CHECKING:
    from ..birads.reading import Place, Side

_SIDES: "tuple[Side, ...]" = ("unknown", "right", "left")
"""In the order of the combo box's items."""
_CLOCK = tuple(hours / 2 for hours in range(2, 26))
"""Half hours from 1 to 12.5."""
_SEVERITIES = {"stop": "✖", "warn": "⚠", "note": "ℹ"}


class CaseSection:
    """Binds the fields to the session's case, both ways."""

    def __init__(self, ui: Any, session: Session) -> None:
        self._ui, self._session = ui, session
        self._filling = False
        ui.clockComboBox.addItem(_("o'clock unknown"))
        for hour in _CLOCK:
            ui.clockComboBox.addItem(_clock_words(hour))
        ui.inputSelector.setMRMLScene(session.scene)
        ui.inputSelector.currentNodeChanged.connect(self._on_input)
        ui.frameSlider.valueChanged.connect(self._on_frame)
        ui.frameSpinBox.valueChanged.connect(self._on_frame)
        ui.previousFrameButton.clicked.connect(lambda checked=False: self.step(-1))
        ui.nextFrameButton.clicked.connect(lambda checked=False: self.step(1))
        ui.sideComboBox.currentIndexChanged.connect(self._on_place)
        ui.clockComboBox.currentIndexChanged.connect(self._on_place)
        ui.distanceSpinBox.valueChanged.connect(self._on_place)
        self.clinical = ClinicalForm(ui, self._on_clinical)
        self.calibration = CalibrationRow(ui, session)
        session.case_changed.connect(self._show_case)
        session.frame_changed.connect(self._show_frame)
        session.findings_changed.connect(self._show_gates)

    def step(self, frames: int) -> None:
        """Go on or back by a number of frames; stays at the ends."""
        case = self._session.case
        if case is not None:
            last = case.source.frame_count - 1
            self._session.show_frame(min(max(self._session.frame() + frames, 0), last))

    def _show_case(self) -> None:
        case = self._session.case
        self._filling = True
        try:
            parameters = self._session.parameters
            self._ui.inputSelector.setCurrentNode(parameters.input_node if parameters is not None else None)
            count = case.source.frame_count if case is not None else 1
            ui = self._ui
            for widget in (ui.frameSlider, ui.frameSpinBox):
                widget.setMaximum(count)
            for widget in (ui.frameLabel, ui.previousFrameButton, ui.frameSlider, ui.nextFrameButton, ui.frameSpinBox):
                widget.setVisible(count > 1)
            ui.frameCountLabel.setVisible(count > 1)
            self._ui.frameCountLabel.setText(_("of {count}").format(count=count))
            self._ui.frameLabel.setText(_("Slice") if case is not None and case.source.kind == "volume" else _("Frame"))
            self._show_place(case.reading.place if case is not None else None)
            self.clinical.fill(case.reading.clinical if case is not None else None)
        finally:
            self._filling = False
        for widget in (
            self._ui.sideComboBox,
            self._ui.clockComboBox,
            self._ui.distanceSpinBox,
            self._ui.clinicalButton,
        ):
            widget.setEnabled(case is not None)
        self._show_frame()
        self._show_gates()
        self.calibration.show()

    def _show_place(self, place: "Place | None") -> None:
        clock, distance = (place.clock, place.distance_mm) if place is not None else (None, None)
        self._ui.sideComboBox.setCurrentIndex(_SIDES.index(place.side) if place is not None else 0)
        self._ui.clockComboBox.setCurrentIndex(1 + _CLOCK.index(clock) if clock in _CLOCK else 0)
        self._ui.distanceSpinBox.setValue(-1 if distance is None else round(distance))

    def _show_frame(self) -> None:
        self._filling = True
        try:
            for widget in (self._ui.frameSlider, self._ui.frameSpinBox):
                widget.setValue(self._session.frame() + 1)
        finally:
            self._filling = False

    def _show_gates(self) -> None:
        case = self._session.case
        gates = case.gates() if case is not None and not case.closed else ()
        lines = []
        # How large a pixel is has its own badge.
        for gate in (gate for gate in gates if gate.code != "no_spacing"):
            where = ""
            if gate.frames:
                which = _("Frames {frames}: ") if len(gate.frames) > 1 else _("Frame {frames}: ")
                where = which.format(frames=_ranges(gate.frames))
            lines.append(f"{_SEVERITIES[gate.severity]} {where}{gate.message}")
        self._ui.gatesLabel.setText("\n".join(lines))
        self._ui.gatesLabel.setVisible(bool(lines))

    def _on_input(self, node: Any = None) -> None:
        if not self._filling:
            self._session.choose(node)

    def _on_frame(self, number: int) -> None:
        if not self._filling:
            self._session.show_frame(int(number) - 1)

    def _on_place(self, *_args: Any) -> None:
        case = self._session.case
        if self._filling or case is None:
            return
        from ..birads.reading import Place

        clock, distance = int(self._ui.clockComboBox.currentIndex), int(self._ui.distanceSpinBox.value)
        place = Place(
            side=_SIDES[self._ui.sideComboBox.currentIndex],
            clock=None if clock == 0 else _CLOCK[clock - 1],
            distance_mm=None if distance < 0 else float(distance),
        )
        self._session.change(lambda: case.set_place(place))

    def _on_clinical(self) -> None:
        case = self._session.case
        if not self._filling and case is not None:
            self._session.change(lambda: case.set_clinical(self.clinical.parameters()))


def _clock_words(hour: float) -> str:
    whole = int(hour)
    return _("{hour}:{minutes} o'clock").format(hour=whole, minutes="30" if hour > whole else "00")


def _ranges(frames: tuple[int, ...]) -> str:
    """Frame numbers in words, as in "1-4, 7"."""
    parts: list[list[int]] = []
    for number in sorted(frames):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    shown = [str(first) if first == last else f"{first}-{last}" for first, last in parts[:6]]
    return ", ".join([*shown, "…"] if len(parts) > 6 else shown)
