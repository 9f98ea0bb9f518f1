"""What tests of reports share: pages taken apart, made-up pictures, and stored analyses."""

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
from BreastUSAssistLib.birads.analysis import Analysis
from BreastUSAssistLib.birads.lesion import CategoryOpinion, Contribution
from BreastUSAssistLib.service.analysis_file import read_analysis
from BreastUSAssistLib.service.report import KeyPicture
from PIL import Image

STORED = read_analysis(Path(__file__).parent / "unit" / "data" / "analysis-1.0.json")
READ = {
    "image_probability": 0.31,
    "image_interval": (0.22, 0.4),
    "combined_probability": 0.52,
    "combined_interval": (0.4, 0.66),
    "clinical": (Contribution(parameter="age_years", words="age 62 years", log_odds=0.9),),
    "category_opinion": CategoryOpinion(
        probabilities={"2": 0.0, "3": 0.1, "4A": 0.3, "4B": 0.4, "4C": 0.2, "5": 0.0},
        quantity=2.7,
        likeliest="4B",
        likely=("4A", "4B", "4C"),
        level=0.9,
    ),
}
"""What a reader network adds to an assessment."""
VOID = {"meta", "link", "img", "br", "path", "line", "rect", "circle", "polyline"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails where elements do not close as they opened."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts, self.open = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += [(tag, name, value) for name, value in attributes]

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


def frame(rows=200, columns=300, colour=False):
    pixels = np.random.default_rng(0).integers(20, 200, (rows, columns), dtype=np.uint8)
    return np.stack([pixels] * 3, axis=2) if colour else pixels


def labels():
    image = np.zeros((200, 300), np.uint8)
    image[60:120, 80:180] = 1
    image[90:110, 220:260] = 2
    return image


def pictures():
    return [
        KeyPicture(frame(), np.where(labels() == 1, 1, 0).astype(np.uint8), 2, (1,)),
        KeyPicture(frame(), labels(), 3, (2,)),
    ]


def still(**changes) -> Analysis:
    source = STORED.source.model_copy(update={"kind": "still", "frame_count": 1, "files": ("one.png",)})
    lesion = STORED.lesions[0].model_copy(update={"key_frame": 1, "frames": (1,)})
    parts = {"source": source, "frames": STORED.frames[:1], "lesions": (lesion,), "gates": ()}
    return STORED.model_copy(update={**parts, **changes})


def decoded(page):
    found = []
    for tag, name, value in page.attributes:
        if tag == "img" and name == "src":
            kind, content = value.split(",", 1)
            assert kind in ("data:image/png;base64", "data:image/webp;base64")
            found.append(Image.open(io.BytesIO(base64.b64decode(content))))
    return found
