"""Sections of a report about the case as a whole: header, source, checks, summary, how it was made, limits."""

from ..birads.analysis import Analysis, AnalysisSettings, Gate, ModelUsed
from ..birads.assessment import entered
from ..birads.lesion import Assessment
from ..birads.reading_view import NO_MODEL
from .report_pictures import line_style
from .report_text import (
    SEVERITIES,
    calibration,
    chance,
    edition_title,
    gate_frames,
    length,
    named,
    number,
    percent,
    plural,
    safe,
    term,
    unbroken,
)

_FILES_SHOWN = 8
_KINDS = {"still": "Still image", "cine": "Cine clip", "volume": "Volume"}
_ICONS = {
    "stop": '<path d="M7 2h10l5 5v10l-5 5H7l-5-5V7z"/><path class="in" d="M8 8l8 8M16 8l-8 8"/>',
    "warn": '<path d="M12 2.5L22.5 21h-21z"/><path class="in" d="M12 9v6M12 17.6v.9"/>',
    "note": '<circle cx="12" cy="12" r="10"/><path class="in" d="M12 11v6M12 7v.9"/>',
    "ok": '<circle cx="12" cy="12" r="10"/><path class="in" d="M7 12.5l3.5 3.5 6.5-7.5"/>',
}
_SHARE_MALIGNANT = (
    "About a third of the lesions in the training sets were malignant; in screening well under one in a hundred women "
    "has cancer. Where cancer is rarer than in those sets, the estimate is too high."
)
LIMITS = (
    "Research software, not a medical device. It has no regulatory clearance and must not guide care.",
    "Everything here is a draft made without a reader. The outline can miss a lesion, join two, or follow a shadow, "
    "rib, fat lobule or measuring mark.",
    "It sees the frames it was given, clinical parameters if some were entered, and nothing else: no history, "
    "examination, mammogram, earlier study, Doppler or elastography.",
    _SHARE_MALIGNANT,
    "The training images come from a few sites and scanners. On other equipment, presets or populations it can be "
    "wrong without a sign of it.",
    "Descriptors follow from measures and thresholds, or from a network, as is stated beside each of them; a reader "
    "may see otherwise.",
    "An interval says how well the training patients fix the share of malignant lesions among those with this score. "
    "It does not cover another scanner or population, nor what the one lesion is.",
    "Lengths are in millimetres only where the file or the user gives the pixel size; nothing is assumed.",
)
_LIMITS_READ = {
    LIMITS[1]: "Outlines, terms and suggested categories are a draft of the AI except where they are marked as the "
    "reader's. An outline can miss a lesion, join two, or follow a shadow, rib, fat lobule or measuring mark.",
    LIMITS[5]: "Descriptors follow from measures and thresholds, from a network, or from the reader, as is stated "
    "beside each of them; another reader may see otherwise.",
}
"""What the limits say in place of two of them once a reader has had the case."""
CITATIONS = (
    "Gómez-Flores W, Gregorio-Calas MJ, Coelho de Albuquerque Pereira W. BUS-BRA: a breast ultrasound dataset for "
    "assessing computer-aided diagnosis systems. Medical Physics, 2024.",
    "Al-Dhabyani W, Gomaa M, Khaled H, Fahmy A. Dataset of breast ultrasound images. Data in Brief 28:104863, 2020.",
    "Pawłowska A, et al. Curated benchmark dataset for ultrasound based breast lesion analysis (BrEaST-Lesions-USG). "
    "Scientific Data, 2024.",
    "BI-RADS is a registered trademark of the American College of Radiology, which has neither made nor endorsed this "
    "software.",
)


def icon(kind: str) -> str:
    """Small drawing for stop, warn, note or ok; the word beside it says the same."""
    return f'<svg class="icon {kind}" viewBox="0 0 24 24" aria-hidden="true">{_ICONS[kind]}</svg>'


def header(analysis: Analysis, own: str | None = None, decision: str = "Nothing has been checked by a reader.") -> str:
    """Case name and the one-line answer.

    Args:
        analysis: of the case.
        own: HTML on the reader's own categories, None without a reading.
        decision: HTML sentence on who decided what.
    """
    source = analysis.source
    eyebrow = "Draft analysis of a breast ultrasound" + ("" if own is None else ", with what its reader said")
    return (
        f'<header class="case"><p class="eyebrow">{eyebrow}</p>'
        f"<h1><bdi>{safe(analysis.case)}</bdi></h1>"
        f'<p class="lead">{_answer(analysis, own, decision)}</p>'
        '<dl class="facts">'
        + fact("Kind", f"{_KINDS[source.kind]}, {plural(source.frame_count, 'frame')}")
        + fact("Calibration", safe(calibration(source.spacing)))
        + fact("Made", safe(analysis.created))
        + fact("Frame size", f"{source.columns} × {source.rows} px" + _slices(analysis))
        + fact(f"{plural(len(source.files), 'file')} ({safe(source.format)})", _files(source.files), wide=True)
        + "</dl></header>"
    )


def checks(analysis: Analysis) -> str:
    """Input gates in words."""
    if analysis.gates:
        items = "".join(_gate(gate, analysis) for gate in analysis.gates)
    elif analysis.model == NO_MODEL:
        items = (
            f'<li class="gate note">{icon("note")}<div><strong>Not checked</strong>'
            "<p>The images were not analyzed, so nothing is known of their fitness for reading.</p></div></li>"
        )
    else:
        items = (
            f'<li class="gate ok">{icon("ok")}<div><strong>Nothing found</strong>'
            "<p>No check of the input raised a concern. That does not prove that the image is fit for reading.</p>"
            "</div></li>"
        )
    return (
        '<section aria-labelledby="checks"><h2 id="checks">Checks of the input</h2>'
        f'<ul class="gates">{items}</ul></section>'
    )


def summary(analysis: Analysis, as_read: bool = False) -> str:
    """Table of all lesions, `as_read` by a reader or drafts; nothing for fewer than two."""
    if len(analysis.lesions) < 2:
        return ""
    rows = []
    for lesion in analysis.lesions:
        size = f"{length(lesion.measurements.longest_axis)} × {length(lesion.measurements.perpendicular_axis)}"
        words = ", ".join(safe(named(descriptor)) for descriptor in lesion.descriptors) or "–"
        rows.append(
            f'<tr><th scope="row"><a href="#lesion-{lesion.number}">{swatch(lesion.number)} Lesion {lesion.number}'
            "</a></th>"
            f'<td>{lesion.key_frame}</td><td class="number">{size}</td><td>{words}</td>'
            f"<td>{safe(lesion.assessment.category or 'none')}</td>"
            f"<td>{unbroken(lesion.assessment.likelihood or '–')}</td>"
            f'<td class="number">{risk_words(lesion.assessment)}</td></tr>'
        )
    return (
        '<section aria-labelledby="summary"><h2 id="summary">At a glance</h2><div class="scroll"><table>'
        f"<caption>All lesions of this case, {'as the reader left them' if as_read else 'drafts'}</caption><thead><tr>"
        '<th scope="col">Lesion</th><th scope="col">Key frame</th><th scope="col">Longest × across</th>'
        '<th scope="col">Descriptors</th><th scope="col">Suggested category</th>'
        '<th scope="col">Likelihood of cancer</th><th scope="col">Probability</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div></section>"
    )


def nothing_outlined(analysis: Analysis, pictures: str, why: str = "") -> str:
    """What it means, and does not mean, that no lesion was outlined; `pictures` is HTML of what was looked at.

    `why` is HTML on what the reader did to every lesion, where there were any.
    """
    read = _frames_read(analysis)
    if why:
        reason = why
    elif analysis.model == NO_MODEL:
        reason = "<p>No network has looked at this case, and no outline was drawn.</p>"
    elif read == 0:
        subject = "image was" if analysis.source.frame_count == 1 else "frames were"
        reason = f"<p>The {subject} not read, because a check of the input stopped that (see above).</p>"
    else:
        reason = f"<p>The network drew no outline in {_looked_at(analysis, read)}.{_class_words(analysis)}</p>"
    return (
        '<section class="none" aria-labelledby="none"><h2 id="none">No lesion outlined</h2>'
        f"{reason}<p><strong>This does not mean that there is none.</strong> Small, isoechoic or partly imaged lesions "
        "are missed, and only these frames were looked at. No category is suggested.</p>"
        f"{pictures}</section>"
    )


def provenance(analysis: Analysis) -> str:
    """Model, versions, hash, timings."""
    timings = "; ".join(f"{safe(term(step))} {number(spent, 0)} ms" for step, spent in analysis.timings_ms.items())
    return (
        '<section aria-labelledby="made"><h2 id="made">How this was made</h2><dl class="facts made">'
        + "".join(_model(role, model) for role, model in _roles(analysis))
        + fact("Software", safe(analysis.software))
        + fact("Lexicon edition", safe(f"{edition_title(analysis.lexicon)}, {analysis.lexicon}"))
        + fact("Status", safe(analysis.status))
        + fact("Time", timings or "not recorded", wide=True)
        + "".join(_weights(role, model) for role, model in _roles(analysis))
        + fact("Settings", _settings(analysis.settings))
        + fact("Format", f"analysis.json {safe(analysis.schema_version)}")
        + "</dl></section>"
    )


def limits(as_read: bool = False) -> str:
    """What a reader has to know before using any of it; `as_read` where it holds what a reader said."""
    known = [_LIMITS_READ.get(limit, limit) if as_read else limit for limit in LIMITS]
    items = "".join(f"<li>{safe(limit)}</li>" for limit in known)
    return f'<section aria-labelledby="limits"><h2 id="limits">Limits</h2><ul class="prose">{items}</ul></section>'


def citations() -> str:
    """Sources of the training images, and the trademark."""
    items = "".join(f"<li>{safe(citation)}</li>" for citation in CITATIONS)
    return (
        '<section aria-labelledby="sources"><h2 id="sources">Sources</h2>'
        "<p>The models that ship with this software learned from these public sets of images, which ask to be "
        "cited.</p>"
        f'<ul class="prose">{items}</ul></section>'
    )


def swatch(lesion: int) -> str:
    """Sample of the line in which a lesion is outlined."""
    style = line_style(lesion)
    dashes = f' stroke-dasharray="{" ".join(f"{d:g}" for d in style.dashes)}"' if style.dashes else ""
    return (
        '<svg class="swatch" viewBox="0 0 40 16" aria-hidden="true"><rect width="40" height="16" rx="3"/>'
        f'<line x1="4" x2="36" y1="8" y2="8" stroke="{style.colour}" stroke-width="2.5"{dashes}/></svg>'
    )


def training_share() -> str:
    """How common cancer was where the network learned, and why that matters."""
    return safe(_SHARE_MALIGNANT)


def risk_words(assessment: Assessment) -> str:
    """Probability with its interval, for a table."""
    if assessment.probability_malignant is None:
        return "–"
    words = chance(assessment.probability_malignant)
    if assessment.interval is not None:
        words += f" ({chance(assessment.interval[0])} to {chance(assessment.interval[1])})"
    return words


def _answer(analysis: Analysis, own: str | None, decision: str) -> str:
    if not analysis.lesions:
        words = "No lesion outlined, which does not mean that there is none."
        return words if own is None else f"{words} {decision}"
    count = plural(len(analysis.lesions), "lesion")
    categories = ", ".join(safe(lesion.assessment.category or "none") for lesion in analysis.lesions)
    word = "category" if len(analysis.lesions) == 1 else "categories"
    return f"{count} outlined. Suggested {word}: {categories}. {own or ''}{decision}"


def _roles(analysis: Analysis) -> list[tuple[str, ModelUsed]]:
    """Every model that ran, with what it did."""
    others = [model for model in analysis.models if model != analysis.model]
    if not others:
        return [("Model", analysis.model)]
    return [("Model that outlined", analysis.model), *(("Model that read the lesions", model) for model in others)]


def _model(role: str, model: ModelUsed) -> str:
    if model == NO_MODEL:
        return fact(role, "none was run")
    return fact(
        role,
        f"{safe(model.name)}, version {safe(model.version)}, "
        f"on {safe(model.backend)}, {safe(model.precision)}, {safe(model.device)}",
    )


def _weights(role: str, model: ModelUsed) -> str:
    if model == NO_MODEL:
        return ""
    name = "Weights, SHA-256" if role == "Model" else f"{role}: weights, SHA-256"
    return fact(name, f"{safe(model.sha256[:12])}… in full <code>{safe(model.sha256)}</code>", wide=True)


def _settings(settings: AnalysisSettings) -> str:
    asked = []
    if settings.prevalence is not None:
        asked.append(f"malignant at this site {entered(settings.prevalence)}")
    if settings.clinical is not None:
        asked.append("clinical parameters given")
    if settings.ignore_gates:
        asked.append("checks of the input ignored")
    return unbroken(", ".join(asked).capitalize() or "As shipped")


def _slices(analysis: Analysis) -> str:
    return f", slices {analysis.source.slice_mm:.3g} mm apart" if analysis.source.slice_mm else ""


def fact(name: str, value: str, wide: bool = False) -> str:
    """One pair of a list of facts; `value` is HTML."""
    kind = ' class="wide"' if wide else ""
    return f"<div{kind}><dt>{name}</dt><dd>{value}</dd></div>"


def _files(files: tuple[str, ...]) -> str:
    shown = ", ".join(f"<bdi>{safe(name)}</bdi>" for name in files[:_FILES_SHOWN])
    more = len(files) - _FILES_SHOWN
    return (shown or "–") + (f" and {more} more, listed in analysis.json" if more > 0 else "")


def _gate(gate: Gate, analysis: Analysis) -> str:
    where = gate_frames(gate, analysis)
    where = f' <span class="where">{where}</span>' if where else ""
    return (
        f'<li class="gate {gate.severity}">{icon(gate.severity)}<div>'
        f"<strong>{SEVERITIES[gate.severity]}</strong>{where}"
        f"<p>{safe(gate.message)}</p></div></li>"
    )


def _frames_read(analysis: Analysis) -> int:
    """Frames to which the network was applied: those with class probabilities."""
    return sum(frame.normal is not None for frame in analysis.frames)


def _looked_at(analysis: Analysis, read: int) -> str:
    frames = len(analysis.frames)
    if frames == 1:
        return "this image"
    if read == frames:
        return f"any of the {frames} frames"
    return f"the {'frame that was' if read == 1 else 'frames that were'} read ({read} of {frames})"


def _class_words(analysis: Analysis) -> str:
    known = [frame.normal for frame in analysis.frames if frame.normal is not None]
    if len(known) != 1:
        return ""
    return f" Its probability of a normal image: {percent(known[0])}, not calibrated."
