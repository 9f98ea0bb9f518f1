"""What stays in a de-identified header, what is replaced, and what is said of it."""

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, UsageError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.ultrasound.deidentification import rules
from BreastUSAssistLib.ultrasound.deidentification.header import MOST_NESTING, deidentify_dataset
from BreastUSAssistLib.ultrasound.deidentification.options import DeidentificationOptions
from BreastUSAssistLib.ultrasound.deidentification.rules import Action, rule_table
from BreastUSAssistLib.ultrasound.deidentification.uids import DeidentificationKey
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, generate_uid
from ultrasound_files import header, picture

KEY = DeidentificationKey(b"k" * 32)
STRICT = DeidentificationOptions(clean_descriptors=False, retain_dates=False, retain_characteristics=False)


@pytest.fixture
def image():
    """A still of 8-bit grey with a patient."""
    pixels = picture()[..., 0]
    dataset = header(pixels, "MONOCHROME2")
    dataset.PixelData = pixels.tobytes()
    dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = "19610203", "20250607", "101112"
    dataset.PatientSex, dataset.PatientWeight = "F", "71.5"
    return dataset


def clean(dataset, options=DeidentificationOptions(), **more):  # noqa: B008
    return deidentify_dataset(dataset, KEY, options, **more).dataset


def test_the_method_is_said(image):
    done = clean(image, pixels_clean=True)
    codes = [item.CodeValue for item in done.DeidentificationMethodCodeSequence]
    assert codes == ["113100", "113101", "113105", "113107", "113108"]
    assert (done.PatientIdentityRemoved, done.BurnedInAnnotation) == ("YES", "NO")
    assert done.LongitudinalTemporalInformationModified == "MODIFIED"
    assert "2026c" in done.DeidentificationMethod[1]


def test_without_a_look_at_the_pixels_nothing_is_said_of_them(image):
    image.BurnedInAnnotation = "NO"
    done = clean(image)
    assert "BurnedInAnnotation" not in done
    assert "113101" not in [item.CodeValue for item in done.DeidentificationMethodCodeSequence]


def test_the_strict_profile_keeps_no_date_age_or_description(image):
    image.StudyDescription, image.PatientAge, image.ContentDate = "BREAST LEFT", "044Y", "20250607"
    done = clean(image, STRICT)
    assert [item.CodeValue for item in done.DeidentificationMethodCodeSequence] == ["113100"]
    assert not done.StudyDate and not done.PatientSex and "PatientAge" not in done and "StudyDescription" not in done
    assert done.LongitudinalTemporalInformationModified == "REMOVED"


def test_the_original_is_left_as_it_was(image):
    before = image.to_json()
    clean(image)
    assert image.to_json() == before


def test_patients_have_one_pseudonym_each(image):
    first = clean(image)
    image.PatientName, image.SOPInstanceUID = "Married^Name", generate_uid()
    assert clean(image).PatientID == first.PatientID == first.PatientName
    image.PatientID = "another"
    assert clean(image).PatientID != first.PatientID
    image.PatientID = ""
    assert clean(image).PatientID not in ("", first.PatientID)


@pytest.mark.parametrize(
    ("age", "kept"),
    [("044Y", "044Y"), ("089Y", "089Y"), ("090Y", "090Y"), ("103Y", "090Y"), ("18M", None), ("?", None)],
)
def test_ages_above_89_are_one_group(image, age, kept):
    image.PatientBirthDate = ""
    image.add_new("PatientAge", "AS", age)
    assert clean(image).get("PatientAge") == kept


def test_the_age_follows_from_the_birth_date(image):
    assert clean(image).PatientAge == "064Y"
    image.PatientBirthDate = "19250608"
    assert clean(image).PatientAge == "090Y"
    image.PatientBirthDate = "20260608"
    assert "PatientAge" not in clean(image)


@pytest.mark.parametrize(
    ("keyword", "value", "kept"),
    [
        ("StudyDescription", "US BREAST left Müller 19610203", "US BREAST left"),
        ("StudyDescription", "Müller", None),
        ("Manufacturer", "GE Healthcare, Dr. Who's room", "GE Healthcare"),
        ("ManufacturerModelName", "LOGIQ E9 of ward 7", "LOGIQ E9 of 7"),
        ("TransducerData", "L12-5", "L12-5"),
        ("BodyPartExamined", "BREAST", "BREAST"),
        ("BodyPartExamined", "MUELLER", None),
        ("PatientSex", "F", "F"),
        ("PatientSex", "MUELLER", ""),
        ("PatientWeight", "71.5", 71.5),
        ("PatientWeight", "19610203", None),
        ("SeriesNumber", "3", 3),
        ("SeriesNumber", "19610203", None),
        ("ViewNumber", "2", 2),
        ("ViewNumber", "19610203", None),
        ("FocusDepth", "3.5", 3.5),
        ("FocusDepth", "19610203", None),
        ("EthnicGroup", "anything", None),
        ("InstitutionName", "Hospital", None),
        ("TransducerType", "LINEAR", "LINEAR"),
        ("MechanicalIndex", "0.9", 0.9),
    ],
)
def test_values_stay_only_where_they_are_known(image, keyword, value, kept):
    setattr(image, keyword, value)
    found = clean(image).get(keyword)
    assert (found or None) == (kept or None)


def test_a_place_in_a_list_keeps_its_meaning(image):
    image.ImageType = ["ORIGINAL", "PRIMARY", "MUELLER", "0011"]
    assert clean(image).ImageType == ["ORIGINAL", "PRIMARY", "OTHER", "0011"]


def test_regions_and_their_calibration_stay(image):
    region = Dataset()
    region.RegionSpatialFormat = region.RegionDataType = 1
    region.RegionLocationMinX0, region.RegionLocationMaxY1 = 3, 40
    region.PhysicalDeltaX, region.PhysicalUnitsXDirection = 0.0123, 3
    image.SequenceOfUltrasoundRegions = [region]
    assert clean(image).SequenceOfUltrasoundRegions[0] == region


def test_codes_that_nothing_knows_say_nothing_any_more(image):
    known, private = Dataset(), Dataset()
    known.CodeValue, known.CodingSchemeDesignator, known.CodeMeaning = "76752008", "SCT", "Breast of Anna Müller"
    private.CodeValue, private.CodingSchemeDesignator, private.CodeMeaning = "MUELLER", "99HOSP", "Anna Müller"
    image.AnatomicRegionSequence, image.ViewCodeSequence = [known], [private]
    done = deidentify_dataset(image, KEY)
    assert done.dataset.AnatomicRegionSequence[0].CodeMeaning == "Breast structure"
    replaced = done.dataset.ViewCodeSequence[0]
    assert (replaced.CodingSchemeDesignator, replaced.CodeMeaning) == ("99DEID", "Removed code")
    assert done.notes.replaced_codes == 1
    assert clean(image).ViewCodeSequence[0].CodeValue == replaced.CodeValue


def test_references_between_images_hold(image):
    other = generate_uid()
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = image.SOPClassUID, other
    image.SourceImageSequence = [reference]
    kept = clean(image).SourceImageSequence[0]
    assert kept.ReferencedSOPInstanceUID == KEY.uid(other) and kept.ReferencedSOPClassUID == image.SOPClassUID


def test_bytes_behind_the_last_pixel_are_cut(image):
    length = len(image.PixelData)
    image.PixelData += b"MUELLER^ANNA"
    assert len(clean(image).PixelData) == length


def test_pixels_that_are_not_all_there_are_refused(image):
    image.PixelData = image.PixelData[:100]
    with pytest.raises(InputError, match="not all there"):
        clean(image)


def test_big_endian_pixels_are_turned_round(image, tmp_path):
    image.BitsAllocated = image.BitsStored = 16
    image.HighBit = 15
    values = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64)
    image.PixelData = values.astype(">u2").tobytes()
    image["PixelData"].VR = "OW"
    image.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    image.save_as(tmp_path / "big.dcm", implicit_vr=False, little_endian=False, enforce_file_format=True)
    done = clean(dcmread(tmp_path / "big.dcm"))
    done.save_as(tmp_path / "little.dcm", enforce_file_format=True)
    assert np.array_equal(dcmread(tmp_path / "little.dcm").pixel_array, values)


@pytest.mark.parametrize(
    "uid", ["1.2.840.10008.5.1.4.1.1.104.1", "1.2.840.10008.5.1.4.1.1.11.1", "1.2.840.10008.5.1.4.1.1.2", "1.2.3", ""]
)
def test_other_kinds_of_objects_are_refused(image, uid):
    image.SOPClassUID = uid
    with pytest.raises(InputError, match="not de-identified here"):
        clean(image)


def test_sequences_without_end_are_refused(image):
    deepest = Dataset()
    for _ in range(MOST_NESTING + 1):
        item = Dataset()
        item.AnatomicRegionSequence = [deepest]
        deepest = item
    image.AnatomicRegionSequence = [deepest]
    with pytest.raises(InputError, match="nested"):
        clean(image)


def test_an_attribute_under_another_vr_is_none_of_its_values(image):
    image.add_new(tag_for_keyword("MechanicalIndex"), "LO", "0.9")
    image.add_new(tag_for_keyword("StudyDate"), "LO", "20250607")
    done = clean(image)
    assert "MechanicalIndex" not in done and not done.StudyDate


def test_a_header_alone_has_no_pixels(image):
    del image.PixelData
    image.file_meta = FileMetaDataset()
    assert "PixelData" not in clean(image)


def test_the_rule_table_is_that_of_the_standard():
    table = rule_table()
    assert table.action(tag_for_keyword("PatientName")) is Action.EMPTY
    assert table.action(tag_for_keyword("SOPInstanceUID")) is Action.NEW_UID
    assert table.action(0x60023000) is table.action(0x50103000) is Action.REMOVE
    assert table.action(tag_for_keyword("Rows")) is None
    assert len(table.exact) > 600


def test_without_the_rule_table_it_says_what_to_install(image, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dicomanonymizer.dicom_anonymization_databases", None)
    rules.rule_table.cache_clear()
    with pytest.raises(UsageError, match=r"breastusassist\[deidentify\]"):
        clean(image)
    rules.rule_table.cache_clear()


def test_the_schema_of_the_report_is_current():
    from BreastUSAssistLib.ultrasound.deidentification.record import report_schema

    path = resource_path("Schema", "deidentification-1.0.schema.json")
    assert path.read_text("utf-8") == report_schema()
    jsonschema.Draft202012Validator.check_schema(__import__("json").loads(report_schema()))
