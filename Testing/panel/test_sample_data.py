"""Sample Data: phantoms made on this computer, a public set after a question, by its checksum."""

import hashlib
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from host import start_host

start_host()

import slicer  # noqa: E402
from BreastUSAssistLib.panel import sample_data  # noqa: E402
from BreastUSAssistLib.panel.sample_data import phantom_spec, register_sample_data  # noqa: E402
from BreastUSAssistLib.ultrasound.phantom import render  # noqa: E402
from host.sample_data import install_sample_data  # noqa: E402


@pytest.fixture(autouse=True)
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty scene, a Sample Data without entries, an empty cache."""
    slicer.mrmlScene.Clear(0)
    install_sample_data()
    slicer.modules.sampleDataSources = {}
    monkeypatch.setattr(sample_data, "cache_folder", lambda scene: tmp_path / "cache")
    monkeypatch.setattr(slicer.app, "temporaryPath", str(tmp_path / "cache"))
    yield
    slicer.mrmlScene.Clear(0)


def entry(name: str) -> Any:
    """The registered entry of this name."""
    [sources] = slicer.modules.sampleDataSources.values()
    return next(source for source in sources if source.sampleName == name)


def test_entries_have_a_picture_and_a_second_registration_adds_none() -> None:
    register_sample_data()
    register_sample_data()
    [sources] = slicer.modules.sampleDataSources.values()
    assert len(sources) == 3
    for source in sources:
        assert Path(source.thumbnailFileName).is_file()
    [checksum] = entry("BUS-BRA (download)").checksums
    assert checksum.startswith("SHA256:") and len(checksum) == len("SHA256:") + 64


def test_an_application_without_sample_data_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "SampleData", None)
    register_sample_data()
    assert slicer.modules.sampleDataSources == {}


def test_the_still_shows_the_phantoms_pixels_at_its_spacing() -> None:
    register_sample_data()
    source = entry("Breast phantom, still")
    [volume] = source.customDownloader(source)
    spec = phantom_spec("still")
    assert np.array_equal(slicer.util.arrayFromVolume(volume)[0], render(spec).frames[0])
    assert volume.GetSpacing()[:2] == pytest.approx((spec.spacing_mm, spec.spacing_mm))


def test_the_cine_is_a_sequence_and_is_made_once(tmp_path: Path) -> None:
    register_sample_data()
    source = entry("Breast phantom, cine")
    [volume] = source.customDownloader(source)
    [path] = (tmp_path / "cache").iterdir()
    written = path.stat().st_mtime_ns
    source.customDownloader(source)
    assert path.stat().st_mtime_ns == written
    sequences = slicer.util.getNodesByClass("vtkMRMLSequenceNode")
    assert phantom_spec("cine").frame_count in {node.GetNumberOfDataNodes() for node in sequences}
    assert volume.IsA("vtkMRMLScalarVolumeNode")


def test_a_full_cache_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    shown: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_options: shown.append(text))
    assert sample_data.load_still() == []
    assert len(shown) == 1
    assert slicer.util.getNodesByClass("vtkMRMLScalarVolumeNode") == []


def archive(tmp_path: Path) -> Path:
    """A small archive laid out as BUS-BRA."""
    import io

    from PIL import Image

    path = tmp_path / "BUSBRA.zip"
    with zipfile.ZipFile(path, "w") as written:
        for number in (2, 1):
            picture = io.BytesIO()
            Image.fromarray(np.full((120, 160), 40 * number, np.uint8)).save(picture, "PNG")
            written.writestr(f"BUSBRA/Images/bus_000{number}-l.png", picture.getvalue())
            written.writestr(f"BUSBRA/Masks/mask_000{number}-l.png", picture.getvalue())
    return path


def offer(path: Path, monkeypatch: pytest.MonkeyPatch, digest: str | None = None) -> list[str]:
    """Have the set downloaded from this computer; returns where errors will be shown."""
    digest = digest or hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(sample_data, "BUSBRA_URI", path.as_uri())
    monkeypatch.setattr(sample_data, "BUSBRA_CHECKSUM", f"SHA256:{digest}")
    shown: list[str] = []
    monkeypatch.setattr(slicer.util, "errorDisplay", lambda text, **_options: shown.append(text))
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_arguments: True)
    return shown


def test_the_public_set_is_asked_for_checked_and_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = offer(archive(tmp_path), monkeypatch)
    questions: list[str] = []
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, *_rest: questions.append(text) or True)
    [volume] = sample_data.load_busbra()
    assert int(slicer.util.arrayFromVolume(volume).max()) == 40
    assert shown == []
    assert "zenodo.org" in questions[0] and "CC BY 4.0" in questions[0]


def test_nothing_is_downloaded_without_a_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(archive(tmp_path), monkeypatch)
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda *_arguments: False)
    assert sample_data.load_busbra() == []
    assert not (tmp_path / "cache").exists()


def test_a_wrong_checksum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = offer(archive(tmp_path), monkeypatch, digest="0" * 64)
    assert sample_data.load_busbra() == []
    assert len(shown) == 1 and "damaged" in shown[0]
    assert not (tmp_path / "cache" / "BUSBRA.zip").exists()


def test_no_network_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = offer(archive(tmp_path), monkeypatch)
    monkeypatch.setattr(sample_data, "BUSBRA_URI", (tmp_path / "absent.zip").as_uri())
    assert sample_data.load_busbra() == []
    assert len(shown) == 1 and "network" in shown[0]


def test_an_archive_without_images_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "BUSBRA.zip"
    with zipfile.ZipFile(path, "w") as written:
        written.writestr("BUSBRA/readme.txt", "nothing")
    shown = offer(path, monkeypatch)
    assert sample_data.load_busbra() == []
    assert len(shown) == 1 and "no images" in shown[0]
