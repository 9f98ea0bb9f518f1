"""Where the frames of a Segmentation lie: as the source says, not at all, or made up and marked."""

import copy
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.dicom.segmentation import segmentation_dataset, write_segmentation
from BreastUSAssistLib.dicom.segmentation_geometry import MADE_UP, is_made_up
from BreastUSAssistLib.dicom.source_frames import plane_positions, source_frames
from dicom import drafts, sources
from pydicom import Dataset, dcmread


def build(headers: list[Dataset], labels: np.ndarray, **options: object) -> Dataset:
    return segmentation_dataset(
        headers, labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED, **options
    )


def places(dataset: Dataset) -> list[tuple[float, ...]]:
    return [
        tuple(float(value) for value in group.PlanePositionSequence[0].ImagePositionPatient)
        for group in dataset.PerFrameFunctionalGroupsSequence
    ]


def test_a_volume_in_the_patient_keeps_its_geometry(tmp_path: Path) -> None:
    import highdicom

    header = sources.patient_volume(6)
    labels = np.zeros((6, 60, 80), np.uint8)
    labels[1:5, 10:30, 20:40] = 1
    path = tmp_path / "seg.dcm"
    written = write_segmentation(
        path, [header], labels, drafts.lesions_of(labels), drafts.MODEL, created=drafts.CREATED
    )
    assert drafts.validator_errors(path) == []
    assert written.FrameOfReferenceUID == header.FrameOfReferenceUID
    assert np.allclose(places(written), [(-12.5, 7 + 0.4 * index, 30) for index in range(1, 5)])
    volume = highdicom.seg.segread(path).get_volume(combine_segments=True)
    assert volume.spacing == pytest.approx((0.4, 0.08, 0.1))
    assert int((volume.array > 0).sum()) == 4 * 20 * 20


def test_a_volume_beside_the_patient_has_no_place_in_it() -> None:
    header = sources.enhanced_volume(3)
    group = Dataset()
    position = Dataset()
    position.ImagePositionVolume = [0.0, 0.0, 1.0]
    group.PlanePositionVolumeSequence = [position]
    header.PerFrameFunctionalGroupsSequence = [group] * 3
    dataset = build([header], drafts.two_lesions(3))
    assert "FrameOfReferenceUID" not in dataset


@pytest.mark.parametrize("fault", ["one without", "shorter", "no orientation", "repeated", "none"])
def test_doubtful_groups_are_not_copied(fault: str) -> None:
    header = sources.patient_volume(4)
    groups = header.PerFrameFunctionalGroupsSequence
    if fault == "one without":
        del groups[2].PlanePositionSequence
    elif fault == "shorter":
        groups.pop()
    elif fault == "no orientation":
        del header.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence
    elif fault == "repeated":
        groups[1].PlanePositionSequence = groups[0].PlanePositionSequence
    assert (plane_positions(source_frames([header])) is not None) is (fault == "none")


def test_slices_without_a_thickness_have_that_of_their_distance() -> None:
    headers = sources.automated_volume(4)
    for header in headers:
        del header.SliceThickness
    dataset = build(headers, drafts.two_lesions(4))
    measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SliceThickness) == pytest.approx(0.5)
    assert plane_positions(source_frames(headers[:1])) is None


@pytest.mark.parametrize("accepted", [False, True])
def test_made_up_geometry_says_so_in_three_places(accepted: bool, tmp_path: Path) -> None:
    header, labels = sources.cine(5), drafts.two_lesions(5)
    path = tmp_path / "seg.dcm"
    write_segmentation(
        path,
        [header],
        labels,
        drafts.lesions_of(labels),
        drafts.MODEL,
        created=drafts.CREATED,
        geometry="made_up",
        accepted=accepted,
    )
    assert drafts.validator_errors(path) == []
    written = dcmread(path)
    assert is_made_up(written) and written.ContentLabel == MADE_UP
    assert "made-up geometry" in written.SeriesDescription and "Made-up geometry" in written.ContentDescription
    assert ("draft" in written.SeriesDescription + written.ContentDescription) is not accepted
    assert "accepted" in written.SeriesDescription or not accepted
    assert set(places(written)) == {(0.0, 0.0, float(index)) for index in range(5) if labels[index].any()}
    shared = written.SharedFunctionalGroupsSequence[0]
    assert list(shared.PixelMeasuresSequence[0].PixelSpacing) == pytest.approx([0.1, 0.1])
    assert "FrameOfReferenceUID" not in header


def test_made_up_pixels_are_1_mm_where_regions_disagree_or_say_nothing() -> None:
    for change in ("none", "another"):
        header = sources.still()
        if change == "none":
            del header.SequenceOfUltrasoundRegions
        else:
            second = copy.deepcopy(header.SequenceOfUltrasoundRegions[0])
            second.PhysicalDeltaX = second.PhysicalDeltaY = 0.02
            header.SequenceOfUltrasoundRegions.append(second)
        dataset = build([header], drafts.two_lesions(1), geometry="made_up")
        measures = dataset.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
        assert list(measures.PixelSpacing) == [1, 1]


def test_a_real_geometry_is_never_replaced() -> None:
    headers = sources.automated_volume(4)
    dataset = build(headers, drafts.two_lesions(4), geometry="made_up")
    assert dataset.FrameOfReferenceUID == headers[0].FrameOfReferenceUID
    assert not is_made_up(dataset) and "made-up" not in dataset.SeriesDescription
