"""analysis.json: written and read back, its schema, old files, damaged ones."""

import json
from pathlib import Path

import jsonschema
import pytest
from BreastUSAssistLib.errors import InputError, OutputError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.service.analysis_file import analysis_schema, read_analysis, write_analysis
from hypothesis import given, settings
from hypothesis import strategies as st

STORED = Path(__file__).parent / "data" / "analysis-1.0.json"
PHANTOM = STORED.with_name("analysis-1.0-phantom.json")
"""As the release of that format wrote it."""
SECOND = STORED.with_name("analysis-1.1.json")
SECOND_PHANTOM = STORED.with_name("analysis-1.1-phantom.json")
"""Of version 1.1, written by it, with clinical parameters and a site's prevalence."""


def changed(tmp_path, **changes):
    content = {**json.loads(STORED.read_text("utf-8")), **changes}
    path = tmp_path / "changed.json"
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}), "utf-8")
    return path


def test_a_stored_file_of_the_first_version_still_loads():
    analysis = read_analysis(STORED)
    assert (analysis.case, len(analysis.frames), [lesion.number for lesion in analysis.lesions]) == (
        "made-up",
        3,
        [1, 2],
    )
    assert analysis.lesions[0].measurements.longest_axis.mm == pytest.approx(14.2)
    assert analysis.lesions[1].assessment.category is None


def test_a_file_of_the_first_version_keeps_what_it_said_and_claims_nothing_new(tmp_path):
    analysis = read_analysis(PHANTOM)
    assert analysis.schema_version == "1.2" and analysis.models == (analysis.model,)
    assert [lesion.assessment.category for lesion in analysis.lesions] == ["4C", "4B"]
    for lesion in analysis.lesions:
        assessment = lesion.assessment
        assert assessment.probability_malignant is not None
        assert assessment.image_probability is None and assessment.category_opinion is None
        assert assessment.prevalence is None and lesion.outline_band_px is None
    assert analysis.settings.clinical is None
    write_analysis(tmp_path / "again.json", analysis)
    assert read_analysis(tmp_path / "again.json") == analysis
    old, new = json.loads(PHANTOM.read_text("utf-8")), json.loads((tmp_path / "again.json").read_text("utf-8"))
    assert all(new[key] == value for key, value in old.items() if key not in ("schema_version", "lesions"))


def test_a_file_of_version_1_1_keeps_its_models_and_all_that_the_reader_network_said(tmp_path):
    analysis = read_analysis(SECOND_PHANTOM)
    old = json.loads(SECOND_PHANTOM.read_text("utf-8"))
    assert [model.name for model in analysis.models] == ["lesion-outline", "lesion-reader"]
    assert analysis.settings.prevalence == 0.05 and analysis.settings.clinical.age_years == 62
    for lesion, stored in zip(analysis.lesions, old["lesions"], strict=True):
        assert lesion.volume_axes is None
        content = lesion.model_dump(mode="json")
        assert {key: content[key] for key in stored} == stored
    write_analysis(tmp_path / "again.json", analysis)
    assert read_analysis(tmp_path / "again.json") == analysis


@pytest.mark.parametrize(
    ("path", "first"),
    [(STORED, "1.0"), (PHANTOM, "1.0"), (SECOND, "1.1"), (SECOND_PHANTOM, "1.1")],
    ids=lambda value: getattr(value, "stem", value),
)
def test_stored_files_follow_the_published_schemas(path, first, tmp_path):
    for version in (first, "1.2"):
        schema = json.loads(resource_path("Schema", f"analysis-{version}.schema.json").read_text("utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"urn:breastusassist:schema:analysis-{version}"
        if version == "1.2":
            write_analysis(tmp_path / "new.json", read_analysis(path))
            path = tmp_path / "new.json"
        jsonschema.validate(json.loads(path.read_text("utf-8")), schema, cls=jsonschema.Draft202012Validator)
    assert schema["title"] and schema["description"]
    assert schema["properties"]["created"]["description"] == "ISO 8601 with time zone."


def test_the_published_schema_is_the_generated_one():
    published = resource_path("Schema", "analysis-1.2.schema.json").read_text("utf-8")
    assert published == analysis_schema(), "write analysis_schema() to Resources/Schema/analysis-1.2.schema.json"


@settings(deadline=None)
@given(case=st.text(), area=st.floats(allow_nan=False, allow_infinity=False), time=st.none() | st.floats(0, 1e9))
def test_what_is_written_is_read_back(tmp_path_factory, case, area, time):
    stored = read_analysis(STORED)
    frame = stored.frames[0].model_copy(update={"time_ms": time, "areas_px": (area,)})
    analysis = stored.model_copy(update={"case": case, "frames": (frame,)})
    path = tmp_path_factory.getbasetemp() / "round.json"
    write_analysis(path, analysis)
    assert read_analysis(path) == analysis


def test_a_file_name_that_is_no_unicode_is_written_readably(tmp_path):
    stored = read_analysis(STORED)
    source = stored.source.model_copy(update={"files": ("scan\udcff.dcm", "größe.dcm")})
    write_analysis(tmp_path / "a.json", stored.model_copy(update={"source": source}))
    assert read_analysis(tmp_path / "a.json").source.files == ("scan?.dcm", "größe.dcm")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_not_finite_is_never_written(tmp_path, value):
    stored = read_analysis(STORED)
    measured = stored.lesions[1].measurements.model_copy(update={"solidity": value})
    lesion = stored.lesions[1].model_copy(update={"measurements": measured})
    path = tmp_path / "analysis.json"
    with pytest.raises(OutputError, match="lesions/1/measurements/solidity"):
        write_analysis(path, stored.model_copy(update={"lesions": (stored.lesions[0], lesion)}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("version", "words"),
    [
        ("1.3", "update BreastUSAssist"),
        ("2.0", "update BreastUSAssist"),
        ("10.0", "update"),
        ("0.9", "run analyze again"),
    ],
)
def test_another_version_is_told_apart_from_damage(tmp_path, version, words):
    with pytest.raises(InputError, match=rf"format {version}.*1\.2; {words}"):
        read_analysis(changed(tmp_path, schema_version=version))


@pytest.mark.parametrize("version", [None, 1.0, "newest", "1.0.0", {}])
def test_a_file_that_does_not_say_its_version_is_refused(tmp_path, version):
    with pytest.raises(InputError, match="which version"):
        read_analysis(changed(tmp_path, schema_version=version))


def test_an_error_names_the_place_but_never_the_value(tmp_path):
    with pytest.raises(InputError) as caught:
        read_analysis(changed(tmp_path, created={"Jane Doe": 1}))
    assert "created" in str(caught.value) and "Jane" not in str(caught.value)
    with pytest.raises(InputError, match="patient"):
        read_analysis(changed(tmp_path, patient="Jane Doe"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"1.0"',
        b"\xff\xfe\x00",
        b'{"schema_version": NaN}',
        b"[" * 100_000,
        b"1" * 10_000,
        STORED.read_bytes()[:-200],
        STORED.read_bytes().replace(b"0.93", b"NaN"),
        STORED.read_bytes().replace(b"made-up", b"\\ud800"),
    ],
)
def test_damaged_files_are_one_clear_sentence(tmp_path, content):
    path = tmp_path / "analysis.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"analysis\.json.*[.]$"):
        read_analysis(path)


def test_missing_folder_and_huge_files_are_refused(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="could not be read"):
            read_analysis(path)
    with open(tmp_path / "huge.json", "wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(InputError, match="64 MB"):
        read_analysis(tmp_path / "huge.json")
