"""The part of a report about one lesion: pictures, measurements, descriptors, suggested category."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..birads.assessment import entered
from ..birads.lesion import Area, Assessment, CategoryOpinion, Length, Lesion, Measurements, VolumeAxes
from .report_descriptors import descriptor_table
from .report_pictures import KeyPicture, Spacing, cropped, encode_within, overlay_picture, surroundings
from .report_sections import swatch, training_share
from .report_text import (
    calibration,
    chance,
    edition_title,
    frame_ranges,
    number,
    plural,
    safe,
    unbroken,
)

CATEGORIES = ("3", "4A", "4B", "4C", "5")
_SHAPE_ROWS: tuple[tuple[str, str, int, str], ...] = (
    ("depth_to_width", "Depth to width", 2, "above 1: taller than wide"),
    ("axis_angle_deg", "Angle of the longest axis (°)", 0, "0: along the skin, 90: at right angles to it"),
    ("circularity", "Circularity", 2, "1: a disc"),
    ("solidity", "Solidity", 2, "1: no dents"),
    ("ellipse_fit", "Fit with an ellipse", 2, "1: an ellipse"),
    ("elongation", "Elongation", 2, "1: as long as wide"),
    ("lobulations", "Lobulations", 0, "outward bulges"),
    ("notches", "Notches", 0, "inward notches at a finer scale"),
    ("sharpest_corner_deg", "Sharpest corner (°)", 0, "18: a disc"),
    ("margin_roughness", "Roughness of the outline", 3, "0: smooth"),
    ("margin_sharpness", "Sharpness of the margin", 2, "grey step in speckle deviations"),
    ("echo_ratio", "Echo level against fat", 2, "below 1: darker"),
    ("echo_heterogeneity", "Unevenness of echoes", 2, "0: even"),
    ("posterior_ratio", "Echo level below the lesion", 2, "above 1: enhancement, below 1: shadow"),
)


@dataclass(frozen=True)
class PictureBook:
    """Encodes pictures as data URIs, each within its share of the report's size."""

    limit: int
    """Bytes a picture."""
    encode: Callable[[bytes], str]

    def figure(self, picture, alt: str, caption: str, *, lossless: bool = False) -> str:  # type: ignore[no-untyped-def]
        """One picture with its words; a lossy copy says so where an exact one was wanted."""
        content, exact = encode_within(picture, self.limit, lossless=lossless)
        if lossless and not exact:
            caption += " Compressed for this report; the file itself is unchanged."
        return (
            f'<figure><img src="{self.encode(content)}" width="{picture.width}" height="{picture.height}" '
            f'alt="{safe(alt)}"><figcaption>{safe(caption)}</figcaption></figure>'
        )


def frame_pictures(
    picture: KeyPicture, book: PictureBook, spacing: Spacing | None, single: bool, drafted: bool = True
) -> str:
    """The whole frame, untouched and outlined, side by side; `drafted`: no reader had a hand in the outlines."""
    frame = "The image" if single else f"Frame {picture.frame_number}"
    numbers = [int(n) for n in np.unique(picture.labels[picture.labels > 0])]
    whole = (0, 0, *picture.labels.shape)
    untouched = book.figure(
        cropped(picture.pixels, whole) if max(whole) < 300 else _as_is(picture),
        f"{frame}, untouched",
        f"{frame} as it came, nothing drawn on it.",
        lossless=True,
    )
    if not numbers:
        return f'<div class="pictures one">{untouched}</div>'
    named = ", ".join(str(n) for n in numbers)
    words = f"{plural(len(numbers), 'lesion').split(' ', 1)[1]} {named}"
    outlined = book.figure(
        overlay_picture(
            picture.pixels,
            picture.labels,
            spacing=spacing,
            axes=False,
            probability=picture.probability,
            levels=picture.levels,
        ),
        f"{frame} with the outline of {words}",
        f"{frame} with the {'drafted ' if drafted else ''}outline of {words}. The number stands beside the lesion."
        + _tint_words(picture),
    )
    return f'<div class="pictures">{untouched}{outlined}</div>'


def enlarged_pictures(lesion: Lesion, picture: KeyPicture, book: PictureBook) -> str:
    """The surroundings of a lesion, untouched and with outline and axes."""
    box = (
        picture.box
        if picture.box and len(picture.lesion_numbers) == 1
        else surroundings(lesion.box, picture.labels.shape)
    )
    name = f"Lesion {lesion.number}"
    untouched = book.figure(
        cropped(picture.pixels, box), f"{name} enlarged, untouched", f"{name} enlarged, nothing drawn."
    )
    outlined = book.figure(
        overlay_picture(
            picture.pixels,
            picture.labels,
            box=box,
            spacing=spacing_of(lesion),
            numbers=[lesion.number],
            probability=picture.probability,
            levels=picture.levels,
        ),
        f"{name} enlarged, with its outline, longest axis and the axis across it",
        f"{name} enlarged. Dotted: longest axis and largest extent at right angles to it." + _tint_words(picture),
    )
    return f'<div class="pictures">{untouched}{outlined}</div>'


def spacing_of(lesion: Lesion) -> Spacing | None:
    """Pixel spacing with which a lesion was measured, in mm; None where it was measured in pixels."""
    down, across = lesion.measurements.antero_posterior, lesion.measurements.transverse
    if down.mm is None or across.mm is None or min(down.px, across.px, down.mm, across.mm) <= 0:
        return None
    return down.mm / down.px, across.mm / across.px


def lesion_words(lesion: Lesion, draft: Lesion | None = None) -> str:
    """Everything said of a lesion: category first, then measurements and descriptors.

    With the AI's `draft`, its terms stand beside those that count now.
    """
    return (
        _assessment(lesion.assessment, lesion.number)
        + '<div class="columns">'
        + _measurements(lesion)
        + _shape(lesion.measurements, lesion.number)
        + "</div>"
        + _volume(lesion.volume_axes, lesion.number)
        + descriptor_table(lesion, draft)
    )


def lesion_heading(lesion: Lesion, frame_count: int, outlined: str | None = None) -> str:
    """Heading of a lesion with its line and where it was outlined; `outlined` says how in place of its origin."""
    where = (
        f"Measured in key frame {lesion.key_frame}; outlined in {plural(len(lesion.frames), 'frame')} "
        f"({frame_ranges(lesion.frames)}). "
        if frame_count > 1
        else ""
    )
    if lesion.outline_confidence is not None:
        where += f"Mean confidence inside the outline {number(lesion.outline_confidence)} of 1, not calibrated. "
    origin = (
        outlined
        or {
            "automatic": "Outline drawn by the network.",
            "semiautomatic": "Outline drawn by the network from a reader's clicks.",
            "manual": "Outline drawn by a reader.",
            "truth": "Outline given as truth.",
        }[lesion.origin]
    )
    origin += _band_words(lesion)
    heading = f'<h2 id="lesion-{lesion.number}">{swatch(lesion.number)} Lesion {lesion.number}</h2>'
    return f'{heading}<p class="where">{where}{origin}</p>'


def _tint_words(picture: KeyPicture) -> str:
    """What the tinted band of a picture is; nothing where there is none."""
    if picture.probability is None:
        return ""
    low, high = picture.levels
    sure = f"{chance(low)} to {chance(high)} sure"
    return f" Tinted: where the network is {sure} of the lesion, so that the outline may lie there."


def _band_words(lesion: Lesion) -> str:
    """How far off the outline may be, in words; nothing where that is not known."""
    half, share = lesion.outline_band_px, lesion.outline_uncertain_share
    if half is None or share is None:
        return ""
    spacing = spacing_of(lesion)
    size = f"{number(half, 1)} px" if spacing is None else f"{number(half * sum(spacing) / 2, 1)} mm"
    words = f" The band in which it may lie reaches about {size} to either side"
    return words + ("." if share < 0.01 else f", and along {chance(share)} of its length much farther.")


def _as_is(picture: KeyPicture):  # type: ignore[no-untyped-def]
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(picture.pixels)).convert("RGB")


def _assessment(assessment: Assessment, lesion: int) -> str:
    reasons = "".join(f"<li>{unbroken(reason)}</li>" for reason in assessment.reasons)
    title = f"Suggested category {safe(assessment.category)}" if assessment.category else "No category suggested"
    likelihood = (
        f"<div><dt>Likelihood of cancer in this category</dt><dd>{safe(assessment.likelihood or '–')}</dd></div>"
    )
    management = f"<div><dt>Usual management</dt><dd>{safe(assessment.management or '–')}</dd></div>"
    return (
        f'<section class="assessment" aria-labelledby="category-{lesion}"><div>'
        f'<p class="eyebrow">Draft, {safe(edition_title(assessment.edition))}</p>'
        f'<h3 id="category-{lesion}">{title}</h3><p>{safe(assessment.label)}</p>'
        f"{_ladder(assessment.category, assessment.category_opinion)}"
        f"<dl>{likelihood}{management}</dl></div>"
        f"<div>{_probability(assessment)}<h4>Why</h4><ul>{reasons or '<li>No reason stored.</li>'}</ul></div></section>"
    )


def _ladder(category: str | None, opinion: CategoryOpinion | None) -> str:
    """The categories in order: the suggested one filled, those that radiologists would give underlined."""
    likely = opinion.likely if opinion is not None else ()
    steps = []
    for step in CATEGORIES:
        kinds = [kind for kind, holds in (("chosen", step == category), ("likely", step in likely)) if holds]
        marks = (f' class="{" ".join(kinds)}"' if kinds else "") + (" aria-current=true" if "chosen" in kinds else "")
        steps.append(f"<li{marks}>{step}</li>")
    ladder = f'<ol class="ladder" aria-label="Categories from least to most suspicious">{"".join(steps)}</ol>'
    if opinion is None or not likely or opinion.level is None:
        return ladder
    given = f"category {safe(likely[0])}" + (f" to {safe(likely[-1])}" if len(likely) > 1 else "")
    share = f"{given} in {chance(opinion.level)} of cases"
    if not set(likely) & set(CATEGORIES):
        return f'{ladder}<p class="small">Radiologists give lesions that look like this {share}.</p>'
    return (
        f'{ladder}<p class="small">Underlined: what radiologists give lesions that look like this, {share}; '
        f"the middle of it is {safe(opinion.likeliest)}.</p>"
    )


def _probability(assessment: Assessment) -> str:
    value = assessment.probability_malignant
    if value is None:
        return "<h4>Probability of malignancy</h4><p>None given.</p>"
    words, band = "", ""
    if assessment.interval is not None:
        low, high = (min(max(end, 0.0), 1.0) for end in assessment.interval)
        words = f" (95 % interval {_between((low, high))})"
        band = f'<rect class="band" x="{low * 300:.1f}" y="8" width="{max((high - low) * 300, 1):.1f}" height="8"/>'
    kind = "calibrated" if assessment.probability_calibrated else "not calibrated"
    meaning = (
        "Calibrated on held-out patients of the training sets."
        if assessment.probability_calibrated
        else "Not calibrated: a score to rank by, not a chance."
    )
    return (
        f'<h4>Probability of malignancy <span class="badge">{kind}</span></h4>'
        f'<p class="figure-number">{chance(value)}<span>{words}</span></p>'
        '<svg class="gauge" viewBox="-6 0 312 24" aria-hidden="true">'
        '<rect class="track" x="0" y="8" width="300" height="8" rx="4"/>'
        f'{band}<path class="mark" d="M{value * 300:.1f} 2v20"/></svg>'
        f"{_steps(assessment)}"
        f'<p class="small">{meaning} {_share_words(assessment)}</p>'
    )


def _steps(assessment: Assessment) -> str:
    """Image alone and image with clinical parameters side by side, before and after the shift to the site."""
    image, combined, prevalence = assessment.image_probability, assessment.combined_probability, assessment.prevalence
    if image is None or (combined is None and prevalence is None):
        return ""
    boxes = [("Image alone", image, assessment.image_interval, prevalence.image_probability if prevalence else None)]
    if combined is not None:
        shifted = prevalence.combined_probability if prevalence else None
        boxes.append(("Image and clinical parameters", combined, assessment.combined_interval, shifted))
    shown = "".join(
        f"<div><dt>{name}</dt><dd><strong>{chance(value)}</strong>"
        + (f' <span class="small">{_between(interval)}</span>' if interval is not None else "")
        + (f"<br>at this site <strong>{chance(shifted)}</strong>" if shifted is not None else "")
        + "</dd></div>"
        for name, value, interval, shifted in boxes
    )
    return f'<dl class="steps">{shown}</dl>'


def _between(interval: tuple[float, float]) -> str:
    low, high = (chance(end) for end in interval)
    return low if low == high else f"{low} to {high}"


def _share_words(assessment: Assessment) -> str:
    """How common cancer is taken to be."""
    prevalence = assessment.prevalence
    if prevalence is None:
        return training_share()
    return (
        f"The suggestion counts on {unbroken(entered(prevalence.site))} of the lesions at this site being malignant, "
        f"as was entered; {chance(prevalence.training)} were in the training sets."
    )


def _measurements(lesion: Lesion) -> str:
    m = lesion.measurements
    rows: list[tuple[str, Length | Area]] = [
        ("Longest axis", m.longest_axis),
        ("Across it, at right angles", m.perpendicular_axis),
        ("Antero-posterior (vertical)", m.antero_posterior),
        ("Transverse (horizontal)", m.transverse),
        ("Depth from the skin side", m.depth),
        ("Area", m.area),
    ]
    known = any(_metric(value) is not None for _, value in rows)
    head = '<th scope="col">mm</th>' if known else ""
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + (
            f'<td class="number">{number(_metric(value), 1)}{" mm²" if isinstance(value, Area) else ""}</td>'
            if known
            else ""
        )
        + f'<td class="number">{number(value.px, 0 if isinstance(value, Area) else 1)}</td></tr>'
        for name, value in rows
    )
    note = "" if known else f'<p class="small">{calibration(None)}.</p>'
    return (
        f'<div><div class="scroll"><table><caption>Measurements of lesion {lesion.number}</caption><thead><tr>'
        f'<th scope="col">Measure</th>{head}<th scope="col">px</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>{note}</div>"
    )


def _volume(axes: VolumeAxes | None, lesion: int) -> str:
    """Table of the three axes and the volume; nothing where the source is no volume."""
    if axes is None:
        return ""
    across = axes.across_slices
    plane = f"in slice {axes.axis_frame}"
    in_plane = (("Longest axis", axes.longest_axis), ("Across it, at right angles", axes.perpendicular_axis))
    rows = [(name, number(length.mm, 1), f"{number(length.px, 1)} px", plane) for name, length in in_plane]
    slices = "from the first to the last that shows it"
    rows.append(("Across the slices", number(across.mm, 1), plural(across.slices, "slice"), slices))
    known = axes.volume_ml is not None
    millilitres = f"{number(axes.volume_ml, 2 if (axes.volume_ml or 0) >= 0.1 else 3)} ml"
    rows.append(("Volume", millilitres, plural(axes.voxels, "voxel"), "counted, not taken for an ellipsoid"))
    body = "".join(
        f'<tr><th scope="row">{name}</th>'
        + (f'<td class="number">{metric}</td>' if known else "")
        + f'<td class="number">{pixels}</td><td>{meaning}</td></tr>'
        for name, metric, pixels, meaning in rows
    )
    metric_head = '<th scope="col">mm</th>' if known else ""
    note = "" if known else '<p class="small">Pixel size or distance between slices is not known: no millimetres.</p>'
    return (
        f'<div class="scroll"><table><caption>Lesion {lesion} in three dimensions</caption><thead><tr>'
        f'<th scope="col">Measure</th>{metric_head}'
        '<th scope="col">px, slices</th><th scope="col">Where</th>'
        f"</tr></thead><tbody>{body}</tbody></table></div>{note}"
    )


def _metric(value: Length | Area) -> float | None:
    return value.mm2 if isinstance(value, Area) else value.mm


def _shape(measurements: Measurements, lesion: int) -> str:
    rows = []
    for key, name, digits, meaning in _SHAPE_ROWS:
        value = getattr(measurements, key, None)
        if value is not None:
            rows.append(
                f'<tr><th scope="row">{name}</th><td class="number">{number(value, digits)}</td><td>{meaning}</td></tr>'
            )
    return (
        f'<div class="scroll"><table><caption>Shape and grey levels of lesion {lesion}</caption><thead><tr>'
        '<th scope="col">Measure</th><th scope="col">Value</th><th scope="col">Meaning</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
