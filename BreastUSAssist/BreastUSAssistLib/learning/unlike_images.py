"""Made images that are no breast ultrasound, with which the familiarity score is tested."""

from collections.abc import Callable, Mapping

import numpy as np

from ..ultrasound.phantom import render, standard_cases

Images = list[np.ndarray]
"""uint8 (rows, columns) each."""
PHOTOGRAPHS = ("astronaut", "brick", "camera", "cat", "coffee", "coins", "grass", "gravel", "moon", "rocket")


def noise_images(generator: np.random.Generator, count: int = 30) -> Images:
    """Uniform, normal and blurred noise in turn."""
    from scipy.ndimage import gaussian_filter

    images = []
    for index in range(count):
        shape = tuple(int(side) for side in generator.integers(250, 800, 2))
        if index % 3 == 0:
            image = generator.integers(0, 256, shape).astype(float)
        elif index % 3 == 1:
            image = generator.normal(generator.uniform(60, 160), generator.uniform(15, 60), shape)
        else:
            image = gaussian_filter(generator.normal(0, 1, shape), generator.uniform(1, 6))
            image = 255 * (image - image.min()) / np.ptp(image)
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    return images


def screen_images(generator: np.random.Generator, count: int = 20) -> Images:
    """Coloured rectangles and lines of text, as on a computer's screen, in grey."""
    from PIL import Image, ImageDraw

    images = []
    for _ in range(count):
        width, height = (int(side) for side in generator.integers(400, 900, 2))
        screen = Image.new("L", (width, height), int(generator.integers(0, 256)))
        draw = ImageDraw.Draw(screen)
        for _ in range(int(generator.integers(5, 40))):
            left, top = int(generator.integers(0, width)), int(generator.integers(0, height))
            across, down, grey = (int(value) for value in generator.integers(10, 250, 3))
            if generator.random() < 0.5:
                draw.rectangle((left, top, left + across, top + down), fill=grey)
            else:
                draw.text((left, top), "Worklist  File  Edit  View  12:30  " * 2, fill=grey)
        images.append(np.asarray(screen))
    return images


def xray_like_images(generator: np.random.Generator, count: int = 20) -> Images:
    """Smooth gradients with fine grain, half of them crossed by bands like ribs."""
    images = []
    for index in range(count):
        rows, columns = int(generator.integers(350, 800)), int(generator.integers(300, 700))
        row, column = np.mgrid[:rows, :columns] / max(rows, columns)
        image = np.cos(generator.uniform(2, 6) * (column - generator.uniform(0.2, 0.6)))
        image = 120 + 90 * image * np.sin(generator.uniform(1, 4) * row + generator.uniform(0, 3))
        if index % 2:
            image += 25 * np.tanh(4 * np.sin(generator.uniform(30, 70) * (row + 0.3 * (column - 0.4) ** 2)))
        image += generator.normal(0, generator.uniform(1, 6), image.shape)
        images.append(np.clip(image, 0, 255).astype(np.uint8))
    return images


def photographs() -> Images:
    """The grey photographs that come with scikit-image, whole and their middles."""
    from skimage import data

    images = []
    for name in PHOTOGRAPHS:
        pixels = np.asarray(getattr(data, name)())
        grey = pixels if pixels.ndim == 2 else np.rint(pixels[..., :3] @ np.array([0.299, 0.587, 0.114]))
        rows, columns = grey.shape
        middle = grey[rows // 5 : 4 * rows // 5, columns // 5 : 4 * columns // 5]
        images += [grey.astype(np.uint8), middle.astype(np.uint8)]
    return images


def phantom_images() -> Images:
    """One frame of each standard phantom, with and without a scanner's screen: between breast and not."""
    from dataclasses import replace

    return [
        render(replace(spec, frame_count=1, screen=screen)).frames[0]
        for spec in standard_cases().values()
        for screen in (True, False)
    ]


def made_images(seed: int) -> Mapping[str, Callable[[], Images]]:
    """Every kind of made image by name; each is made when called."""
    return {
        "photographs": photographs,
        "noise": lambda: noise_images(np.random.default_rng((seed, 1))),
        "screens": lambda: screen_images(np.random.default_rng((seed, 2))),
        "X-ray-like": lambda: xray_like_images(np.random.default_rng((seed, 3))),
        "phantom": phantom_images,
    }
