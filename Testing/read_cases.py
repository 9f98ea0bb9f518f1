"""Cases that a made-up reader has read, for tests of what is exported of them."""

from pathlib import Path

from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.lexicon import load_lexicon
from BreastUSAssistLib.birads.read_case import ReadCase, beside_lesions
from BreastUSAssistLib.birads.reading import Place, Reading
from BreastUSAssistLib.birads.reading_view import effective_analysis, effective_lesions, first_reading
from BreastUSAssistLib.service.analysis_file import read_analysis

LEXICON = load_lexicon()
DRAFT = read_analysis(Path(__file__).parent / "unit" / "data" / "analysis-1.1-phantom.json")
"""Two lesions: 1 irregular, not circumscribed; 2 round, circumscribed; each with a probability."""
MOMENT = "2026-03-04T05:06:07+01:00"


def reading_of(draft: Analysis = DRAFT, lesions: dict[int, dict[str, object]] | None = None, **case: object) -> Reading:
    """The untouched reading of a draft with fields changed, of lesions by their number and of the case."""
    reading = first_reading(draft).model_copy(update=case)
    for number, fields in (lesions or {}).items():
        own = next(one for one in reading.lesions if one.number == number)
        reading = reading.with_lesion(own.model_copy(update=fields))
    return Reading.model_validate_json(reading.model_dump_json())


def changed_reading(draft: Analysis = DRAFT, **case: object) -> Reading:
    """A reading in which every kind of thing was said; the lesions are tied to each other."""
    first, second = (one.tracking_uid for one in draft.lesions)
    lesions: dict[int, dict[str, object]] = {
        1: {
            "descriptors": {"margin": "spiculated", "posterior_features": "shadowing"},
            "category": "5",
            "note": "Hard.\nNew since March.",
            "edited_frames": (1,),
            "tools": ("click", "box"),
            "tied_to": second,
        },
        2: {"category": "2", "tied_to": first},
    }
    said = {
        "reader": "Dr. M. Example",
        "decision": "accepted",
        "decided": MOMENT,
        "place": Place(side="right", clock=10.5, distance_mm=35),
    }
    return reading_of(draft, lesions, **{**said, **case})


def read_case(reading: Reading, draft: Analysis = DRAFT) -> tuple[Analysis, ReadCase]:
    """What is exported: the analysis with the reader's changes, and what the reader said."""
    lesions = effective_lesions([draft], reading, LEXICON)
    return effective_analysis([draft], reading, LEXICON), ReadCase(reading=reading, beside=beside_lesions(lesions))
