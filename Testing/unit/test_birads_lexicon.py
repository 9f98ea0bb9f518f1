"""The lexicon files: valid, complete, and with codes that the standard has."""

import json

import jsonschema
import pytest
from BreastUSAssistLib.birads.lexicon import EDITIONS, SUGGESTED, Lexicon, load_lexicon
from BreastUSAssistLib.errors import UsageError
from BreastUSAssistLib.files import resource_path
from pydantic import ValidationError


def raw(edition: str) -> dict:
    return json.loads(resource_path("Lexicon", f"{edition}.json").read_text(encoding="utf-8"))


def all_codes(edition: str):
    lexicon = load_lexicon(edition)
    for key, attribute in lexicon.attributes.items():
        yield key, attribute.concept
        for term_key, term in attribute.terms.items():
            yield f"{key}.{term_key}", term.code
    for key, category in lexicon.categories.items():
        yield f"category {key}", category.code
        if category.management_code:
            yield f"management {key}", category.management_code


@pytest.mark.parametrize("edition", EDITIONS)
def test_file_fits_its_schema_and_the_schema_is_that_of_the_model(edition):
    schema = json.loads(resource_path("Lexicon", "lexicon.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(raw(edition), schema)
    generated = json.loads(json.dumps(Lexicon.model_json_schema(mode="validation")))
    assert {key: schema[key] for key in generated} == generated


@pytest.mark.parametrize("edition", EDITIONS)
def test_dicom_and_snomed_codes_are_those_of_the_standard(edition):
    from pydicom.sr._concepts_dict import concepts

    known: dict[tuple[str, str], set[str]] = {}
    for scheme in ("DCM", "SCT"):
        for versions in concepts[scheme].values():
            for value, (meaning, _) in versions.items():
                known.setdefault((scheme, value), set()).add(meaning)
    checked = 0
    for where, code in all_codes(edition):
        if code.scheme not in ("DCM", "SCT") or where.startswith("category"):
            continue  # CID 6027 is not in pydicom's dictionaries
        assert code.meaning in known[code.scheme, code.value], where
        checked += 1
    assert checked > 35


@pytest.mark.parametrize(
    ("attribute", "cid"),
    [
        ("shape", 6004),
        ("orientation", 6152),
        ("margin", 6006),
        ("echo_pattern", 6154),
        ("posterior_features", 6155),
        ("tissue_composition", 6151),
    ],
)
def test_terms_are_members_of_their_context_group(attribute, cid):
    from pydicom.sr._concepts_dict import concepts

    members = {
        (scheme, value)
        for scheme, by_keyword in concepts.items()
        for versions in by_keyword.values()
        for value, (_, groups) in versions.items()
        if cid in groups
    }
    for term in load_lexicon().attributes[attribute].terms.values():
        if term.code.scheme in ("DCM", "SCT"):
            assert (term.code.scheme, term.code.value) in members, term.label


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_code_is_used_once_in_its_attribute_and_private_ones_are_marked(edition):
    for attribute in load_lexicon(edition).attributes.values():
        values = [(term.code.scheme, term.code.value) for term in attribute.terms.values()]
        assert len(values) == len(set(values))
        assert attribute.source
    for where, code in all_codes(edition):
        assert code.scheme in ("DCM", "SCT", "RADLEX", "BI", "99BUSA"), where
        assert (
            len(code.value) <= 16 and len(code.scheme) <= 16 and len(code.meaning) <= 64
        )  # value representations SH, LO
        if code.scheme == "BI":
            assert code.scheme_version == "4.0"


@pytest.mark.parametrize("edition", EDITIONS)
def test_bands_of_the_suggested_categories_meet_without_a_gap(edition):
    categories = load_lexicon(edition).categories
    bounds = [(categories[key].above, categories[key].up_to) for key in SUGGESTED]
    assert bounds == [(0.0, 0.02), (0.02, 0.10), (0.10, 0.50), (0.50, 0.95), (0.95, 1.0)]
    assert [key for key in categories if not categories[key].suggested] == ["0", "1", "2", "4", "6"]


def test_what_only_v2025_has_is_not_in_2013_and_names_its_source():
    old, new = load_lexicon("birads-us-2013").attributes, load_lexicon("birads-us-v2025").attributes
    assert set(new) - set(old) == {"finding_type", "glandular_tissue_component", "echogenic_rim"}
    assert all(new[key].source for key in set(new) - set(old))


@pytest.mark.parametrize("edition", EDITIONS)
def test_the_trademark_note_is_there(edition):
    assert "not endorsed" in load_lexicon(edition).notice


def test_an_unknown_edition_or_term_is_refused_in_words():
    with pytest.raises(UsageError, match=r"There is no lexicon birads-7; choose"):
        load_lexicon("birads-7")
    with pytest.raises(UsageError, match="not in the lexicon"):
        load_lexicon().term("shape", "triangular")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("rules", "category_3_requires", "shape"), ["triangular"]),
        (("rules", "at_least", 0, "category"), "2"),
        (("categories", "2", "suggested"), True),
        (("attributes", "margin", "terms", "angular", "parent"), "rough"),
    ],
)
def test_a_lexicon_with_a_dangling_rule_is_refused(path, value):
    content = raw("birads-us-2013")
    part = content
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    with pytest.raises(ValidationError):
        Lexicon.model_validate(content)
