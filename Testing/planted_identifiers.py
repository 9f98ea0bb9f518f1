"""Identifiers planted wherever DICOM has room for them, and the search for what is left of them in written bytes."""

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from BreastUSAssistLib.ultrasound.deidentification.rules_attributes import KEPT
from BreastUSAssistLib.ultrasound.deidentification.uids import is_registered
from pydicom import Dataset
from pydicom.datadict import DicomDictionary
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

NUMBERS = {"FL": 4, "FD": 8, "UL": 4, "SL": 4, "SV": 8, "UV": 8}
_STRUCTURE = """
SOPClassUID SpecificCharacterSet ReferencedSOPClassUID PhotometricInterpretation Modality ValueType SegmentationType
SegmentationFractionalType RelationshipType GraphicType PixelOriginInterpretation ExtendedOffsetTable
ExtendedOffsetTableLengths FloatPixelData DoubleFloatPixelData PixelData EncapsulatedPixelDataValueTotalLength
SegmentAlgorithmType VerificationFlag NumberOfFrames SegmentSequence PerFrameFunctionalGroupsSequence
SharedFunctionalGroupsSequence CodeValue LongCodeValue URNCodeValue CodeMeaning DimensionIndexSequence ContentSequence
PlanePositionSequence PixelMeasuresSequence FrameContentSequence DerivationImageSequence SourceImageSequence
SegmentsOverlap ModalityLUTSequence VOILUTSequence ConceptNameCodeSequence LossyImageCompression
SequenceOfUltrasoundRegions ConceptCodeSequence SegmentIdentificationSequence ReferencedSOPSequence PatientID
StudyInstanceUID PlaneOrientationSequence FrameOfReferenceUID FrameTimeVector
"""
STRUCTURE = frozenset(_STRUCTURE.split())
"""Without their true values the objects are no images, segmentations or reports; those that identify hold a plant."""
_SCRIPTS = {"ISO_IR 100": "Müßëgger", "ISO_IR 192": "Żółkiewska山田", "ISO_IR 144": "Щукина", "ISO_IR 6": "Oconnor"}
_TAGS = [
    (tag, vr, keyword)
    for tag, (vr, _, _, _, keyword) in sorted(DicomDictionary.items())
    if tag >> 16 >= 0x0008 and len(vr) == 2 and keyword and keyword not in STRUCTURE and tag & 0xFFFF
]


@dataclass
class Planted:
    """What was planted into one study; none of it may be left."""

    strings: set[str] = field(default_factory=set)
    uids: set[str] = field(default_factory=set)
    raw: set[bytes] = field(default_factory=set)


class Planter:
    """Plants into the objects of one study, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.planted = Planted()
        self.charset = list(_SCRIPTS)[seed % len(_SCRIPTS)]
        self._family = _SCRIPTS[self.charset]
        self._seed = seed

    def text(self, length: int = 16) -> str:
        """A text that occurs nowhere else."""
        letters = "".join(self.random.choice("BCDFGHJKLMNPQRSTVWXZ") for _ in range(9))
        text = f"Q{letters}"[:length]
        self.planted.strings.add(text)
        return text

    def name(self) -> str:
        """A person's name with components, the family name in the study's script."""
        self.planted.strings.add(self._family)
        return f"{self._family}{self.text(8)}^{self.text(10).capitalize()}^{self.text(8)}"

    def uid(self) -> str:
        uid = f"1.2.826.0.1.{self.random.randrange(10**6, 10**7)}.{self.random.randrange(10**12, 10**13)}"
        self.planted.uids.add(uid)
        return uid

    def new_uids(self, objects: Iterable[Dataset]) -> None:
        """Give every instance, series, study and lesion of `objects` a planted UID, the same where it was the same."""
        new: dict[str, str] = {}
        for one in objects:
            for element in one.iterall():
                if element.VR == "UI" and isinstance(element.value, str) and not is_registered(element.value):
                    old = str(element.value)
                    if old not in new:
                        new[old] = self.uid()
                    element.value = new[old]

    def date(self) -> str:
        """A day of one year: dates move by more than that, so that no moved one can equal another that was planted."""
        return self._kept(
            f"{1931 + self._seed % 85}{self.random.randrange(1, 13):02d}{self.random.randrange(1, 29):02d}"
        )

    def time(self) -> str:
        return self._kept(
            f"{self.random.randrange(10, 24)}{self.random.randrange(10, 60)}59.{self.random.randrange(10**5, 10**6)}"
        )

    def value(self, vr: str) -> Any:
        """A value of this VR that identifies someone."""
        number = self.random.randrange(10**8, 2**31 - 1)
        if vr in ("FL", "FD"):
            number = float(number) if vr == "FD" else float(number >> 8 << 8)
        if vr in NUMBERS:
            self.planted.raw.add(_packed(vr, number))
            return number
        makers: dict[str, Any] = {
            "UI": self.uid,
            "DA": self.date,
            "TM": self.time,
            "DT": lambda: self.date() + self.time(),
            "PN": self.name,
            "AS": lambda: self._kept("107Y"),
            "IS": lambda: self._kept(str(number)),
            "DS": lambda: self._kept(f"{number}.5"),
            "UR": lambda: f"http://{self.text()}.example/{self.uid()}",
            "US": lambda: 4711,
            "SS": lambda: -4711,
            "AT": lambda: 0x00100010,
        }
        if vr in ("OB", "OW", "UN", "OF", "OD", "OL", "OV"):
            return (self.text() + "......")[:16].encode()
        if vr in makers:
            return makers[vr]()
        return f"{self.text()} {self._family}" if vr in ("LO", "LT", "ST", "UT", "UC") else self.text()

    def anywhere(self, dataset: Dataset, count: int, depth: int = 0) -> None:
        """Plant into `count` attributes of the whole dictionary that `dataset` does not have yet."""
        for tag, vr, keyword in self.random.sample(_TAGS, count):
            if tag in dataset or (keyword in KEPT and (vr in NUMBERS or vr in ("US", "SS", "AT", "IS", "DS"))):
                continue
            if vr == "SQ":
                if depth < 3:
                    dataset.add_new(tag, vr, [self._item(depth + 1)])
            else:
                dataset.add_new(tag, vr, self.value(vr))

    def everywhere(self, dataset: Dataset, chance: float) -> None:
        """Plant into items of the sequences that are there already, to the bottom."""
        for element in list(dataset):
            if element.VR == "SQ" and element.keyword != "SequenceOfUltrasoundRegions":
                for item in element.value:
                    if self.random.random() < chance:
                        self.anywhere(item, 3, 2)
                        self.privately(item)
                    self.everywhere(item, chance)

    def privately(self, dataset: Dataset) -> None:
        """Plant private elements of every VR, a private sequence among them."""
        block = dataset.private_block(self.random.randrange(0x11, 0x51) | 1, self.text(), create=True)
        for offset, vr in enumerate(("LO", "PN", "DA", "UI", "OB", "UN", "FD", "ST", "TM", "DS"), start=1):
            block.add_new(offset, vr, self.value(vr))
        block.add_new(0x20, "SQ", [self._item(3)])

    def fixed_places(self, dataset: Dataset) -> None:
        """Plant where identifiers are at home: patient, study, overlays, curves, padding."""
        for keyword in ("PatientName", "OtherPatientNames", "ReferringPhysicianName", "OperatorsName"):
            setattr(dataset, keyword, self.name())
        for keyword in (
            *(
                "InstitutionName",
                "StationName",
                "StudyDescription",
                "SeriesDescription",
                "PatientComments",
                "Manufacturer",
            ),
            *("ManufacturerModelName", "AccessionNumber", "StudyID", "ImageComments", "DeviceSerialNumber"),
            *("BodyPartExamined", "ProtocolName", "SoftwareVersions", "Occupation", "DerivationDescription"),
        ):
            setattr(dataset, keyword, self.text())
        dataset.PatientBirthDate, dataset.StudyDate, dataset.StudyTime = self.date(), self.date(), self.time()
        dataset.SeriesDate, dataset.ContentDate, dataset.AcquisitionDateTime = (
            self.date(),
            self.date(),
            self.value("DT"),
        )
        dataset.add_new(0x60003000, "OW", self.value("OW"))
        dataset.add_new(0x60004000, "LT", self.value("LT"))
        dataset.add_new(0x50003000, "OW", self.value("OW"))
        dataset.add_new(0xFFFCFFFC, "OB", self.value("OB"))
        icon = self._item(3)
        icon.BitsAllocated, icon.Rows, icon.Columns = 8, 4, 4
        icon.PixelData = self.value("OB")
        dataset.IconImageSequence = [icon]

    def write(self, dataset: Dataset, path: Path) -> Path:
        """Write `dataset` with identifiers in its preamble and file meta information too."""
        dataset.SpecificCharacterSet = self.charset
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        meta.ImplementationVersionName = self.text()
        meta.ImplementationClassUID = self.uid()
        for keyword in ("SourceApplicationEntityTitle", "SendingApplicationEntityTitle"):
            setattr(meta, keyword, self.text())
        meta.PrivateInformationCreatorUID, meta.PrivateInformation = self.uid(), self.value("OB")
        dataset.file_meta = meta
        dataset.preamble = (self.text().encode() + b"\0" * 128)[:128]
        dataset.save_as(path, enforce_file_format=True)
        return path

    def _item(self, depth: int) -> Dataset:
        item = Dataset()
        self.anywhere(item, 4, depth)
        return item

    def _kept(self, text: str) -> str:
        self.planted.strings.add(text)
        return text


def left_over(planted: Planted, contents: Iterable[tuple[str, bytes]]) -> list[str]:
    """What of `planted` is found in `contents` (name, bytes), in any case and encoding, whole or in its parts."""
    wanted = {one for text in planted.strings for one in _spellings(text)}
    found = []
    for name, content in contents:
        # Digits of a new UID can spell a date.
        searched = re.sub(rb"2\.25\.\d+", b"", content)
        lowered = searched.lower()
        found += [f"{name}: {one!r}" for one in wanted if one in lowered]
        found += [f"{name}: {one}" for one in planted.uids if one.encode() in content]
        found += [f"{name}: {one.hex()}" for one in planted.raw if one in searched]
    return found


def _spellings(text: str) -> Iterator[bytes]:
    parts = {text, *(part for part in re.split(r"[\^= \\/,:-]+", text) if len(part) >= 4)}
    for part in parts:
        for spelt in {part.lower(), part.upper(), part, part.casefold()}:
            for encoding in ("utf-8", "latin-1", "iso8859_5", "utf-16-le", "gb18030", "cp1252"):
                try:
                    yield spelt.encode(encoding).lower()
                except UnicodeEncodeError:
                    continue


def _packed(vr: str, number: float) -> bytes:
    import struct

    return struct.pack({"FL": "<f", "FD": "<d", "UL": "<L", "SL": "<l", "SV": "<q", "UV": "<Q"}[vr], number)
