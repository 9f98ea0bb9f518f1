"""What the label store keeps: records, masks, frames, identities, and their forms on disk."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from BreastUSAssistLib.errors import InputError, OutputError
from BreastUSAssistLib.files import resource_path
from BreastUSAssistLib.labels.image_identity import identity_of, identity_of_clip
from BreastUSAssistLib.labels.masks import MaskStack
from BreastUSAssistLib.labels.pixel_content import frame_from_bytes, frame_to_bytes
from BreastUSAssistLib.labels.record import LabelRecord
from BreastUSAssistLib.labels.record_text import label_schema, record_from_text, record_to_text
from BreastUSAssistLib.labels.store_header import store_schema
from BreastUSAssistLib.ultrasound.reading import open_clip
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from label_samples import outlines, picture

STORED = Path(__file__).parent / "data" / "label-1.0.json"
"""As the release of that format wrote it."""


def stored(**changes):
    return LabelRecord.model_validate({**record_from_text(STORED.read_bytes(), "it").model_dump(), **changes})


def test_a_record_of_the_first_version_still_loads():
    record = stored()
    assert (record.name, record.parent, record.kind) == ("case-4syrtzaxpvvtmhve/2", 1, "accepted")
    assert record.reading is not None and record.reading.lesion(record.reading.lesions[0].tracking_uid).category == "4C"
    assert record.reading.lesions[0].revised.measurements.longest_axis.mm == pytest.approx(14.2)
    assert record.reader == "AB" and record.tools == ("click", "scribble", "removed") and record.seconds_spent == 61.5
    assert record.models[0].sha256 and record.image.source_uids and record.patient.startswith("patient-")


@pytest.mark.parametrize(("name", "made"), [("label-1.2", label_schema), ("label-store-1.0", store_schema)])
def test_the_published_schema_is_the_generated_one(name, made):
    text = resource_path("Schema", f"{name}.schema.json").read_text("utf-8")
    assert text == made(), f"write it to Resources/Schema/{name}.schema.json"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


def test_a_record_follows_its_published_schema():
    schema = json.loads(resource_path("Schema", "label-1.2.schema.json").read_text("utf-8"))
    jsonschema.validate(json.loads(stored().model_dump_json()), schema, cls=jsonschema.Draft202012Validator)


def test_a_record_is_read_back_as_it_was_written():
    record = stored(restored_from=1, restored_by="Ö")
    assert record_from_text(record_to_text(record), record.name) == record


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b"\xff", b'{"schema_version": "1.0"}', b"[" * 100_000])
def test_damaged_text_is_one_sentence_that_names_the_record(text):
    with pytest.raises(InputError, match=r"^case-x/3 .*\.$"):
        record_from_text(text, "case-x/3")


def test_a_newer_record_asks_for_an_update():
    content = {**json.loads(STORED.read_text("utf-8")), "schema_version": "2.0"}
    with pytest.raises(InputError, match=r"format 2\.0.*update BreastUSAssist"):
        record_from_text(json.dumps(content).encode(), "it")


def test_a_number_that_is_not_finite_is_never_stored():
    record = stored()
    reading = record.reading.model_copy(update={"seconds_spent": float("inf")})
    with pytest.raises(OutputError, match="not finite"):
        record_to_text(record.model_copy(update={"reading": reading}))


@settings(deadline=None)
@given(arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=9), elements=st.integers(0, 4)))
def test_label_images_are_kept_bit_exact(labels):
    stack = MaskStack.of_labels(labels)
    again = MaskStack.from_bytes(stack.to_bytes())
    assert again == stack and again.labels().dtype == np.uint8
    assert np.array_equal(again.labels(), labels)
    assert stack.numbers == tuple(sorted(set(labels.ravel()) - {0}))


@settings(deadline=None)
@given(st.data())
def test_masks_that_overlap_are_kept_each(data):
    shape = data.draw(array_shapes(min_dims=3, max_dims=3, max_side=7))
    keys = st.tuples(st.integers(1, shape[0]), st.integers(1, 300))
    masks = data.draw(st.dictionaries(keys, arrays(bool, shape[1:]), max_size=5))
    stack = MaskStack.from_bytes(MaskStack.of(shape, masks).to_bytes())
    for (frame, number), mask in masks.items():
        assert np.array_equal(stack.mask(frame, number), mask)


def test_frames_that_nobody_looked_at_are_told_from_empty_ones():
    labels = outlines(0, 3)
    labels[1] = 0
    stack = MaskStack.from_bytes(MaskStack.of_labels(labels, first_frame=4, frame_count=10).to_bytes())
    assert stack.spoken == (4, 5, 6) and stack.shape == (10, 48, 65)
    assert {frame for frame, _ in stack.planes} == {4, 6}
    assert MaskStack.of_labels(labels, spoken=[2]).spoken == (1, 2, 3)
    assert MaskStack.of_labels(labels, spoken=[]).spoken == (1, 3)
    assert np.array_equal(stack.labels()[3:6], labels) and not stack.labels()[[0, 9]].any()


@pytest.mark.parametrize(
    "make",
    [
        lambda: MaskStack.of_labels(outlines(0).astype(np.int16)),
        lambda: MaskStack.of_labels(outlines(0)[0]),
        lambda: MaskStack.of_labels(outlines(0, 3), frame_count=2),
        lambda: MaskStack.of((1, 4, 4), {(2, 1): np.ones((4, 4), bool)}),
        lambda: MaskStack.of((1, 4, 4), {(1, 0): np.ones((4, 4), bool)}),
        lambda: MaskStack.of((1, 4, 4), {(1, 1): np.ones((4, 5), bool)}),
        lambda: MaskStack.from_bytes(b""),
        lambda: MaskStack.from_bytes(b"BUM1"),
        lambda: MaskStack.from_bytes(MaskStack.of_labels(outlines(0)).to_bytes()[:-1]),
        lambda: MaskStack.from_bytes(MaskStack.of_labels(outlines(0)).to_bytes() + b"\0"),
        lambda: frame_from_bytes(b"BUP1"),
        lambda: frame_from_bytes(frame_to_bytes(picture(0)) + b"\0"),
        lambda: frame_to_bytes(picture(0).astype(np.uint16)),
        lambda: identity_of([], "still"),
        lambda: identity_of([picture(0), picture(0, 9, 9)], "cine"),
    ],
)
def test_what_cannot_be_kept_is_one_sentence(make):
    with pytest.raises(InputError, match=r"^[A-Z].*\.$"):
        make()


@pytest.mark.parametrize("colour", [False, True])
def test_frames_are_kept_exact(colour):
    pixels = picture(3)
    if colour:
        pixels = np.stack([pixels, pixels, pixels[::-1]], axis=-1)
    assert np.array_equal(frame_from_bytes(frame_to_bytes(pixels)), pixels)


def test_an_image_is_known_again_by_its_pixels_alone():
    one, other = picture(1), picture(2)
    identity = identity_of([one, other], "cine", ["1.2.3", "1.2.4"])
    assert identity.frame_count == 2 and identity.channels == 1 and identity.source_uids == ("1.2.3", "1.2.4")
    grey = np.repeat(one[..., None], 3, axis=2)
    assert identity_of([grey, other], "cine").sha256 == identity.sha256, "RGB whose channels agree is grey"
    turned = np.ascontiguousarray(one.T)
    changed = one.copy()
    changed[-1, -1] ^= 1
    for frames in ([other, one], [one], [one, other, other], [changed, other], [turned, np.ascontiguousarray(other.T)]):
        assert identity_of(frames, "cine").sha256 != identity.sha256


def test_a_real_cine_has_one_identity(data_root):
    clip = open_clip(data_root / "cine")
    identity = identity_of_clip(clip)
    assert (identity.frame_count, identity.kind, len(identity.source_uids)) == (len(clip), clip.kind, len(clip))
    assert identity.sha256 == identity_of((frame.pixels for frame in clip), clip.kind).sha256
