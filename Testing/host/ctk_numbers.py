# ruff: noqa: N801, N802, N815 - the names are those of Qt and CTK
"""Stand-ins of the CTK widgets that show a number or a range. Import after `install_qt`."""

from PySide6.QtCore import Property, Qt, Signal
from PySide6.QtWidgets import QDoubleSpinBox, QGridLayout, QHBoxLayout, QSlider, QWidget


class _Number(QWidget):
    """What the number widgets share: a double spin box, told about and asked as one."""

    valueChanged = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spin = QDoubleSpinBox(self)
        self._spin.setKeyboardTracking(False)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.addWidget(self._spin)
        self._spin.valueChanged.connect(self.valueChanged)
        self.setFocusProxy(self._spin)

    def setValue(self, value: float) -> None:
        self._spin.setValue(value)

    def setMinimum(self, value: float) -> None:
        self._spin.setMinimum(value)

    def setMaximum(self, value: float) -> None:
        self._spin.setMaximum(value)

    def setRange(self, minimum: float, maximum: float) -> None:
        self.setMinimum(minimum)
        self.setMaximum(maximum)

    def setSingleStep(self, step: float) -> None:
        self._spin.setSingleStep(step)

    def setDecimals(self, decimals: int) -> None:
        self._spin.setDecimals(decimals)

    def setSuffix(self, suffix: str) -> None:
        self._spin.setSuffix(suffix)

    def setPrefix(self, prefix: str) -> None:
        self._spin.setPrefix(prefix)

    value = Property(float, lambda self: self._spin.value, setValue)
    minimum = Property(float, lambda self: self._spin.minimum, setMinimum)
    maximum = Property(float, lambda self: self._spin.maximum, setMaximum)
    singleStep = Property(float, lambda self: self._spin.singleStep, setSingleStep)
    decimals = Property(int, lambda self: self._spin.decimals, setDecimals)
    suffix = Property(str, lambda self: self._spin.suffix, setSuffix)
    prefix = Property(str, lambda self: self._spin.prefix, setPrefix)


class ctkDoubleSpinBox(_Number):
    """A double spin box with CTK's name."""


class ctkSliderWidget(_Number):
    """A slider and a spin box that show one number."""

    valueChanging = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._spin.setRange(0.0, 99.0)
        self._slider = QSlider(Qt.Orientation.Horizontal, self)
        self._layout.insertWidget(0, self._slider, 1)
        self._scale()
        self._slider.valueChanged.connect(lambda at: self._spin.setValue(self._spin.minimum + at * self._step()))
        self._spin.valueChanged.connect(self._follow)

    def _step(self) -> float:
        return float(self._spin.singleStep) or 1.0

    def _scale(self) -> None:
        self._slider.setRange(0, min(round((self._spin.maximum - self._spin.minimum) / self._step()), 2**31 - 1))

    def _follow(self, value: float) -> None:
        blocked = self._slider.blockSignals(True)
        self._slider.setValue(round((value - self._spin.minimum) / self._step()))
        self._slider.blockSignals(blocked)

    def setMinimum(self, value: float) -> None:
        super().setMinimum(value)
        self._scale()

    def setMaximum(self, value: float) -> None:
        super().setMaximum(value)
        self._scale()

    def setSingleStep(self, step: float) -> None:
        super().setSingleStep(step)
        self._scale()

    minimum = Property(float, lambda self: self._spin.minimum, setMinimum)
    maximum = Property(float, lambda self: self._spin.maximum, setMaximum)
    singleStep = Property(float, lambda self: self._spin.singleStep, setSingleStep)


class ctkRangeWidget(QWidget):
    """Two numbers, the lower never above the upper."""

    valuesChanged = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = QDoubleSpinBox(self), QDoubleSpinBox(self)
        layout = QGridLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        for column, box in enumerate((self._low, self._high)):
            box.setRange(0.0, 99.0)
            layout.addWidget(box, 0, column)
            box.valueChanged.connect(lambda _: self.valuesChanged.emit(self._low.value, self._high.value))

    def setRange(self, minimum: float, maximum: float) -> None:
        for box in (self._low, self._high):
            box.setRange(minimum, maximum)

    def setValues(self, low: float, high: float) -> None:
        self._high.setValue(max(low, high))
        self._low.setValue(min(low, high))

    minimumValue = Property(float, lambda self: self._low.value, lambda self, value: self._low.setValue(value))
    maximumValue = Property(float, lambda self: self._high.value, lambda self, value: self._high.setValue(value))
    minimum = Property(float, lambda self: self._low.minimum, lambda self, value: self._low.setMinimum(value))
    maximum = Property(float, lambda self: self._high.maximum, lambda self, value: self._high.setMaximum(value))
