"""What a reader can do to a reading, as data: every change gives a new one that was checked."""

import uuid
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from ..errors import InputError
from .lesion import Lesion, Record
from .lexicon import Lexicon
from .reading import READER_CATEGORIES, Decision, LesionReading, Reading
from .reading_view import with_terms
from .run_merging import MOST_LESIONS

OUTLINE_TOOLS = ("click", "box", "scribble", "segment_editor", "restored")
"""Tools that change an outline; "added" and "removed" are about the whole lesion."""

Changed = TypeVar("Changed", bound=Record)


def changed(model: Changed, **fields: Any) -> Changed:
    """A model with fields changed, checked.

    Raises:
        InputError: a text is too long or no Unicode, or a value is impossible.
    """
    try:
        return type(model)(**{**dict(model), **fields})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "string_too_long":
            most = first.get("ctx", {}).get("max_length")
            raise InputError(f"A text may have up to {most} characters; shorten it.") from error
        if first["type"] == "string_unicode":
            raise InputError("The text holds characters that cannot be stored; type it again.") from error
        raise InputError("This value cannot be stored; choose another one.") from error


def reopened(reading: Reading) -> Reading:
    """A reading that was changed after its decision: the decision does not cover the change, so it is open again."""
    return reading if reading.decision == "open" else changed(reading, decision="open", reason="", decided=None)


def decided(reading: Reading, reader: str, decision: Decision, reason: str, now: datetime) -> Reading:
    """A reading with the reader's decision.

    Raises:
        InputError: the name of the reader, the reason of a rejection or the time zone is missing.
    """
    if decision == "open":
        return changed(reopened(reading), reader=reader.strip())
    if not reader.strip():
        raise InputError("A decision needs a reader; type a name or initials.")
    if decision == "rejected" and not reason.strip():
        raise InputError("A rejection needs a reason; type a few words.")
    if now.tzinfo is None:
        raise InputError("The time of a decision needs a time zone; check the clock of this computer.")
    return changed(
        reading,
        reader=reader.strip(),
        decision=decision,
        reason=reason.strip() if decision == "rejected" else "",
        decided=now.isoformat(timespec="seconds"),
    )


def same_but_decision(one: Reading, other: Reading) -> bool:
    """Whether two readings say the same of the case, whoever decided what and whatever time it took."""
    blank = {"reader": "", "decision": "open", "reason": "", "decided": None, "seconds_spent": 0.0}
    return one.model_copy(update=blank) == other.model_copy(update=blank)


def with_term(
    lesion: LesionReading, attribute: str, term: str | None, draft: Lesion | None, lexicon: Lexicon
) -> LesionReading:
    """A lesion with the reader's term of an attribute; the term that stands without the reader counts as none.

    Args:
        lesion: as the reader left it.
        attribute: key of the lexicon.
        term: None puts the AI's back.
        draft: the AI's description, None where the reader added the lesion.
        lexicon: edition of the terms.

    Raises:
        UsageError: the edition has no such term.
    """
    others = {key: value for key, value in lesion.descriptors.items() if key != attribute}
    if term is None:
        return changed(lesion, descriptors=others)
    lexicon.term(attribute, term)
    described = lesion.revised or draft
    found = with_terms(described, others, lexicon, draft).descriptors if described is not None else ()
    same = any((one.attribute, one.term) == (attribute, term) for one in found)
    return changed(lesion, descriptors=others if same else {**others, attribute: term})


def with_category(lesion: LesionReading, category: str | None) -> LesionReading:
    """A lesion with the reader's own category; None takes it back.

    Raises:
        InputError: a reader cannot assign it.
    """
    if category is not None and category not in READER_CATEGORIES:
        raise InputError(f"There is no category {category[:8]}; choose one of {', '.join(READER_CATEGORIES)}.")
    return changed(lesion, category=category)


def removed(lesion: LesionReading) -> LesionReading:
    """A lesion that is none; draft and outline are kept."""
    tools = lesion.tools if "removed" in lesion.tools else (*lesion.tools, "removed")
    return changed(lesion, present=False, tools=tools)


def put_back(lesion: LesionReading) -> LesionReading:
    """A removed lesion as it was before."""
    return changed(lesion, present=True, tools=tuple(tool for tool in lesion.tools if tool != "removed"))


def outlined(lesion: LesionReading, frame: int, is_draft: bool, tool: str | None) -> LesionReading:
    """A lesion after an edit of its outline in one frame.

    Args:
        lesion: before the edit.
        frame: 1-based number.
        is_draft: whether the outline is the draft's again; then the frame is not edited any more, and once no frame is,
            neither tools nor the description of the corrected outline are left.
        tool: it was edited with; None by undo or redo.
    """
    frames = set(lesion.edited_frames) - {frame} | (set() if is_draft else {frame})
    tools = lesion.tools if tool is None or tool in lesion.tools else (*lesion.tools, tool)
    revised = lesion.revised
    if not frames and lesion.run is not None:
        tools, revised = tuple(one for one in tools if one not in OUTLINE_TOOLS), None
    return changed(lesion, edited_frames=tuple(sorted(frames)), tools=tools, revised=revised)


def new_lesion(
    reading: Reading, number: int | None = None, tracking_uid: str = "", tool: str = "added"
) -> LesionReading:
    """A lesion that the AI did not draw, under a free number (None: the next one).

    Raises:
        InputError: the number is taken, or no number is left.
    """
    taken = {one.number for one in reading.lesions}
    number = max(taken, default=0) + 1 if number is None else number
    if number in taken:
        raise InputError(f"There is a lesion {number} already; choose another number.")
    if not 1 <= number <= MOST_LESIONS:
        raise InputError(f"Lesions are numbered from 1 to {MOST_LESIONS}; take the images as a new case.")
    if not tracking_uid or reading.lesion(tracking_uid) is not None:
        tracking_uid = f"2.25.{uuid.uuid4().int}"
    return changed(LesionReading(tracking_uid=tracking_uid, number=number), tools=(tool,))
