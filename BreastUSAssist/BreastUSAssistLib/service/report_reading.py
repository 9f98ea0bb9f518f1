"""What the reader said, in the words of a report: decision, place, own categories, notes, both views together."""

from collections.abc import Sequence
from datetime import datetime

from ..birads.analysis import Analysis
from ..birads.lesion import Assessment, Lesion
from ..birads.paired_views import JointAssessment
from ..birads.read_case import ReadCase, is_touched
from ..birads.reading import LesionReading, Place, Reading
from .report_sections import fact, icon, risk_words, swatch
from .report_text import frame_ranges, plural, safe, term, unbroken

_TOOLS = {
    "click": "clicks",
    "box": "a box",
    "scribble": "scribbles",
    "segment_editor": "Segment Editor",
    "restored": "the draft put back",
}
_DECISIONS = {"accepted": ("ok", "Accepted"), "rejected": ("warn", "Rejected"), "open": ("note", "Not decided")}
_NOBODY = "a reader who is not named"


def decision_words(reading: Reading) -> str:
    """One sentence on who decided what and when, as HTML."""
    title = _DECISIONS[reading.decision][1]
    return f"{title}{':' if reading.decision == 'open' else ''} {_decided_how(reading)}"


def own_categories(analysis: Analysis, read: ReadCase) -> str:
    """The reader's categories of the lesions of an analysis, in their order; nothing where there is none."""
    own = [read.lesion(lesion) for lesion in analysis.lesions]
    given = [one.category if one is not None else None for one in own]
    if not any(given):
        return ""
    word = "category" if len(given) == 1 else "categories"
    return f"The reader's {word}: {', '.join(safe(category or 'none') for category in given)}. "


def reading_section(analysis: Analysis, read: ReadCase) -> str:
    """Who read the case, what was decided, where the breast was scanned, and every lesion of the reading."""
    reading = read.reading
    kind, title = _DECISIONS[reading.decision]
    facts = [fact("Reader", _name(reading) or "not named"), fact("Place", safe(place_words(reading.place)))]
    if reading.reason:
        facts.append(fact("Why it was rejected", f'<span class="note-text">{safe(reading.reason)}</span>', wide=True))
    return (
        '<section class="reading" aria-labelledby="reading"><h2 id="reading">What the reader said</h2>'
        f'<ul class="gates"><li class="gate {kind}">{icon(kind)}<div><strong>{title}</strong>'
        f"<p>{_capital(_decided_how(reading))}</p></div></li></ul>"
        f'<dl class="facts">{"".join(facts)}</dl>{_table(analysis, read)}</section>'
    )


def lesion_block(lesion: Lesion, analysis: Analysis, read: ReadCase) -> str:
    """The reader's category, changes and note of a lesion, and both views together where it is tied."""
    own = read.lesion(lesion)
    if own is None:
        return ""
    number = lesion.number
    title = f"Reader's category {safe(own.category)}" if own.category else "No category given by the reader"
    changes = _changes(own, analysis, read)
    listed = f"<h4>Changed by the reader</h4><ul>{_items(changes)}</ul>" if changes else ""
    note = f'<h4>Note</h4><p class="note-text">{safe(own.note)}</p>' if own.note.strip() else ""
    return (
        f'<section class="own" aria-labelledby="own-{number}"><h3 id="own-{number}">{title}</h3>'
        f"<p>{_suggested(lesion, read)}</p>{listed}{note}{_both_views(lesion, own, analysis, read)}</section>"
    )


def outline_words(own: LesionReading | None, single: bool) -> str | None:
    """How the outline came to be, where the reader had a hand in it; None where it is the draft's."""
    if own is None:
        return None
    tools = [_TOOLS[tool] for tool in own.tools if tool in _TOOLS]
    using = f", with {_listed(tools)}" if tools else ""
    if own.run is None:
        return f"Outline drawn by the reader{using}."
    if not own.edited_frames:
        return None
    return f"Outline drawn by the network and corrected by the reader{_in_frames(own, single)}{using}."


def nothing_left(analysis: Analysis, read: ReadCase) -> str:
    """Why the reader's result shows no lesion, as HTML; nothing where no lesion was ever drawn."""
    removed = [one.number for one in read.reading.lesions if not one.present]
    left_out = [one.number for one in read.reading.lesions if one.present]
    words = []
    if removed:
        words.append(
            f"The reader says that {_lesions(removed)} is none."
            if len(removed) == 1
            else f"The reader says that {_lesions(removed)} are none."
        )
    if left_out:
        words.append(f"Not shown, because without an outline or not measured: {_lesions(left_out)}.")
    return f"<p>{' '.join(words)}</p>" if words else ""


def decision_box(read: ReadCase | None) -> str:
    """Box of the printed report: to be filled in by hand as long as nobody decided."""
    category = name = date = ""
    if read is not None and read.reading.decision != "open":
        reading = read.reading
        given = [f"{one.number}: {safe(one.category)}" for one in reading.lesions if one.present and one.category]
        category, name = "; ".join(given), _name(reading)
        date = f"{_moment(reading)}, {reading.decision}"
    return (
        '<section class="decision" aria-labelledby="decision">\n'
        '<h2 id="decision">Reader\'s decision</h2>\n'
        f"<dl><div><dt>Category</dt><dd>{category}</dd></div><div><dt>Name</dt><dd>{name}</dd></div>"
        f"<div><dt>Date</dt><dd>{date}</dd></div></dl>\n"
        "</section>"
    )


def place_words(place: Place) -> str:
    """As in "right breast, 10:30 o'clock, 35 mm from the nipple"."""
    words = [] if place.side == "unknown" else [f"{place.side} breast"]
    if place.clock is not None:
        hours, minutes = divmod(round(place.clock * 60), 60)
        words.append(f"{hours}:{minutes:02d} o'clock" if minutes else f"{hours} o'clock")
    if place.distance_mm is not None:
        words.append(f"{place.distance_mm:g} mm from the nipple")
    return ", ".join(words).capitalize() if words else "not entered"


def _decided_how(reading: Reading) -> str:
    """What follows on the word of a decision."""
    if reading.decision != "open":
        return f"by {_reader(reading)}{_when(reading)}."
    if is_touched(reading):
        return f"{_reader(reading)} made changes, and has neither accepted nor rejected the result."
    return "nothing has been checked by a reader."


def _table(analysis: Analysis, read: ReadCase) -> str:
    """Every lesion of the reading, also those that are none and those that were not measured."""
    shown = {lesion.tracking_uid: lesion for lesion in analysis.lesions}
    rows = []
    for own in sorted(read.reading.lesions, key=lambda one: (not one.present, one.number)):
        lesion = shown.get(own.tracking_uid)
        name = f"{swatch(own.number)} Lesion {own.number}"
        changes = _changes(own, analysis, read)
        rows.append(
            f'<tr><th scope="row">{f"""<a href="#lesion-{own.number}">{name}</a>""" if lesion else name}</th>'
            f"<td>{safe(own.category or '–') if own.present else 'no lesion'}</td>"
            f"<td>{_now_and_then(own, lesion, read)}</td>"
            f"<td>{_capital('; '.join(changes)) or 'Nothing'}</td>"
            f'<td class="note-text">{safe(own.note) or "–"}</td></tr>'
        )
    if not rows:
        return ""
    return (
        '<div class="scroll"><table><caption>Every lesion, as the reader left it</caption><thead><tr>'
        '<th scope="col">Lesion</th><th scope="col">Reader\'s category</th><th scope="col">AI suggests</th>'
        '<th scope="col">Changed by the reader</th><th scope="col">Note</th>'
        f"</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _now_and_then(own: LesionReading, lesion: Lesion | None, read: ReadCase) -> str:
    """The suggestion as it stands, and the draft's where the reader's changes moved it."""
    draft = read.draft(own.tracking_uid)
    drafted = _category(draft) if draft is not None else ""
    if lesion is None:
        return f"{drafted} (draft)" if drafted else "not measured"
    now = _category(lesion)
    return f"{now} (draft:\u00a0{drafted})" if drafted and drafted != now else now


def _suggested(lesion: Lesion, read: ReadCase) -> str:
    """The AI's category beside the reader's."""
    draft, category = read.draft(lesion.tracking_uid), lesion.assessment.category
    words = f"The AI suggests category {safe(category)}" if category else "The AI suggests no category"
    if draft is not None and draft.assessment.category != category:
        before = draft.assessment.category
        words += "; before the reader's changes it suggested " + (f"category {safe(before)}" if before else "none")
    return f"{words}."


def _changes(own: LesionReading, analysis: Analysis, read: ReadCase) -> list[str]:
    """What the reader changed about a lesion, as escaped phrases."""
    lesion = next((one for one in analysis.lesions if one.tracking_uid == own.tracking_uid), None)
    labels = {one.attribute: one.label for one in lesion.descriptors} if lesion else {}
    draft = read.draft(own.tracking_uid)
    drafted = {one.attribute: one.label for one in draft.descriptors} if draft else {}
    changes = ["added by the reader"] if own.run is None else []
    for attribute, key in own.descriptors.items():
        before = f" (AI: {safe(drafted.get(attribute, 'no term').lower())})" if draft else ""
        changes.append(f"{safe(term(attribute).lower())}: {safe(labels.get(attribute, term(key)).lower())}{before}")
    if own.run is not None and own.edited_frames:
        changes.append(f"outline corrected{_in_frames(own, analysis.source.frame_count == 1)}")
    if own.tied_to:
        changes.append(f"the same as {_other_view(own, read)} in another view")
    return changes


def _both_views(lesion: Lesion, own: LesionReading, analysis: Analysis, read: ReadCase) -> str:
    """Both views judged together; said once where both lie in this case, at the first of them."""
    if not own.tied_to:
        return ""
    joint, number = read.joint(own.tracking_uid), lesion.number
    heading = f'<h4 id="views-{number}">Both views together</h4>'
    if joint is None:
        return f"{heading}<p>Not judged together, because one view was removed or has not been measured.</p>"
    first = next((one.number for one in analysis.lesions if one.tracking_uid == joint.tracking_uids[0]), None)
    if first is not None and first != number:
        return f'{heading}<p>Judged together with <a href="#views-{first}">lesion {first}</a>, see there.</p>'
    return heading + _joint_words(joint, _other_view(own, read))


def _joint_words(joint: JointAssessment, other: str) -> str:
    assessed: Assessment = joint.assessment
    title = f"Suggested category {safe(assessed.category)}" if assessed.category else "No category suggested"
    probability = ""
    if assessed.probability_malignant is not None:
        kind = "calibrated" if assessed.probability_calibrated else "not calibrated"
        probability = f", probability of malignancy {risk_words(assessed)}, {kind}"
    return (
        f"<p><strong>{title}</strong> together with {other}{probability}.</p>"
        f"<ul>{_items([unbroken(sentence) for sentence in joint.sentences])}</ul>"
    )


def _other_view(own: LesionReading, read: ReadCase) -> str:
    number, case = read.tied_number(own.tracking_uid), read.other_case(own.tracking_uid)
    name = f"lesion {number}" if number is not None else "a lesion"
    within = own.tied_to is not None and read.reading.lesion(own.tied_to) is not None
    return name if within else f"{name} of <bdi>{safe(case)}</bdi>" if case else f"{name} of another image"


def _category(lesion: Lesion) -> str:
    return safe(lesion.assessment.category or "none")


def _in_frames(own: LesionReading, single: bool) -> str:
    if single:
        return ""
    return f" in frame{'s' if len(own.edited_frames) > 1 else ''} {frame_ranges(own.edited_frames)}"


def _items(phrases: Sequence[str]) -> str:
    return "".join(f"<li>{_capital(phrase)}</li>" for phrase in phrases)


def _capital(phrase: str) -> str:
    return phrase[:1].upper() + phrase[1:]


def _lesions(numbers: Sequence[int]) -> str:
    return f"{plural(len(numbers), 'lesion').split(' ', 1)[1]} {_listed([str(number) for number in numbers])}"


def _listed(words: Sequence[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _name(reading: Reading) -> str:
    return f"<bdi>{safe(reading.reader)}</bdi>" if reading.reader.strip() else ""


def _reader(reading: Reading) -> str:
    return _name(reading) or _NOBODY


def _when(reading: Reading) -> str:
    return f", {_moment(reading)}" if reading.decided else ""


def _moment(reading: Reading) -> str:
    """Date and time with its zone, as in "2026-11-21 11:05 UTC+01:00"; as it is stored where it is no date."""
    try:
        moment = datetime.fromisoformat(reading.decided or "")
    except ValueError:
        return safe(reading.decided or "")
    zone = f" {moment.tzname()}" if moment.tzinfo else ""
    return safe(f"{moment:%Y-%m-%d %H:%M}{zone}")
