"""The texts and codes that this project itself writes into segmentations and reports, so that they may stay.

De-identification removes every text and code that it does not know; these name no person.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..birads.analysis import NOTICE
from ..birads.lesion import Code
from ..birads.lexicon import EDITIONS, Lexicon, load_lexicon
from . import codes
from .codes import DESCRIPTOR_NAMES, PRIVATE_SCHEME_NAME, private_code, short_text
from .provenance import DRAFT, SOFTWARE
from .report_items import SUGGESTION
from .report_state import READ, UNREAD
from .segmentation import ACCEPTED as ACCEPTED_OUTLINES
from .segmentation_geometry import MADE_UP_DESCRIPTION, MADE_UP_SERIES
from .structured_report import ACCEPTED, RESEARCH_ONLY

if TYPE_CHECKING:
    from ..ultrasound.deidentification.options import KnownTerms

_TEXTS = (NOTICE, RESEARCH_ONLY, ACCEPTED, SUGGESTION, SOFTWARE, PRIVATE_SCHEME_NAME)
_HEADINGS = (
    rf"({re.escape(DRAFT)}|{re.escape(READ)}|{re.escape(ACCEPTED_OUTLINES)})"
    r"(: lesion outlines|: report)?( of a named reader)?"
    rf"([,;] ({re.escape(MADE_UP_SERIES)}|a named reader decides|accepted by a named reader|{re.escape(UNREAD)}))?",
    rf"{re.escape(MADE_UP_DESCRIPTION)}; (AI draft|accepted)",
)
"""Descriptions of series and of contents."""
_NAMES = (
    r"Lesion \d{1,4}(, image \d{1,5})?",
    r"AI draft of lesion \d{1,4}",
    "No lesion outlined",
    "Not (named|stated)",
)
_ALGORITHMS = (
    r"(weights sha256 [0-9a-f]{64})?(; )?((onnxruntime|openvino|torch) b?float\d{1,2} on (cpu|cuda))?",
    "BreastUSAssist rules",
)
_REMARKS = (
    r"The reader gave no assessment category\.",
    r"The reader says that lesion \d{1,4} is none\.",
    r"Clock face: half past \d{1,2}\.",
    r"The pixel spacing is not known: lengths and areas are in pixels\.",
    r"The probability of cancer is (calibrated on held-out data|not calibrated)"
    r"(, its range of uncertainty is the 95 % interval)?\.",
    r"The AI outlined no lesion\. This does not rule one out\.( Not every frame was fit to be analysed\.)?",
    r"The reader left none of the lesions that the AI outlined\.",
    r"No lesion is outlined\. No network has looked at these images\.",
)


def known_terms() -> "KnownTerms":
    """Phrases, patterns and codes of this version: the lexicons, `codes`, and the models that are shipped."""
    from ..model.bundle import shipped_bundles
    from ..ultrasound.deidentification.options import KnownTerms

    models = [path.name for path in shipped_bundles()]
    versions = [rf"{re.escape(model)} \d{{1,3}}(\.\d{{1,3}}){{1,2}}" for model in models]
    # The later of two meanings of a code is kept: that which is written.
    found = [*(code for edition in EDITIONS for code in _lexicon_codes(load_lexicon(edition))), *_constants()]
    return KnownTerms(
        phrases=frozenset((*_TEXTS, *models)),
        patterns=tuple(map(re.compile, (*_HEADINGS, *_NAMES, *_ALGORITHMS, *_REMARKS, *versions))),
        codes={(code.value, code.scheme): short_text(code.meaning) for code in found},
    )


def _constants() -> Iterator[Code]:
    for value in vars(codes).values():
        entries: Iterable[object] = value.values() if isinstance(value, dict) else (value,)
        yield from (entry for entry in entries if isinstance(entry, Code))


def _lexicon_codes(lexicon: Lexicon) -> Iterator[Code]:
    for name, attribute in lexicon.attributes.items():
        yield attribute.concept
        if name not in DESCRIPTOR_NAMES:
            yield private_code(name, name.replace("_", " ").capitalize())
        for term, described in attribute.terms.items():
            yield described.code
            yield private_code(f"{name}.{term}", described.label)
    for category in lexicon.categories.values():
        yield category.code
        if category.management_code is not None:
            yield category.management_code
