"""`breastusassist models`: what it lists, shows and refuses."""

import json
from pathlib import Path

import pytest
from BreastUSAssistLib.command_line import main
from BreastUSAssistLib.command_line.models import figures_of
from BreastUSAssistLib.model.backends import installed_backends
from BreastUSAssistLib.model.bundle import shipped_bundles

pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("monai", reason="MONAI is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

from tiny_bundles import copied, tiny_outline_bundle


def output(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    code = main(["models", *arguments])
    return code, capsys.readouterr().out


def test_list_names_good_and_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, text = output(capsys, "list", str(tiny_outline_bundle()), str(tmp_path))
    assert code == 0
    assert "tiny-outline" in text and "0.0.1" in text and "holds no model bundle" in text
    assert all(folder.name in text for folder in shipped_bundles())
    code, text = output(capsys, "list", "--json", str(tiny_outline_bundle()), str(tmp_path))
    rows = json.loads(text)["models"]
    assert [row["ok"] for row in rows[-2:]] == [True, False]
    assert rows[-2]["kind"] == "outline" and len(rows[-2]["sha256"]) == 64


def test_show_says_what_a_model_is_for(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = output(capsys, "show", str(tiny_outline_bundle()))
    assert code == 0
    for needed in ("not for diagnosis", "BUS-BRA", "normal, benign, malignant", "## Figures", "| 0.1 |", "Pawlowska"):
        assert needed in text
    assert "All." not in text
    code, text = output(capsys, "show", str(tiny_outline_bundle()), "--json")
    assert json.loads(text)["settings"]["format"] == 2


def test_show_of_nothing_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", "no-such-model"]) == 3
    assert "no-such-model is neither a shipped model nor a folder" in capsys.readouterr().err


def test_verify_runs_every_back_end(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = output(capsys, "verify", "--json", str(tiny_outline_bundle()))
    assert code == 0
    found = json.loads(text)["models"][0]
    assert found["ok"] and [backend["name"] for backend in found["backends"]] == list(installed_backends())
    assert all(backend["dice"] >= 0.995 for backend in found["backends"][1:])


def test_verify_tells_a_bad_one_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = copied(tiny_outline_bundle(), tmp_path)
    (damaged / "docs" / "README.md").write_text("changed")
    code, text = output(capsys, "verify", str(tiny_outline_bundle()), str(damaged))
    assert code == 3
    assert "README.md does not have the recorded SHA-256" in text and "1 of 2 not usable" in text
    stray = copied(tiny_outline_bundle(), tmp_path / "stray")
    (stray / "docs" / "more.txt").write_text("unlisted")
    code, text = output(capsys, "verify", str(stray))
    assert code == 3 and "more.txt is not listed" in text


def test_weights_that_are_not_those_of_the_onnx_files_are_noticed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from BreastUSAssistLib.model.bundle import write_sums
    from safetensors.torch import load_file, save_file

    changed = copied(tiny_outline_bundle(), tmp_path)
    path = changed / "models" / "model.safetensors"
    state = {name: value * 3 if name == "class_head.1.weight" else value for name, value in load_file(path).items()}
    save_file(state, path)
    write_sums(changed)
    code, text = output(capsys, "verify", str(changed))
    assert code == 3 and "gives other answers with torch" in text


def test_figures_are_the_sections_that_speak_of_them() -> None:
    card = "# A\n\n## Data\nx\n\n## Figures on fold 4\n| a |\n\n### By device\ny\n\n## Limits\nz\n"
    assert figures_of(card) == "## Figures on fold 4\n| a |\n\n### By device\ny"
    assert figures_of("") == ""
