"""A reader network's answer about one lesion, in the terms of a lexicon."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from .lesion import Descriptor
from .lexicon import Lexicon

PRESENT = 0.5
_RIM = "echogenic_rim"
_TERMS = ("shape", "margin", "echo_pattern", "posterior_features")


class LesionOpinion(Protocol):
    """What a reader network says of one lesion; model.lesion_reader.LesionOpinion is one."""

    @property
    def log_odds(self) -> float:
        """Raw log-odds of malignant."""

    @property
    def category_probabilities(self) -> Mapping[str, float]:
        """Of 2, 3, 4A, 4B, 4C and 5."""

    @property
    def descriptors(self) -> Mapping[str, Mapping[str, float]]:
        """Probability of each term, by attribute as in model.reader_outputs."""

    @property
    def terms(self) -> Mapping[str, str]:
        """The chosen term, by attribute."""


def descriptors_of(opinion: LesionOpinion, lexicon: Lexicon) -> dict[str, Descriptor]:
    """The opinion's terms by attribute, each with its probability in words; what the edition lacks is left out.

    Orientation is not among them: geometry decides it. A halo is told where the edition has an echogenic rim, present
    or absent. Calcifications are told only where they are seen; their place is not told apart, so they are taken to lie
    in the mass. No term has a confidence: the probabilities of terms are not calibrated.
    """
    found: dict[str, Descriptor] = {}
    for attribute in _TERMS:
        term = opinion.terms.get(attribute)
        if term is not None and term in lexicon.attributes[attribute].terms:
            found[attribute] = _described(attribute, term, _why(opinion.descriptors[attribute], term), lexicon)
    for attribute, answer in (("halo", _halo), ("calcifications", _calcifications)):
        if attribute in opinion.descriptors:
            found.update(answer(_only(opinion.descriptors[attribute]), lexicon))
    return found


def _halo(probability: float, lexicon: Lexicon) -> dict[str, Descriptor]:
    if _RIM not in lexicon.attributes:
        return {}
    term = "present" if probability >= PRESENT else "absent"
    return {_RIM: _described(_RIM, term, f"the network sees a halo with {_percent(probability)}", lexicon)}


def _calcifications(probability: float, lexicon: Lexicon) -> dict[str, Descriptor]:
    if probability < PRESENT:
        return {}
    why = f"the network sees calcifications with {_percent(probability)}; it does not tell their place"
    return {"calcifications": _described("calcifications", "in_mass", why, lexicon)}


def _described(attribute: str, term: str, because: str, lexicon: Lexicon) -> Descriptor:
    entry = lexicon.term(attribute, term)
    return Descriptor(
        attribute=attribute, term=term, label=entry.label, code=entry.code, origin="model", because=because
    )


def _why(probabilities: Mapping[str, float], term: str) -> str:
    """The term's probability and that of the likeliest other one."""
    words = f"the network's answer, {_percent(probabilities[term])}"
    others = {key: value for key, value in probabilities.items() if key != term}
    if not others:
        return words
    other = max(others, key=others.__getitem__)
    return f"{words}; next {other.replace('_', ' ')}, {_percent(others[other])}"


def _only(probabilities: Mapping[str, float]) -> float:
    values: Sequence[float] = list(probabilities.values())
    return float(values[0]) if len(values) == 1 else float(probabilities.get("present", 0.0))


def _percent(probability: float) -> str:
    return "under 1 %" if probability < 0.01 else "over 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"
