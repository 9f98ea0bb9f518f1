"""Which images a SEG or SR in the database lies on, told by its header; what cannot be read refers to nothing."""

import logging
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InputError

if TYPE_CHECKING:
    from pydicom import Dataset

MEASUREMENT_REPORT = "1500"
"""TemplateIdentifier of the Imaging Measurement Report (PS3.16 TID 1500)."""
_DEFLATED = "1.2.840.10008.1.2.1.99"
_LISTED = ("ReferencedSeriesSequence", "CurrentRequestedProcedureEvidenceSequence", "ContentTemplateSequence")
_DERIVED = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")


def referenced_in(file: str) -> list[tuple[str, str]]:
    """(SOP class UID, SOP instance UID) of the images that a SEG or SR in a file names; none where it is damaged."""
    from ..dicom.source_matching import referenced_images
    from ..ultrasound.quiet import quiet

    # The frames of a large Segmentation repeat what its list of series says.
    for keywords in (_LISTED, _DERIVED):
        header = _header(file, keywords)
        try:
            with quiet():
                images = referenced_images(header) if header is not None else ()
        except Exception as error:  # a damaged value shows itself where it is used, as any type of error
            logging.debug("References of a DICOM object could not be read (%s).", type(error).__name__)
            return []
        if images:
            return [(image.sop_class_uid, image.sop_instance_uid) for image in images]
    return []


def is_measurement_report(file: str) -> bool:
    """Whether the report in a file says that it follows TID 1500."""
    header = _header(file, _LISTED)
    try:
        templates = header.get("ContentTemplateSequence") or [] if header is not None else []
        return any(str(item.get("TemplateIdentifier")) == MEASUREMENT_REPORT for item in templates)
    except Exception as error:  # as above
        logging.debug("The template of a report could not be read (%s).", type(error).__name__)
        return False


def _header(file: str, keywords: tuple[str, ...]) -> "Dataset | None":
    try:
        return _read(file, Path(file).stat().st_mtime_ns, keywords)
    except OSError:
        return None


@lru_cache(maxsize=32)
def _read(file: str, _changed: int, keywords: tuple[str, ...]) -> "Dataset | None":
    from pydicom.filereader import read_file_meta_info

    from ..dicom.reading import read_dataset
    from ..ultrasound.bounded_dicom import opened_bounded, parse_bounded
    from ..ultrasound.quiet import quiet

    try:
        # What pydicom says of damaged values could quote a patient's.
        with quiet():
            if read_file_meta_info(file).get("TransferSyntaxUID") == _DEFLATED:
                return read_dataset(Path(file))
            with opened_bounded(Path(file)) as stream:
                return parse_bounded(stream, file, stop_before_pixels=True, specific_tags=list(keywords))
    except InputError as error:
        logging.debug("A DICOM object is not offered: %s", error)
    except Exception as error:  # pydicom raises many types on damaged files
        logging.debug("A DICOM object is not offered, it cannot be read (%s).", type(error).__name__)
    return None
