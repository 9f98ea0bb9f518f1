"""Frames of a DICOM image decoded, blanked and coded again without loss, one at a time."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

from ...errors import InputError
from ..dicom_clip import frames_of
from ..dicom_frames import DicomFrames, decode_samples
from ..dicom_source import DicomSource
from ..encapsulation import locate_frames
from ..limits import check_frame_count, check_frame_size
from ..palette import palette_of
from ..photometric import colour_to_rgb, grey_table, has_voi, stored_values
from ..quiet import quiet

if TYPE_CHECKING:
    from pydicom import Dataset

_DEFLATED = "1.2.840.10008.1.2.1.99"
_EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
_EXPLICIT_BIG = "1.2.840.10008.1.2.2"
_LARGEST = 0xFFFFFFFE
"""Bytes of uncompressed pixels that one element can hold (PS3.5 7.1)."""
_LOSSY = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",
}
"""Method of LossyImageCompressionMethod (PS3.3 C.7.6.1.1.5.1) of the transfer syntaxes that may lose detail."""
_OF_PIXELS = (
    "PixelData",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "IconImageSequence",
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "DataSetTrailingPadding",
)
"""Elements that hold or tell of the pixels as they were before."""


@dataclass(frozen=True, eq=False)
class HeldSource(DicomSource):
    """An image whose pixel data is in memory, as the value of its data set's element."""

    pixel_bytes: bytes = b""

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """The bytes of the pixel data."""
        yield io.BytesIO(self.pixel_bytes)


def frames_in(dataset: "Dataset", label: str) -> DicomFrames:
    """The frames of a whole data set, not decoded yet.

    Args:
        dataset: with its file meta information and PixelData.
        label: what sentences call it.

    Raises:
        InputError: it holds no pixels, or they are damaged or coded in a way that is not read.
    """
    from pydicom.uid import UID

    syntax = UID(str(getattr(dataset, "file_meta", {}).get("TransferSyntaxUID") or ""))
    if "PixelData" not in dataset or not dataset.PixelData:
        raise InputError(f"{label} holds no pixels that could be cleaned; give the image itself.")
    if not syntax or not syntax.is_transfer_syntax or syntax.is_private:
        raise InputError(f"{label} does not say how its pixels are coded; export it again.")
    try:
        rows, columns = int(dataset.Rows), int(dataset.Columns)
        frames = int(dataset.get("NumberOfFrames") or 1)
    except (AttributeError, TypeError, ValueError) as error:
        raise InputError(f"{label} has a damaged DICOM header; export it again from its source.") from error
    check_frame_size(label, rows, columns)
    check_frame_count(label, frames)
    content = bytes(dataset.PixelData)
    full_chroma = False
    fragments: tuple = ()
    if syntax.is_encapsulated:
        fragments = locate_frames(io.BytesIO(content), 0, frames, label)
    else:
        full_chroma = _check_whole(dataset, len(content), rows * columns * frames, label)
    source = HeldSource(
        path=Path(),
        label=label,
        header=dataset,
        transfer_syntax=_EXPLICIT_LITTLE if syntax == _DEFLATED else str(syntax),
        pixel_vr=str(dataset["PixelData"].VR),
        pixel_offset=0,
        frame_count=frames,
        fragments=fragments,
        holds_full_chroma=full_chroma,
        pixel_bytes=content,
    )
    _check_decoder(source)
    return frames_of(source)


def blanked_copy(frames: DicomFrames, kept: np.ndarray) -> "Dataset":
    """A copy of the data set in which every pixel outside `kept`, bool (rows, columns), is black in every frame.

    Grey and palette values inside are the stored ones, and colours are the RGB that this project reads. An image that
    was compressed is coded as JPEG-LS without loss (RLE where its values are signed), any other stays as it was. What
    was lost by an earlier lossy compression stays told; icons and overlay bits are taken away. The original data set is
    left as it is.

    Raises:
        InputError: a frame cannot be decoded, or the image is too large to be written without compression.
    """
    from pydicom.encaps import encapsulate
    from pydicom.uid import UID, JPEGLSLossless, RLELossless

    source = frames.source
    first = _stored(source, 0)
    copy = _copy(source.header)
    _describe(copy, frames, first)
    black = _black(source, first)
    blanked = (_blanked(_stored(source, index), kept, black) for index in range(source.frame_count))
    if source.fragments:
        signed = int(copy.PixelRepresentation) == 1
        copy.file_meta.TransferSyntaxUID = UID(RLELossless if signed else JPEGLSLossless)
        copy.PixelData = encapsulate([_encoded(copy, pixels, source.label) for pixels in blanked])
        copy["PixelData"].VR = "OB"
        copy["PixelData"].is_undefined_length = True
    else:
        if first.nbytes * source.frame_count > _LARGEST:
            raise InputError(f"{source.label} holds more than 4 GiB of pixels; split it first.")
        order: Literal[">", "<"] = ">" if source.transfer_syntax == _EXPLICIT_BIG else "<"
        content = bytearray()
        for pixels in blanked:
            content += pixels.astype(pixels.dtype.newbyteorder(order), copy=False).tobytes()
        content += b"\0" * (len(content) % 2)
        copy.PixelData = bytes(content)
        copy["PixelData"].VR = "OB" if first.itemsize == 1 and not copy.is_implicit_VR else "OW"
    copy.BurnedInAnnotation = "YES"
    return copy


def _check_whole(dataset: "Dataset", length: int, pixels: int, label: str) -> bool:
    """Whether uncompressed chroma is stored in full though tagged as subsampled; refuses pixels that are cut off."""
    from ..encapsulation import truncated

    samples = int(dataset.get("SamplesPerPixel") or 1)
    values = pixels * int(dataset.get("BitsAllocated") or 0) // 8
    subsampled = str(dataset.get("PhotometricInterpretation")) == "YBR_FULL_422"
    full = subsampled and length >= values * samples
    if length < values * (2 if subsampled and not full else samples):
        raise truncated(label)
    return full


def _check_decoder(source: DicomSource) -> None:
    from pydicom.pixels import get_decoder

    try:
        available = get_decoder(source.transfer_syntax).is_available
    except NotImplementedError:
        available = False
    if not available:
        raise InputError(
            f"{source.label} is compressed in a way that is not read here (transfer syntax {source.transfer_syntax}); "
            "export it uncompressed."
        )


def _stored(source: DicomSource, index: int) -> np.ndarray:
    """A frame as it is to be stored: stored values (rows, columns), or RGB uint8 (rows, columns, 3)."""
    try:
        with quiet():
            samples, interpretation = decode_samples(source, index)
            if samples.ndim == 3:
                return colour_to_rgb(samples, interpretation, source.label)
            return stored_values(samples, source.header)
    except InputError:
        raise
    except Exception:  # decoders raise many kinds, and their texts are not for users
        raise InputError(
            f"{source.label}: frame {index + 1} could not be decoded (damaged pixels); copy or export it again."
        ) from None


def _black(source: DicomSource, sample: np.ndarray) -> int:
    """The stored value that the screen shows darkest."""
    if sample.ndim == 3:
        return 0
    if str(source.header.get("PhotometricInterpretation")) == "PALETTE COLOR":
        palette, first = palette_of(source.header, source.label)
        return first + int(palette.sum(axis=1, dtype=np.int64).argmin())
    table, first = grey_table(source.header)
    return first + int(table.argmin())


def _blanked(stored: np.ndarray, kept: np.ndarray, black: int) -> np.ndarray:
    return np.where(kept[..., None] if stored.ndim == 3 else kept, stored, stored.dtype.type(black))


def _copy(dataset: "Dataset") -> "Dataset":
    """The data set without its pixels and what else shows or tells of them; nothing is shared with the original."""
    from copy import deepcopy

    from pydicom.dataset import Dataset
    from pydicom.tag import Tag

    left_out = {Tag(keyword) for keyword in _OF_PIXELS}
    copied, tags = Dataset(), list(dataset.keys())
    copied.file_meta = deepcopy(dataset.file_meta)
    for tag in tags:
        # Overlays; and delimiters that stray among the elements of damaged files.
        if tag not in left_out and not 0x6000 <= tag.group <= 0x60FF and tag.group != 0xFFFE:
            # As it lies there: an element that nobody asked for is not decoded.
            copied[tag] = deepcopy(dataset.get_item(tag))
    copied.set_original_encoding(*dataset.original_encoding)
    return copied


def _describe(copy: "Dataset", frames: DicomFrames, sample: np.ndarray) -> None:
    """What the header says of the pixels, of the copy."""
    source = frames.source
    if sample.ndim == 3:
        copy.SamplesPerPixel, copy.PhotometricInterpretation, copy.PlanarConfiguration = 3, "RGB", 0
        copy.BitsAllocated = copy.BitsStored = 8
        copy.HighBit, copy.PixelRepresentation = 7, 0
    else:
        copy.SamplesPerPixel = 1
        copy.BitsStored = int(copy.get("BitsStored") or copy.BitsAllocated)
        copy.HighBit = copy.BitsStored - 1
        copy.PixelRepresentation = int(copy.get("PixelRepresentation") or 0)
        copy.PhotometricInterpretation = copy.get("PhotometricInterpretation") or "MONOCHROME2"
        _keep_grey_levels(copy, frames)
        if copy.PhotometricInterpretation == "PALETTE COLOR":
            _write_plain_palette(copy, source)
    method = _LOSSY.get(source.transfer_syntax)
    if method is not None and str(copy.get("LossyImageCompression") or "") != "01":
        # PS3.3 C.7.6.1.1.5: once lossy, always said to be; ratio of the bytes before and after.
        coded = sum(length for parts in source.fragments for _, length in parts)
        copy.LossyImageCompression = "01"
        copy.LossyImageCompressionRatio = f"{sample.nbytes * source.frame_count / max(coded, 1):.4g}"
        copy.LossyImageCompressionMethod = method


def _write_plain_palette(copy: "Dataset", source: DicomSource) -> None:
    """Write a palette that is stored as segments entry by entry, as the header keeps it."""
    if source.header.get("RedPaletteColorLookupTableData"):
        return
    palette, _ = palette_of(source.header, source.label)
    order = "<" if source.header.original_encoding[1] is not False else ">"
    for index, channel in enumerate(("Red", "Green", "Blue")):
        descriptor = list(copy[f"{channel}PaletteColorLookupTableDescriptor"].value)
        # Of 16 bits the high byte is the level.
        entries = (palette[:, index].astype(np.uint16) * 257).astype(f"{order}u2")
        copy[f"{channel}PaletteColorLookupTableDescriptor"].value = [len(entries) % 65536, descriptor[1], 16]
        setattr(copy, f"{channel}PaletteColorLookupTableData", entries.tobytes())
        del copy[f"Segmented{channel}PaletteColorLookupTableData"]


def _keep_grey_levels(copy: "Dataset", frames: DicomFrames) -> None:
    """Give 16-bit grey values without a window the one that they are shown with: readers take it from their largest
    value, which may lie in what is blanked."""
    if int(copy.BitsStored) < 16 or has_voi(frames.source.header) or "PALETTE" in copy.PhotometricInterpretation:
        return
    table, first = frames.grey_levels
    if str(copy.PhotometricInterpretation) == "MONOCHROME1":
        table = 255 - table
    slope, intercept = float(copy.get("RescaleSlope") or 1), float(copy.get("RescaleIntercept") or 0)
    black, white = (slope * (first + int(index)) + intercept for index in (0, np.argmax(table == 255)))
    copy.WindowWidth = f"{white - black + 1:.10g}"
    copy.WindowCenter = f"{(black + white + 1) / 2:.10g}"


def _encoded(copy: "Dataset", pixels: np.ndarray, label: str) -> bytes:
    from pydicom.pixels import get_encoder

    try:
        return get_encoder(copy.file_meta.TransferSyntaxUID).encode(
            np.ascontiguousarray(pixels),
            rows=int(copy.Rows),
            columns=int(copy.Columns),
            number_of_frames=1,
            samples_per_pixel=int(copy.SamplesPerPixel),
            bits_allocated=int(copy.BitsAllocated),
            bits_stored=int(copy.BitsStored),
            pixel_representation=int(copy.PixelRepresentation),
            photometric_interpretation=str(copy.PhotometricInterpretation),
            planar_configuration=0,
        )
    except Exception as error:  # encoders raise many kinds, and their texts are not for users
        raise InputError(f"{label} could not be coded without loss; export it uncompressed.") from error
