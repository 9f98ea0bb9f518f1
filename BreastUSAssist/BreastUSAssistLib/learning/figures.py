"""Plots of an evaluation: calibration, ROC, Dice by data set and by subgroup. Needs matplotlib (extra `plots`).

Everything is drawn from metrics.json, so that a plot can be made again without the images. Colours are Okabe and Ito's
(jfly.uni-koeln.de/color), each with a line style or marker of its own.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import UsageError
from ..files import written_whole
from .conformal import wilson_interval
from .evaluation_result import Estimate, Evaluation, GroupResult, Malignancy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PlotFormat = Literal["png", "svg"]
_STYLES = (("#000000", "-", "o"), ("#0072B2", "--", "s"), ("#D55E00", "-.", "^"), ("#009E73", ":", "D"))
_NAMES = {"breast": "BrEaST", "busbra": "BUS-BRA", "busi": "BUSI", "all": "all"}
_MOST_SUBGROUPS = 24


def write_plots(folder: Path, evaluation: Evaluation, formats: Sequence[PlotFormat] = ("png", "svg")) -> list[Path]:
    """Write calibration, roc, dice and subgroups, as far as the evaluation has them; the paths written.

    Raises:
        UsageError: matplotlib is not installed.
        OutputError: the folder cannot be written.
    """
    drawings: dict[str, Callable[[Evaluation], Figure | None]] = {
        "calibration": calibration_figure,
        "roc": roc_figure,
        "dice": dice_figure,
        "subgroups": subgroup_figure,
    }
    written = []
    for name, draw in drawings.items():
        figure = draw(evaluation)
        if figure is None:
            continue
        for kind in formats:
            path = folder / f"{name}.{kind}"
            with written_whole(path) as beside:
                # Without a date the same evaluation gives the same file.
                figure.savefig(beside, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
            written.append(path)
    return written


def calibration_figure(evaluation: Evaluation) -> "Figure | None":
    """Share malignant against predicted probability with 95 % Wilson intervals, and how many images in each bin."""
    cancer = evaluation.overall.malignancy
    if cancer is None or not cancer.calibration:
        return None
    figure, (curve, counts) = _figure((6, 6.6), rows=2, height_ratios=(4, 1), sharex=True)
    curve.plot([0, 1], [0, 1], color="0.5", linewidth=1, label="perfect")
    bins = cancer.calibration
    shares = [one.share_malignant for one in bins]
    ends = [wilson_interval(round(one.share_malignant * one.images), one.images) for one in bins]
    bars = [[max(s - low, 0) for s, (low, _) in zip(shares, ends, strict=True)]]
    bars.append([max(high - s, 0) for s, (_, high) in zip(shares, ends, strict=True)])
    curve.errorbar(
        [one.mean_probability for one in bins],
        shares,
        yerr=bars,
        color=_STYLES[1][0],
        marker="o",
        capsize=3,
        label=f"all, ECE {_words(cancer.ece)}",
    )
    curve.set(ylabel="share malignant", xlim=(0, 1), ylim=(-0.02, 1.02), title=_title("Calibration", cancer))
    curve.legend(loc="upper left")
    width = bins[0].high - bins[0].low
    counts.bar([one.low for one in bins], [one.images for one in bins], width, align="edge", color="0.6", edgecolor="w")
    counts.set(xlabel="predicted probability of malignant", ylabel="images")
    return figure


def roc_figure(evaluation: Evaluation) -> "Figure | None":
    """ROC curve of each data set and of all."""
    curves = [(group, group.malignancy) for group in _groups(evaluation) if group.malignancy and group.malignancy.roc]
    overall = evaluation.overall.malignancy
    if not curves or overall is None:
        return None
    figure, axes = _figure((6, 6))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    for (group, cancer), (colour, line, _) in zip(curves, _cycle(len(curves)), strict=True):
        label = f"{_name(group)}, n = {cancer.benign + cancer.malignant}, AUC {_words(cancer.auc)}"
        axes.plot(*zip(*cancer.roc, strict=True), color=colour, linestyle=line, linewidth=1.8, label=label)
    axes.set(
        xlabel="1 - specificity",
        ylabel="sensitivity",
        xlim=(-0.01, 1.01),
        ylim=(-0.01, 1.01),
        aspect="equal",
        title=_title("Malignant against benign", overall),
    )
    axes.legend(loc="lower right", fontsize=8)
    return figure


def dice_figure(evaluation: Evaluation) -> "Figure | None":
    """How the Dice of the images with lesions is spread, as a histogram of each data set."""
    groups = [g for g in (evaluation.datasets or (evaluation.overall,)) if g.dice is not None and g.dice_histogram]
    if not groups:
        return None
    figure, axes = _figure((7, 2.0 * len(groups) + 0.9), rows=len(groups), sharex=True)
    panels = axes if len(groups) > 1 else [axes]
    for panel, group in zip(panels, groups, strict=True):
        assert group.dice is not None
        bins, total = group.dice_histogram, sum(group.dice_histogram)
        edges = [index / len(bins) for index in range(len(bins))]
        panel.bar(edges, [100 * n / total for n in bins], 1 / len(bins), align="edge", color="#56B4E9", edgecolor="w")
        mean, median = group.dice.mean.value, group.dice.median.value
        panel.axvline(mean, color="#D55E00", linestyle="--", label=f"mean {mean:.3f}")
        panel.axvline(median, color="#000000", linestyle="-", label=f"median {median:.3f}")
        low = group.dice_below_half or 0
        panel.set(ylabel="% of images", xlim=(0, 1))
        panel.set_title(f"{_name(group)}, n = {total} images with lesions, {low} below 0.5", fontsize=10)
        panel.legend(loc="upper left", fontsize=8)
    panels[-1].set_xlabel("Dice of the automatic outline")
    figure.suptitle("Automatic outlines against the truth")
    return figure


def subgroup_figure(evaluation: Evaluation) -> "Figure | None":
    """Mean Dice and AUC of each subgroup with its 95 % interval."""
    lines = [
        (f"{column}: {group.name}", group)
        for column, groups in evaluation.subgroups.items()
        for group in groups
        if group.dice is not None
    ][:_MOST_SUBGROUPS]
    if not lines:
        return None
    figure, (dice, auc) = _figure((11, 0.34 * len(lines) + 1.4), columns=2, sharey=True)
    for place, (_, group) in enumerate(lines):
        assert group.dice is not None
        _point(dice, place, group.dice.mean, _STYLES[1])
        _point(auc, place, group.malignancy.auc if group.malignancy else None, _STYLES[2])
    dice.set_yticks(range(len(lines)), [f"{name}, n = {group.images}" for name, group in lines], fontsize=8)
    dice.invert_yaxis()
    dice.set(xlim=(0, 1.02), xlabel="Dice, mean")
    auc.set(xlim=(0, 1.02), xlabel="AUC, malignant against benign")
    figure.suptitle(f"Subgroups of {evaluation.overall.images} images, with 95 % intervals")
    return figure


def _point(axes: "Axes", place: int, estimate: Estimate | None, style: tuple[str, str, str]) -> None:
    if estimate is None:
        return
    colour, _, marker = style
    low, high = estimate.interval or (estimate.value, estimate.value)
    axes.plot([low, high], [place, place], color=colour, linewidth=1.5)
    axes.plot(estimate.value, place, color=colour, marker=marker, markersize=6)


def _figure(size: tuple[float, float], *, rows: int = 1, columns: int = 1, **options: Any) -> tuple["Figure", Any]:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("Plots need matplotlib; run `pip install 'breastusassist[plots]'`.") from error
    # A Figure of its own, without pyplot, opens no window and leaves no global state.
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, **options)
    for one in figure.axes:
        one.grid(color="0.9", linewidth=0.6)
        one.set_axisbelow(True)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _groups(evaluation: Evaluation) -> list[GroupResult]:
    several = len(evaluation.datasets) > 1
    return [evaluation.overall, *(evaluation.datasets if several else ())]


def _cycle(count: int) -> list[tuple[str, str, str]]:
    return [_STYLES[index % len(_STYLES)] for index in range(count)]


def _name(group: GroupResult) -> str:
    return _NAMES.get(group.name, group.name)


def _title(words: str, cancer: Malignancy) -> str:
    return f"{words}, n = {cancer.benign + cancer.malignant} ({cancer.benign} benign, {cancer.malignant} malignant)"


def _words(estimate: Estimate | None) -> str:
    if estimate is None:
        return "not defined"
    if estimate.interval is None:
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} ({estimate.interval[0]:.3f}-{estimate.interval[1]:.3f})"
