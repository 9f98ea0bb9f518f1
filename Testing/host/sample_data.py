"""Stand-in of Slicer's module SampleData: keeps what is registered, downloads into the cache, checks checksums."""

import sys
import types
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any


class SampleDataSource:
    """One entry; equal to another of the same text, as in the real one."""

    def __init__(self, **fields: Any) -> None:
        for name in ("uris", "fileNames", "nodeNames", "checksums"):
            value = fields.get(name)
            fields[name] = list(value) if isinstance(value, (list, tuple)) else [value]
        assert len({len(fields[name]) for name in ("uris", "fileNames", "nodeNames", "checksums")}) == 1
        self.__dict__.update(fields)

    def __str__(self) -> str:
        return str(sorted(self.__dict__.items(), key=str))

    def __eq__(self, other: object) -> bool:
        return str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]


class SampleDataLogic:
    """What modules call of it."""

    def __init__(self, logMessage: Callable[..., Any] | None = None) -> None:  # noqa: N803
        self.logMessage = logMessage or (lambda message, level=None: None)

    @staticmethod
    def registerCustomSampleDataSource(  # noqa: N802
        category: str = "Custom",
        sampleName: str | None = None,  # noqa: N803
        uris: Any = None,
        fileNames: Any = None,  # noqa: N803
        nodeNames: Any = None,  # noqa: N803
        customDownloader: Callable[[SampleDataSource], Any] | None = None,  # noqa: N803
        thumbnailFileName: str | None = None,  # noqa: N803
        loadFileType: Any = "VolumeFile",  # noqa: N803
        loadFiles: Any = None,  # noqa: N803
        loadFileProperties: dict[str, Any] | None = None,  # noqa: N803
        checksums: Any = None,
    ) -> None:
        source = SampleDataSource(
            sampleName=sampleName,
            uris=uris,
            fileNames=fileNames,
            nodeNames=nodeNames,
            customDownloader=customDownloader,
            thumbnailFileName=thumbnailFileName,
            loadFileType=loadFileType,
            checksums=checksums,
        )
        known = SampleDataLogic.sampleDataSourcesByCategory().setdefault(category, [])
        if source not in known:
            known.append(source)

    @staticmethod
    def sampleDataSourcesByCategory(category: str | None = None) -> Any:  # noqa: N802
        import slicer

        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        sources = slicer.modules.sampleDataSources
        return sources if category is None else sources.get(category, [])

    def downloadFileIntoCache(self, uri: str, name: str, checksum: str | None = None) -> str:  # noqa: N802
        """Download, check, and return the path; a file with a wrong checksum is removed, as the real one does."""
        import slicer
        from slicer.util import computeChecksum, extractAlgoAndDigest

        manager = slicer.mrmlScene.GetCacheManager()
        folder = manager.GetRemoteCacheDirectory() if manager is not None else None
        path = Path(folder or slicer.app.temporaryPath) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            try:
                urllib.request.urlretrieve(uri, path)
            except OSError as error:
                raise ValueError(f"Failed to download {uri} to {path}") from error
        algorithm, digest = extractAlgoAndDigest(checksum)
        if algorithm is not None and computeChecksum(algorithm, str(path)) != digest:
            path.unlink()
        return str(path)


def install_sample_data() -> None:
    """Make `import SampleData` find it."""
    module = types.ModuleType("SampleData", __doc__)
    module.SampleDataLogic = SampleDataLogic  # type: ignore[attr-defined]
    module.SampleDataSource = SampleDataSource  # type: ignore[attr-defined]
    sys.modules["SampleData"] = module
