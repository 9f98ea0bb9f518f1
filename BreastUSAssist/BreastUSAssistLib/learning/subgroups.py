"""Groups of images that an evaluation is broken down by: size, age, pathology, and any column of the manifest."""

import math
from collections.abc import Sequence

import numpy as np

from ..birads.outline import extent, hull
from .conformal import age_group, size_group
from .manifest import ManifestRow

SUBGROUPS = ("device", "pathology", "size", "area", "birads", "age")
"""Those shown unless others are asked for. `size` holds images of known spacing, `area` the others with a lesion."""
_THIRDS = ("smallest third", "middle third", "largest third")
_ORDER = ("below", "smallest", "10", "40", "middle", "above", "largest")


def groups_of(row: ManifestRow) -> dict[str, str | None]:
    """Subgroups that the manifest alone tells."""
    told = {"device": row.device, "birads": row.birads, "pathology": row.pathology}
    return {**dict(row.other), **told, "age": age_group(_number(row.other.get("age")))}


def size_of(lesion: np.ndarray, spacing: tuple[float, float] | None) -> str | None:
    """Size group of a lesion, bool (rows, columns), by its longest axis in mm; None where the spacing is not known."""
    if spacing is None:
        return None
    return size_group(extent(hull(lesion) * spacing).longest)


def area_thirds(shares: Sequence[float | None]) -> list[str | None]:
    """Third, by area, in which each image lies; the shares are lesion areas over frame areas, None takes no part.

    The limits are the tertiles of the images themselves and stand in the names.
    """
    known = np.array([share for share in shares if share is not None])
    if known.size < len(_THIRDS):
        return [None] * len(shares)
    low, high = np.quantile(known, [1 / 3, 2 / 3])
    limits = (f"under {low:.1%}", f"to {high:.1%}", f"over {high:.1%}")
    names = [f"{third}, {limit} of the frame" for third, limit in zip(_THIRDS, limits, strict=True)]
    return [None if share is None else names[int(share >= low) + int(share > high)] for share in shares]


def group_order(name: str) -> tuple[int, str]:
    """Key that puts groups named by size or age in their order, and others by their names."""
    return next((place for place, start in enumerate(_ORDER) if name.startswith(start)), 0), name


def _number(cell: str | None) -> float | None:
    try:
        value = float(cell) if cell is not None else math.nan
    except ValueError:
        # "not available" and the like: unknown.
        return None
    return value if math.isfinite(value) else None
