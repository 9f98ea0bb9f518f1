"""What a scanner's screen adds around the tissue: caption, depth scale, grey bar."""

import numpy as np

from .frame import Box


def draw_screen(screen: np.ndarray, box: Box, spacing_mm: float) -> None:
    """Draw the caption, the depth scale and the grey bar around `box` into `screen`, uint8 (rows, columns)."""
    from PIL import Image, ImageDraw, ImageFont

    picture = Image.fromarray(screen)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=13)
    top, left, bottom, right = box
    draw.text((8, 5), "PHANTOM  BREAST US", fill=200, font=font)
    draw.text((max(right - 120, 8), 5), "SYNTHETIC", fill=200, font=font)
    for centimetre in range(int((bottom - top) * spacing_mm / 10) + 1):
        row = top + round(centimetre * 10 / spacing_mm)
        if row < bottom:
            draw.line((right + 6, row, right + 12, row), fill=180)
            draw.text((right + 16, row - 7), str(centimetre), fill=180, font=font)
    bar_left, bar_rows = max(left // 3, 4), max((bottom - top) // 4, 32)
    screen[:] = np.asarray(picture)
    screen[top : top + bar_rows, bar_left : bar_left + 10] = np.linspace(255, 0, bar_rows).astype(np.uint8)[:, None]
