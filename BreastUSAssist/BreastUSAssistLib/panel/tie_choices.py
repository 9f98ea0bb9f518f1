"""Which lesions may be the same one in another view: those of this case and of the other images in the scene."""

from typing import TYPE_CHECKING

from slicer.i18n import tr as _

if TYPE_CHECKING:
    from ..mrml.case import Case


def tie_choices(case: "Case", number: int) -> list[tuple[str, str]]:
    """Tracking UID and words of every other lesion that is present, those of this case first."""
    from ..mrml.case_record import SOURCE
    from ..mrml.case_ties import other_cases

    choices = [
        (one.tracking_uid, _("lesion {number} of this image").format(number=one.number))
        for one in case.reading.lesions
        if one.present and one.number != number
    ]
    for record in other_cases(case.record):
        source = record.linked(SOURCE)
        name = source.GetName() if source is not None else record.reading.case
        choices += [
            (one.tracking_uid, _("lesion {number} of {image}").format(number=one.number, image=name))
            for one in record.reading.lesions
            if one.present
        ]
    return choices
