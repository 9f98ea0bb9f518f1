"""Images that a SEG or SR needs: several, missing, changed, loaded by others; volumes in the patient."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.ultrasound.reading import open_clip
from dicom import drafts, sources

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
from panel.dicom_bench import DicomBench, dicom_bench, written
from panel.dicom_samples import image_file, image_of, labels_of, opened, segmentation


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DicomBench]:
    with dicom_bench(tmp_path) as opened_bench:
        yield opened_bench


def stills(bench: DicomBench, count: int) -> list[Path]:
    """Stills of one series, taken a minute apart, in the database."""
    headers = sources.stills(count, 60, 80)
    for number, header in enumerate(headers):
        header.ContentTime = f"10{number:02d}00"
    files = [image_file(header, bench.folder / f"still-{place}.dcm") for place, header in enumerate(headers)]
    bench.add(*files)
    return files


def seg_of(files: list[Path], path: Path, labels: np.ndarray) -> Path:
    headers = [header for file in files for header in open_clip(file).headers]
    return written(
        segmentation_dataset(headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED), path
    )


def case_of(bench: DicomBench, source: Any) -> Any:
    from BreastUSAssistLib.mrml.case import open_case

    return open_case(bench.scene, source.volume)


def test_a_segmentation_on_several_stills_brings_each(bench: DicomBench) -> None:
    files = stills(bench, 3)
    labels = drafts.two_lesions(3)
    labels[0] = 0
    seg = seg_of(files, bench.folder / "seg.dcm", labels)
    bench.add(seg)
    assert bench.load(seg) == []
    found = {source.instance_uids[0]: case_of(bench, source) for source in bench.sources()}
    for file, image in zip(files, labels, strict=True):
        uid = str(open_clip(file).headers[0].SOPInstanceUID)
        if image.any():
            assert np.array_equal(found[uid].labels()[0], image)
    studies = {parent_name(bench, source.volume) for source in bench.sources()}
    assert len(studies) == 1, "all lie in one study"


def parent_name(bench: DicomBench, node: Any) -> str:
    hierarchy = bench.slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(bench.scene)
    return str(hierarchy.GetItemParent(bench.item(node)))


def test_an_image_in_the_scene_is_not_loaded_again(bench: DicomBench) -> None:
    image = image_of(bench, 3)
    seg = segmentation(image, bench.folder / "seg.dcm", labels_of(3))
    bench.add(seg)
    for _again in range(2):
        assert bench.load(image) == []
    assert bench.load(seg) == []
    assert bench.load(image) == []
    assert len(bench.sources()) == 1


def test_an_image_that_slicers_own_plugin_loaded_is_used_and_gets_its_pixel_size(bench: DicomBench) -> None:
    from scene import cases

    image = image_of(bench, 3)
    clip = open_clip(image)
    frames = [clip.frame(index).pixels for index in range(3)]
    matrix = np.diag([-1.0, -1.0, 1.0, 1.0])
    cases.add_sequence(frames, "own", matrix=matrix, uid=str(clip.headers[0].SOPInstanceUID))
    labels = labels_of(3)
    seg = segmentation(image, bench.folder / "seg.dcm", labels)
    bench.add(seg)
    assert bench.load(seg) == []
    case = opened(bench)
    assert case.source.name == "own"
    assert case.source.volume.GetSpacing()[:2] == pytest.approx((0.4, 0.4))
    assert np.array_equal(case.labels(), labels)


@pytest.mark.parametrize("found", [False, True])
def test_a_missing_image_is_asked_for(bench: DicomBench, tmp_path: Path, found: bool) -> None:
    image = image_of(bench, 1)
    seg = segmentation(image, bench.folder / "seg.dcm", labels_of(1))
    bench.add(seg)
    bench.database.removeSeries(bench.database.fileValue(str(image), "0020,000E"))
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    image.rename(folder / "image.dcm")
    bench.chosen = folder if found else None
    assert len(bench.load(seg)) == (0 if found else 1)
    assert "Choose the folder" in bench.asked[0]
    if found:
        assert np.array_equal(opened(bench).labels(), labels_of(1))
    else:
        assert "import the image" in bench.asked[1]
        assert bench.sources() == []


def test_missing_images_among_several_are_told(bench: DicomBench) -> None:
    files = stills(bench, 2)
    labels = drafts.two_lesions(2)
    labels[0] = labels[1]
    seg = seg_of(files, bench.folder / "seg.dcm", labels)
    bench.add(seg)
    files[1].unlink()
    assert bench.load(seg) == []
    assert len(bench.asked) == 2
    assert bench.asked[1].startswith("1 of its images")
    assert np.array_equal(opened(bench).labels()[0], labels[0])


@pytest.mark.parametrize("change", ["Rows", "NumberOfFrames", "pixels gone"])
def test_a_changed_image_is_refused_and_leaves_no_case(bench: DicomBench, change: str) -> None:
    header = sources.cine(4, 60, 80)
    image = image_file(header, bench.folder / "image.dcm")
    seg = seg_of([image], bench.folder / "seg.dcm", drafts.two_lesions(4))
    if change == "Rows":
        header.Rows = 50
    elif change == "NumberOfFrames":
        header.NumberOfFrames = 2
    else:
        header.PixelData = b"\0" * 10
    if change != "pixels gone":
        image_file(header, image)
    else:
        written(header, image)
    bench.add(image, seg)
    assert len(bench.load(seg)) == 1
    (sentence,) = bench.asked
    assert sentence[0].isupper() or sentence.startswith(str(bench.folder))
    assert sentence.rstrip()[-1] == "."
    assert "Änne" not in sentence and "P-0815" not in sentence
    assert not list(records(bench))


def records(bench: DicomBench) -> Iterator[Any]:
    from BreastUSAssistLib.mrml.case_record import record_nodes

    return record_nodes(bench.scene)


def test_a_volume_lies_where_its_files_say(bench: DicomBench) -> None:
    headers = sources.automated_volume(6, 60, 80)
    files = [image_file(header, bench.folder / f"slice-{place}.dcm") for place, header in enumerate(headers)]
    labels = drafts.two_lesions(6)
    seg = seg_of(files, bench.folder / "seg.dcm", labels)
    bench.add(*files, seg)
    assert bench.load(seg) == []
    case = opened(bench)
    source = case.source
    assert source.kind == "volume"
    for index, header in enumerate(headers):
        corner = bench.slicer.util.arrayFromVolume(source.volume)[index, 0, 0]
        assert np.array_equal(corner, np.frombuffer(header.PixelData, np.uint8)[0])
        matrix = bench.slicer.vtkMatrix4x4() if hasattr(bench.slicer, "vtkMatrix4x4") else None
        place = ijk_to_ras(source.volume, matrix) @ [0, 0, source.instance_uids.index(header.SOPInstanceUID), 1]
        left, back, up = header.ImagePositionPatient
        assert place[:3] == pytest.approx([-left, -back, up], abs=1e-6)
    assert np.array_equal(case.labels(), labels)
    for index in range(6):
        for number in (1, 2):
            assert np.array_equal(case.segmentation.mask(index, number), labels[index] == number)


def ijk_to_ras(volume: Any, _matrix: Any = None) -> np.ndarray:
    import slicer
    import vtk

    matrix = vtk.vtkMatrix4x4()
    volume.GetIJKToRASMatrix(matrix)
    return np.asarray(slicer.util.arrayFromVTKMatrix(matrix))
