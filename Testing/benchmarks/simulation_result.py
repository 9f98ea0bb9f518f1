"""Figures of a label simulation: as JSON, as a table and as a plot."""

from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev

from BreastUSAssistLib.birads.lesion import Record
from BreastUSAssistLib.files import write_text

STYLES = {"random": ("#0072B2", "-", "o"), "most-uncertain": ("#D55E00", "--", "s")}
"""Colour (Okabe and Ito), line and marker."""


class RoundResult(Record):
    """One model, scored after one round."""

    strategy: str
    seed: int
    number: int
    labels: int
    dice: float | None
    """Mean on the test part of the left-out set."""
    gain: float | None
    """Over the model before any label, paired."""
    interval: tuple[float, float] | None
    auc: float | None
    clicks: float
    """Mean a lesion of the test part until the IoU is 0.85, from the model's own draft."""
    old_dice: float | None
    old_gain: float | None
    old_auc: float | None
    offered: bool | None
    """Whether the promotion rule offered it; None before any label."""
    refused: tuple[str, ...]
    seconds: float
    """Of fine-tuning and judging."""
    test_images: int
    old_images: int

    @property
    def words(self) -> str:
        """One line for the log."""
        judged = "offered" if self.offered else " ".join(self.refused)
        return (
            f"{self.strategy} seed {self.seed}, {self.labels} labels: Dice {_told(self.dice)} "
            f"({_told(self.gain, '+')}), AUC {_told(self.auc)}, {self.clicks:.2f} clicks; "
            f"old {_told(self.old_gain, '+')}, AUC {_told(self.old_auc)}; {self.seconds:.0f} s; {judged}"
        )


class Simulation(Record):
    """All rounds that were run."""

    left_out: str
    base: str
    """SHA-256 of the model before any label."""
    rounds: tuple[RoundResult, ...]


def read_simulation(path: Path) -> Simulation | None:
    """Rounds of an earlier run; None without one."""
    return Simulation.model_validate_json(path.read_text("utf-8")) if path.is_file() else None


def write_simulation(path: Path, simulation: Simulation) -> None:
    """Keep the rounds."""
    write_text(path, simulation.model_dump_json(indent=1) + "\n")


def table(simulation: Simulation) -> str:
    """Markdown: mean over the seeds, and what the seeds spread by, for each strategy and number of labels."""
    lines = [
        "| labels | cases chosen | seeds | Dice new | gain new | AUC new | clicks to IoU 0.85 | Dice old | change old "
        "| offered |",
        "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for strategy, labels, rounds in _groups(simulation):
        offered = "" if labels == 0 else f"{sum(bool(one.offered) for one in rounds)} of {len(rounds)}"
        lines.append(
            f"| {labels} | {strategy} | {len(rounds)} | {_mean(rounds, 'dice')} | {_mean(rounds, 'gain', '+')} | "
            f"{_mean(rounds, 'auc')} | {_mean(rounds, 'clicks', digits=2)} | {_mean(rounds, 'old_dice')} | "
            f"{_mean(rounds, 'old_gain', '+', 4)} | {offered} |"
        )
    return "\n".join(lines)


def write_plot(folder: Path, simulation: Simulation) -> Path:
    """Dice, AUC and clicks on the new style and the change on the old sets, against labels; one thin line a seed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6.4), layout="constrained")
    places: list[tuple[str, str, Callable[[RoundResult], float | None]]] = [
        ("Dice, new hospital", "higher is better", lambda one: one.dice),
        ("AUC of malignancy, new hospital", "higher is better", lambda one: one.auc),
        ("Clicks a lesion to IoU 0.85", "lower is better", lambda one: one.clicks),
        ("Change of Dice, old sets", "allowed loss 0.005", lambda one: one.old_gain),
    ]
    for axes, (title, hint, value) in zip(figure.subplots(2, 2).flat, places, strict=True):
        for strategy in sorted({one.strategy for one in simulation.rounds}, reverse=True):
            colour, line, marker = STYLES[strategy]
            own = [one for one in simulation.rounds if one.strategy == strategy]
            for seed in sorted({one.seed for one in own}):
                points = sorted((one.labels, value(one)) for one in own if one.seed == seed)
                axes.plot(*zip(*points, strict=True), color=colour, linewidth=0.7, alpha=0.45)
            counts = sorted({one.labels for one in own})
            means = [fmean(value(one) or 0.0 for one in own if one.labels == count) for count in counts]
            axes.plot(counts, means, color=colour, linestyle=line, marker=marker, linewidth=2, label=strategy)
        if "old" in title:
            axes.axhline(-0.005, color="0.4", linewidth=1, linestyle=":")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(f"labels   ({hint})", fontsize=9)
        axes.grid(color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].legend(frameon=False, fontsize=9)
    path = folder / "label-simulation.svg"
    figure.savefig(path, metadata={"Date": None})
    figure.savefig(path.with_suffix(".png"), dpi=120)
    return path


def _groups(simulation: Simulation) -> list[tuple[str, int, list[RoundResult]]]:
    keys = sorted(
        {(one.labels, one.strategy) for one in simulation.rounds}, key=lambda key: (key[0], key[1] != "random")
    )
    return [
        (strategy, labels, [one for one in simulation.rounds if (one.labels, one.strategy) == (labels, strategy)])
        for labels, strategy in keys
    ]


def _mean(rounds: list[RoundResult], name: str, sign: str = "", digits: int = 3) -> str:
    values = [value for one in rounds if (value := getattr(one, name)) is not None]
    if not values:
        return ""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):{sign}.{digits}f}{spread}"


def _told(value: float | None, sign: str = "") -> str:
    return "unknown" if value is None else f"{value:{sign}.4f}"
