"""report.html of a case that a reader has read: who said what, beside what the AI drafted; nothing runs in the page."""

from itertools import pairwise

import pytest
from BreastUSAssistLib.birads.lesion import Lesion
from BreastUSAssistLib.birads.read_case import BesideLesion, ReadCase, beside_analysis
from BreastUSAssistLib.birads.reading import LesionReading, Place, Reading
from BreastUSAssistLib.birads.reading_view import case_without_run, effective_analysis, effective_lesions
from BreastUSAssistLib.service.report import BANNER, report_html
from BreastUSAssistLib.service.report_reading import place_words
from BreastUSAssistLib.service.report_sections import LIMITS
from hypothesis import given, settings
from hypothesis import strategies as st
from read_cases import DRAFT, LEXICON, changed_reading, read_case, reading_of
from report_pages import Page

UNREAD = "Nothing has been checked by a reader."
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


def page_of(reading: Reading) -> Page:
    analysis, read = read_case(reading)
    return Page(report_html(analysis, [], read))


def words_of(reading: Reading) -> str:
    return page_of(reading).text.replace("\u00a0", " ")


def rows_of(content: str, caption: str) -> list[str]:
    table = content.split(f"<caption>{caption}", 1)[1].split("</table>", 1)[0]
    return [Page(f"{row}</tr>").text for row in table.split("<tbody>")[1].split("</tr>")[:-1]]


def test_without_a_reading_no_reader_is_spoken_of():
    plain = report_html(DRAFT, [])
    text = Page(plain).text
    assert UNREAD in text and all(limit in text for limit in LIMITS)
    assert "All lesions of this case, drafts" in text
    for mark in ('class="own"', 'class="reading"', "by-reader", ".own", "AI draft</th>", "What the reader said"):
        assert mark not in plain
    assert "<dl><div><dt>Category</dt><dd></dd></div><div><dt>Name</dt><dd></dd></div>" in plain


def test_who_decided_what_and_where_is_said_and_the_notice_stays():
    text = words_of(changed_reading())
    for words in (
        BANNER,
        "Accepted by Dr. M. Example , 2026-03-04 05:06 UTC+01:00.",
        "The reader's categories: 5, 2.",
        "Reader Dr. M. Example",
        "Right breast, 10:30 o'clock, 35 mm from the nipple",
        "Category 1: 5; 2: 2 Name Dr. M. Example Date 2026-03-04 05:06 UTC+01:00, accepted",
    ):
        assert words in text
    assert UNREAD not in text and "made without a reader" not in text and "drafts" not in text.split("Limits")[0]


def test_a_rejection_has_its_reason_and_an_open_case_is_not_decided():
    text = words_of(changed_reading(decision="rejected", reason="Wrong side."))
    assert "Rejected by Dr. M. Example" in text and "Why it was rejected Wrong side." in text
    text = words_of(changed_reading(decision="open", decided=None))
    assert "Not decided: Dr. M. Example made changes, and has neither accepted nor rejected" in text
    assert "Name Date" in text, "the printed box is left to be filled in"
    text = words_of(changed_reading(decision="open", decided=None, reader=""))
    assert "Not decided: a reader who is not named made changes" in text and "Reader not named" in text
    text = words_of(reading_of())
    assert "Not decided: nothing has been checked by a reader." in text and "Place not entered" in text
    assert "Accepted" not in text and "Rejected" not in text and "No category given by the reader" in text


def test_a_readers_terms_are_marked_with_the_ais_beside_them():
    analysis, read = read_case(changed_reading())
    content = report_html(analysis, [], read)
    drafted = {one.attribute: one.label for one in DRAFT.lesions[0].descriptors}
    rows = {row.split()[0]: row for row in rows_of(content, "Descriptors of lesion 1")}
    assert rows["Margin"].startswith(f"Margin Not circumscribed - spiculated {drafted['margin']} the reader's own term")
    assert rows["Margin"].endswith("set by the reader")
    assert "the same" in rows["Shape"] and "set by the reader" not in rows["Shape"]
    assert content.count('class="by-reader"') == 2
    text = Page(content).text
    assert f"Margin: not circumscribed - spiculated (AI: {drafted['margin'].lower()})" in text
    assert "Outline drawn by the network and corrected by the reader, with clicks and a box." in text
    assert "Hard. New since March." in text


def test_the_ais_first_suggestion_stands_beside_the_one_that_the_terms_made():
    text = words_of(reading_of(lesions={2: {"descriptors": {"margin": "spiculated"}, "category": "4C"}}))
    assert (
        "Reader's category 4C The AI suggests category 4B; before the reader's changes it suggested category 4A."
        in text
    )
    assert "4B (draft: 4A)" in text


def test_both_views_together_are_told_once_with_every_sentence():
    analysis, read = read_case(changed_reading())
    content = report_html(analysis, [], read)
    page, joint = Page(content), read.joint(DRAFT.lesions[0].tracking_uid)
    text = page.text.replace("\u00a0", " ")
    assert joint is not None and len(joint.sentences) > 2
    for sentence in joint.sentences:
        assert text.count(sentence) == 1
    assert f"Suggested category {joint.assessment.category} together with lesion 2, probability of malignancy" in text
    assert "Judged together with lesion 1 , see there." in text
    assert ("a", "href", "#views-1") in page.attributes and ("h4", "id", "views-1") in page.attributes


def test_a_view_in_another_case_is_named():
    own, other = DRAFT.lesions[0], DRAFT.lesions[1].model_copy(update={"tracking_uid": "2.25.7"})
    whole = effective_lesions(
        [DRAFT.model_copy(update={"lesions": (own, other)})],
        changed_reading(DRAFT.model_copy(update={"lesions": (own, other)})),
        LEXICON,
    )
    reading = reading_of(DRAFT.model_copy(update={"lesions": (own,)}), {1: {"tied_to": "2.25.7"}})
    beside = BesideLesion(tracking_uid=own.tracking_uid, draft=own, joint=whole[0].joint, other_case="view <2>")
    for told, words in (
        (beside, "together with lesion 2 of view <2> , probability"),
        (
            beside.model_copy(update={"joint": None, "other_case": ""}),
            "The same as a lesion of another image in another",
        ),
        (
            beside.model_copy(update={"joint": None}),
            "Not judged together, because one view was removed or has not been",
        ),
    ):
        analysis = DRAFT.model_copy(update={"lesions": (own,)})
        assert words in Page(report_html(analysis, [], ReadCase(reading=reading, beside=(told,)))).text


def test_drafts_that_are_not_known_are_not_made_up():
    reading = changed_reading()
    analysis = effective_analysis([DRAFT], reading, LEXICON)
    read = ReadCase(reading=reading, beside=beside_analysis(reading, analysis, LEXICON))
    content = report_html(analysis, [], read)
    text = Page(content).text
    assert "Margin: not circumscribed - spiculated;" in text and "(AI:" not in text and "AI draft</th>" not in content
    assert "Suggested category" in text and "together with lesion 2" in text, "tied within the case"


def test_what_is_no_lesion_and_what_is_not_measured_is_listed_and_not_shown():
    own = LesionReading(tracking_uid="own", number=3, category="2", note="Lymph node", tools=("added",))
    reading = reading_of(lesions={2: {"present": False, "note": "A rib."}}).with_lesion(own)
    analysis, read = read_case(reading)
    content = report_html(analysis, [], read)
    rows = rows_of(content, "Every lesion, as the reader left it")
    assert [row[:8] for row in rows] == ["Lesion 1", "Lesion 3", "Lesion 2"]
    assert rows[1] == "Lesion 3 2 not measured Added by the reader Lymph node"
    assert "no lesion" in rows[2] and "A rib." in rows[2]
    assert 'id="lesion-2"' not in content and 'id="lesion-3"' not in content


def test_a_case_of_which_nothing_is_left_says_who_took_it_away():
    text = words_of(reading_of(lesions={1: {"present": False}, 2: {"present": False}}))
    assert "The reader says that lesions 1 and 2 are none." in text
    assert "drew no outline" not in text and "This does not mean that there is none." in text
    empty = case_without_run("a", DRAFT.source, LEXICON, DRAFT.created, DRAFT.software)
    own = LesionReading(tracking_uid="own", number=1, tools=("added",))
    text = Page(report_html(empty, [], ReadCase(reading=Reading(case="a", lesions=(own,))))).text
    assert "Not shown, because without an outline or not measured: lesion 1." in text
    text = Page(report_html(empty, [], ReadCase(reading=Reading(case="a")))).text
    assert "No network has looked at this case" in text and "Not checked" in text and "Model none was run" in text
    assert "Nothing found" not in text


def test_how_a_lesion_was_outlined_is_told_by_frame():
    draft = DRAFT.model_copy(update={"source": DRAFT.source.model_copy(update={"kind": "cine", "frame_count": 3})})
    fields: dict[str, object] = {"edited_frames": (1, 2), "tools": ("segment_editor",)}
    analysis, read = read_case(reading_of(draft, {1: fields, 2: {"edited_frames": (3,)}}), draft)
    text = Page(report_html(analysis, [], read)).text
    assert "corrected by the reader in frames 1–2, with Segment Editor." in text
    assert "corrected by the reader in frame 3." in text and "Outline corrected in frames 1–2" in text
    measured: Lesion = draft.lesions[0].model_copy(update={"origin": "manual"})
    own = LesionReading(tracking_uid="own", number=3, revised=measured, tools=("added", "scribble"))
    analysis, read = read_case(reading_of(draft).with_lesion(own), draft)
    assert "Outline drawn by the reader, with scribbles." in Page(report_html(analysis, [], read)).text


def test_words_of_the_reader_stay_words():
    fields: dict[str, object] = {"note": HOSTILE, "descriptors": {HOSTILE: HOSTILE}, "category": HOSTILE}
    reading = changed_reading(reader=HOSTILE, decision="rejected", reason=HOSTILE, decided=HOSTILE)
    own = reading.lesions[0].model_copy(update=fields)
    analysis, read = read_case(reading.with_lesion(own))
    beside = tuple(one.model_copy(update={"other_case": HOSTILE}) for one in read.beside)
    page = Page(report_html(analysis, [], read.model_copy(update={"beside": beside})))
    plain = page_of(changed_reading(decision="rejected", reason="."))
    assert set(page.tags) <= set(plain.tags) and "script" not in page.tags
    assert {(tag, name) for tag, name, _ in page.attributes} <= {(tag, name) for tag, name, _ in plain.attributes}
    assert page.text.count("<script>alert(1)</script>") >= 5


@settings(deadline=None, max_examples=40)
@given(note=st.text(max_size=60), reader=st.text(max_size=30), reason=st.text(max_size=60))
def test_any_text_makes_a_page(note, reader, reason):
    reading = changed_reading(reader=reader, decision="rejected", reason=reason)
    analysis, read = read_case(reading.with_lesion(reading.lesions[0].model_copy(update={"note": note})))
    content = report_html(analysis, [], read)
    content.encode("utf-8")
    assert "script" not in Page(content).tags


def test_the_page_of_a_reading_is_accessible_and_needs_nothing():
    analysis, read = read_case(changed_reading())
    content = report_html(analysis, [], read)
    page = Page(content)
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value for _, name, value in page.attributes if name == "aria-labelledby"}
    wanted |= {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")}
    assert wanted <= set(ids)
    assert page.tags.count("table") == page.tags.count("caption")
    levels = [int(tag[1]) for tag in page.tags if tag in ("h1", "h2", "h3", "h4")]
    assert all(after - before <= 1 for before, after in pairwise(levels))
    style = content.split("<style>")[1].split("</style>")[0]
    assert ".own" in style and "url(" not in style and "unsafe" not in content.split("</head>")[0]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (Place(), "not entered"),
        (Place(side="left"), "Left breast"),
        (Place(clock=12.5), "12:30 o'clock"),
        (Place(side="left", clock=3, distance_mm=20.5), "Left breast, 3 o'clock, 20.5 mm from the nipple"),
    ],
)
def test_a_place_in_words(place, words):
    assert place_words(place) == words
