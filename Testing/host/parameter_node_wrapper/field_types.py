"""Questions about a field's type: its annotations, and whether it is a node."""

import typing
from collections.abc import Sequence
from typing import Annotated, Any

import slicer


def splitAnnotations(annotated: Any) -> tuple[Any, tuple[Any, ...]]:  # noqa: N802
    """(type, annotations) of a type that may be `Annotated`."""
    if typing.get_origin(annotated) is Annotated:
        first, *rest = typing.get_args(annotated)
        return first, tuple(rest)
    return annotated, ()


def unannotatedType(annotated: Any) -> Any:  # noqa: N802
    return splitAnnotations(annotated)[0]


def findFirstAnnotation(annotations: Sequence[Any], kind: Any) -> Any:  # noqa: N802
    return next((each for each in annotations if isinstance(each, kind)), None)


def split_name(name: str) -> tuple[str, str | None]:
    """("box", "corner.x") of "box.corner.x"."""
    top, dot, rest = name.partition(".")
    return top, rest if dot else None


def members_of_union(kind: Any) -> tuple[Any, ...]:
    """The types of `Union[...]` and `Optional[...]`; none of another type.

    `A | B` is no Union to Slicer's package before Python 3.14: it refuses it, and so does this one.
    """
    return typing.get_args(kind) if typing.get_origin(kind) is typing.Union else ()


def is_node(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, slicer.vtkMRMLNode)


def isNodeOrUnionOfNodes(annotated: Any) -> bool:  # noqa: N802
    kind = unannotatedType(annotated)
    members = [unannotatedType(each) for each in members_of_union(kind)]
    return is_node(kind) or (bool(members) and all(is_node(each) or each is type(None) for each in members))


def getNodeTypes(annotated: Any) -> tuple[str, ...]:  # noqa: N802
    """Names of the node classes, as a node combo box takes them."""
    kind = unannotatedType(annotated)
    if not isNodeOrUnionOfNodes(kind):
        raise TypeError(f"Cannot handle type {annotated}")
    kinds = [kind] if is_node(kind) else [unannotatedType(each) for each in members_of_union(kind)]
    return tuple(each().GetClassName() for each in kinds if is_node(each))
