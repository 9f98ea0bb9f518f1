"""What the cells of the findings table say: the reader's value first, the AI's below it where they differ."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from ..birads.lesion import Descriptor, Lesion
    from ..birads.lexicon import Lexicon
    from ..birads.reading_view import EffectiveLesion

FIRST = ("shape", "orientation", "margin", "echo_pattern", "posterior_features", "echogenic_rim", "calcifications")
"""Attributes that are described; the lexicon's others, which a reader alone can give, come after them."""
OWN_COLUMNS = ("number", "probability", "category", "size")
"""Before one column for each attribute of the lexicon."""
CHANGED = "✎"
"""Stands beside what the reader changed, so that bold type is not the only sign."""


@dataclass(frozen=True)
class Cell:
    """One cell of the table."""

    text: str
    tip: str = ""
    changed: bool = False


def columns_of(lexicon: "Lexicon") -> tuple[str, ...]:
    """Names of the columns: our own, the attributes that the AI describes, then the lexicon's others."""
    described = [name for name in FIRST if name in lexicon.attributes]
    return (*OWN_COLUMNS, *described, *(name for name in lexicon.attributes if name not in FIRST))


def headers(lexicon: "Lexicon") -> list[str]:
    """Titles of `columns_of`."""
    own = {
        "number": _("No."),
        "probability": _("Malignant"),
        "category": _("Suggested"),
        "size": _("Size"),
    }
    return [own.get(column) or lexicon.attributes[column].label for column in columns_of(lexicon)]


def cell(lesion: "EffectiveLesion", column: str) -> Cell:
    """What a cell of a lesion's row says; of one that was not described see undescribed_cells."""
    if column == "number":
        return Cell(str(lesion.number), _("Lesion {number}").format(number=lesion.number))
    assert lesion.current is not None
    if column == "probability":
        return _probability(lesion.current)
    if column == "category":
        return _category(lesion)
    if column == "size":
        return _size(lesion.current)
    return _term(lesion, column)


def reasons(lesion: "EffectiveLesion") -> str:
    """Why the category is suggested, a sentence a line; both views together first."""
    if lesion.current is None:
        return ""
    joint = lesion.joint.assessment if lesion.joint is not None else None
    lines: list[str] = []
    if joint is not None:
        category = joint.category or _("none")
        lines += [_("Both views together: {category}.").format(category=category), *joint.reasons]
        lines.append(_("This view alone:"))
    return "\n".join([*lines, *lesion.current.assessment.reasons])


def _probability(lesion: "Lesion") -> Cell:
    assessed = lesion.assessment
    if assessed.probability_malignant is None:
        return Cell("–", _("No model gave a probability."))
    text = percent(assessed.probability_malignant)
    if assessed.interval is not None:
        low, high = map(percent, assessed.interval)
        text += "\n" + _("{low} to {high}").format(low=low, high=high)
    return Cell(text, _("Probability of malignancy with its 95 % interval; calibrated on public data sets."))


def _category(lesion: "EffectiveLesion") -> Cell:
    assert lesion.current is not None
    assessed = lesion.current.assessment
    lines = [assessed.category or _("not assessed")]
    if lesion.ai is not None and lesion.ai.assessment.category != assessed.category:
        lines.append(_("AI: {category}").format(category=lesion.ai.assessment.category or "–"))
    if lesion.joint is not None:
        lines.append(_("both views: {category}").format(category=lesion.joint.assessment.category or "–"))
    if lesion.category is not None:
        lines.append(_("{sign} you: {category}").format(sign=CHANGED, category=lesion.category))
    if not lesion.present:
        lines = [_("not a lesion")]
    return Cell("\n".join(lines), _("A suggestion; you decide."), lesion.category is not None)


def _size(lesion: "Lesion") -> Cell:
    long, across = lesion.measurements.longest_axis, lesion.measurements.perpendicular_axis
    if long.mm is not None and across.mm is not None:
        axes, unit = [long.mm, across.mm], "mm"
    else:
        axes, unit = [long.px, across.px], "px"
    volume = lesion.volume_axes
    third = volume.across_slices if volume is not None else None
    if third is not None and unit == "mm" and third.mm is not None:
        axes.append(third.mm)
    text = " × ".join(f"{axis:.1f}" if unit == "mm" else f"{axis:.0f}" for axis in axes)
    tip = _("Longest axis and the one at right angles to it, in frame {frame}.").format(frame=lesion.key_frame)
    if unit == "px":
        tip += " " + _("In pixels: the size of a pixel is not known; calibrate in section 1.")
    return Cell(f"{text} {unit}", tip)


def _term(lesion: "EffectiveLesion", attribute: str) -> Cell:
    now, drafted = _descriptor(lesion.current, attribute), _descriptor(lesion.ai, attribute)
    text = shortened(now.label) if now is not None else "–"
    if attribute not in lesion.changed:
        because = now.because if now is not None else _("no term was found")
        return Cell(text, _("AI: {because}. Double-click to change.").format(because=because.rstrip(".")))
    was = drafted.label if drafted is not None else _("no term")
    tip = _("You chose this; the AI said {term}.").format(term=was)
    return Cell(f"{CHANGED} {text}\n" + _("AI: {term}").format(term=shortened(was)), tip, True)


def shortened(label: str) -> str:
    """The last part of a term that names its parent too: "Not circumscribed - angular" is "Angular"."""
    last = label.rsplit(" - ", 1)[-1]
    return last[:1].upper() + last[1:]


def _descriptor(lesion: "Lesion | None", attribute: str) -> "Descriptor | None":
    described = lesion.descriptors if lesion is not None else ()
    return next((one for one in described if one.attribute == attribute), None)


def percent(share: float) -> str:
    """In whole percent, never 0 or 100."""
    if share < 0.005:
        return "<1 %"
    return f"{100 * share:.0f} %" if share <= 0.995 else ">99 %"
