"""report.html: says everything, needs nothing, survives hostile words."""

import base64
import hashlib
import re
from itertools import pairwise

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import AnalysisSettings, Gate, Spacing
from BreastUSAssistLib.birads.lesion import SitePrevalence
from BreastUSAssistLib.service.report import BANNER, KeyPicture, report_html, write_report
from BreastUSAssistLib.service.report_pictures import line_style
from BreastUSAssistLib.service.report_text import frame_ranges, percent, safe
from hypothesis import given, settings
from hypothesis import strategies as st
from report_pages import READ, STORED, Page, decoded, frame, labels, pictures, still


def test_everything_that_was_found_is_said():
    text = Page(report_html(STORED, pictures())).text
    said = [BANNER, "made-up", "one.dcm", "three.dcm", "Cine clip, 3 frames", "0.1 mm a pixel", "ultrasound region"]
    said += [
        STORED.created,
        STORED.software,
        STORED.lexicon,
        STORED.model.name,
        STORED.model.version,
        STORED.model.sha256,
    ]
    said += [STORED.model.backend, "Predict 182 ms", "Not fit for reading", "frame 3", "Warning", "all frames"]
    said += [gate.message for gate in STORED.gates]
    for lesion in STORED.lesions:
        said += [f"Lesion {lesion.number}", *lesion.assessment.reasons]
        said += [words for d in lesion.descriptors for words in (d.label, d.because)]
    said += [
        "14.2",
        "142.0",
        "Breast ultrasound terms, 5th edition (2013)",
        "Suggested category 4B",
        "37 %",
        "21 % to 52 %",
        "calibrated",
        "No category suggested",
    ]
    said += ["> 10 % to ≤ 50 %", "About a third of the lesions in the training sets were malignant"]
    said += [
        "largest 6000 px in frame 2" if STORED.lesions[0].measurements.area.mm2 is None else "in frame 2",
        "BUS-BRA",
    ]
    assert [words for words in said if " ".join(words.split()) not in text.replace("\u00a0", " ")] == []


def test_the_page_needs_nothing_and_runs_nothing():
    content = report_html(STORED, pictures())
    page = Page(content)
    assert not {"script", "iframe", "object", "embed", "form", "base", "foreignobject"} & set(page.tags)
    assert page.tags.count("link") == 1
    for tag, name, value in page.attributes:
        assert not name.startswith("on") and name not in ("style", "srcset", "xlink:href", "srcdoc"), (tag, name)
        if name in ("src", "href"):
            assert value.startswith(("data:", "#")), value
    style = re.search(r"<style>(.*?)</style>", content, re.S).group(1)
    assert "url(" not in style and "@import" not in style
    policy = next(v for t, n, v in page.attributes if t == "meta" and n == "content" and v.startswith("default-src"))
    allowed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'sha256-{allowed}'" in policy
    assert "unsafe" not in policy


def test_the_page_is_accessible():
    page = Page(report_html(STORED, pictures()))
    assert ("html", "lang", "en") in page.attributes
    assert page.tags.count("h1") == page.tags.count("main") == 1
    assert page.tags.count("table") == page.tags.count("caption")
    alts = [value for tag, name, value in page.attributes if tag == "img" and name == "alt"]
    assert len(alts) == page.tags.count("img") == len(set(alts))
    scopes = [value for tag, name, value in page.attributes if tag == "th" and name == "scope"]
    assert len(scopes) == page.tags.count("th")
    ids = [value for _, name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    wanted = {value.lstrip("#") for _, name, value in page.attributes if name in ("aria-labelledby",)}
    wanted |= {value[1:] for _, name, value in page.attributes if name == "href" and value.startswith("#")}
    assert wanted <= set(ids)
    levels = [int(tag[1]) for tag in page.tags if re.fullmatch(r"h\d", tag)]
    assert all(after - before <= 1 for before, after in pairwise(levels))


def contrast(one, other):
    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_reach_the_contrast_of_wcag_aa_in_light_and_dark():
    content = report_html(still(), [])
    themes = re.findall(r":root \{(.*?)\}", content, re.S)[:2]
    for theme in themes:
        colour = dict(re.findall(r"--([\w-]+): (#\w{6})", theme))
        for ink in ("ink", "soft", "stop", "warn", "note", "ok"):
            assert contrast(colour[ink], colour["card"]) >= 4.5, ink
        for ink, ground in (("ink", "page"), ("soft", "page"), ("ink", "accent-soft"), ("soft", "accent-soft")):
            assert contrast(colour[ink], colour[ground]) >= 4.5, (ink, ground)
        assert contrast(colour["banner-ink"], colour["banner"]) >= 4.5
        assert contrast(colour["card"], colour["accent"]) >= 4.5
    for number in range(1, 7):
        assert contrast(line_style(number).colour, "#0b0f14") >= 4.5


HOSTILE = st.one_of(
    st.text(st.characters(), max_size=30),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>',
            "' onload='x",
            "</style><b>",
            "]]><svg/onload=x>",
            "$banner ${style} $$",
            "a\x00b\x1b[31m\ud800",
            "\u202eexe.gnp",
            "&lt;&amp",
            "<!--",
        ]
    ),
)


@settings(deadline=None, max_examples=60)
@given(st.lists(HOSTILE, min_size=9, max_size=9))
def test_hostile_words_stay_words(words):
    lesion = STORED.lesions[0]
    descriptor = lesion.descriptors[0].model_copy(
        update={"attribute": words[0], "label": words[1], "because": words[2]}
    )
    assessment = lesion.assessment.model_copy(
        update={"category": words[3], "label": words[4], "reasons": (words[5],), "edition": words[6]}
    )
    lesion = lesion.model_copy(update={"descriptors": (descriptor,), "assessment": assessment})
    analysis = STORED.model_copy(
        update={
            "case": words[7],
            "created": words[0],
            "software": words[1],
            "lexicon": words[2],
            "source": STORED.source.model_copy(update={"files": (words[8], words[0]), "format": words[3]}),
            "model": STORED.model.model_copy(update={"name": words[4], "sha256": words[5], "device": words[6]}),
            "gates": (Gate.model_construct(code="x", severity="warn", message=words[8], frames=(1,)),),
            "lesions": (lesion,),
            "timings_ms": {words[7]: 1.0},
        }
    )
    page, plain = (
        Page(report_html(analysis, [])),
        Page(report_html(STORED.model_copy(update={"lesions": (lesion,)}), [])),
    )
    assert set(page.tags) <= set(plain.tags) | {"span"}
    assert {(tag, name) for tag, name, _ in page.attributes} <= {(tag, name) for tag, name, _ in plain.attributes} | {
        ("span", "class")
    }
    assert "\ud800" not in page.text and "\x00" not in page.text
    report_html(analysis, []).encode("utf-8")


def test_invisible_characters_that_turn_text_around_are_shown():
    assert safe("a\u202eb\x07\ud800<") == "a\ufffdb\ufffd\ufffd&lt;"


def test_no_lesion_is_said_and_not_called_normal():
    page = Page(report_html(still(lesions=()), [KeyPicture(frame(), np.zeros((200, 300), np.uint8), 1)]))
    assert "No lesion outlined" in page.text and "This does not mean that there is none." in page.text
    assert "Suggested" not in page.text
    assert page.tags.count("img") == 1


def test_a_stopped_image_is_not_said_to_have_been_read():
    gate = Gate(code="doppler", severity="stop", message="Colour Doppler lies over the tissue.")
    frames = (STORED.frames[2].model_copy(update={"lesions": (), "areas_px": ()}),)
    text = Page(report_html(still(lesions=(), gates=(gate,), frames=frames), [])).text
    assert "The image was not read" in text and "drew no outline" not in text
    unread = [frame.model_copy(update={"normal": None, "lesions": (), "areas_px": ()}) for frame in STORED.frames]
    several = STORED.model_copy(update={"lesions": (), "gates": (gate,), "frames": tuple(unread)})
    assert "The frames were not read" in Page(report_html(several, [])).text
    text = Page(report_html(several.model_copy(update={"frames": (STORED.frames[0], *unread[1:])}), [])).text
    assert "in the frame that was read (1 of 3)" in text


def test_a_probability_that_is_not_calibrated_says_so():
    lesion = still().lesions[0]
    assessment = lesion.assessment.model_copy(update={"probability_calibrated": False, "interval": None})
    text = Page(report_html(still(lesions=(lesion.model_copy(update={"assessment": assessment}),)), [])).text
    assert "Not calibrated: a score to rank by, not a chance." in text
    assert "Calibrated on held-out" not in text


def read_lesion(**changes):
    lesion = still().lesions[0]
    assessment = lesion.assessment.model_copy(update={**READ, **changes})
    return lesion.model_copy(update={"assessment": assessment, "outline_band_px": 3.0, "outline_uncertain_share": 0.25})


def test_image_and_clinical_parameters_stand_side_by_side_with_the_set_and_the_band():
    page = Page(report_html(still(lesions=(read_lesion(),)), [KeyPicture(frame(), labels(), 1, (1,))]))
    text = page.text.replace("\u00a0", " ")
    for words in ("Image alone 31 % 22 % to 40 %", "Image and clinical parameters 52 % 40 % to 66 %"):
        assert words in text
    assert "category 4A to 4C in 90 % of cases; the middle of it is 4B" in text
    assert "reaches about 0.3 mm to either side, and along 25 % of its length much farther" in text
    assert "Tinted" not in text, "no probability map was given"
    classes = [value for tag, name, value in page.attributes if (tag, name) == ("li", "class")]
    assert [value for value in classes if value and "likely" in value] == ["likely", "chosen likely", "likely"]
    assert "About a third of the lesions in the training sets" in text


def test_a_site_prevalence_is_told_in_place_of_the_warning_and_beside_the_unshifted_probability():
    shifted = SitePrevalence(site=0.01, training=0.33, image_probability=0.009, combined_probability=0.021)
    lesion = read_lesion(prevalence=shifted, probability_malignant=0.021, interval=(0.013, 0.037))
    text = Page(report_html(still(lesions=(lesion,), settings=AnalysisSettings(prevalence=0.01)), [])).text
    text = text.replace("\u00a0", " ")
    for words in ("2.1 % (95 % interval 1.3 % to 3.7 %)", "at this site 0.9 %", "at this site 2.1 %", "52 %"):
        assert words in text
    assert "counts on 1 % of the lesions at this site being malignant" in text
    assert "Malignant at this site 1 %" in text
    before_limits = text.split("Limits")[0]
    assert "About a third of the lesions" not in before_limits


def test_both_models_are_named_and_a_present_rim_says_what_is_present():
    reader = STORED.model.model_copy(update={"name": "reads-lesions", "sha256": "f" * 64})
    lesion = still().lesions[0]
    rim = lesion.descriptors[0].model_copy(
        update={"attribute": "echogenic_rim", "label": "Present", "origin": "model", "because": "seen"}
    )
    lesions = tuple(lesion.model_copy(update={"descriptors": (rim,), "number": n}) for n in (1, 2))
    text = Page(report_html(still(models=(STORED.model, reader), lesions=lesions), [])).text
    for words in (
        "Model that outlined",
        "Model that read the lesions reads-lesions",
        "f" * 64,
        "Echogenic rim present",
    ):
        assert words in text


def test_no_millimetres_without_calibration():
    lesion = STORED.lesions[1].model_copy(update={"key_frame": 1, "frames": (1,)})
    source = still().source.model_copy(update={"spacing": None})
    text = Page(report_html(still(source=source, lesions=(lesion,), gates=()), [])).text
    assert "Not calibrated: lengths in pixels" in text
    assert not re.search(r"\d\s*mm", text)
    odd = Spacing(row_mm=0.1, column_mm=0.2, source="user")
    text = Page(report_html(still(source=source.model_copy(update={"spacing": odd})), [])).text
    assert "0.1 mm a pixel down, 0.2 mm across, entered by the user" in text


def test_areas_by_frame_break_where_nothing_was_outlined():
    frames = tuple(
        STORED.frames[0].model_copy(update={"frame_number": n, "lesions": (1,) if n != 4 else (), "areas_px": ()})
        for n in range(1, 8)
    )
    source = STORED.source.model_copy(update={"frame_count": 7})
    page = Page(
        report_html(STORED.model_copy(update={"frames": frames, "lesions": STORED.lesions[:1], "source": source}), [])
    )
    assert page.tags.count("polyline") == 2
    assert "outlined in 6 of 7 frames (1–3, 5–7); measured" in page.text


def test_pictures_of_each_key_frame_and_lesion_are_there():
    images = decoded(Page(report_html(STORED, pictures())))
    # Two key frames and two lesions, each untouched and outlined.
    assert len(images) == 8
    untouched = np.asarray(images[0].convert("L"))
    assert np.array_equal(untouched, frame()), "the untouched picture of a small frame is exact"


@pytest.mark.parametrize(("frames", "size", "limit"), [(1, (1024, 768), 1.5e6), (31, (800, 1000), 3e6)])
def test_a_report_of_noise_stays_small(tmp_path, frames, size, limit):
    mask = np.zeros(size, np.uint8)
    mask[200:400, 300:500], mask[500:600, 100:200] = 1, 2
    source = STORED.source.model_copy(update={"frame_count": frames, "kind": "cine" if frames > 1 else "still"})
    keys = (1, 1) if frames == 1 else (5, 20)
    lesions = tuple(
        lesion.model_copy(update={"key_frame": key, "frames": (key,), "box": box})
        for lesion, key, box in zip(STORED.lesions, keys, ((200, 300, 400, 500), (500, 100, 600, 200)), strict=True)
    )
    analysis = STORED.model_copy(update={"source": source, "lesions": lesions})
    shown = [KeyPicture(frame(*size, colour=True), mask, key, (1, 2)) for key in sorted(set(keys))]
    write_report(tmp_path / "report.html", analysis, shown)
    assert (tmp_path / "report.html").stat().st_size < limit


def test_words():
    assert frame_ranges([5, 1, 2, 3, 9, 9]) == "1–3, 5, 9"
    assert [percent(p) for p in (0, 0.004, 0.37, 0.999, 1)] == ["<1 %", "<1 %", "37 %", ">99 %", ">99 %"]
