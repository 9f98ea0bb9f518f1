# ruff: noqa: N802 - the names are those of CTK
"""Stand-in of ctkDICOMDatabase (`slicer.dicomDatabase`): an index of real files, asked as the real one is asked.

Values are text, several with a backslash between them, as the real one gives them; what is not there is "".
"""

from pathlib import Path
from typing import Any

from pydicom import DataElement, Dataset, dcmread
from pydicom.errors import InvalidDicomError

PATIENT, STUDY, SERIES, INSTANCE = "0010,0020", "0020,000D", "0020,000E", "0008,0018"


class DicomDatabase:
    """Files by patient, study, series and instance."""

    def __init__(self) -> None:
        self.isOpen = True
        self._headers: dict[str, Dataset] = {}

    def insert(self, filePath: str, storeFile: bool = True, generateThumbnail: bool = True) -> None:  # noqa: N803
        """Take a file in where it lies; one that is no DICOM is passed over, as the indexer does."""
        try:
            self._headers[str(filePath)] = dcmread(filePath, stop_before_pixels=True)
        except (InvalidDicomError, OSError):
            return

    def removeSeries(self, seriesUID: str) -> bool:  # noqa: N803
        """Forget a series; its files stay where they are."""
        for path in self.filesForSeries(seriesUID):
            del self._headers[path]
        return True

    def fileValue(self, fileName: str, tag: str) -> str:  # noqa: N803
        """Value in a file, which need not be in the database."""
        header = self._headers.get(fileName)
        if header is None:
            try:
                header = dcmread(fileName, stop_before_pixels=True)
            except (InvalidDicomError, OSError):
                return ""
        group, element = (int(part, 16) for part in tag.split(","))
        return _text(header.get((group, element)))

    def instanceValue(self, sopInstanceUID: str, tag: str) -> str:  # noqa: N803
        path = self.fileForInstance(sopInstanceUID)
        return self.fileValue(path, tag) if path else ""

    def fileForInstance(self, sopInstanceUID: str) -> str:  # noqa: N803
        return next(iter(self._paths(INSTANCE, sopInstanceUID)), "")

    def instanceForFile(self, fileName: str) -> str:  # noqa: N803
        return self.fileValue(fileName, INSTANCE) if fileName in self._headers else ""

    def seriesForFile(self, fileName: str) -> str:  # noqa: N803
        return self.fileValue(fileName, SERIES) if fileName in self._headers else ""

    def filesForSeries(self, seriesUID: str, hits: int = -1) -> tuple[str, ...]:  # noqa: N803
        found = self._paths(SERIES, seriesUID)
        return found if hits < 0 else found[:hits]

    def instancesForSeries(self, seriesUID: str, hits: int = -1) -> tuple[str, ...]:  # noqa: N803
        return tuple(self.instanceForFile(path) for path in self.filesForSeries(seriesUID, hits))

    def seriesForStudy(self, studyUID: str) -> tuple[str, ...]:  # noqa: N803
        return self._values(SERIES, self._paths(STUDY, studyUID))

    def studyForSeries(self, seriesUID: str) -> str:  # noqa: N803
        return next(iter(self._values(STUDY, self._paths(SERIES, seriesUID))), "")

    def studiesForPatient(self, patientUID: str) -> tuple[str, ...]:  # noqa: N803
        return self._values(STUDY, self._paths(PATIENT, patientUID))

    def patients(self) -> tuple[str, ...]:
        return self._values(PATIENT, tuple(self._headers))

    def allFiles(self) -> tuple[str, ...]:
        return tuple(self._headers)

    def _paths(self, tag: str, value: str) -> tuple[str, ...]:
        return tuple(path for path in self._headers if self.fileValue(path, tag) == value)

    def _values(self, tag: str, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.fileValue(path, tag) for path in paths))


def index_folder(database: DicomDatabase, folder: Path) -> None:
    """What ctkDICOMIndexer does with a folder."""
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            database.insert(str(path))


def _text(element: DataElement | None) -> str:
    value: Any = element.value if element is not None else None
    if value is None or element is None or element.VR == "SQ":
        return ""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    return "\\".join(str(part) for part in value) if element.VM > 1 else str(value)
