"""Back ends: all give the same answers, decode what was encoded once, and survive a GPU without memory."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from BreastUSAssistLib.errors import ModelError, UsageError
from BreastUSAssistLib.model.backends import (
    BACKENDS,
    BackendName,
    choose_backend,
    installed_backends,
    open_outline_backend,
    open_reader_backend,
)
from BreastUSAssistLib.model.bundle import Bundle, load_bundle, write_sums
from BreastUSAssistLib.model.bundle_check import LEAST_DICE, phantom_inputs

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

from BreastUSAssistLib.model.torch_backend import TorchOutline, TorchReader  # noqa: E402
from tiny_bundles import TinyReader, copied, tiny_network, tiny_outline_bundle, tiny_reader_bundle  # noqa: E402

SIZE = 64


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return load_bundle(tiny_outline_bundle())


def prompts_for(count: int) -> np.ndarray:
    prompts = np.zeros((count, 4, SIZE, SIZE), np.float32)
    prompts[:, 0, 20:26, 30:36] = 1
    prompts[:, 3, 10:50, 10:50] = 1
    return prompts


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("prompted", [False, True])
def test_back_ends_agree(bundle: Bundle, batch: int, prompted: bool) -> None:
    images = phantom_inputs(SIZE)[:batch]
    given = prompts_for(batch) if prompted else None
    answers = []
    for name in installed_backends():
        backend = open_outline_backend(bundle, name, "cpu")
        answers.append(backend.decode(backend.encode(images), given))
    assert len(answers) > 1
    for outline, classes in answers:
        assert outline.shape == (batch, 1, SIZE, SIZE) and outline.dtype == np.float32
        ours, theirs = outline > 0, answers[0][0] > 0
        assert 0.05 < theirs.mean() < 0.95
        assert 2 * (ours & theirs).sum() / (ours.sum() + theirs.sum()) >= LEAST_DICE
        assert np.abs(torch.softmax(torch.from_numpy(classes - answers[0][1]), 1).numpy() - 1 / 3).max() < 0.01


@pytest.mark.parametrize("name", BACKENDS)
def test_an_image_is_decoded_alike_alone_in_a_batch_and_again(bundle: Bundle, name: BackendName) -> None:
    backend = open_outline_backend(bundle, name, "cpu")
    images = phantom_inputs(SIZE)
    features = backend.encode(images)
    assert len(features) == 5 and features.level(4).shape == (5, 16, 2, 2)
    assert np.allclose(
        features.pooled(), np.concatenate([features.level(i).mean((2, 3)) for i in (3, 4)], 1), atol=1e-6
    )
    together = backend.decode(features)[0]
    chosen = features.take([3, 1, 3])
    assert len(chosen) == 3
    assert np.allclose(backend.decode(chosen)[0], together[[3, 1, 3]], atol=1e-4)
    assert np.allclose(backend.decode(backend.encode(images[2:3]))[0], together[2:3], atol=1e-4)
    nothing = backend.decode(features, np.zeros((5, 4, SIZE, SIZE), np.float32))[0]
    assert np.allclose(nothing, together, atol=1e-4)
    clicked = backend.decode(features, prompts_for(5))[0]
    assert np.abs(clicked - together).max() > 0.01
    assert np.array_equal(backend.decode(features)[0], together), "decoding leaves the features as they are"
    with pytest.raises(UsageError, match="2 prompts were given for 5 images"):
        backend.decode(features, prompts_for(2))


def test_each_back_end_says_what_it_is(bundle: Bundle) -> None:
    for name in installed_backends():
        backend = open_outline_backend(bundle, name, "cpu")
        assert (backend.name, backend.precision, backend.device) == (name, "float32", "cpu")
        assert backend.version[0].isdigit()


def test_readers_agree_where_measures_are_missing() -> None:
    bundle = load_bundle(tiny_reader_bundle(), kind="reader")
    images = np.concatenate([phantom_inputs(SIZE)] * 2, 1)
    measures = np.array([[1, 2, np.nan]] * 5, np.float32)
    network = TinyReader(3)
    network.load_state_dict(_state(bundle))
    ours = TorchReader(network).read(images, measures)
    assert list(ours) == ["malignant", "shape"] and ours["shape"].shape == (5, 3)
    for name in set(installed_backends()) - {"torch"}:
        theirs = open_reader_backend(bundle, name, "cpu").read(images, measures)
        assert list(theirs) == list(ours)
        for key, values in ours.items():
            assert np.allclose(theirs[key], values, atol=1e-5)


def _state(bundle: Bundle) -> dict:
    from BreastUSAssistLib.model.torch_backend import stored_state

    return stored_state(bundle)


def test_the_fastest_that_is_there_is_chosen() -> None:
    name, device = choose_backend()
    if torch.cuda.is_available():
        assert (name, device) == ("torch", "cuda")
    else:
        assert (name, device) == (installed_backends()[0], "cpu")
    assert choose_backend("torch", "cpu") == ("torch", "cpu")
    assert choose_backend("onnxruntime") == ("onnxruntime", "cpu")


def test_a_missing_gpu_is_said_in_words() -> None:
    if torch.cuda.is_available():
        assert choose_backend(device="cuda") == ("torch", "cuda")
    else:
        with pytest.raises(UsageError, match="No CUDA device"):
            choose_backend(device="cuda")


@pytest.mark.parametrize("name", ["openvino", "onnxruntime"])
def test_an_onnx_file_that_cannot_be_run_is_named(tmp_path: Path, name: BackendName) -> None:
    import onnx

    folder = copied(tiny_outline_bundle(), tmp_path)
    model = onnx.load(folder / "models" / "encoder.onnx")
    model.graph.node[0].op_type = "NoSuchOperator"
    (folder / "models" / "encoder.onnx").write_bytes(model.SerializeToString())
    write_sums(folder)
    with pytest.raises(ModelError, match=r"encoder\.onnx cannot be run"):
        open_outline_backend(load_bundle(folder), name, "cpu")


def test_weights_of_another_network_are_named(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    folder = copied(tiny_outline_bundle(), tmp_path)
    save_file({"a": torch.zeros(1)}, folder / "models" / "model.safetensors")
    write_sums(folder)
    with pytest.raises(ModelError, match=r"model\.safetensors does not fit its network"):
        open_outline_backend(load_bundle(folder), "torch", "cpu")


class SmallMemory(torch.nn.Module):
    """A network that runs out of memory on batches above `most`, until it is moved to the CPU named so."""

    def __init__(self, most: int):
        super().__init__()
        self.network = tiny_network()
        self.most = most
        self.on_cpu = False

    def to(self, *places: object, **options: object) -> "SmallMemory":
        self.on_cpu = "cpu" in (*places, options.get("device"))
        return self

    def encode(self, image: torch.Tensor) -> list[torch.Tensor]:
        self._allocate(len(image))
        return self.network.encode(image)

    def decode(self, features: Sequence[torch.Tensor], prompts: torch.Tensor | None = None) -> tuple:
        self._allocate(len(features[0]))
        return self.network.decode(features, prompts)

    def _allocate(self, count: int) -> None:
        if count > self.most and not self.on_cpu:
            raise torch.OutOfMemoryError("CUDA out of memory.")


def test_memory_for_small_batches_alone_is_enough() -> None:
    said: list[str] = []
    images = phantom_inputs(SIZE)
    backend = TorchOutline(SmallMemory(2), "cpu:0", said.append)
    outline, classes = backend.decode(backend.encode(images), prompts_for(5))
    assert len(said) == 1 and "from here on they have 2" in said[0]
    assert backend.device == "cpu:0"
    whole = TorchOutline(tiny_network())
    expected = whole.decode(whole.encode(images), prompts_for(5))
    assert np.allclose(outline, expected[0], atol=1e-4) and np.allclose(classes, expected[1], atol=1e-5)
    backend.encode(images)
    assert len(said) == 1, "what was learnt is kept"


def test_without_memory_the_cpu_takes_over() -> None:
    said: list[str] = []
    images = phantom_inputs(SIZE)
    network = SmallMemory(8)
    backend = TorchOutline(network, "cpu:0", said.append)
    features = backend.encode(images)
    network.most = 0
    outline, _ = backend.decode(features)
    assert len(said) == 1 and "the CPU is used" in said[0]
    assert backend.device == "cpu" and network.on_cpu
    whole = TorchOutline(tiny_network())
    assert np.allclose(outline, whole.decode(whole.encode(images))[0], atol=1e-4)


def test_a_cpu_without_memory_is_an_error_and_other_errors_pass() -> None:
    class Failing(SmallMemory):
        def _allocate(self, count: int) -> None:
            raise RuntimeError(self.words)

    network = Failing(0)
    network.words = "DefaultCPUAllocator: can't allocate memory"
    with pytest.raises(ModelError, match="too little memory"):
        TorchOutline(network).encode(phantom_inputs(SIZE))
    network.words = "shapes cannot be multiplied"
    with pytest.raises(RuntimeError, match="shapes cannot"):
        TorchOutline(network).encode(phantom_inputs(SIZE))
