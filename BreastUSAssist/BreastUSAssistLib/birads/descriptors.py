"""Measurements of a lesion to BI-RADS terms, by ordered rules that are data (descriptor-rules.json)."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

import numpy as np
from pydantic import Field, ValidationError

from ..errors import UsageError
from ..files import resource_path
from ..ultrasound.frame import UltrasoundFrame
from .lesion import Descriptor, Measurements, Record
from .lexicon import Lexicon


class Condition(Record):
    """One measure against one threshold. Does not hold when the measure is unknown."""

    measure: str
    """Field of Measurements."""
    at_least: float | None = None
    at_most: float | None = None

    def holds(self, measurements: Measurements) -> bool:
        """Whether the measure is known and within the threshold."""
        value = getattr(measurements, self.measure)
        if value is None:
            return False
        return (self.at_least is None or value >= self.at_least) and (self.at_most is None or value <= self.at_most)


class TermRule(Record):
    """A term and the conditions that all must hold for it; none for the term that is left."""

    term: str
    when: tuple[Condition, ...] = ()


class AttributeRules(Record):
    """The first rule that holds gives the term."""

    attribute: str
    origin: Literal["geometry", "grey_level"]
    needs: tuple[str, ...] = ()
    """Measures without which the attribute is not described at all."""
    names: tuple[str, ...]
    """Measures that the explanation of the last, unconditional term gives."""
    rules: tuple[TermRule, ...]


class DescriptorRules(Record):
    """Content of descriptor-rules.json."""

    version: int
    provenance: str
    """Which images and folds the thresholds come from, and the command that measures them."""
    measures: dict[str, str]
    """Name in words of each measure."""
    attributes: tuple[AttributeRules, ...] = Field(min_length=1)


def describe(
    mask: np.ndarray,
    measurements: Measurements,
    frame: UltrasoundFrame,
    lexicon: Lexicon,
    given: Mapping[str, Descriptor] = MappingProxyType({}),
) -> tuple[Descriptor, ...]:
    """Shape, orientation, margin, echo pattern and posterior features of one lesion, in that order.

    Terms follow from the measurements alone; `mask` (bool, rows x columns) and `frame` must be those measured. An
    attribute whose measure is unknown (no room below the lesion, say) is left out rather than guessed. No term has a
    confidence: none is calibrated. Descriptors that are `given`, by attribute, stand in place of those of the rules,
    and what the lexicon lets follow from a term follows from them; attributes without rules come last.

    Raises:
        UsageError: mask and frame do not fit, or the lexicon lacks a term.
    """
    if mask.shape != (frame.rows, frame.columns):
        raise UsageError(f"The mask is {mask.shape} but the frame is {(frame.rows, frame.columns)}; measure it again.")
    found: dict[str, Descriptor] = {}
    for rules in load_rules().attributes:
        key = rules.attribute
        descriptor = given.get(key) or describe_attribute(key, measurements, lexicon, found)
        if descriptor is not None:
            found[key] = descriptor
    return tuple({**found, **given}.values())


def describe_attribute(
    attribute: str, measurements: Measurements, lexicon: Lexicon, others: Mapping[str, Descriptor]
) -> Descriptor | None:
    """One attribute by the rules, or as the lexicon lets it follow from the `others`, by attribute.

    None where the measure is unknown, and for an attribute that has no rules.

    Raises:
        UsageError: the lexicon lacks a term.
    """
    rules = load_rules()
    own = next((one for one in rules.attributes if one.attribute == attribute), None)
    if own is None or any(getattr(measurements, name) is None for name in own.needs):
        return None
    terms = {name: descriptor.term for name, descriptor in others.items()}
    implied = [
        rule for rule in lexicon.rules.implications if attribute in rule.then and lexicon.holds(rule.when, terms)
    ]
    if implied:
        why = ", ".join(others[name].label.lower() for name in implied[0].when)
        term, because = implied[0].then[attribute], f"the lexicon's rule for a mass that is {why}"
    else:
        term, because = _first(own, measurements, rules)
    entry = lexicon.term(attribute, term)
    return Descriptor(
        attribute=attribute, term=term, label=entry.label, code=entry.code, origin=own.origin, because=because
    )


@lru_cache(maxsize=1)
def load_rules() -> DescriptorRules:
    """The shipped rules. Raises UsageError when the file is damaged."""
    path = resource_path("Lexicon", "descriptor-rules.json")
    try:
        return DescriptorRules.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(f"{path} is not valid; install BreastUSAssist again ({error}).") from error


def _first(attribute: AttributeRules, measurements: Measurements, rules: DescriptorRules) -> tuple[str, str]:
    for rule in attribute.rules:
        if all(condition.holds(measurements) for condition in rule.when):
            if rule.when:
                return rule.term, " and ".join(_in_words(c, measurements, rules) for c in rule.when)
            return rule.term, "no other term fits: " + ", ".join(
                f"{rules.measures[name]} {_number(getattr(measurements, name))}" for name in attribute.names
            )
    raise UsageError(f"The rules for {attribute.attribute} have no last term; install BreastUSAssist again.")


def _in_words(condition: Condition, measurements: Measurements, rules: DescriptorRules) -> str:
    parts = []
    if condition.at_least is not None:
        parts.append(f"at least {_number(condition.at_least)}")
    if condition.at_most is not None:
        parts.append(f"at most {_number(condition.at_most)}")
    value = _number(getattr(measurements, condition.measure))
    return f"{rules.measures[condition.measure]} {value} ({' and '.join(parts)})"


def _number(value: float | None) -> str:
    if value is None:
        return "unknown"
    return f"{value:.3g}"
