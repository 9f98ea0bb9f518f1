"""Clinical parameters: their file, the age of a DICOM header, and that nothing of them leaks into an error."""

import json

import jsonschema
import pytest
from BreastUSAssistLib.birads.clinical import (
    PARAMETERS,
    ClinicalParameters,
    age_from_dicom,
    clinical_schema,
    read_clinical,
)
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.files import resource_path
from hypothesis import given
from hypothesis import strategies as st


def written(tmp_path, content):
    path = tmp_path / "clinical.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def test_what_is_left_out_is_unknown_and_not_no(tmp_path):
    found = read_clinical(written(tmp_path, {"schema_version": "1.0", "age_years": 62, "palpable": False}))
    assert found == ClinicalParameters(age_years=62, palpable=False)
    assert found.values() == {**dict.fromkeys(PARAMETERS), "age_years": 62.0, "palpable": 0.0}
    assert (found.words("age_years"), found.words("palpable")) == ("age 62 years", "no palpable lump")
    assert found.words("family_history").endswith("unknown")
    assert read_clinical(written(tmp_path, b'\xef\xbb\xbf{"nipple_discharge": null}')) == ClinicalParameters()
    assert found.known and not ClinicalParameters().known


def test_every_parameter_has_a_name_and_the_schema_is_the_published_one():
    assert list(PARAMETERS) == [name for name in ClinicalParameters.model_fields if name != "schema_version"]
    published = resource_path("Schema", "clinical-1.0.schema.json").read_text("utf-8")
    assert published == clinical_schema(), "write clinical_schema() to Resources/Schema/clinical-1.0.schema.json"
    full = ClinicalParameters(age_years=40, **{name: True for name in PARAMETERS if name != "age_years"})
    jsonschema.validate(json.loads(full.model_dump_json()), json.loads(published))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"age_years": 121}, "age_years has to be a whole number from 0 to 120"),
        ({"age_years": -1}, "age_years has to be"),
        ({"age_years": 40.5}, "age_years has to be"),
        ({"age_years": "1945-07-13"}, "age_years has to be"),
        ({"palpable": "yes, Jane Doe"}, "palpable has to be true, false or null"),
        ({"palpable": 1}, "palpable has to be"),
        ({"Jane Doe 1945": True}, "a key is not one of age_years"),
        ({"schema_version": "2.0"}, "version 1.0"),
        ([], "version 1.0"),
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 50_000, "not JSON"),
        (b" " * 70_000, "64 kB"),
    ],
)
def test_a_file_that_does_not_fit_is_told_without_its_values(tmp_path, content, words):
    with pytest.raises(InputError, match=words) as caught:
        read_clinical(written(tmp_path, content))
    told = str(caught.value) + repr(caught.value.__cause__)
    assert "clinical.json" in told and told.split("None")[0].endswith((".", "'"))
    # The folder's own name may hold any number.
    words_alone = told.replace(str(tmp_path), "")
    for value in ("Jane", "1945", "121", "40.5"):
        assert value not in words_alone


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json could not be read"):
        read_clinical(tmp_path / "none.json")


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("045Y", 45),
        ("006M", 0),
        ("030M", 2),
        ("520W", 9),
        ("400D", 1),
        (" 045Y ", 45),
        ("45Y", None),
        ("200Y", None),
        ("", None),
        (None, None),
        ("045y", None),
        ("-45Y", None),
    ],
)
def test_ages_as_dicom_writes_them(text, age):
    assert age_from_dicom(text) == age


@given(st.text())
def test_any_text_gives_an_age_in_bounds_or_none(text):
    age = age_from_dicom(text)
    assert age is None or 0 <= age <= 120
