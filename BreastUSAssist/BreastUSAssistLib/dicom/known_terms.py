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
from .segmentation_geometry import MADE_UP_DESCRIPTION
from .structured_report import ACCEPTED, RESEARCH_ONLY

if TYPE_CHECKING:
    from ..ultrasound.deidentification.options import KnownTerms

_TEXTS = (
    *(NOTICE, RESEARCH_ONLY, ACCEPTED, SUGGESTION, DRAFT, SOFTWARE, PRIVATE_SCHEME_NAME, MADE_UP_DESCRIPTION),
    *(
        "No lesion outlined",
        "BreastUSAssist rules",
        "Not named",
        "Not stated",
        short_text(f"{DRAFT}; a named reader decides"),
    ),
)
_ALGORITHM = re.compile(
    r"weights sha256 [0-9a-f]{64}(; (onnxruntime|openvino|torch)( [a-z]{1,5}\d{1,2})? on (cpu|cuda))?"
    r"|AI draft of lesion \d{1,4}"
)


def known_terms() -> "KnownTerms":
    """Phrases, patterns and codes of this version: the lexicons, `codes`, and the models that are shipped."""
    from ..model.bundle import shipped_bundles
    from ..ultrasound.deidentification.options import KnownTerms

    models = [path.name for path in shipped_bundles()]
    found = [*_constants(), *(code for edition in EDITIONS for code in _lexicon_codes(load_lexicon(edition)))]
    return KnownTerms(
        phrases=frozenset((*_TEXTS, *models)),
        patterns=(
            _ALGORITHM,
            re.compile(rf"({'|'.join(map(re.escape, models)) or 'model'}) \d{{1,3}}(\.\d{{1,3}}){{1,2}}"),
        ),
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
