"""Who said what in a Structured Report: software as a device, networks as algorithms, the reader as a person."""

from typing import Any

from .. import __version__
from ..birads.analysis import Analysis, ModelUsed
from ..birads.lesion import Code
from . import codes
from .codes import short_text
from .provenance import SOFTWARE, is_network

RULES = f"{SOFTWARE} rules"
"""Name of the algorithm that is no network."""
NAMELESS = "Not named"
"""Stands for a reader who gave no name; such a report is never verified."""


def concept(code: Code) -> Any:
    """`code` as highdicom takes it."""
    from highdicom.sr import CodedConcept

    return CodedConcept(code.value, code.scheme, short_text(code.meaning), code.scheme_version)


def text_item(name: Code, text: str, relationship: str) -> Any:
    """A TEXT content item; control characters other than line ends are not valid in it."""
    from highdicom.sr import TextContentItem

    clean = "".join(c if c.isprintable() or c == "\n" else " " for c in text)
    return TextContentItem(name=concept(name), value=clean or "-", relationship_type=relationship)


def code_content(name: Code, value: Code, relationship: str) -> Any:
    """A CODE content item."""
    from highdicom.sr import CodeContentItem

    return CodeContentItem(name=concept(name), value=concept(value), relationship_type=relationship)


def person_name(text: str) -> str:
    """What a reader goes by as a value of PN (PS3.5 6.2): one group of at most 64 characters, no control characters.

    Free text is the family name; its caret says that no other component is meant.
    """
    clean = "".join(c if c.isprintable() and c not in "\\=" else " " for c in text)
    parts = [part.strip() for part in " ".join(clean.split()).split("^")[:5]]
    name = "^".join(parts)[:63].strip(" ^") or NAMELESS
    return name if "^" in name else f"{name}^"


def device_context(analysis: Analysis) -> Any:
    """This software as the observer (PS3.16 TID 1004); the UID follows from the version and the weights."""
    from highdicom import sr
    from pydicom.sr.codedict import codes as dictionary
    from pydicom.uid import generate_uid

    model = analysis.model
    entropy = [SOFTWARE, __version__, model.name, model.version, model.sha256]
    network = short_text(f"{model.name} {model.version}") if is_network(model) else SOFTWARE
    return sr.ObserverContext(
        observer_type=dictionary.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=generate_uid(entropy_srcs=entropy),
            name=f"{SOFTWARE} {__version__}",
            manufacturer_name=SOFTWARE,
            model_name=network,
            serial_number=short_text(model.sha256) or None,
        ),
    )


def person_context(name: str, organization: str = "") -> Any:
    """The reader as an observer (PS3.16 TID 1003).

    Args:
        name: of `person_name`.
        organization: empty where it is not known.
    """
    from highdicom import sr
    from pydicom.sr.codedict import codes as dictionary

    return sr.ObserverContext(
        observer_type=dictionary.DCM.Person,
        observer_identifying_attributes=sr.PersonObserverIdentifyingAttributes(
            name=name, organization_name=organization or None, role_in_procedure=concept(codes.READER)
        ),
    )


def said_by(name: str) -> list[Any]:
    """Observation context (PS3.16 TID 1002, 1003) of one item or group that is the reader's and not the device's."""
    from highdicom.sr import PnameContentItem

    return [
        code_content(codes.OBSERVER_TYPE, codes.PERSON, "HAS OBS CONTEXT"),
        PnameContentItem(name=concept(codes.PERSON_NAME), value=name, relationship_type="HAS OBS CONTEXT"),
    ]


def outliner(analysis: Analysis) -> Any:
    """The network that outlined, with all that ran beside it (PS3.16 TID 4019); None where no network did."""
    model = analysis.model
    if not is_network(model):
        return None
    others = [one for one in analysis.models if one != model]
    return _identification(model, [f"with {one.name} {one.version}, sha256 {one.sha256}" for one in others])


def lesion_reader(analysis: Analysis, *, with_weights: bool = True) -> Any:
    """The network that read the lesions, whose answers are their probability and terms (PS3.16 TID 4019).

    None where none ran.
    """
    from highdicom.sr import AlgorithmIdentification

    model = reader_model(analysis)
    if model is None:
        return None
    return _identification(model, []) if with_weights else AlgorithmIdentification(model.name, model.version)


def rules() -> Any:
    """What makes terms out of measurements and a category out of terms and probability (PS3.16 TID 4019)."""
    from highdicom.sr import AlgorithmIdentification

    return AlgorithmIdentification(name=RULES, version=__version__)


def reader_model(analysis: Analysis) -> ModelUsed | None:
    """The lesion reader among the models that ran: the first that did not outline (see Analysis.models)."""
    return next((one for one in analysis.models if one != analysis.model), None)


def _identification(model: ModelUsed, more: list[str]) -> Any:
    from highdicom.sr import AlgorithmIdentification

    own = [f"weights sha256 {model.sha256}", f"{model.backend} {model.precision} on {model.device}"]
    return AlgorithmIdentification(name=model.name, version=model.version, parameters=[*own, *more])
