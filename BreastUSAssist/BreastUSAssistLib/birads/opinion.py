"""A reader network's answer about one lesion, in the terms of a lexicon."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from .lesion import Descriptor
from .lexicon import Lexicon

_RIM = "echogenic_rim"
_TERMS = ("shape", "margin", "echo_pattern", "posterior_features")


class LesionOpinion(Protocol):
    """What a reader network says of one lesion; model.lesion_reader.LesionOpinion is one."""

    @property
    def malignant_log_odds(self) -> float:
        """Raw log-odds of malignant."""

    @property
    def category(self) -> Mapping[str, float]:
        """Probability of 2, 3, 4A, 4B, 4C and 5."""

    @property
    def descriptors(self) -> Mapping[str, Mapping[str, float]]:
        """Probability of each term, by attribute as in model.reader_outputs."""

    @property
    def terms(self) -> Mapping[str, Sequence[str]]:
        """The chosen terms, by attribute; none for halo and calcifications where there is none."""


def descriptors_of(opinion: LesionOpinion, lexicon: Lexicon) -> dict[str, Descriptor]:
    """The opinion's terms by attribute, each with its probability in words; what the edition lacks is left out.

    Orientation is not among them: geometry decides it. A halo is told where the edition has an echogenic rim, present
    or absent. Calcifications are told only where they are seen; their place is not told apart, so they are taken to lie
    in the mass. No term has a confidence: the probabilities of terms are not calibrated.
    """
    found: dict[str, Descriptor] = {}
    for attribute in _TERMS:
        probabilities = opinion.descriptors.get(attribute, {})
        chosen = [term for term in opinion.terms.get(attribute, ()) if term in lexicon.attributes[attribute].terms]
        if chosen:
            term = max(chosen, key=lambda key: probabilities.get(key, 0.0))
            found[attribute] = _described(attribute, term, _why(probabilities, term, chosen), lexicon)
    if "halo" in opinion.descriptors and _RIM in lexicon.attributes:
        term = "present" if opinion.terms.get("halo") else "absent"
        why = f"the network's probability of a halo is {_percent(_only(opinion.descriptors['halo']))}"
        found[_RIM] = _described(_RIM, term, why, lexicon)
    if opinion.terms.get("calcifications"):
        probability = _percent(_only(opinion.descriptors["calcifications"]))
        why = f"the network's probability of calcifications is {probability}; it does not tell their place"
        found["calcifications"] = _described("calcifications", "in_mass", why, lexicon)
    return found


def _described(attribute: str, term: str, because: str, lexicon: Lexicon) -> Descriptor:
    entry = lexicon.term(attribute, term)
    return Descriptor(
        attribute=attribute, term=term, label=entry.label, code=entry.code, origin="model", because=because
    )


def _why(probabilities: Mapping[str, float], term: str, chosen: Sequence[str]) -> str:
    """The term's probability, and the other terms that were chosen or else the likeliest other one."""
    words = f"the network's answer, {_percent(probabilities.get(term, 0.0))}"
    also = [key for key in chosen if key != term]
    others = {key: value for key, value in probabilities.items() if key != term}
    if not also and not others:
        return words
    told = also or [max(others, key=others.__getitem__)]
    if not also and others[told[0]] > probabilities.get(term, 0.0):
        likelier = f"{told[0].replace('_', ' ')} {_percent(others[told[0]])}"
        return f"{words}, with more weight on rare terms; without it {likelier}"
    listed = ", ".join(f"{key.replace('_', ' ')} {_percent(others.get(key, 0.0))}" for key in told)
    return f"{words}; {'also' if also else 'otherwise'} {listed}"


def _only(probabilities: Mapping[str, float]) -> float:
    return float(next(iter(probabilities.values()), 0.0))


def _percent(probability: float) -> str:
    return "under 1 %" if probability < 0.01 else "over 99 %" if probability > 0.99 else f"{100 * probability:.0f} %"
