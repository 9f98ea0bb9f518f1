"""The figures that were asked of the shipped models, beside what an evaluation measured."""

from collections.abc import Callable
from dataclasses import dataclass

from .evaluation_result import Estimate, Evaluation, GroupResult
from .interactive_result import InteractiveEvaluation, InteractiveGroup

_NAMES = {"busbra": "BUS-BRA", "busi": "BUSI", "breast": "BrEaST"}


@dataclass(frozen=True)
class AskedFigure:
    """One figure."""

    what: str
    asked: float
    measured: Estimate | None
    """None where the evaluation does not hold it."""
    at_most: bool = False
    """Whether less is better."""

    @property
    def reached(self) -> bool | None:
        """Whether it was reached; None where it was not measured."""
        if self.measured is None:
            return None
        return self.measured.value <= self.asked if self.at_most else self.measured.value >= self.asked


def asked_figures(evaluation: Evaluation, clicks: InteractiveEvaluation | None = None) -> list[AskedFigure]:
    """Those for the data sets that were evaluated, and for all; clicks only where their evaluation is given.

    None at all where none of the data sets that the figures are about was evaluated.
    """
    groups = {group.name: group for group in evaluation.datasets}
    if not groups.keys() & _NAMES.keys():
        return []
    overall = evaluation.overall
    figures = [
        AskedFigure(f"Dice, automatic, {_NAMES[name]}", least, group.dice.mean if group.dice else None)
        for name, least in (("busbra", 0.91), ("busi", 0.84), ("breast", 0.83))
        if (group := groups.get(name)) is not None
    ]
    any_outline = overall.normal.fraction_with_any if overall.normal else None
    figures.append(AskedFigure("normal images with a false outline", 0.10, any_outline, at_most=True))
    figures += _of_clicks(clicks.overall) if clicks is not None else []
    figures += [
        AskedFigure(f"AUC malignant, {_NAMES[name]}", least, group.malignancy.auc if group.malignancy else None)
        for name, least in (("busbra", 0.93), ("busi", 0.97), ("breast", 0.88))
        if (group := groups.get(name)) is not None
    ]
    return figures + _of_all(overall)


def asked_table(figures: list[AskedFigure]) -> str:
    """The figures as lines for a terminal."""
    width = max(len(figure.what) for figure in figures)
    lines = [f"{'asked of the shipped models':<{width}}  {'asked':<13}  measured"]
    return "\n".join([*lines, *(f"{f.what:<{width}}  {asked_words(f):<13}  {measured_words(f)}" for f in figures)])


def asked_words(figure: AskedFigure) -> str:
    """As in "0.91 or more"."""
    return f"{figure.asked:g} or {'less' if figure.at_most else 'more'}"


def measured_words(figure: AskedFigure) -> str:
    """Value with its interval, and MISSED where it was not reached."""
    if figure.measured is None:
        return "not measured"
    value, interval = figure.measured.value, figure.measured.interval
    words = f"{value:.3f}" + (f" ({interval[0]:.3f} to {interval[1]:.3f})" if interval else "")
    return words if figure.reached else f"{words} MISSED"


def _of_clicks(group: InteractiveGroup) -> list[AskedFigure]:
    """From the automatic draft, as a reader would start."""
    start = group.from_draft
    figures = [
        AskedFigure(f"Dice after {count} simulated click{'s' if count > 1 else ''}", least, start.dice.get(count))
        for count, least in ((1, 0.92), (3, 0.94), (5, 0.95))
    ]
    return figures + [
        AskedFigure(f"clicks to {float(iou):.0%} IoU, mean", most, start.clicks_to_iou.get(iou), at_most=True)
        for iou, most in (("0.85", 2.0), ("0.90", 3.5))
    ]


def _of_all(group: GroupResult) -> list[AskedFigure]:
    cancer, reader = group.malignancy, group.reader
    get: Callable[[str], Estimate | None] = lambda name: getattr(cancer, name) if cancer else None  # noqa: E731
    descriptors, category = (reader.descriptors, reader.category) if reader else (None, None)
    return [
        AskedFigure("specificity at 95 % sensitivity, all", 0.65, get("specificity_at_95_sensitivity")),
        AskedFigure("ECE after calibration, all", 0.05, get("ece"), at_most=True),
        AskedFigure("descriptors, mean kappa", 0.45, descriptors.mean_kappa if descriptors else None),
        AskedFigure("category, quadratic-weighted kappa", 0.60, category.kappa if category else None),
    ]
