"""The BI-RADS ultrasound lexicon as data, by edition: terms, codes, categories and rules. No text of the atlas."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from ..errors import UsageError
from ..files import resource_path
from .lesion import Code, Record

Edition = Literal["birads-us-2013", "birads-us-v2025"]
EDITIONS: tuple[Edition, ...] = ("birads-us-2013", "birads-us-v2025")
DEFAULT_EDITION: Edition = "birads-us-2013"
SUGGESTED = ("3", "4A", "4B", "4C", "5")
"""The categories that may be suggested, in rising order; 0, 1, 2 and 6 are a reader's alone."""

Terms = dict[str, str]
"""Term by attribute."""
TermSets = dict[str, tuple[str, ...]]
"""Terms by attribute; it holds when every attribute has one of its terms."""


class Term(Record):
    """One descriptor term."""

    label: str
    code: Code
    parent: str | None = None
    """Term of the same attribute that this one is a kind of."""
    suspicious: bool = False
    """Speaks against category 3."""
    aliases: tuple[str, ...] = ()
    source: str | None = None


class Attribute(Record):
    """One thing that is described, with its terms."""

    label: str
    concept: Code
    source: str
    terms: dict[str, Term]


class Category(Record):
    """One assessment category."""

    label: str
    likelihood: str
    above: float | None
    """Likelihood of cancer above which the category starts, 0..1."""
    up_to: float | None
    """Likelihood of cancer up to which it goes, 0..1; category 5 starts at its lower bound."""
    management: str
    code: Code
    """DICOM PS3.16 CID 6027."""
    management_code: Code | None
    """DICOM PS3.16 CID 6028."""
    suggested: bool
    parent: str | None = None


class Implication(Record):
    """Terms that follow from other terms."""

    when: TermSets
    then: Terms
    source: str


class Floor(Record):
    """A category below which nothing is suggested when the terms hold."""

    when: TermSets
    category: str
    because: str
    source: str


class DescriptorLevel(Record):
    """Category that descriptors alone suggest from so many suspicious ones; the last level that holds counts."""

    suspicious_at_least: int
    category: str
    when: TermSets = Field(default_factory=dict)


class Rules(Record):
    """How terms lead to categories."""

    category_3_requires: TermSets
    category_3_source: str
    implications: tuple[Implication, ...]
    at_least: tuple[Floor, ...]
    descriptor_levels: tuple[DescriptorLevel, ...]
    descriptor_levels_source: str
    simple_cyst: TermSets
    simple_cyst_source: str
    disagreement_steps: int = Field(ge=1)


class Lexicon(Record):
    """One edition. `attributes` and `categories` keep the order of the file."""

    json_schema: str = Field(alias="$schema")
    edition: Edition
    title: str
    notice: str
    source: str
    review: str
    """What still has to be checked by someone with the manual."""
    attributes: dict[str, Attribute]
    categories: dict[str, Category]
    rules: Rules

    def term(self, attribute: str, term: str) -> Term:
        """One term. Raises UsageError when this edition does not have it."""
        try:
            return self.attributes[attribute].terms[term]
        except KeyError as error:
            raise UsageError(
                f"{attribute} '{term}' is not in the lexicon {self.edition}; use a term that its file lists."
            ) from error

    def is_kind_of(self, attribute: str, term: str, kind: str) -> bool:
        """Whether a term is `kind` or has it as parent (spiculated is a kind of not circumscribed)."""
        return term == kind or self.term(attribute, term).parent == kind

    def holds(self, when: Mapping[str, Sequence[str]], terms: Mapping[str, str]) -> bool:
        """Whether every attribute of `when` is among `terms` with one of the terms asked for."""
        return all(
            attribute in terms and any(self.is_kind_of(attribute, terms[attribute], kind) for kind in kinds)
            for attribute, kinds in when.items()
        )

    @model_validator(mode="after")
    def _terms_exist(self) -> "Lexicon":
        """Every rule, parent and category names something that the file has."""
        for attribute in self.attributes.values():
            if missing := {t.parent for t in attribute.terms.values() if t.parent} - set(attribute.terms):
                raise ValueError(f"{attribute.label}: unknown parent {sorted(missing)}")
        rules = self.rules
        named: list[Mapping[str, Sequence[str]]] = [rules.category_3_requires, rules.simple_cyst]
        for listed in (rules.implications, rules.at_least, rules.descriptor_levels):
            named += [rule.when for rule in listed]
        named += [{key: (value,) for key, value in rule.then.items()} for rule in rules.implications]
        for when in named:
            for key, terms in when.items():
                if key not in self.attributes or not set(terms) <= set(self.attributes[key].terms):
                    raise ValueError(f"a rule names {key} {list(terms)}, which the file does not have")
        suggested = tuple(key for key, category in self.categories.items() if category.suggested)
        if suggested != SUGGESTED:
            raise ValueError(f"suggested categories are {suggested}, not {SUGGESTED}")
        levels = {rule.category for rule in rules.at_least} | {rule.category for rule in rules.descriptor_levels}
        if wrong := levels - set(SUGGESTED):
            raise ValueError(f"a rule suggests category {sorted(wrong)}")
        return self


@lru_cache(maxsize=len(EDITIONS))
def load_lexicon(edition: str = DEFAULT_EDITION) -> Lexicon:
    """Read and check one edition, `birads-us-2013` or `birads-us-v2025`.

    Raises:
        UsageError: there is no such edition, or its file is damaged.
    """
    if edition not in EDITIONS:
        raise UsageError(f"There is no lexicon {edition}; choose one of {', '.join(EDITIONS)}.")
    path = resource_path("Lexicon", f"{edition}.json")
    try:
        return Lexicon.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path} is not a valid lexicon; install BreastUSAssist again ({error}).") from error
