"""An evaluation as a table for the terminal."""

from collections import Counter

from .evaluation_result import Distribution, Estimate, Evaluation, GroupResult, ReaderResult

_UNKNOWN = "–"


def metrics_table(evaluation: Evaluation) -> str:
    """Results per data set and over all, one column each, for a terminal of fixed-width letters."""
    groups = [*evaluation.datasets, evaluation.overall] if len(evaluation.datasets) > 1 else [evaluation.overall]
    lines = [["", *(group.name for group in groups)]]
    labels = [label for label, _ in _column(groups[0])]
    columns = [[cell for _, cell in _column(group)] for group in groups]
    lines += [[label, *cells] for label, *cells in zip(labels, *columns, strict=True)]
    text = [_aligned(lines)]
    for name, parts in evaluation.subgroups.items():
        text.append(_aligned([_subgroup_header(name), *(_subgroup_line(part) for part in parts)]))
    text.append(_footnote(evaluation))
    return "\n\n".join(text) + "\n"


def _column(group: GroupResult) -> list[tuple[str, str]]:
    found, normal, cancer = group.detection, group.normal, group.malignancy
    return [
        ("images", str(group.images)),
        ("patients", _UNKNOWN if group.patients is None else str(group.patients)),
        ("Dice, mean", _mean(group.dice)),
        ("Dice, median", _median(group.dice)),
        ("images of Dice below 0.5", _UNKNOWN if group.dice is None else str(group.dice_below_half)),
        ("Dice of matched lesions", _mean(group.lesion_dice)),
        ("IoU, mean", _mean(group.iou)),
        ("IoU, median", _median(group.iou)),
        ("HD95 px, mean", _mean(group.hd95_px, 1)),
        ("HD95 mm, mean", _mean(group.hd95_mm, 2)),
        ("no outline at all", _UNKNOWN if group.dice is None else str(group.images_without_outline)),
        ("lesions found (IoU 0.5)", _UNKNOWN if found is None else f"{found.found} of {found.lesions}"),
        ("lesion sensitivity", _estimate(found.sensitivity if found else None)),
        ("normal images", _UNKNOWN if normal is None else str(normal.images)),
        ("false outlines an image", _estimate(normal.false_outlines_per_image if normal else None)),
        ("normal images with any", _estimate(normal.fraction_with_any if normal else None)),
        ("benign, malignant", _UNKNOWN if cancer is None else f"{cancer.benign}, {cancer.malignant}"),
        ("AUC", _estimate(cancer.auc if cancer else None)),
        ("sensitivity at 90 % spec.", _estimate(cancer.sensitivity_at_90_specificity if cancer else None)),
        ("specificity at 95 % sens.", _estimate(cancer.specificity_at_95_sensitivity if cancer else None)),
        ("ECE (15 bins)", _estimate(cancer.ece if cancer else None)),
        ("Brier", _estimate(cancer.brier if cancer else None)),
        *(_reader_rows(group) if group.reader or group.reader_on_truth else []),
        ("time ms, median (95th)", f"{group.time.median_ms:.0f} ({group.time.p95_ms:.0f})"),
    ]


def _reader_rows(group: GroupResult) -> list[tuple[str, str]]:
    outline = group.outline_malignancy
    rows = [("AUC, outline network", _estimate(outline.auc if outline else None))]
    for words, reader in (("", group.reader), (", true outline", group.reader_on_truth)):
        if words:
            cancer = reader.malignancy if reader else None
            rows.append((f"AUC{words}", _estimate(cancer.auc if cancer else None)))
        rows += [(f"{label}{words}", cell) for label, cell in reader_cells(reader)]
    return rows


def reader_cells(reader: ReaderResult | None) -> list[tuple[str, str]]:
    """What a lesion reader says beside malignancy: label and value."""
    descriptors, category, letters, coverage = (
        (reader.descriptors, reader.category, reader.category_with_letters, reader.coverage)
        if reader is not None
        else (None, None, None, None)
    )
    return [
        ("descriptors, mean kappa", _estimate(descriptors.mean_kappa if descriptors else None)),
        ("category kappa (2 3 4 5)", _estimate(category.kappa if category else None)),
        ("category kappa (4A 4B 4C)", _estimate(letters.kappa if letters else None)),
        ("category set covers", _estimate(coverage.covered if coverage else None)),
        ("categories a set", f"{coverage.mean_size:.2f}" if coverage else _UNKNOWN),
    ]


def _subgroup_header(name: str) -> list[str]:
    return [name, "images", "Dice, mean", "below 0.5", "lesion sensitivity", "AUC", "ECE"]


def _subgroup_line(group: GroupResult) -> list[str]:
    found, cancer = group.detection, group.malignancy
    return [
        group.name,
        str(group.images),
        _mean(group.dice),
        _UNKNOWN if group.dice is None else str(group.dice_below_half),
        _estimate(found.sensitivity if found else None),
        _estimate(cancer.auc if cancer else None),
        _estimate(cancer.ece if cancer else None),
    ]


def _footnote(evaluation: Evaluation) -> str:
    lines = [
        f"Brackets: 95 % bootstrap intervals, {evaluation.replicates} replicates, patients resampled (images where the "
        "patient is unknown).",
        f"{evaluation.selected} of {evaluation.rows} rows chosen"
        + ("" if evaluation.folds is None else f", folds {', '.join(map(str, evaluation.folds))}")
        + ("" if evaluation.limit is None else f", at most {evaluation.limit}")
        + ".",
    ]
    missing = Counter(row.scores_missing for row in evaluation.left_out)
    if missing["all"]:
        lines.append(f"{_rows(missing['all'])} left out; the reasons are in the JSON file.")
    if missing["masks"]:
        lines.append(f"{_rows(missing['masks'])} without a score of the masks; the reasons are in the JSON file.")
    if missing["descriptors"]:
        lines.append(f"{_rows(missing['descriptors'])} without descriptors; the reasons are in the JSON file.")
    return "\n".join(lines)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _aligned(lines: list[list[str]]) -> str:
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    rows = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    rows.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(rows)


def _mean(distribution: Distribution | None, digits: int = 3) -> str:
    return _estimate(distribution.mean if distribution else None, digits)


def _median(distribution: Distribution | None, digits: int = 3) -> str:
    return _estimate(distribution.median if distribution else None, digits)


def _estimate(estimate: Estimate | None, digits: int = 3) -> str:
    if estimate is None:
        return _UNKNOWN
    value = f"{estimate.value:.{digits}f}"
    if estimate.interval is None:
        return value
    low, high = estimate.interval
    return f"{value} [{low:.{digits}f}, {high:.{digits}f}]"
