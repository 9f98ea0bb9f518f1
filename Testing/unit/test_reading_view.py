"""Drafts with the reader's changes put in: the draft untouched, the reader's terms counted, what is exported."""

from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Analysis, Gate
from BreastUSAssistLib.birads.lesion import Lesion
from BreastUSAssistLib.birads.lexicon import SUGGESTED, load_lexicon
from BreastUSAssistLib.birads.reader_terms import risk_of, terms_for, with_terms
from BreastUSAssistLib.birads.reading import LesionReading, Reading
from BreastUSAssistLib.birads.reading_view import (
    NO_MODEL,
    case_without_run,
    effective_analysis,
    effective_lesions,
    first_reading,
)
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.service.analysis_file import read_analysis, write_analysis
from hypothesis import given, settings
from hypothesis import strategies as st

DATA = Path(__file__).parent / "data"
DRAFT = read_analysis(DATA / "analysis-1.1-phantom.json")
"""Two lesions: 1 irregular, not circumscribed, by a reader network; 2 round, so not parallel, circumscribed."""
_CINE = read_analysis(DATA / "analysis-1.1.json")
CINE = _CINE.model_copy(
    update={"lesions": tuple(one.model_copy(update={"tracking_uid": f"2.25.{one.number}"}) for one in _CINE.lesions)}
)
"""Three frames, two lesions; the second cannot be assessed."""
LEXICON = load_lexicon()
TERMS = {key: list(attribute.terms) for key, attribute in LEXICON.attributes.items()}
CHOICES = st.dictionaries(st.sampled_from(sorted(TERMS)), st.integers(0, 9), max_size=5).map(
    lambda chosen: {key: TERMS[key][place % len(TERMS[key])] for key, place in chosen.items()}
)


def changed(number: int = 1, draft: Analysis = DRAFT, **changes: object) -> Reading:
    reading = first_reading(draft)
    lesion = next(one for one in reading.lesions if one.number == number)
    return reading.with_lesion(lesion.model_copy(update=changes))


def view(reading: Reading, number: int = 1, draft: Analysis = DRAFT):
    return next(one for one in effective_lesions([draft], reading, LEXICON) if one.number == number)


def terms_of(lesion: Lesion) -> dict[str, str]:
    return {one.attribute: one.term for one in lesion.descriptors}


def test_untouched_every_lesion_is_its_draft():
    for analysis in (DRAFT, CINE):
        for one, draft in zip(
            effective_lesions([analysis], first_reading(analysis), LEXICON), analysis.lesions, strict=True
        ):
            assert one.ai is draft and one.current == draft
            assert one.present and not one.changed and one.category is None and one.joint is None
        assert effective_analysis([analysis], first_reading(analysis), LEXICON).lesions == analysis.lesions


@settings(deadline=None, max_examples=150)
@given(chosen=CHOICES, number=st.sampled_from([1, 2]))
def test_the_readers_terms_count_and_the_probability_stays(chosen, number):
    draft = DRAFT.lesions[number - 1]
    before = draft.model_dump()
    one = view(changed(number, descriptors=chosen), number)
    assert one.ai == draft and one.ai.model_dump() == before, "the draft is immutable"
    assert one.changed == frozenset(chosen)
    now = {descriptor.attribute: descriptor for descriptor in one.current.descriptors}
    assert len(now) == len(one.current.descriptors)
    for attribute, term in chosen.items():
        assert (now[attribute].term, now[attribute].origin, now[attribute].confidence) == (term, "reader", None)
        assert now[attribute].label == LEXICON.term(attribute, term).label
    assert {key for key, descriptor in now.items() if descriptor.origin == "reader"} == set(chosen)
    assessed, drafted = one.current.assessment, draft.assessment
    assert risk_of(assessed) == risk_of(drafted)
    assert assessed.probability_malignant == pytest.approx(drafted.probability_malignant, abs=1e-12)
    assert assessed.interval == pytest.approx(drafted.interval, abs=1e-12)
    assert assessed.category in SUGGESTED and assessed.status == "draft"
    assert ("The reader's own terms are used" in assessed.reasons[-1]) == bool(chosen)
    if any(LEXICON.term(key, term).suspicious for key, term in terms_of(one.current).items() if key != "orientation"):
        assert assessed.category != "3"
    assert effective_analysis([DRAFT], changed(number, descriptors=chosen), LEXICON).lesions[number - 1] == one.current


def reasons_of(lesion):
    """Reasons but for the sentence on radiologists' categories: the stored draft has it in older words."""
    return {reason for reason in lesion.assessment.reasons if "times in ten" not in reason}


@settings(deadline=None, max_examples=60)
@given(chosen=CHOICES)
def test_put_back_everything_is_the_ais_again(chosen):
    for draft in DRAFT.lesions:
        edited = with_terms(draft, chosen, LEXICON)
        again = with_terms(edited, {}, LEXICON, draft)
        assert terms_of(again) == terms_of(draft)
        assert again.assessment.category == draft.assessment.category
        assert reasons_of(again) == reasons_of(draft)


def test_terms_that_follow_from_others_follow_from_the_readers():
    assert terms_of(DRAFT.lesions[1])["orientation"] == "not_parallel"
    oval = view(changed(2, descriptors={"shape": "oval"}), 2).current
    assert terms_of(oval)["orientation"] == "parallel", "as measured: it only followed from the round shape"
    round_ = view(changed(1, descriptors={"shape": "round"}), 1).current
    assert terms_of(round_)["orientation"] == "not_parallel"
    both = view(changed(1, descriptors={"shape": "round", "orientation": "parallel"}), 1).current
    assert terms_of(both)["orientation"] == "parallel", "the reader's own word stands"


def test_a_spiculated_margin_raises_the_suggestion_with_its_reason():
    one = view(changed(2, descriptors={"margin": "spiculated"}), 2)
    assert (one.ai.assessment.category, one.current.assessment.category) == ("4A", "4B")
    reasons = " ".join(one.current.assessment.reasons)
    assert "spiculated margin is never less" in reasons
    assert "The reader's own terms are used: margin not circumscribed - spiculated." in reasons


def test_a_lesion_that_no_one_can_assess_stays_so_with_the_readers_terms():
    lesion = view(changed(2, CINE, descriptors={"margin": "circumscribed"}), 2, CINE).current
    assert lesion.assessment.category is None
    assert lesion.assessment.reasons[1:] == CINE.lesions[1].assessment.reasons
    assert terms_of(lesion)["margin"] == "circumscribed"


def test_a_term_of_another_edition_is_left_out_and_said():
    one = view(changed(1, descriptors={"echogenic_rim": "present", "shape": "oval"}))
    assert "echogenic_rim" not in terms_of(one.current) and terms_of(one.current)["shape"] == "oval"
    assert "echogenic rim is not in this edition" in one.current.assessment.reasons[-1]
    assert one.changed == {"echogenic_rim", "shape"}
    newer = load_lexicon("birads-us-v2025")
    (first, _) = effective_lesions([DRAFT], changed(1, descriptors={"echogenic_rim": "present"}), newer)
    assert terms_of(first.current)["echogenic_rim"] == "present"


def test_what_may_be_chosen_are_the_terms_of_the_lexicon():
    assert terms_for("shape", LEXICON) == (("oval", "Oval"), ("round", "Round"), ("irregular", "Irregular"))
    with pytest.raises(UsageError, match="echogenic_rim"):
        terms_for("echogenic_rim", LEXICON)


def test_a_revised_outline_stands_beside_its_draft():
    draft = DRAFT.lesions[0]
    revised = draft.model_copy(update={"origin": "semiautomatic", "outline_confidence": None})
    one = view(changed(1, revised=revised, descriptors={"margin": "angular"}))
    assert one.ai is DRAFT.lesions[0] and one.current.origin == "semiautomatic"
    assert terms_of(one.current)["margin"] == "angular"
    described = with_terms(revised, {"margin": "angular"}, LEXICON)
    back = view(changed(1, revised=described)).current
    assert terms_of(back) == terms_of(draft), "a reader's term in the description does not outlive being put back"


def test_a_lesion_of_the_reader_is_there_and_has_no_draft():
    own = LesionReading(tracking_uid="own", number=3, category="4B", note="seen in the clip")
    one = view(first_reading(DRAFT).with_lesion(own), 3)
    assert one.ai is None and one.current is None and (one.category, one.note) == ("4B", "seen in the clip")
    analysis = effective_analysis([DRAFT], first_reading(DRAFT).with_lesion(own), LEXICON)
    assert [lesion.number for lesion in analysis.lesions] == [1, 2], "not measured yet"
    measured = own.model_copy(update={"revised": DRAFT.lesions[0].model_copy(update={"origin": "manual"})})
    analysis = effective_analysis([DRAFT], first_reading(DRAFT).with_lesion(measured), LEXICON)
    assert [(one.number, one.tracking_uid, one.origin) for one in analysis.lesions][2] == (3, "own", "manual")


def test_a_removed_lesion_is_kept_in_the_view_and_left_out_of_the_export():
    reading = changed(1, present=False)
    assert not view(reading).present and view(reading).current is not None
    analysis = effective_analysis([DRAFT], reading, LEXICON)
    assert [lesion.number for lesion in analysis.lesions] == [2]
    assert [frame.lesions for frame in analysis.frames] == [(2,)]


def test_a_draft_that_is_not_stored_is_one_clear_sentence():
    for lost in ({"run": 1}, {"tracking_uid": "elsewhere"}):
        wrong = first_reading(DRAFT).lesions[0].model_copy(update=lost)
        with pytest.raises(InputError, match=r"draft of lesion 1 .*analyze again\.$"):
            effective_lesions([DRAFT], Reading(case="a", lesions=(wrong,)), LEXICON)


def part(first: int, last: int, **changes: object) -> Analysis:
    """A run over some frames of a cine of six, its first lesion in all of them."""
    frames = tuple(
        CINE.frames[0].model_copy(
            update={"frame_number": n, "normal": n / 10, "lesions": (1,), "mask": f"masks/{n}.png"}
        )
        for n in range(first, last + 1)
    )
    lesion = CINE.lesions[0].model_copy(
        update={"tracking_uid": f"from {first}", "key_frame": first, "frames": tuple(range(first, last + 1))}
    )
    source = CINE.source.model_copy(update={"frame_count": 6})
    return CINE.model_copy(update={"source": source, "frames": frames, "lesions": (lesion,), "gates": (), **changes})


def gate(code: str, *frames: int) -> Gate:
    return Gate(code=code, severity="warn", message=code, frames=frames)


def two_runs() -> tuple[list[Analysis], Reading]:
    runs = [part(1, 4, gates=(gate("text", 1, 3), gate("dark"))), part(3, 5, gates=(gate("dark", 3, 4, 5),))]
    lesions = (
        LesionReading(tracking_uid="from 1", number=1, run=0),
        LesionReading(tracking_uid="from 3", number=4, run=1),
    )
    return runs, Reading(case="made-up", lesions=lesions)


def test_several_runs_become_one_analysis_of_the_whole_clip():
    runs, reading = two_runs()
    analysis = effective_analysis(runs, reading, LEXICON)
    assert [(one.number, one.tracking_uid) for one in analysis.lesions] == [(1, "from 1"), (4, "from 3")]
    assert [frame.frame_number for frame in analysis.frames] == [1, 2, 3, 4, 5, 6]
    assert [frame.lesions for frame in analysis.frames] == [(1,), (1,), (1, 4), (1, 4), (4,), ()]
    assert [frame.normal for frame in analysis.frames] == [0.1, 0.2, 0.3, 0.4, 0.5, None]
    assert {one.code: one.frames for one in analysis.gates} == {"text": (1,), "dark": (1, 2, 3, 4, 5)}
    assert len({frame.mask for frame in analysis.frames}) == 6
    assert Analysis.model_validate_json(analysis.model_dump_json()) == analysis


def test_a_gate_of_every_frame_names_none():
    whole = part(1, 6, gates=(gate("dark"),))
    assert effective_analysis([whole], first_reading(whole), LEXICON).gates[0].frames == ()


def test_models_of_all_runs_are_named_those_of_the_last_first():
    runs, reading = two_runs()
    other = runs[0].model.model_copy(update={"name": "older", "sha256": "1" * 64})
    runs[0] = runs[0].model_copy(update={"model": other, "models": (other,)})
    analysis = effective_analysis(runs, reading, LEXICON)
    assert analysis.model == runs[1].model
    assert analysis.models == (*runs[1].models, other)


def test_labels_decide_where_and_how_large_a_lesion_is():
    runs, reading = two_runs()
    labels = np.zeros((6, 40, 60), np.uint8)
    labels[1, 5:15, 5:25] = 1
    labels[5, 20:30, 5:10] = 1
    labels[5, 0:3, 0:3] = 9
    analysis = effective_analysis(runs, reading, LEXICON, labels=labels)
    assert [(one.number, one.frames) for one in analysis.lesions] == [(1, (2, 6))]
    assert [frame.lesions for frame in analysis.frames] == [(), (1,), (), (), (), (1,)]
    assert analysis.frames[1].areas_px == (200.0,) and analysis.frames[5].areas_px == (50.0,)
    assert analysis.lesions[0].volume_axes is None
    with pytest.raises(UsageError, match="labels of 5 frames"):
        effective_analysis(runs, reading, LEXICON, labels=labels[:5])


def test_axes_of_a_volume_are_those_of_the_readers_outlines():
    runs, reading = two_runs()
    source = runs[1].source.model_copy(update={"kind": "volume", "slice_mm": 2.0})
    runs[1] = runs[1].model_copy(update={"source": source})
    labels = np.zeros((6, 40, 60), np.uint8)
    labels[1:4, 5:15, 5:25] = 4
    (lesion,) = effective_analysis(runs, reading, LEXICON, labels=labels).lesions
    axes = lesion.volume_axes
    assert (axes.across_slices.slices, axes.across_slices.mm, axes.voxels) == (3, 6.0, 600)
    assert axes.volume_ml == pytest.approx(600 * source.spacing.row_mm * source.spacing.column_mm * 2 / 1000)


def test_a_case_that_no_network_has_seen_is_exported_too(tmp_path):
    with pytest.raises(UsageError, match="no analysis yet"):
        effective_analysis([], Reading(case="a"), LEXICON)
    empty = case_without_run("a", CINE.source, LEXICON, CINE.created, CINE.software)
    own = LesionReading(tracking_uid="own", number=2, revised=CINE.lesions[0])
    analysis = effective_analysis([], Reading(case="a", lesions=(own,)), LEXICON, empty=empty)
    assert analysis.model == NO_MODEL and analysis.models == ()
    assert [one.number for one in analysis.lesions] == [2] and len(analysis.frames) == 3
    assert all(frame.normal is None for frame in analysis.frames)
    write_analysis(tmp_path / "a.json", analysis)
    assert read_analysis(tmp_path / "a.json") == analysis
