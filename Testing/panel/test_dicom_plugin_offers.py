"""What our plug-in offers in the DICOM browser, and what it leaves to the others."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset
from BreastUSAssistLib.dicom.structured_report import report_dataset
from dicom import drafts, sources
from pydicom import Dataset

pytest.importorskip("slicer", reason="slicer-core has no wheel for this platform")
pytest.importorskip("PySide6", reason="PySide6 has no wheel for this platform")
from host.dicom_lib import DICOMLoadable, DICOMPlugin
from panel.dicom_bench import DicomBench, dicom_bench, written
from panel.dicom_samples import image_file, image_of, labels_of, segmentation

CT, MR, XA = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.12.1"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
IMAGE, OBJECT = 0.85, 0.97


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[DicomBench]:
    with dicom_bench(tmp_path) as opened_bench:
        yield opened_bench


def sequence_like_slicers(confidence: float) -> type[DICOMPlugin]:
    """Another plug-in that takes any image, as sure as it is told."""

    class Other(DICOMPlugin):
        def examineForImport(self, fileList: list[list[str]]) -> list[DICOMLoadable]:  # noqa: N802, N803
            found = []
            for files in fileList:
                loadable = DICOMLoadable()
                loadable.files, loadable.name, loadable.confidence = list(files), "other", confidence
                found.append(loadable)
            return found

    return Other


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (sources.still, "80 x 60 pixels. Pixels of 0.1 x 0.1 mm"),
        (lambda: sources.still(rgb=True), "80 x 60 pixels. Pixels of 0.1 x 0.1 mm"),
        (lambda: sources.cine(5), "5 frames of 80 x 60 pixels. Pixels of 0.1 x 0.1 mm"),
        (lambda: sources.enhanced_volume(4), "4 frames of 80 x 60 pixels"),
        (lambda: sources.still(sop_class=sources.US_RETIRED), "80 x 60 pixels"),
        (lambda: sources.still(sop_class=CAPTURE), "80 x 60 pixels"),
    ],
)
def test_ultrasound_is_offered(bench: DicomBench, header: Callable[[], Dataset], words: str) -> None:
    image = image_file(header(), bench.folder / "image.dcm")
    bench.add(image)
    (offer,) = bench.offers(image)
    assert offer.files == [str(image)]
    assert (offer.confidence, offer.selected, offer.warning) == (IMAGE, True, "")
    assert words in offer.tooltip
    assert offer.name == "1: US [1]"
    assert "Änne" not in offer.name + offer.tooltip


def test_an_unknown_pixel_size_is_said(bench: DicomBench) -> None:
    header = sources.still()
    del header.SequenceOfUltrasoundRegions
    image = image_file(header, bench.folder / "image.dcm")
    bench.add(image)
    (offer,) = bench.offers(image)
    assert "Pixel size not known" in offer.tooltip


def test_frames_of_a_sweep_are_one_offer_and_stills_are_each_their_own(bench: DicomBench) -> None:
    sweep, apart = sources.stills(4), sources.stills(3)
    for number, header in enumerate(apart):
        header.ContentTime = f"10{number:02d}00"
    for name, headers, count in (("sweep", sweep, 1), ("apart", apart, 3)):
        files = [image_file(header, bench.folder / f"{name}-{place}.dcm") for place, header in enumerate(headers)]
        bench.add(*files)
        offers = bench.offers(*files)
        assert len(offers) == count
        assert sorted(file for offer in offers for file in offer.files) == sorted(map(str, files))


def test_a_damaged_file_of_a_sweep_is_told_before_the_rest_is_loaded(bench: DicomBench) -> None:
    files = [image_file(header, bench.folder / f"{place}.dcm") for place, header in enumerate(sources.stills(4))]
    bench.add(*files)
    files[2].write_bytes(files[2].read_bytes()[:-100])
    (offer,) = bench.offers(*files)
    assert len(offer.files) == 3
    assert offer.warning == "1 of 4 files of this series cannot be read and are left out."


@pytest.mark.parametrize(("other", "ours"), [(0.5, True), (0.7, True), (0.8, True), (0.9, False)])
def test_it_is_surer_than_slicers_own_plugins_and_less_than_those_for_vendors_formats(
    bench: DicomBench, other: float, ours: bool
) -> None:
    image = image_of(bench, 3)
    bench.slicer.modules.dicomPlugins["Other"] = sequence_like_slicers(other)
    bench.load(image)
    assert bool(bench.sources()) == ours


def test_its_seg_and_sr_come_before_slicers_own_readers(bench: DicomBench) -> None:
    image = image_of(bench, 3)
    seg = segmentation(image, bench.folder / "seg.dcm", labels_of(3))
    bench.add(seg)
    (offer,) = bench.offers(seg)
    assert offer.confidence == OBJECT > 0.95
    bench.slicer.modules.dicomPlugins["Other"] = sequence_like_slicers(0.95)
    assert bench.load(seg) == []
    assert len(bench.sources()) == 1


def of_class(header: Dataset, sop_class: str, modality: str) -> Dataset:
    header.SOPClassUID, header.Modality = sop_class, modality
    return header


def seg_on(header: Dataset) -> Dataset:
    labels = drafts.two_lesions(1)
    return segmentation_dataset([header], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED)


def report_on(header: Dataset) -> Dataset:
    labels = drafts.two_lesions(1)
    analysis = drafts.analysis_of(labels, drafts.lesions_of(labels))
    return report_dataset([header], analysis, labels, created=drafts.CREATED)


def other_report(header: Dataset) -> Dataset:
    """A report on ultrasound that follows another template."""
    report = report_on(header)
    report.ContentTemplateSequence[0].TemplateIdentifier = "5200"
    return report


def other_object(header: Dataset) -> Dataset:
    """A presentation state of an ultrasound image."""
    return of_class(report_on(header), "1.2.840.10008.5.1.4.1.1.11.1", "PR")


@pytest.mark.parametrize(
    "make",
    [
        lambda: of_class(sources.still(), CT, "CT"),
        lambda: of_class(sources.still(), MR, "MR"),
        lambda: of_class(sources.cine(3), XA, "XA"),
        lambda: of_class(sources.still(), CAPTURE, "OT"),
        lambda: seg_on(of_class(sources.still(), CT, "CT")),
        lambda: report_on(of_class(sources.still(), CT, "CT")),
        lambda: seg_on(of_class(sources.still(), CAPTURE, "OT")),
        lambda: other_report(sources.still()),
        lambda: other_object(sources.still()),
    ],
    ids=["CT", "MR", "XA", "capture", "SEG on CT", "SR on CT", "SEG on capture", "other template", "GSPS"],
)
def test_what_is_not_ultrasound_is_left_alone(bench: DicomBench, make: Callable[[], Dataset]) -> None:
    dataset = make()
    path = bench.folder / "other.dcm"
    if "Rows" in dataset and "PixelData" not in dataset:
        image_file(dataset, path)
    else:
        written(dataset, path)
    bench.add(path)
    assert bench.offers(path) == []


def test_damaged_files_are_not_offered_and_break_nothing(bench: DicomBench) -> None:
    image = image_of(bench, 2)
    seg = segmentation(image, bench.folder / "seg.dcm", labels_of(2))
    report = written(report_on(sources.still()), bench.folder / "sr.dcm")
    chance = np.random.default_rng(5)
    for path in (image, seg, report):
        content = path.read_bytes()
        bench.add(path)
        for kind in range(12):
            damaged = bytearray(content)
            if kind < 4:
                damaged = damaged[: int(chance.integers(140, len(content)))]
            else:
                for place in chance.integers(132, min(len(content), 4000), 20):
                    damaged[place] ^= int(chance.integers(1, 256))
            path.write_bytes(damaged)
            for offer in bench.offers(path):
                offer.selected = True
                bench.plugin.load(offer)
        path.write_bytes(content)
    assert all(sentence.rstrip().endswith((".", "?")) for sentence in bench.asked)


def test_a_file_that_is_gone_is_not_offered(bench: DicomBench) -> None:
    image = image_of(bench, 1)
    image.unlink()
    assert bench.offers(image) == []


def test_loading_the_module_imports_nothing_of_the_library() -> None:
    """Slicer loads every module at start: what takes long is imported when the DICOM browser asks."""
    code = (
        "import sys; from host import start_host; start_host(); from host.dicom_lib import dicom_module\n"
        "from host.module_loading import load_scripted_module; from host.running import MODULES\n"
        "with dicom_module():\n"
        "    before = set(sys.modules)\n"
        "    load_scripted_module(MODULES / 'DICOMBreastUSPlugin.py')\n"
        "    import DICOMBreastUSPlugin; DICOMBreastUSPlugin.DICOMBreastUSPluginClass()\n"
        "    print(*sorted(set(sys.modules) - before))"
    )
    folder = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    assert done.stdout.split() == ["DICOMBreastUSPlugin"]
