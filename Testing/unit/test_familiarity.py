"""The familiarity score: fitted on training images alone, calibrated on held-out ones, read without extra packages."""

import hashlib
import json
import struct
from dataclasses import replace

import numpy as np
import pytest
from BreastUSAssistLib.birads.analysis import Gate
from BreastUSAssistLib.errors import InputError, ModelError
from BreastUSAssistLib.learning.familiarity_fitting import (
    familiarity_table,
    fit_familiarity,
    pooled_of,
    scored_kind,
)
from BreastUSAssistLib.learning.unlike_images import made_images, noise_images
from BreastUSAssistLib.model.bundle import Bundle
from BreastUSAssistLib.model.familiarity import (
    FAMILIARITY_FILE,
    Familiarity,
    Unlikeness,
    familiarity_bytes,
    load_familiarity,
    pooled_features,
    read_familiarity,
)
from BreastUSAssistLib.model.preprocessing import Letterbox
from BreastUSAssistLib.service.familiarity_gate import familiarity_gates
from BreastUSAssistLib.ultrasound.phantom import render, standard_cases
from hypothesis import given
from hypothesis import strategies as st

FEATURES = 12


def drawn(count: int, seed: int) -> np.ndarray:
    """Correlated features of made training images."""
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(0, 1, (FEATURES, FEATURES))
    return (random.normal(0, 1, (count, FEATURES)) @ mixing + 5).astype(np.float32)


@pytest.fixture(scope="module")
def model() -> Familiarity:
    return fit_familiarity(drawn(600, 1), np.arange(600) % 3, axes=8, encoder="abc")


def test_new_images_of_the_same_kind_get_even_percentiles(model):
    scores = [model.score(row) for row in drawn(1000, 2)]
    percentiles = np.array([score.percentile for score in scores])
    for level in (10, 50, 90):
        assert abs(np.mean(percentiles < level) - level / 100) < 0.06
    assert np.mean([score.is_unusual for score in scores]) < 0.03
    assert not any(score.is_far for score in scores)


def test_distance_follows_the_spread_and_not_the_size_of_a_feature(model):
    scaled = fit_familiarity(drawn(600, 1) * np.float32(40), np.arange(600) % 3, axes=8)
    fresh = drawn(50, 3)
    assert np.allclose(model.distances(fresh), scaled.distances(fresh * np.float32(40)), rtol=1e-3)


@given(st.integers(0, 1000), st.floats(1, 50))
def test_further_out_is_never_more_familiar(seed, factor):
    model = fit_familiarity(drawn(60, 1), np.arange(60) % 3, axes=6)
    away = drawn(1, seed)[0] - model.mean
    near, far = model.score(model.mean + away), model.score(model.mean + away * np.float32(factor))
    assert far.distance >= near.distance * (1 - 1e-5)
    assert 0 <= near.percentile <= far.percentile + 1e-6 <= 100 + 1e-6


def test_what_is_no_number_is_far(model):
    broken = model.mean.copy()
    broken[3] = np.nan
    assert model.score(broken).is_far
    with pytest.raises(ModelError, match="features"):
        model.score(model.mean[:-1])


def test_constant_features_do_no_harm():
    pooled = drawn(90, 1)
    pooled[:, 4] = 3.0
    model = fit_familiarity(pooled, np.arange(90) % 3)
    assert np.isfinite(model.distances(pooled)).all()
    assert model.unusual_from < 4


def test_one_fold_is_not_enough():
    with pytest.raises(InputError, match="folds"):
        fit_familiarity(drawn(30, 1), np.ones(30, int))


def test_pooling_leaves_the_black_beside_the_tissue_out():
    feature = np.random.default_rng(0).normal(0, 1, (5, 16, 16)).astype(np.float32)
    wide = Letterbox((0, 0, 100, 200), 256)
    inner = feature[:, 4:12]
    pooled = pooled_features(feature, wide)
    assert np.allclose(pooled, np.concatenate([inner.mean((1, 2)), inner.std((1, 2))]), atol=1e-5)
    feature[:, :4] = 1e6
    assert np.array_equal(pooled_features(feature, wide), pooled)
    square = pooled_features(np.ones((2, 8, 8), np.float32), Letterbox((10, 10, 60, 60), 256))
    assert np.allclose(square, [1, 1, 0, 0], atol=1e-6)


def test_the_file_is_read_back_and_is_safetensors(model, tmp_path):
    from safetensors.numpy import load

    path = tmp_path / "familiarity.safetensors"
    content = familiarity_bytes(model)
    path.write_bytes(content)
    again = read_familiarity(path)
    assert again.encoder == "abc"
    for name, value in load(content).items():
        assert np.array_equal(getattr(again, name), value)
        assert np.array_equal(getattr(model, name), value)
    fresh = drawn(1, 4)[0]
    assert again.score(fresh) == model.score(fresh)


def test_damaged_files_and_other_versions_are_refused(model, tmp_path):
    content = familiarity_bytes(model)
    length = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + length])

    def with_header(change) -> bytes:
        text = json.dumps(change).encode()
        return struct.pack("<Q", len(text)) + text + content[8 + length :]

    path = tmp_path / "f.safetensors"
    beyond = {**header, "axes": {**header["axes"], "data_offsets": [0, 10**9]}}
    newer = {**header, "__metadata__": {"format": "familiarity 9.0", "encoder": ""}}
    unsorted = familiarity_bytes(replace(model, held_out=model.held_out[::-1]))
    for bad in (b"", b"\0" * 4, content[:60], content[:-8], with_header(beyond), with_header([1]), unsorted):
        path.write_bytes(bad)
        with pytest.raises(ModelError, match=r"f\.safetensors"):
            read_familiarity(path)
    path.write_bytes(with_header(newer))
    with pytest.raises(ModelError, match="version"):
        read_familiarity(path)
    with pytest.raises(ModelError, match="cannot be read"):
        read_familiarity(tmp_path / "none")


def test_a_bundle_gives_its_own_model_alone(model, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "model.safetensors").write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()

    def bundle_with(content: bytes | None) -> Bundle:
        files = {"models/model.safetensors": digest}
        if content is not None:
            (tmp_path / FAMILIARITY_FILE).write_bytes(content)
            files[FAMILIARITY_FILE] = hashlib.sha256(content).hexdigest()
        return Bundle.model_construct(folder=tmp_path, files=files)

    assert load_familiarity(bundle_with(None)) is None
    mine = load_familiarity(bundle_with(familiarity_bytes(replace(model, encoder=digest))))
    assert mine is not None and mine.encoder == digest
    with pytest.raises(ModelError, match="other weights"):
        load_familiarity(bundle_with(familiarity_bytes(model)))
    changed = bundle_with(familiarity_bytes(replace(model, encoder=digest)))
    (tmp_path / FAMILIARITY_FILE).write_bytes(familiarity_bytes(model))
    with pytest.raises(ModelError):
        load_familiarity(changed)


def test_gates_warn_then_stop(model):
    assert familiarity_gates(None) == ()
    assert familiarity_gates(Unlikeness(1.0, 60.0, False, False)) == ()
    (warned,) = familiarity_gates(Unlikeness(1.6, 99.7, True, False))
    (stopped,) = familiarity_gates(Unlikeness(3.0, 100.0, True, True))
    assert (warned.code, warned.severity, stopped.code, stopped.severity) == (
        "unfamiliar",
        "warn",
        "unfamiliar",
        "stop",
    )
    assert "99 %" in warned.message
    for gate in (warned, stopped):
        assert gate.message.count(".") == 1
        Gate(code=gate.code, severity=gate.severity, message=gate.message)
    beyond = model.mean + np.float32(1000)
    assert familiarity_gates(model.score(beyond))[0].severity == "stop"


def test_made_images_are_told_from_tissue_by_a_simple_encoder():
    """The whole path, with block means in place of a trained encoder."""

    def encode(images: np.ndarray) -> np.ndarray:
        steps = np.abs(np.diff(images, axis=2, prepend=0)), np.abs(np.diff(images, axis=3, prepend=0))
        maps = np.concatenate([images, *steps], axis=1)
        return maps.reshape(len(images), 3, 16, 16, 16, 16).mean((3, 5))

    specs = [replace(standard_cases()["normal"], seed=seed, rows=240, columns=320) for seed in range(36)]
    frames = [render(spec).frame() for spec in specs]
    pooled = pooled_of(frames, encode, 256)
    model = fit_familiarity(pooled[:27], np.arange(27) % 3, axes=4)
    noise = [replace(frames[0], pixels=image, regions=()) for image in noise_images(np.random.default_rng(1), 6)]
    found = scored_kind("noise", model, pooled_of(noise, encode, 256), pooled[27:])
    assert (found.images, found.auroc) == (6, 1.0)
    assert "noise" in familiarity_table(model, [found])


def test_made_images_are_grey_pictures():
    kinds = made_images(0)
    assert set(kinds) == {"photographs", "noise", "screens", "X-ray-like", "phantom"}
    for name in ("noise", "screens", "X-ray-like"):
        images = kinds[name]()
        assert len(images) >= 20
        assert all(image.dtype == np.uint8 and image.ndim == 2 for image in images)
        assert np.array_equal(images[0], kinds[name]()[0])
