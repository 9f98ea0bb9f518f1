"""What a reader changed, as data: replaced lesion by lesion, strict, stored and read back."""

import pytest
from BreastUSAssistLib.birads.reading import LesionReading, Place, Reading
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

LESIONS = st.builds(
    LesionReading,
    tracking_uid=st.sampled_from("abcdef"),
    number=st.integers(1, 9),
    present=st.booleans(),
    descriptors=st.dictionaries(st.sampled_from(["shape", "margin"]), st.sampled_from(["oval", "spiculated"])),
    note=st.text(max_size=20),
    edited_frames=st.lists(st.integers(1, 30), max_size=3).map(tuple),
)


@given(st.lists(LESIONS, max_size=12))
def test_the_last_word_on_each_lesion_counts_and_they_stay_in_order(changes):
    reading = Reading(case="a")
    for change in changes:
        reading = reading.with_lesion(change)
    assert {one.tracking_uid: one for one in reading.lesions} == {one.tracking_uid: one for one in changes}
    assert [one.number for one in reading.lesions] == sorted(one.number for one in reading.lesions)
    for change in changes:
        assert reading.lesion(change.tracking_uid) in changes
    assert reading.lesion("nowhere") is None


@given(
    lesions=st.lists(LESIONS, max_size=4, unique_by=lambda one: one.tracking_uid),
    clock=st.none() | st.integers(2, 25).map(lambda halves: halves / 2),
    reason=st.text(max_size=50),
)
def test_a_reading_survives_json(lesions, clock, reason):
    reading = Reading(case="ß", reader="JD", place=Place(side="left", clock=clock), lesions=lesions, reason=reason)
    assert Reading.model_validate_json(reading.model_dump_json()) == reading


def test_changing_a_lesion_leaves_the_reading_before_as_it_was():
    before = Reading(case="a").with_lesion(LesionReading(tracking_uid="a", number=1))
    after = before.with_lesion(before.lesions[0].model_copy(update={"present": False}))
    assert before.lesions[0].present and not after.lesions[0].present


@pytest.mark.parametrize(
    "wrong",
    [
        {"patient": "Jane"},
        {"decision": "maybe"},
        {"seconds_spent": -1},
        {"place": {"clock": 13}},
        {"place": {"distance_mm": -1}},
        {"schema_version": "2.0"},
        {"lesions": [{"tracking_uid": "a", "number": 0}]},
        {"lesions": [{"tracking_uid": "a", "number": 1, "tools": ["axe"]}]},
        {"note": "x"},
    ],
)
def test_what_is_no_reading_is_refused(wrong):
    with pytest.raises(ValidationError):
        Reading.model_validate({"case": "a", **wrong})
