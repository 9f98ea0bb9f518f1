"""`breastusassist refine`: one interactive step, from a prompt to a corrected outline."""

import argparse
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from .arguments import add_model_arguments, print_json, subcommand, tell

if TYPE_CHECKING:
    import numpy as np

    from ..model.prompt_file import StoredPrompt
    from ..model.refiner import Refinement, Refiner
    from ..ultrasound.frame import Clip

MASK, PROMPT, RESULT = "mask.png", "clicks.json", "refinement.json"
RESULT_VERSION = "1.0"


def add_to(commands: Any) -> None:
    """Add the command."""
    parser = subcommand(
        commands,
        "refine",
        run,
        "correct the outline of one lesion by clicks, scribbles or a box",
        "breastusassist refine still.png --prompt clicks.json --out corrected",
    )
    parser.add_argument("image", type=Path, metavar="IMAGE", help="one image or cine, or a folder that holds one")
    parser.add_argument("--prompt", type=Path, required=True, metavar="JSON", help="what the reader marked")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help=f"gets {MASK}, {PROMPT} and {RESULT}")
    parser.add_argument("--frame", type=int, metavar="N", help="frame of a cine that was marked, from 1")
    add_model_arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Refine once; the clicks.json that is written names the new mask, so that it is the next step's prompt."""
    from ..model.bundle import load_bundle
    from ..model.prompt_file import prompt_of, read_prompt_file
    from ..model.refiner import open_refiner
    from ..ultrasound.reading import open_clip
    from ..ultrasound.tissue import tissue_box
    from . import DONE

    stored = read_prompt_file(options.prompt)
    _refuse_overwriting(options.prompt, stored, options.out)
    prompt = prompt_of(stored, options.prompt.parent)
    clip = open_clip(options.image)
    number = _frame_number(clip, options.frame, stored.frame)
    frame = clip.frame(number - 1)
    refiner = open_refiner(load_bundle(options.model), options.backend, options.device)
    try:
        step = refiner.open(frame.grey, tissue_box(frame)).step(prompt)
    except InputError as error:
        raise InputError(f"{options.prompt} does not fit {options.image}. {error}") from error
    label = stored.previous_mask.label if stored.previous_mask else 1
    labels = _label_image(step.lesion.pixels, stored, options.prompt.parent)
    lesion = {"label": label, "area_px": int((labels == label).sum()), "confidence": step.lesion.confidence}
    result = _result(refiner, clip, number, step, lesion)
    marked = number if clip.frame_count > 1 else None
    _write(options.out, labels, _next_prompt(stored, labels, label, marked), result)
    if options.json:
        print_json(result)
    area, timing = result["lesion"]["area_px"], result["timing_ms"]
    tell(
        f"{clip.name}: {area or 'no'} pixels outlined, features {timing['features']:.0f} ms, "
        f"decoder {timing['decode']:.0f} ms, in all {timing['total']:.0f} ms  {options.out}"
    )
    return DONE


def _next_prompt(stored: "StoredPrompt", labels: "np.ndarray", label: int, frame: int | None) -> "StoredPrompt":
    """The prompt with the mask that is written beside it as its previous one; with none where nothing is outlined."""
    from ..model.prompt_file import PreviousMask

    previous = PreviousMask(path=MASK, label=label) if (labels == label).any() else None
    return stored.model_copy(update={"previous_mask": previous, "frame": frame})


def _refuse_overwriting(prompt: Path, stored: "StoredPrompt", out: Path) -> None:
    """Neither the prompt nor the mask it corrects may be lost: a step must be possible to take back."""
    read = [prompt] if stored.previous_mask is None else [prompt, prompt.parent / stored.previous_mask.path]
    written = {(out / name).resolve() for name in (MASK, PROMPT, RESULT)}
    lost = [path for path in read if path.resolve() in written]
    if lost:
        raise UsageError(f"--out {out} would overwrite {lost[0]}, which is read; name another folder.")


def _frame_number(clip: "Clip", asked: int | None, stored: int | None) -> int:
    if asked is not None and stored is not None and asked != stored:
        raise UsageError(f"--frame {asked} is not the frame that the prompt was made for ({stored}); leave one out.")
    number = asked if asked is not None else stored
    if number is None and clip.frame_count > 1:
        raise UsageError(f"{clip.name} holds {clip.frame_count} frames; name the one that was marked with --frame.")
    number = 1 if number is None else number
    if not 1 <= number <= clip.frame_count:
        raise UsageError(f"{clip.name} has no frame {number}; name one from 1 to {clip.frame_count} with --frame.")
    return number


def _label_image(pixels: "np.ndarray", stored: "StoredPrompt", folder: Path) -> "np.ndarray":
    """The lesion at its number, uint8; the other lesions of the previous label image keep their pixels."""
    import numpy as np

    from ..model.prompt_file import previous_labels

    if stored.previous_mask is None:
        return pixels.astype(np.uint8)
    labels, number = previous_labels(stored.previous_mask, folder).copy(), stored.previous_mask.label
    labels[labels == number] = 0
    labels[pixels & (labels == 0)] = number
    return labels


def _result(
    refiner: "Refiner", clip: "Clip", number: int, step: "Refinement", lesion: dict[str, Any]
) -> dict[str, Any]:
    backend = refiner.backend
    return {
        "schema_version": RESULT_VERSION,
        "case": clip.name,
        "frame": number,
        "mask": MASK,
        "prompt": PROMPT,
        "lesion": {**lesion, "origin": step.lesion.origin},
        "view": step.view,
        "model": {
            "name": refiner.bundle.name,
            "version": refiner.bundle.version,
            "backend": backend.name,
            "precision": backend.precision,
            "device": backend.device,
        },
        "timing_ms": {
            "features": round(step.features_ms, 1),
            "decode": round(step.decode_ms, 1),
            "total": round(step.total_ms, 1),
        },
    }


def _write(out: Path, labels: "np.ndarray", prompt: "StoredPrompt", result: dict[str, Any]) -> None:
    import json

    from PIL import Image

    from ..files import write_bytes, write_text
    from ..model.prompt_file import write_prompt_file

    picture = io.BytesIO()
    Image.fromarray(labels).save(picture, "PNG")
    write_bytes(out / MASK, picture.getvalue())
    write_prompt_file(out / PROMPT, prompt)
    write_text(out / RESULT, json.dumps(result, indent=2) + "\n")
