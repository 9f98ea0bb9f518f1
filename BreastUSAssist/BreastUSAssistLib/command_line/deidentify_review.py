"""The question of `deidentify --review ask`: a page of pictures with numbered boxes, and an answer in the terminal."""

import base64
import html
import io
import re
import sys
import tempfile
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import UsageError
from .arguments import tell

if TYPE_CHECKING:
    from ..ultrasound.deidentification.review import ReviewAnswer, ReviewPicture, ReviewQuestion
    from ..ultrasound.frame import Box

HELP = """
  a              accept: nothing in the boxes tells who the patient is, so it stays
  b              blank all boxes in every frame
  b 1 3          blank boxes 1 and 3 (the others are asked about again)
  b 10,20,90,40  blank a box of your own: left, top, right, bottom in pixels
  d              drop this image: it is not written""".strip("\n")
_BOX = re.compile(r"(\d{1,5}),(\d{1,5}),(\d{1,5}),(\d{1,5})")
_LINE = (255, 176, 0)
_MOST_PICTURES = 24


def ask_here(question: "ReviewQuestion") -> "ReviewAnswer":
    """Show the question as a page in the browser and take the answer from standard input.

    The page shows what may be a name: it lies in a folder of the user alone and is deleted with the answer.

    Raises:
        UsageError: standard input has ended, so nobody answers.
    """
    with tempfile.TemporaryDirectory(prefix="deidentify-review-") as folder:
        page = Path(folder) / "review.html"
        page.write_text(review_page(question), "utf-8")
        count = len(question.found)
        tell(f"Text was found in {count} place{'s' if count != 1 else ''} of an image. Look at {page.as_uri()}")
        if sys.stdin.isatty():
            webbrowser.open(page.as_uri())
        while True:
            answer = answer_of(_line(), question.found)
            if answer is not None:
                return answer
            tell(HELP)


def answer_of(line: str, found: "Sequence[Box]") -> "ReviewAnswer | None":
    """The answer that a line means; None where it means none.

    `found` are the boxes by their numbers from 1; box = (top, left, bottom, right).
    """
    from ..ultrasound.deidentification.review import ReviewAnswer

    word, *named = line.lower().split() or [""]
    if word in ("a", "accept") and not named:
        return ReviewAnswer("accept")
    if word in ("d", "drop") and not named:
        return ReviewAnswer("drop")
    if word not in ("b", "blank"):
        return None
    boxes = [_box(text, found) for text in named] if named else list(found)
    if any(box is None for box in boxes):
        return None
    return ReviewAnswer("blank", tuple(box for box in boxes if box is not None))


def review_page(question: "ReviewQuestion") -> str:
    """HTML of the question, with nothing from elsewhere: pictures in it, a box and its number round each text."""
    shown = question.pictures[:_MOST_PICTURES]
    figures = "\n".join(_figure(picture, question.found) for picture in shown)
    more = len(question.pictures) - len(shown)
    rest = f"<p>{more} more pictures show text; they are asked about when these are done.</p>" if more else ""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Text in an image</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
figure {{ margin: 2rem 0; }}
img {{ max-width: 100%; image-rendering: auto; }}
pre {{ overflow-x: auto; }}
</style>
<h1>Does any box tell who the patient is?</h1>
<p>Names, numbers, dates, a hospital. Marks of the sonographer such as “LT BREAST 2:00” tell nobody.
Answer in the terminal:</p>
<pre>{html.escape(HELP)}</pre>
{figures}
{rest}
</html>
"""


def _figure(picture: "ReviewPicture", found: "Sequence[Box]") -> str:
    """The picture with its boxes and, because lines and numbers can hide what is to be judged, without them."""
    where = f"Frame {picture.frame_number}" if picture.frame_number is not None else "What stands still over frames"
    images = "\n".join(
        f'<img alt="{where}{how}" src="data:image/png;base64,{base64.b64encode(_png(picture, boxes)).decode("ascii")}">'
        for how, boxes in ((", text in boxes", found), (", as it is", ()))
    )
    return f"<figure>{images}<figcaption>{where}: above with boxes, below as it is</figcaption></figure>"


def _png(picture: "ReviewPicture", found: "Sequence[Box]") -> bytes:
    from PIL import Image, ImageDraw, ImageFont

    pixels = picture.pixels if picture.pixels.ndim == 3 else np.repeat(picture.pixels[..., None], 3, axis=2)
    image = Image.fromarray(np.ascontiguousarray(pixels))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(15)
    for top, left, bottom, right in found:
        draw.rectangle((left, top, right - 1, bottom - 1), outline=_LINE)
    for number, (top, _, _, right) in enumerate(found, start=1):
        corner = (min(right, image.width - 18), max(top - 8, 0))
        draw.rectangle(draw.textbbox(corner, str(number), font=font), fill=(0, 0, 0))
        draw.text(corner, str(number), fill=_LINE, font=font)
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def _box(text: str, found: "Sequence[Box]") -> "Box | None":
    if text.isdecimal() and 1 <= int(text) <= len(found):
        return found[int(text) - 1]
    match = _BOX.fullmatch(text)
    if match is None:
        return None
    left, top, right, bottom = (int(number) for number in match.groups())
    return (top, left, bottom, right) if top < bottom and left < right else None


def _line() -> str:
    print("accept, blank or drop [a/b/d]? ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        raise UsageError(
            "Text was found in an image and nobody answers; run it in a terminal, or give --review accept or drop. "
            "What was done so far stays."
        )
    return line
