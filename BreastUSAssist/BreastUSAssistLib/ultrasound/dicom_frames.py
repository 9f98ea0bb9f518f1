"""Decode one frame of a DICOM image, alone, to grey or RGB."""

import io
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import InputError
from .coded_size import coded_size
from .dicom_source import DicomSource
from .frame import PixelSpacing, SourceReference, UltrasoundFrame, UltrasoundRegion
from .palette import apply_palette, palette_of
from .photometric import colour_to_rgb, grey_table, has_voi, printable, stored_values
from .quiet import quiet

_JPEG_LOSSY = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51")
_JPEG_2000 = ("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91")


@dataclass(eq=False)
class DicomFrames:
    """The frames of one DICOM file, decoded one at a time; safe to call from several threads."""

    source: DicomSource
    regions: tuple[UltrasoundRegion, ...] = ()
    pixel_spacing: PixelSpacing | None = None
    times_ms: tuple[float, ...] | None = None
    sop_instance_uid: str | None = field(init=False)
    sop_class_uid: str | None = field(init=False)

    def __post_init__(self) -> None:
        self.sop_instance_uid = str(self.source.header.get("SOPInstanceUID") or "") or None
        self.sop_class_uid = str(self.source.header.get("SOPClassUID") or "") or None
        check_readable(self.source)

    def __call__(self, index: int) -> UltrasoundFrame:
        """Decode frame `index`, from 0.

        Raises:
            InputError: the frame cannot be decoded; the message names the file.
        """
        return UltrasoundFrame(
            pixels=self._pixels(index),
            source=SourceReference(self.source.path, index + 1, self.sop_instance_uid, self.sop_class_uid),
            regions=self.regions,
            pixel_spacing=self.pixel_spacing,
            time_ms=self.times_ms[index] if self.times_ms else None,
        )

    def _pixels(self, index: int) -> np.ndarray:
        label = self.source.label
        try:
            with quiet():
                samples, interpretation = decode_samples(self.source, index)
                if samples.ndim == 3:
                    return colour_to_rgb(samples, interpretation, label)
                stored = stored_values(samples, self.source.header)
                if interpretation == "PALETTE COLOR":
                    palette, first = self._palette
                    return apply_palette(stored, palette, first)
                table, first = self.grey_levels
                return table[np.clip(stored.astype(np.int32) - first, 0, len(table) - 1)]
        except InputError:
            raise
        except OSError as error:
            reason = error.strerror or "damaged pixels"
            raise InputError(
                f"{label}: frame {index + 1} could not be decoded ({reason}); copy or export it again."
            ) from None
        except MemoryError:
            raise InputError(f"{label} does not fit into memory; close other programs or reduce it.") from None
        except Exception:  # decoders raise many kinds, and their texts are not for users
            raise InputError(
                f"{label}: frame {index + 1} could not be decoded (damaged pixels); copy or export it again."
            ) from None

    @cached_property
    def _palette(self) -> tuple[np.ndarray, int]:
        return palette_of(self.source.header, self.source.label)

    @cached_property
    def grey_levels(self) -> tuple[np.ndarray, int]:
        """Screen level of each stored value, and the value of the first (see photometric.grey_table).

        One table for the whole clip, so that a grey level means the same in every frame.
        """
        header = self.source.header
        if int(header.get("BitsStored") or header.BitsAllocated) < 16 or has_voi(header):
            return grey_table(header)
        # 16 declared bits seldom hold 16 bits: three frames tell which power of two the clip reaches.
        probes = {0, self.source.frame_count // 2, self.source.frame_count - 1}
        return grey_table(header, max(int(decode_samples(self.source, probe)[0].max()) for probe in probes))


def check_readable(source: DicomSource) -> None:
    """Refuse, before decoding, pixels that no ultrasound image has.

    Raises:
        InputError: samples per pixel, bits or photometric interpretation are not supported.
    """
    header, label = source.header, source.label
    samples = int(header.get("SamplesPerPixel") or 1)
    bits = int(header.get("BitsAllocated") or 0)
    interpretation = str(header.get("PhotometricInterpretation") or "").strip()
    if samples not in (1, 3):
        raise InputError(f"{label} has {samples} channels a pixel; only grey and RGB are read, so export it as RGB.")
    if bits not in (8, 16) or not 1 <= int(header.get("BitsStored") or bits) <= bits:
        raise InputError(f"{label} has {bits} bits a sample; only 8 and 16 are read, so export it with 8.")
    single = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "")
    triple = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT", "")
    if interpretation not in (single if samples == 1 else triple):
        raise InputError(
            f"{label} has colours that are not read here ({printable(interpretation)} with {samples} channels); "
            "export it as RGB."
        )


def decode_samples(source: DicomSource, index: int) -> tuple[np.ndarray, str]:
    """Decode one frame without any colour conversion.

    Returns:
        (rows, columns) or (rows, columns, 3), and the photometric interpretation of these samples.
    """
    from pydicom.pixels import get_decoder

    header = source.header
    options = _options(source)
    with source.opened() as file:
        if not source.fragments:
            file.seek(source.pixel_offset)
            samples, told = get_decoder(source.transfer_syntax).as_array(file, index=index, raw=True, **options)
            return samples, str(told["photometric_interpretation"])
        encoded = b"".join(_piece(file, offset, length) for offset, length in source.fragments[index])
    if source.transfer_syntax in _JPEG_LOSSY and int(header.get("BitsStored") or 8) == 8:
        return _decode_jpeg(encoded, options)
    return _decode_compressed(source, encoded, options)


def _piece(file: Any, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)


def _options(source: DicomSource) -> dict[str, Any]:
    header = source.header
    samples = int(header.get("SamplesPerPixel") or 1)
    allocated = int(header.BitsAllocated)
    options: dict[str, Any] = {
        "rows": int(header.Rows),
        "columns": int(header.Columns),
        "samples_per_pixel": samples,
        "number_of_frames": source.frame_count,
        "bits_allocated": allocated,
        "bits_stored": int(header.get("BitsStored") or allocated),
        "pixel_representation": int(header.get("PixelRepresentation") or 0),
        "photometric_interpretation": str(header.get("PhotometricInterpretation") or "").strip()
        or ("RGB" if samples == 3 else "MONOCHROME2"),
        "pixel_keyword": "PixelData",
        "pixel_vr": source.pixel_vr,
        "correct_unused_bits": False,
    }
    if samples > 1:
        options["planar_configuration"] = int(header.get("PlanarConfiguration") or 0)
    if options["photometric_interpretation"] == "YBR_FULL_422" and source.holds_full_chroma:
        options["photometric_interpretation"] = "YBR_FULL"
    return options


def _decode_compressed(source: DicomSource, encoded: bytes, options: dict[str, Any]) -> tuple[np.ndarray, str]:
    from pydicom.encaps import encapsulate
    from pydicom.pixels import get_decoder

    size = coded_size(encoded)
    if size is not None and size[0] * size[1] > options["rows"] * options["columns"]:
        raise ValueError("the coded image is larger than its header says")
    decoder = get_decoder(source.transfer_syntax)
    # GDCM reads JPEG 2000 faster than Pillow; pydicom tries the others by itself only when none is named.
    plugins = ["gdcm", ""] if source.transfer_syntax in _JPEG_2000 and "gdcm" in decoder.available_plugins else [""]
    buffer = encapsulate([encoded])
    options = options | {"number_of_frames": 1}
    for plugin in plugins:
        try:
            samples, told = decoder.as_array(buffer, index=0, raw=True, decoding_plugin=plugin, **options)
            break
        except Exception:
            if plugin == plugins[-1]:
                raise
    return samples, str(told["photometric_interpretation"])


def _decode_jpeg(encoded: bytes, options: dict[str, Any]) -> tuple[np.ndarray, str]:
    """Lossy JPEG with the colour space that its own stream tells, which beats the DICOM tag where they differ.

    JFIF and Adobe markers and the component names R, G, B say it; subsampled chroma says YCbCr. pydicom applies the
    tag's conversion even where the Adobe marker has made the decoder convert already.
    """
    from PIL import Image

    with Image.open(io.BytesIO(encoded), formats=("JPEG",)) as image:
        if image.size != (options["columns"], options["rows"]):
            raise ValueError("the coded image has another size than its header says")
        if image.mode == "L":
            samples = np.asarray(image)
            return (samples if options["samples_per_pixel"] == 1 else np.stack([samples] * 3, axis=-1)), (
                options["photometric_interpretation"] if options["samples_per_pixel"] == 1 else "RGB"
            )
        names = "".join(chr(layer[0]) for layer in image.layer)  # type: ignore[attr-defined]
        if "adobe_transform" in image.info or names == "RGB":
            return np.asarray(image.convert("RGB")), "RGB"
        subsampled = any(layer[1:3] != image.layer[0][1:3] for layer in image.layer)  # type: ignore[attr-defined]
        certain = subsampled or "jfif" in image.info
        image.draft("YCbCr", image.size)
        samples = np.asarray(image)
    luma = certain or options["photometric_interpretation"] != "RGB"
    return samples, "YBR_FULL" if luma else "RGB"
