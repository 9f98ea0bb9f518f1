"""Cases in Slicer's module Sample Data: phantoms that this computer makes, and a public set by download, asked."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile, ZipFile

import slicer
from slicer.i18n import tr as _

from ..errors import BreastUSAssistError, InputError
from ..files import resource_path, written_whole

if TYPE_CHECKING:
    from ..mrml.source import UltrasoundSource
    from ..ultrasound.phantom_spec import PhantomSpec

BUSBRA_URI = "https://zenodo.org/records/8231412/files/BUSBRA.zip?download=1"
BUSBRA_FILE = "BUSBRA.zip"
BUSBRA_CHECKSUM = "SHA256:ba3e6ed19cc37c682d8d39e25435bbf8a555a12cb7e641b5f2117685c95580ff"
"""Of version 1.0 as torch_em (computational-cell-analytics) downloads and checks it; licence CC BY 4.0."""


def register_sample_data() -> None:
    """Add this project's cases to the module Sample Data; nothing is made or downloaded before its button is pressed.

    Called when Slicer has started; a second call, after a reload of the module, replaces them.
    """
    try:
        logic = import_module("SampleData").SampleDataLogic
    except ModuleNotFoundError:
        # An application built on Slicer may come without the module.
        return
    category = _("Breast ultrasound")
    logic.sampleDataSourcesByCategory().pop(category, None)
    for name, title, load in (
        ("still", _("Breast phantom, still"), load_still),
        ("cine", _("Breast phantom, cine"), load_cine),
    ):
        logic.registerCustomSampleDataSource(
            category=category,
            sampleName=title,
            # Nothing is fetched from here: an address that cannot be mistaken for one on the network.
            uris=f"breastusassist:phantom-{name}",
            fileNames=f"phantom-{name}",
            nodeNames=f"phantom-{name}",
            customDownloader=load,
            thumbnailFileName=str(resource_path("Icons", f"phantom-{name}.png")),
        )
    logic.registerCustomSampleDataSource(
        category=category,
        sampleName=_("BUS-BRA (download)"),
        uris=BUSBRA_URI,
        fileNames=BUSBRA_FILE,
        nodeNames="BUS-BRA",
        checksums=BUSBRA_CHECKSUM,
        customDownloader=load_busbra,
        thumbnailFileName=str(resource_path("Icons", "BreastUSAssist.png")),
    )


def phantom_spec(name: str) -> "PhantomSpec":
    """What the phantom `name` (still or cine) shows; either is rendered in under a second."""
    from ..ultrasound.phantom import standard_cases

    cases = standard_cases()
    if name == "still":
        return cases["irregular-spiculated"]
    return replace(cases["cine"], rows=360, columns=480, spacing_mm=0.113, frame_count=15)


def phantom_file(name: str, folder: Path) -> Path:
    """The phantom `name` as a DICOM file in `folder`, made if it is not there.

    Raises:
        OutputError: the folder cannot be written.
    """
    from .. import __version__
    from ..ultrasound.phantom import render, save_dicom

    path = Path(folder) / f"breast-phantom-{name}-{__version__}.dcm"
    return path if path.is_file() else save_dicom(render(phantom_spec(name)), path)


def load_phantom(scene: Any, name: str) -> "UltrasoundSource":
    """Put the phantom `name` (still or cine) into the scene.

    Raises:
        OutputError: Slicer's cache folder cannot be written.
    """
    return _load_file(scene, phantom_file(name, cache_folder(scene)))


def load_still(source: Any = None) -> list[Any]:
    """What the still's button in Sample Data does; gives the volume node."""
    return _told(lambda: load_phantom(slicer.mrmlScene, "still"))


def load_cine(source: Any = None) -> list[Any]:
    """What the cine's button in Sample Data does; gives the volume node that shows the frames."""
    return _told(lambda: load_phantom(slicer.mrmlScene, "cine"))


def load_busbra(source: Any = None) -> list[Any]:
    """Ask, download BUS-BRA into Slicer's cache, check it, and put its first image into the scene.

    Args:
        source: the entry in Sample Data whose button was pressed.

    Returns:
        The volume node; none where the user declined or it did not work, which is told.
    """
    text = _(
        "BUS-BRA is a public set of 1,875 breast ultrasound images (Gomez-Flores, Gregorio-Calas and Pereira, Medical"
        " Physics 2024; CC BY 4.0). It is downloaded whole from zenodo.org, some hundred MB, and stays in Slicer's"
        " cache until you clear it in Edit, Application Settings, Cache. The models of this extension were trained on"
        " it: what they find in it says nothing of how good they are. Download it now?"
    )
    if not slicer.util.confirmOkCancelDisplay(text, _("BreastUSAssist - Download")):
        return []
    return _told(lambda: _first_of_busbra(slicer.mrmlScene))


def cache_folder(scene: Any) -> Path:
    """Slicer's cache, whose size the user limits and which the user clears."""
    manager = scene.GetCacheManager()
    folder = manager.GetRemoteCacheDirectory() if manager is not None else None
    return Path(folder or slicer.app.temporaryPath)


def _first_of_busbra(scene: Any) -> "UltrasoundSource":
    logic = import_module("SampleData").SampleDataLogic(lambda text, level=None: slicer.util.showStatusMessage(text))
    try:
        archive = Path(logic.downloadFileIntoCache(BUSBRA_URI, BUSBRA_FILE, BUSBRA_CHECKSUM))
    except ValueError as error:
        raise InputError(_("BUS-BRA could not be downloaded; check the network and try again.")) from error
    if not archive.is_file():
        # Sample Data removes a file with a wrong checksum and goes on.
        raise InputError(_("The downloaded BUS-BRA is damaged and was removed; try again."))
    try:
        with ZipFile(archive) as images:
            first = min(name for name in images.namelist() if "/Images/" in name and name.endswith(".png"))
            path = cache_folder(scene) / f"BUS-BRA-{Path(first).name}"
            with written_whole(path) as beside:
                beside.write_bytes(images.read(first))
    except (BadZipFile, ValueError) as error:
        raise InputError(_("The downloaded BUS-BRA holds no images; clear Slicer's cache and try again.")) from error
    return _load_file(scene, path)


def _load_file(scene: Any, path: Path) -> "UltrasoundSource":
    from ..mrml.volume_loading import load_clip
    from ..ultrasound.reading import open_clip

    source = load_clip(scene, open_clip(path))
    slicer.util.setSliceViewerLayers(background=source.volume, fit=True)
    return source


def _told(load: Callable[[], "UltrasoundSource"]) -> list[Any]:
    """The volume that was loaded; an error is shown, since Sample Data shows none of its own."""
    try:
        with slicer.util.WaitCursor():
            return [load().volume]
    except BreastUSAssistError as error:
        slicer.util.errorDisplay(str(error))
        return []
