"""Share of burnt-in names, numbers and dates that the text finder sees on phantom frames, and what it sees beside them.

PYTHONPATH=BreastUSAssist:Testing python Testing/benchmarks/text_finding.py --frames 50
"""

import argparse
import io
import time
from collections import Counter

import numpy as np
from BreastUSAssistLib.ultrasound.deidentification.text_boxes import covered
from BreastUSAssistLib.ultrasound.deidentification.text_finding import open_text_finder
from PIL import Image
from rendered_names import found_share, named_frames

ASKED = 0.98
WHOLE = 0.9
"""Share of a text's bounds that must be covered for it to count as found: it is what would be blanked."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jpeg", type=int, metavar="QUALITY", help="compress the frames so before they are searched")
    options = parser.parse_args()
    finder = open_text_finder()
    seconds, counts, missed = 0.0, Counter(), []
    for named in named_frames(options.frames, options.seed):
        pixels = named.pixels if options.jpeg is None else _compressed(named.pixels, options.jpeg)
        begun = time.perf_counter()
        boxes = [text.box for text in finder(pixels)]
        seconds += time.perf_counter() - begun
        found = covered(pixels.shape, boxes)
        for text, box in named.texts:
            counts["texts"] += 1
            share = found_share(box, found)
            counts["found"] += share >= WHOLE
            if share < WHOLE:
                missed.append(f"{text} ({box[2] - box[0]} px high in {pixels.shape[0]} rows, {share:.0%} covered)")
        ink = covered(pixels.shape, [box for _, box in named.texts])
        counts["elsewhere"] += sum(not ink[box[0] : box[2], box[1] : box[3]].any() for box in boxes)
    print(f"{finder.version}: {counts['found']} of {counts['texts']} texts found in {options.frames} frames")
    print(f"{counts['found'] / counts['texts']:.1%} found (asked: {ASKED:.0%}), {counts['elsewhere']} boxes elsewhere")
    print(f"{seconds / options.frames:.2f} s a frame; not found: {'; '.join(missed) or 'none'}")


def _compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


if __name__ == "__main__":
    main()
