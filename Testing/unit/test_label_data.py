"""Which labels are learnt from: patients apart, versions up to an entry, lesions as the reader left them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError
from BreastUSAssistLib.labels.image_identity import identity_of
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.store import LabelStore
from label_samples import fixed_salt
from label_store_of_phantoms import READER, label, store_of, variant
from PIL import Image

pytest.importorskip("torch", reason="PyTorch is not installed")

from BreastUSAssistLib.learning.label_data import (
    LabelQuery,
    label_data,
    label_images,
    read_frame,
    rows_apart,
)
from BreastUSAssistLib.learning.manifest import ManifestRow


@pytest.fixture(scope="module", autouse=True)
def the_same_patients_held_back_in_each_run() -> Iterator[None]:
    with fixed_salt():
        yield


HALF = LabelQuery(held_back=0.5)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LabelStore]:
    with store_of(tmp_path / "labels", 10) as opened:
        yield opened


def test_patients_are_never_on_both_sides_and_stay_where_they_are(store: LabelStore) -> None:
    before = label_data(store, HALF)
    assert {one.patient for one in before.training}.isdisjoint(one.patient for one in before.held_back)
    assert before.training and before.held_back and len(before.training) + len(before.held_back) == 10
    for seed in range(10, 16):
        store.put(label(seed))
    after = label_data(store, HALF)
    assert {one.patient for one in before.held_back} <= {one.patient for one in after.held_back}
    assert {one.patient for one in before.training} <= {one.patient for one in after.training}


def test_the_same_query_gives_the_same_frames_though_labels_came_since(store: LabelStore) -> None:
    before = label_data(store, HALF)
    store.put(label(11))
    corrected = label(0)
    store.put(replace(corrected, result=MaskStack.of_labels(np.zeros_like(corrected.result.labels()))))
    store.note("something else")
    assert label_data(store, before.query).digest == before.digest
    assert label_data(store, HALF).digest != before.digest


def test_pixels_and_lesions_are_those_of_the_label(store: LabelStore) -> None:
    data = label_data(store, HALF)
    case = store.case_of(label(3).image)
    frame = next(one for one in (*data.training, *data.held_back) if one.record.case == case)
    grey, lesion = read_frame(store, frame)
    assert np.array_equal(grey, variant(3)[0])
    assert np.array_equal(lesion, variant(3)[1] > 0) and lesion.any()


def test_an_image_that_a_reader_cleared_is_an_example_of_no_lesion(store: LabelStore) -> None:
    data = label_data(store, HALF)
    frames = (*data.training, *data.held_back)
    images = label_images(store, frames, 64)
    assert images.images.shape == images.masks.shape == (10, 64, 64)
    for frame, mask, kind in zip(frames, images.masks, images.classes, strict=True):
        assert (frame.pathology == "normal") == (not mask.any())
        # What a reader outlined has no pathology yet.
        assert kind == (-1 if mask.any() else 0)


def test_labels_without_masks_or_pixels_are_left_out_and_told(store: LabelStore) -> None:
    store.put(label(20, frames={}))
    store.put(label(21, result=None))
    store.put(label(22, kind="rejected", reading=READER.model_copy(update={"decision": "rejected"})))
    data = label_data(store, HALF)
    assert len(data.training) + len(data.held_back) == 10
    assert [note.partition(" ")[0] for note in data.notes] == ["2"]


def test_frames_of_a_cine_are_few_and_spread_over_those_looked_at(tmp_path: Path) -> None:
    frames = [variant(seed)[0] for seed in range(12)]
    labels = np.stack([variant(seed)[1] for seed in range(12)])
    said = {
        "image": identity_of(frames, "cine"),
        "result": MaskStack.of_labels(labels, spoken=range(3, 13)),
        "frames": dict(enumerate(frames, 1)),
    }
    with LabelStore.create(tmp_path / "labels", encrypted=False) as store:
        store.put(label(0, **said))
        data = label_data(store, LabelQuery(frames_a_case=3, held_back=0.001))
    numbers = [one.number for one in data.training]
    assert len(numbers) == 3 and numbers[-1] == 12


def test_rows_of_the_original_data_that_share_patient_or_pixels_are_kept_apart(
    store: LabelStore, tmp_path: Path
) -> None:
    data = label_data(store, HALF)
    rows = []
    for line, (seed, patient) in enumerate([(3, None), (30, "patient 1"), (31, "patient 99"), (32, None)], 2):
        path = tmp_path / f"{seed}.png"
        Image.fromarray(variant(seed)[0]).save(path)
        rows.append(ManifestRow(line, path.name, path, patient=patient, pathology="normal"))
    rows.append(ManifestRow(6, "gone.png", tmp_path / "gone.png"))
    apart = rows_apart(store, rows, (*data.training, *data.held_back))
    assert [row.line for row in apart] == [4, 5]


def test_a_store_without_labels_is_told_so(tmp_path: Path) -> None:
    with (
        LabelStore.create(tmp_path / "labels", encrypted=False) as store,
        pytest.raises(InputError, match="no label that could be learnt from"),
    ):
        label_data(store, LabelQuery())
