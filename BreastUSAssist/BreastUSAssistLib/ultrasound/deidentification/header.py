"""De-identification of one DICOM object: the header rebuilt from what may stay (PS3.15 Annex E).

The profile's rule table says what must go, be replaced or be mapped; of the rest only known attributes with valid
values are copied into a new data set, item by item through every sequence. Nothing of the original is edited in place,
so that no padding, no private element and no attribute nobody thought of can be left behind.
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import BreastUSAssistError, InputError
from ..quiet import quiet
from .dates import DateShift
from .header_codes import PARTS, UNKNOWN_SCHEME, CodeBook, has_more, is_code
from .header_content import clean_number, is_birth
from .header_kinds import Kind, kind_of
from .header_patient import patient_of
from .header_pixels import PIXEL_TAGS, add_pixels, kept_table
from .header_statement import say_deidentified, set_file_meta
from .header_values import kept_age, kept_value
from .options import DeidentificationOptions
from .rules import rule_table
from .rules_attributes import EQUIPMENT, NEEDED, REQUIRED, REQUIRED_IN_REPORTS, Treatment
from .rules_choice import treatment_of
from .rules_words import IMAGING, device_words, known_words
from .uids import DeidentificationKey, replaced_uid

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset
    from pydicom.tag import BaseTag

DUMMY = "REMOVED"
_TRACKING, _ALGORITHM_VERSION = ("112039", "DCM"), ("111003", "DCM")
_VERSION = re.compile(r"\d{1,2}(\.\d{1,3}){0,2}")
MOST_NESTING = 32
"""Sequences within sequences; reports of people are a dozen deep."""


@dataclass(frozen=True)
class DeidentificationNotes:
    """How many elements of one object were treated in which way, at every depth."""

    removed: int
    private: int
    """Private elements removed."""
    replaced_texts: int
    cleaned_texts: int
    uids: int
    dates: int
    replaced_codes: int
    """Codes that no vocabulary knows."""


@dataclass(frozen=True, eq=False)
class Deidentified:
    """A de-identified object."""

    dataset: "Dataset"
    """New, with file meta information; the original is as it was."""
    kind: Kind
    notes: DeidentificationNotes


def deidentify_dataset(
    dataset: "Dataset",
    key: DeidentificationKey,
    options: DeidentificationOptions = DeidentificationOptions(),  # noqa: B008 - frozen
    *,
    pixels_clean: bool = False,
) -> Deidentified:
    """De-identify an ultrasound image, a segmentation or a structured report by the Basic Profile and `options`.

    UIDs follow from the key alone, dates and the pseudonym from the key and the patient: objects of one study still
    refer to each other when each was de-identified by itself.

    Args:
        dataset: the object with its pixel data; not changed.
        key: replaces UIDs, names and dates.
        options: what is kept beyond the Basic Profile.
        pixels_clean: whether somebody made sure that no text is burnt into the pixel data of an image; only then
            BurnedInAnnotation says NO. Without it the pixel data are copied as they are.

    Raises:
        InputError: not one of these kinds, nested too deeply, or so damaged that it cannot be parsed.
        UsageError: the rule table is not installed.
    """
    try:
        # Values that are not valid for their VR are quoted in pydicom's warnings.
        with quiet():
            kind = kind_of(dataset)
            cleaning = _Cleaning(dataset, key, options, kind)
            clean = cleaning.items(dataset, 0)
            add_pixels(dataset, clean, kind)
            say_deidentified(clean, kind, options, pixels_clean)
            set_file_meta(clean, dataset)
    except BreastUSAssistError:
        raise
    except Exception:  # pydicom raises many kinds on damaged values, and their texts can quote the header
        raise InputError("It is a damaged DICOM object; export it again from its source.") from None
    return Deidentified(clean, kind, cleaning.notes())


class _Cleaning:
    """One object: its patient, and what was counted."""

    def __init__(self, dataset: "Dataset", key: DeidentificationKey, options: DeidentificationOptions, kind: Kind):
        self._key = key
        self._options = options
        self._kind = kind
        self._patient = patient_of(dataset, key)
        self._shift = DateShift.of_patient(key, self._patient.identity)
        self._book = CodeBook(options.terms, key)
        self._table = rule_table()
        self._counts: Counter[str] = Counter()

    def notes(self) -> DeidentificationNotes:
        return DeidentificationNotes(**{name: self._counts[name] for name in DeidentificationNotes.__annotations__})

    def items(self, dataset: "Dataset", depth: int, without: frozenset[str] = frozenset()) -> "Dataset":
        """A new data set with what may stay of `dataset`, at this depth, but for the keywords `without`."""
        from pydicom import Dataset
        from pydicom.datadict import keyword_for_tag

        if depth > MOST_NESTING:
            raise InputError(f"Its sequences are nested more than {MOST_NESTING} deep; export it again.")
        clean = Dataset()
        for tag in sorted(dataset.keys()):
            keyword = keyword_for_tag(tag)
            if tag.is_private:
                self._counts["private"] += 1
            elif keyword in without or tag.element == 0 or tag.group == 0x0002 or (depth == 0 and tag in PIXEL_TAGS):
                continue  # group lengths, and meta information in the wrong place, say nothing
            else:
                cleaned = self._element(tag, keyword, dataset, depth)
                if cleaned is not None:
                    clean.add(cleaned)
                    continue
            self._counts["removed"] += 1
        if "MeasuredValueSequence" in clean:
            known = not any(
                one.CodingSchemeDesignator == UNKNOWN_SCHEME for one in clean.get("ConceptNameCodeSequence", ())
            )
            clean_number(dataset, clean, known=known, characteristics=self._options.retain_characteristics)
        if depth == 0:
            self._add_age(clean)
            clean.PatientName = clean.PatientID = self._patient.pseudonym
            clean.SpecificCharacterSet = "ISO_IR 192"
        return clean

    def _element(self, tag: "BaseTag", keyword: str, holder: "Dataset", depth: int) -> "DataElement | None":
        """What becomes of one element that is not private; what must go is not even parsed."""
        from pydicom import DataElement

        expected = _vr_of(tag)
        treatment = treatment_of(tag, keyword, expected, self._table, self._options)
        value: Any = None
        vr = expected
        if treatment not in (Treatment.REMOVE, Treatment.EMPTY, Treatment.DUMMY):
            element = _parsed(holder, tag)
            # A value under another VR than the attribute has is none of its values.
            if element is not None and str(element.VR) in expected:
                vr = str(element.VR)
                if vr == "SQ":
                    value = [self._item(item, depth + 1) for item in element.value] or None
                else:
                    value = self._value(treatment, element, holder)
        if value is not None:
            return DataElement(tag, vr, value)
        return self._instead(treatment, tag, keyword, vr)

    def _item(self, item: "Dataset", depth: int) -> "Dataset":
        if not is_code(item):
            return self.items(item, depth)
        clean, known = self._book.cleaned(item)
        self._counts["replaced_codes"] += not known
        if has_more(item):
            clean.update(self.items(item, depth, without=PARTS))
        return clean

    def _value(self, treatment: Treatment, element: "DataElement", holder: "Dataset") -> Any:
        """The value that may stay or replaces it; None where nothing may stay."""
        replace = {
            Treatment.UID: self._uids,
            Treatment.AGE: lambda one: kept_age(one.value),
            Treatment.PATIENT: lambda one: self._patient.pseudonym,
            Treatment.PERSON: self._person,
            Treatment.WORDS: lambda one: self._phrase(one, holder) or self._words(known_words(_text(one), IMAGING)),
            Treatment.DEVICE_WORDS: lambda one: self._phrase(one, holder) or self._words(device_words(_text(one))),
            Treatment.PHRASE: lambda one: self._phrase(one, holder) or self._tracked(one, holder),
            Treatment.IDENTIFIER: lambda one: self._phrase(one, holder) or self._identifier(one),
        }
        if treatment in replace:
            return replace[treatment](element)
        if treatment is Treatment.SHIFT:
            return self._shifted(element, holder)
        if element.VR in ("OW", "OB") or element.keyword == "LUTData":
            return kept_table(element.keyword, element, holder)
        return kept_value(element.keyword, str(element.VR), element.value)

    def _tracked(self, element: "DataElement", holder: "Dataset") -> str | None:
        """What takes the place of a text that tells lesions apart (PS3.16 TID 4108): another that does."""
        return self._identifier(element) if _is_named(holder, _TRACKING) else None

    def _person(self, element: "DataElement") -> str:
        if self._options.terms.is_known(_text(element)):
            return _text(element)
        self._counts["replaced_texts"] += 1
        return f"PERSON-{self._key.pseudonym('person', _text(element).casefold())}"

    def _words(self, kept: str) -> str | None:
        self._counts["cleaned_texts"] += 1
        return kept[:64].strip() or None

    def _phrase(self, element: "DataElement", holder: "Dataset") -> Any:
        """The text where it is known; the known designator of a coding scheme; the version of an algorithm."""
        values = [str(one).strip(" \0") for one in _values(element)]
        if element.keyword == "CodingSchemeDesignator":
            return values[0] if values and self._book.is_scheme(values[0]) else UNKNOWN_SCHEME
        # Anywhere else such figures could be a date.
        versions = element.keyword in ("AlgorithmVersion", "StackID") or _is_named(holder, _ALGORITHM_VERSION)
        if not all(self._options.terms.is_known(one) or (versions and _VERSION.fullmatch(one)) for one in values):
            return None
        return values if len(values) > 1 else "".join(values)

    def _identifier(self, element: "DataElement") -> str:
        self._counts["replaced_texts"] += 1
        return f"ID-{self._key.pseudonym('identifier', _text(element))}"

    def _uids(self, element: "DataElement") -> Any:
        values = [str(one) for one in _values(element) if one]
        replaced = [replaced_uid(one, self._key) for one in values]
        self._counts["uids"] += sum(new != old for new, old in zip(replaced, values, strict=True))
        return (replaced if len(replaced) > 1 else replaced[0]) if replaced else None

    def _shifted(self, element: "DataElement", holder: "Dataset") -> Any:
        self._counts["dates"] += 1
        keyword, value = element.keyword, element.value
        if value is None or hasattr(value, "append"):
            return None
        text = getattr(value, "original_string", None) or str(value)
        if keyword in ("Date", "DateTime") and (is_birth(holder) or self._patient.is_too_long_ago(text)):
            return _dummy(keyword, str(element.VR))
        if element.VR == "DT":
            return self._shift.datetime(text)
        if element.VR == "TM":
            return self._shift.time(text)
        return self._shift.date(text, _time_beside(keyword, holder))

    def _instead(self, treatment: Treatment, tag: "BaseTag", keyword: str, vr: str) -> "DataElement | None":
        """What stands in the place of a value that may not stay; None where nothing needs to."""
        from pydicom import DataElement

        needed = keyword in NEEDED or (keyword in EQUIPMENT and self._kind == "segmentation")
        if (treatment is Treatment.DUMMY or needed) and (dummy := _dummy(keyword, vr)) is not None:
            self._counts["replaced_texts"] += 1
            return DataElement(tag, vr, dummy)
        required = keyword in REQUIRED or (keyword in REQUIRED_IN_REPORTS and self._kind == "report")
        if treatment is Treatment.EMPTY or required:
            return DataElement(tag, vr, [] if vr == "SQ" else None)
        return None

    def _add_age(self, clean: "Dataset") -> None:
        """The age follows from the birth date, which goes, where the scanner did not write it."""
        if self._options.retain_characteristics and "PatientAge" not in clean and self._patient.age is not None:
            clean.PatientAge = kept_age(self._patient.age)


def _vr_of(tag: "BaseTag") -> str:
    """VR of PS3.6, or several where it depends ("US or SS"); UN where the dictionary does not have the tag."""
    from pydicom.datadict import dictionary_VR

    try:
        return str(dictionary_VR(tag))
    except KeyError:
        return "UN"


def _parsed(holder: "Dataset", tag: "BaseTag") -> "DataElement | None":
    """The element; None where its value is not valid for its VR."""
    try:
        return holder[tag]
    except Exception:  # ValueError, struct.error, NotImplementedError, UnicodeError, ... on a malformed value
        return None


def _is_named(holder: "Dataset", code: tuple[str, str]) -> bool:
    """Whether a content item has this concept name."""
    names = holder.get("ConceptNameCodeSequence") or []
    return any((one.get("CodeValue"), one.get("CodingSchemeDesignator")) == code for one in names)


def _values(element: "DataElement") -> list[Any]:
    value = element.value
    return list(value) if hasattr(value, "append") else [] if value is None else [value]


def _text(element: "DataElement") -> str:
    return "\\".join(str(one) for one in _values(element)).strip(" \0")


def _time_beside(keyword: str, holder: "Dataset") -> str | None:
    """The TM value that belongs to a DA attribute (StudyTime to StudyDate)."""
    if not keyword.endswith("Date"):
        return None
    value = holder.get(f"{keyword.removesuffix('Date')}Time")
    return None if value is None or hasattr(value, "append") else str(getattr(value, "original_string", value))


def _dummy(keyword: str, vr: str) -> Any:
    if vr in ("AE", "CS", "LO", "LT", "SH", "ST", "UC", "UT", "PN"):
        return "SEGMENTATION" if keyword == "ContentLabel" else DUMMY
    return {
        "DA": "19000101", "TM": "000000", "DT": "19000101000000", "AS": "000Y", "DS": "0", "IS": "0",
        "FL": 0.0, "FD": 0.0, "SS": 0, "US": 0, "SL": 0, "UL": 0,
    }.get(vr)  # fmt: skip
