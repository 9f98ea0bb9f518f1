"""Fields for what is known of the patient. Nothing entered here is ever logged."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..birads.clinical import ClinicalParameters

_QUESTIONS = (
    "palpable",
    "skin_changes",
    "nipple_retraction",
    "nipple_discharge",
    "breast_scar",
    "breast_injury",
    "personal_history",
    "family_history",
    "hormone_therapy",
)
"""Fields of ClinicalParameters that are yes or no, as the .ui has a combo box for each."""
_ANSWERS: tuple[bool | None, ...] = (None, False, True)
"""In the order of the combo boxes' items: unknown, no, yes."""


class ClinicalForm:
    """Reads and fills the combo boxes and spin boxes of the section `About the patient`."""

    def __init__(self, ui: Any, changed: Any) -> None:
        self._age = ui.ageSpinBox
        self._prevalence = ui.prevalenceSpinBox
        self._answers = {name: getattr(ui, _widget(name)) for name in _QUESTIONS}
        self._changed = changed
        self._filling = False
        self._age.valueChanged.connect(self._tell)
        for combo in self._answers.values():
            combo.currentIndexChanged.connect(self._tell)

    def parameters(self) -> "ClinicalParameters | None":
        """What was entered; None where nothing was."""
        from ..birads.clinical import ClinicalParameters

        given: dict[str, Any] = {name: _ANSWERS[combo.currentIndex] for name, combo in self._answers.items()}
        age = int(self._age.value)
        entered = ClinicalParameters(age_years=None if age < 0 else age, **given)
        return entered if entered.known else None

    def prevalence(self) -> float | None:
        """Share of malignant among the lesions of the site, 0..1; None where not given."""
        percent = float(self._prevalence.value)
        return percent / 100 if percent > 0 else None

    def fill(self, parameters: "ClinicalParameters | None") -> None:
        """Show what is known of another case's patient."""
        age = parameters.age_years if parameters is not None else None
        self._filling = True
        try:
            self._age.setValue(-1 if age is None else age)
            for name, combo in self._answers.items():
                combo.setCurrentIndex(_ANSWERS.index(getattr(parameters, name, None)))
        finally:
            self._filling = False

    def _tell(self, *_: Any) -> None:
        if not self._filling:
            self._changed()


def _widget(parameter: str) -> str:
    """Name of the combo box of a parameter: skin_changes -> skinChangesComboBox."""
    first, *rest = parameter.split("_")
    return first + "".join(part.title() for part in rest) + "ComboBox"
