"""Generated readings on generated sources: each report is valid, and what is read of it is what the reader did."""

import random
from pathlib import Path

import pytest
from BreastUSAssistLib.birads.reading import READER_CATEGORIES, Place
from BreastUSAssistLib.dicom.report_reading import read_report
from dicom import drafts, sources
from dicom.read_reports import LEXICON, MOMENT, ReadReport
from pydicom import Dataset

COUNT = 15
SOURCES = (
    lambda: [sources.still(rgb=True)],
    lambda: [sources.cine(7)],
    lambda: [sources.enhanced_volume(5)],
    lambda: sources.stills(4),
    lambda: sources.bare(sources.captures(4)),
    lambda: sources.automated_volume(4),
)


def reading_of(chance: random.Random, headers: list[Dataset]) -> ReadReport:
    """A reading in which anything may have been changed."""
    made = ReadReport(headers=headers, mm=chance.random() < 0.5)
    for lesion in made.reading.lesions:
        terms = {name: chance.choice(sorted(one.terms)) for name, one in LEXICON.attributes.items()}
        chosen = chance.sample(sorted(terms), chance.choice((0, 0, 1, 3)))
        made.lesion(
            lesion.number,
            present=chance.random() < 0.75,
            descriptors={name: terms[name] for name in chosen},
            category=chance.choice((None, *READER_CATEGORIES)),
            note=chance.choice(("", "Größer als 2025.\n– «neu»", "a\\b\tc")),
            edited_frames=(1,) if chance.random() < 0.4 else (),
        )
    return made.case(
        reader=chance.choice(("Dr. M. Example", "Müller^Änne^^Dr.", "山田^太郎", "=\\", "")),
        decision=chance.choice(("accepted", "accepted", "rejected", "open")),
        decided=chance.choice((MOMENT, MOMENT, None)),
        reason=chance.choice(("", "Not a breast.")),
        place=Place(
            side=chance.choice(("left", "right", "unknown")),
            clock=chance.choice((None, 1, 12.5)),
            distance_mm=chance.choice((None, 35)),
        ),
    )


@pytest.mark.parametrize("part", range(2))
def test_what_the_reader_did_is_read(part: int, tmp_path: Path) -> None:
    import highdicom

    for number in range(part * COUNT, (part + 1) * COUNT):
        made = reading_of(random.Random(number), SOURCES[number % len(SOURCES)]())
        path = made.write(tmp_path / f"{number}.dcm")
        assert drafts.validator_errors(path) == [], number
        said, read = made.reading, read_report(path)
        present = [one for one in said.lesions if one.present]
        assert len(highdicom.sr.srread(path).content.get_planar_roi_measurement_groups()) == len(present)
        named = any(letter.isalpha() for letter in said.reader)
        assert read.verified == (said.decision == "accepted" and named and said.decided is not None)
        assert read.decision == said.decision and read.reason == said.reason
        assert sorted(one.number or 0 for one in read.lesions) == [one.number for one in said.lesions]
        for own in said.lesions:
            lesion = next(one for one in read.lesions if one.number == own.number)
            changed = "changed" if own.descriptors or own.edited_frames else "kept"
            assert (lesion.present, lesion.verdict) == (own.present, changed if own.present else "removed")
            assert lesion.ai is not None and lesion.ai.category == "4A" and len(lesion.ai.outlines) == 1
            assert {one.by for one in lesion.ai.descriptors} == {"algorithm"}
            if not own.present:
                assert lesion.reader is None
                continue
            assert lesion.reader is not None and lesion.reader.category == own.category
            by_reader = [one for one in lesion.reader.descriptors if one.by == "reader"]
            assert len(by_reader) == len(own.descriptors)
            assert lesion.reader.note.replace("\t", " ") == own.note.replace("\t", " ")
            assert (lesion.reader.note == "") == (own.note == "")
