"""Content items of reports that tell who somebody is by their value alone: ages, birth dates, numbers."""

import pytest
from BreastUSAssistLib.dicom.known_terms import known_terms
from BreastUSAssistLib.dicom.structured_report import report_dataset
from BreastUSAssistLib.ultrasound.deidentification.dates import DateShift
from BreastUSAssistLib.ultrasound.deidentification.header import deidentify_dataset
from BreastUSAssistLib.ultrasound.deidentification.options import DeidentificationOptions
from BreastUSAssistLib.ultrasound.deidentification.uids import DeidentificationKey
from dicom.drafts import CREATED, analysis_of, lesions_of, two_lesions
from dicom.sources import still
from pydicom import Dataset

KEY = DeidentificationKey(b"k" * 32)
AGE, BORN, OTHER = ("121033", "DCM"), ("121031", "DCM"), ("MRN", "99OTHER")
LENGTH, LOINC_BORN = ("410668003", "SCT"), ("21112-8", "LN")
YEARS, MONTHS, ONE = "a", "mo", "1"


def code(value: str, scheme: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, "Meaning"
    return item


def content(name: tuple[str, str], value_type: str, **values: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.ConceptNameCodeSequence = "CONTAINS", value_type, [code(*name)]
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def number(name: tuple[str, str], value: str, unit: str, **more: object) -> Dataset:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, [code(unit, "UCUM")]
    for keyword, one in more.items():
        setattr(measured, keyword, one)
    return content(name, "NUM", MeasuredValueSequence=[measured])


def cleaned(item: Dataset, *, characteristics: bool = True) -> Dataset:
    labels = two_lesions(1)
    report = report_dataset([still()], analysis_of(labels, lesions_of(labels)), labels, created=CREATED)
    report = Dataset.from_json(report.to_json())
    report.StudyDate = "20250301"
    report.ContentSequence.append(item)
    options = DeidentificationOptions(terms=known_terms(), retain_characteristics=characteristics)
    found: Dataset = deidentify_dataset(report, KEY, options).dataset.ContentSequence[-1]
    return found


@pytest.mark.parametrize(
    ("name", "value", "unit", "kept"),
    [
        (AGE, "44", YEARS, "44"),
        (AGE, "97", YEARS, "90"),
        (AGE, "1164", MONTHS, "1080"),
        (OTHER, "97", YEARS, "90"),
        (OTHER, "12.5", ONE, "12.5"),
        (OTHER, "1234567", ONE, None),
        (LENGTH, "123456", ONE, "123456"),
        (LENGTH, "19280314", ONE, None),
    ],
)
def test_numbers_stay_unless_they_tell_who_it_is(name, value, unit, kept):
    item = cleaned(number(name, value, unit, FloatingPointValue=float(value)))
    if kept is None:
        assert not item.MeasuredValueSequence and "ConceptNameCodeSequence" in item
    else:
        (measured,) = item.MeasuredValueSequence
        assert str(measured.NumericValue) == kept and measured.get("FloatingPointValue", float(kept)) == float(kept)


def test_the_age_goes_with_the_other_characteristics():
    assert not cleaned(number(AGE, "44", YEARS), characteristics=False).MeasuredValueSequence


@pytest.mark.parametrize("name", [BORN, LOINC_BORN])
def test_a_birth_date_is_not_moved_but_goes(name):
    assert cleaned(content(name, "DATE", Date="19610203")).Date == "19000101"
    assert cleaned(content(name, "DATETIME", DateTime="196102031200")).DateTime == "19000101000000"


def test_a_date_that_tells_an_age_above_89_goes_whatever_it_is_called():
    shift = DateShift.of_patient(KEY, f"id {still().PatientID}")
    assert cleaned(content(OTHER, "DATE", Date="19280314")).Date == "19000101"
    assert cleaned(content(OTHER, "DATE", Date="19610203")).Date == shift.date("19610203")
