"""The figures part of a model card, in Markdown, from metrics.json (and clicks.json), so that none is typed by hand.

python -m BreastUSAssistLib.learning.model_card metrics.json [--clicks clicks.json] [--out FILE]
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError

from ..errors import BreastUSAssistError, InputError
from ..files import write_text
from .asked_figures import asked_figures, asked_words, measured_words
from .evaluation_result import CategoryAgreement, Distribution, Estimate, Evaluation, GroupResult, Malignancy
from .interactive_result import InteractiveEvaluation
from .metrics_file import read_metrics

_UNKNOWN = "–"
_NAMES = {"breast": "BrEaST", "busbra": "BUS-BRA", "busi": "BUSI"}
_COLUMNS = {
    "device": "device",
    "pathology": "pathology",
    "size": "longest axis (images of known spacing)",
    "area": "area (images without spacing)",
    "birads": "BI-RADS category of the data set",
    "age": "age in years",
}


def figures_of_card(evaluation: Evaluation, clicks: InteractiveEvaluation | None = None) -> str:
    """All figures as Markdown sections; a section without data is left out."""
    sections = [
        ("", _provenance(evaluation)),
        ("Asked and reached", _asked(evaluation, clicks)),
        ("Outlines", _outlines(evaluation)),
        ("Malignancy", _malignancy(evaluation)),
        ("Calibration", _calibration(evaluation)),
        ("Descriptors", _descriptors(evaluation)),
        ("Category", _category(evaluation)),
        ("Category sets", _coverage(evaluation)),
        ("Clicks", _clicks(clicks) if clicks is not None else ""),
        ("Subgroups", _subgroups(evaluation)),
        ("Where it fails", _failures(evaluation)),
    ]
    parts = [f"### {heading}\n\n{text}" if heading else text for heading, text in sections if text]
    return "\n\n".join(parts) + "\n"


def _provenance(evaluation: Evaluation) -> str:
    rows = f"{evaluation.overall.images} of {evaluation.selected} chosen images"
    folds = "all folds" if evaluation.folds is None else f"fold {', '.join(map(str, evaluation.folds))}"
    limit = "" if evaluation.limit is None else f", at most {evaluation.limit} drawn at random"
    models = [f"{m.name} {m.version} ({m.backend}, {m.precision}, {m.device}; SHA-256 {m.sha256[:12]}…)"
              for m in (evaluation.model, evaluation.reader) if m is not None]  # fmt: skip
    by = f" Models: {'; '.join(models)}." if models else ""
    return (
        f"Measured on {rows} ({folds}{limit}). Brackets are 95 % bootstrap intervals ({evaluation.replicates} "
        f"replicates, patients resampled, images where the patient is unknown).{by}"
    )


def _asked(evaluation: Evaluation, clicks: InteractiveEvaluation | None) -> str:
    lines = [[f.what, asked_words(f), measured_words(f)] for f in asked_figures(evaluation, clicks)]
    return _table(["what", "asked", "measured"], lines) if lines else ""


def _outlines(evaluation: Evaluation) -> str:
    def rate(group: GroupResult) -> str:
        return _estimate(group.normal.fraction_with_any) if group.normal else _UNKNOWN

    def found(group: GroupResult) -> str:
        return f"{group.detection.found} of {group.detection.lesions}" if group.detection else _UNKNOWN

    def false(group: GroupResult) -> str:
        return f"{group.detection.false_outlines} of {group.detection.outlines}" if group.detection else _UNKNOWN

    return _by_dataset(
        evaluation,
        {
            "images (patients)": lambda g: f"{g.images} ({_count(g.patients)})",
            "Dice, mean": lambda g: _mean(g.dice),
            "Dice, median": lambda g: _estimate(g.dice.median) if g.dice else _UNKNOWN,
            "Dice below 0.5, images": lambda g: _count(g.dice_below_half) if g.dice else _UNKNOWN,
            "Dice of matched lesions": lambda g: _mean(g.lesion_dice),
            "IoU, mean": lambda g: _mean(g.iou),
            "HD95, px, mean": lambda g: _mean(g.hd95_px, 1),
            "HD95, mm, mean": lambda g: _mean(g.hd95_mm, 2),
            "lesions found at IoU 0.5": found,
            "false outlines among all outlines": false,
            "normal images": lambda g: _count(g.normal.images if g.normal else None),
            "of these with a false outline": rate,
            "time an image, ms, median": lambda g: f"{g.time.median_ms:.0f}",
        },
    )


def _malignancy(evaluation: Evaluation) -> str:
    """As shown to a user, and where there is a reader also by the outline network alone and on true outlines."""
    measures: dict[str, Callable[[Malignancy], Estimate | None]] = {
        "AUC": lambda m: m.auc,
        "sensitivity at 90 % specificity": lambda m: m.sensitivity_at_90_specificity,
        "specificity at 95 % sensitivity": lambda m: m.specificity_at_95_sensitivity,
        "ECE, 15 bins": lambda m: m.ece,
        "Brier": lambda m: m.brier,
    }
    sources: dict[str, Callable[[GroupResult], Malignancy | None]] = {"": lambda g: g.malignancy}
    if evaluation.reader is not None or evaluation.overall.reader is not None:
        sources[", true outlines"] = lambda g: g.reader_on_truth.malignancy if g.reader_on_truth else None
        sources[", outline network alone"] = lambda g: g.outline_malignancy
    if evaluation.overall.malignancy is None:
        return ""
    lines: dict[str, Callable[[GroupResult], str]] = {
        "benign, malignant": lambda g: f"{g.malignancy.benign}, {g.malignancy.malignant}" if g.malignancy else _UNKNOWN
    }
    for words, source in sources.items():
        for name, measure in measures.items():
            lines[f"{name}{words}"] = lambda g, s=source, m=measure: (  # type: ignore[misc]
                _estimate(m(found)) if (found := s(g)) is not None else _UNKNOWN
            )
    return _by_dataset(evaluation, lines)


def _calibration(evaluation: Evaluation) -> str:
    cancer = evaluation.overall.malignancy
    if cancer is None or not cancer.calibration:
        return ""
    lines = [
        [f"{b.low:.2f}–{b.high:.2f}", str(b.images), f"{b.mean_probability:.3f}", f"{b.share_malignant:.3f}"]
        for b in cancer.calibration
    ]
    return _table(["probability", "images", "mean", "share malignant"], lines)


def _descriptors(evaluation: Evaluation) -> str:
    automatic, true = evaluation.overall.reader, evaluation.overall.reader_on_truth
    first = automatic.descriptors if automatic else None
    second = true.descriptors if true else None
    if first is None and second is None:
        return ""
    by_name = {term.descriptor: [term, None] for term in (first.terms if first else ())}
    for term in second.terms if second else ():
        by_name.setdefault(term.descriptor, [None, None])[1] = term
    lines = []
    for name, (one, other) in by_name.items():
        told = one or other
        assert told is not None
        kappas = [_estimate(term.kappa) if term else _UNKNOWN for term in (one, other)]
        lines.append([name, str(told.lesions), *kappas, f"{told.accuracy:.3f}", f"{told.majority:.3f}"])
    means = [_estimate(part.mean_kappa) if part else _UNKNOWN for part in (first, second)]
    lines.append(["**mean of the attributes**", str((first or second).lesions), *means, "", ""])  # type: ignore[union-attr]
    head = ["descriptor", "lesions", "kappa", "kappa, true outlines", "accuracy", "always the commonest"]
    note = (
        "The margin counts in the mean with the mean of its terms. A kappa that is not defined, because one term alone "
        "occurs, takes no part."
    )
    return f"{_table(head, lines)}\n\n{note}"


def _category(evaluation: Evaluation) -> str:
    groups = [*evaluation.datasets, evaluation.overall]
    lines = []
    for group in groups:
        for scale, get in (("2 3 4 5", "category"), ("2 3 4A 4B 4C 5", "category_with_letters")):
            pair = [getattr(reader, get) if reader else None for reader in (group.reader, group.reader_on_truth)]
            told: CategoryAgreement | None = pair[0] or pair[1]
            if told is not None:
                kappas = [_estimate(one.kappa) if one else _UNKNOWN for one in pair]
                shares = [f"{told.accuracy:.3f}", f"{told.within_one:.3f}"]
                lines.append([_name(group), scale, str(told.lesions), *kappas, *shares])
    if not lines:
        return ""
    head = ["data set", "levels", "lesions", "kappa", "kappa, true outlines", "exact", "at most one level off"]
    note = "Quadratic-weighted kappa. A plain 4, as BUS-BRA gives it, holds 4A, 4B and 4C."
    text = f"{_table(head, lines)}\n\n{note}"
    table = evaluation.overall.reader.category if evaluation.overall.reader else None
    if table is None:
        return text
    rows = [[f"given {level}", *map(str, row)] for level, row in zip(table.levels, table.table, strict=True)]
    return f"{text}\n\n{_table(['', *(f'predicted {level}' for level in table.levels)], rows)}"


def _coverage(evaluation: Evaluation) -> str:
    groups = [("all", evaluation.overall), *((_name(group), group) for group in evaluation.datasets)]
    groups += [(f"{column} {g.name}", g) for column, parts in evaluation.subgroups.items() for g in parts]
    lines = []
    for name, group in groups:
        coverage = group.reader.coverage if group.reader else None
        if coverage is not None:
            lines.append([name, str(coverage.lesions), _estimate(coverage.covered), f"{coverage.mean_size:.2f}"])
    return _table(["subgroup", "lesions", "covered", "categories a set"], lines) if lines else ""


def _clicks(clicks: InteractiveEvaluation) -> str:
    groups = [*clicks.datasets, clicks.overall] if len(clicks.datasets) > 1 else [clicks.overall]
    head = ["", *(_NAMES.get(group.name, group.name) for group in groups)]
    lines = [["lesions", *(str(group.lesions) for group in groups)]]
    for words, get in (("from the draft", "from_draft"), ("from nothing", "from_nothing")):
        starts = [getattr(group, get) for group in groups]
        lines += [
            [f"Dice after {count} clicks, {words}", *(_estimate(start.dice[count]) for start in starts)]
            for count in starts[0].dice
        ]
        lines += [
            [f"clicks to IoU {iou}, {words}", *(_estimate(start.clicks_to_iou[iou], 2) for start in starts)]
            for iou in starts[0].clicks_to_iou
        ]
        lines += [
            [f"never IoU {iou}, {words}", *(str(start.failures[iou]) for start in starts)] for iou in starts[0].failures
        ]
    lines.append(["Dice from a box", *(_estimate(group.box_dice) for group in groups)])
    lines.append(["Dice from a scribble", *(_estimate(group.scribble_dice) for group in groups)])
    return f"{_table(head, lines)}\n\nAt most {clicks.most_clicks} clicks a lesion."


def _subgroups(evaluation: Evaluation) -> str:
    tables = []
    for column, groups in evaluation.subgroups.items():
        head = [_COLUMNS.get(column, column), "images", "Dice, mean", "AUC", "specificity at 95 % sensitivity", "ECE"]
        lines = []
        for group in groups:
            cancer = group.malignancy
            measures = (cancer.auc, cancer.specificity_at_95_sensitivity, cancer.ece) if cancer else (None,) * 3
            lines.append([group.name, str(group.images), _mean(group.dice), *map(_estimate, measures)])
        tables.append(_table(head, lines))
    return "\n\n".join(tables)


def _failures(evaluation: Evaluation) -> str:
    """Counts in place of pictures, which may not be given away: the groups with the largest share of failures first."""
    groups = [("all", evaluation.overall), *(("data set", group) for group in evaluation.datasets)]
    groups += [(column, group) for column, parts in evaluation.subgroups.items() for group in parts]
    lines = []
    for column, group in groups:
        if group.dice is None or group.dice_below_half is None or group.detection is None:
            continue
        share = group.dice_below_half / group.dice.images
        name = _name(group) if column == "all" else f"{column} {_name(group)}"
        failed = f"{group.dice_below_half} of {group.dice.images}"
        missed = str(group.images_without_outline)
        false = f"{group.detection.false_outlines} of {group.detection.outlines}"
        lines.append((column != "all", -share, [name, failed, f"{share:.1%}", missed, false]))
    if not lines:
        return ""
    head = ["group", "Dice below 0.5", "share", "nothing outlined", "outlines that match no lesion"]
    return _table(head, [cells for _, _, cells in sorted(lines, key=lambda line: line[:2])])


def _by_dataset(evaluation: Evaluation, lines: dict[str, Callable[[GroupResult], str]]) -> str:
    groups = [*evaluation.datasets, evaluation.overall] if len(evaluation.datasets) > 1 else [evaluation.overall]
    rows = [[label, *(get(group) for group in groups)] for label, get in lines.items()]
    return _table(["", *map(_name, groups)], [row for row in rows if any(cell != _UNKNOWN for cell in row[1:])])


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [[cell.replace("|", "\\|") for cell in line] for line in (head, ["---"] * len(head), *lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


def _name(group: GroupResult) -> str:
    return _NAMES.get(group.name, group.name)


def _mean(distribution: Distribution | None, digits: int = 3) -> str:
    return _estimate(distribution.mean, digits) if distribution else _UNKNOWN


def _count(value: int | None) -> str:
    return _UNKNOWN if value is None else str(value)


def _estimate(estimate: Estimate | None, digits: int = 3) -> str:
    if estimate is None:
        return _UNKNOWN
    value = f"{estimate.value:.{digits}f}"
    if estimate.interval is None:
        return value
    low, high = estimate.interval
    # After a minus a dash would read as another one.
    between = " to " if low < 0 else "–"
    return f"{value} ({low:.{digits}f}{between}{high:.{digits}f})"


def read_clicks(path: Path) -> InteractiveEvaluation:
    """Read a clicks.json of learning.interactive_evaluation. Raises InputError when it is none."""
    try:
        return InteractiveEvaluation.model_validate_json(Path(path).read_bytes())
    except (OSError, ValidationError) as error:
        raise InputError(f"{path} is no evaluation of clicks that this version reads; evaluate them again.") from error


def main(arguments: Sequence[str] | None = None) -> int:
    """Print or write the figures; 0 done, 3 when a file cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m BreastUSAssistLib.learning.model_card", description=__doc__)
    parser.add_argument("metrics", type=Path, help="metrics.json of `breastusassist evaluate`")
    parser.add_argument("--clicks", type=Path, help="clicks.json of learning.interactive_evaluation")
    parser.add_argument("--out", type=Path, help="file to write (default: standard output)")
    chosen = parser.parse_args(arguments)
    try:
        clicks = read_clicks(chosen.clicks) if chosen.clicks else None
        text = figures_of_card(read_metrics(chosen.metrics), clicks)
        if chosen.out:
            write_text(chosen.out, text)
        else:
            sys.stdout.write(text)
    except BreastUSAssistError as error:
        sys.stderr.write(f"{error}\n")
        return 3
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
