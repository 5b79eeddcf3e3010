"""An animated WebP of pictures with captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WIDTH = 1200
CAPTION_HEIGHT = 64
BACKGROUND, TEXT, DONE, TODO = "#16191f", "#f2f4f8", "#5b8def", "#3a404c"
FRAME_MS, LAST_FRAME_MS = 3500, 6000


@dataclass(frozen=True)
class Frame:
    """A picture and the sentence below it."""

    picture: Path
    caption: str


def animate(frames: Sequence[Frame], path: Path) -> None:
    """Write the frames one after the other, each with its caption and a mark of how far the animation is."""
    images = [_drawn(frame, number, len(frames)) for number, frame in enumerate(frames)]
    images[0].save(
        path,
        save_all=True,
        append_images=images[1:],
        duration=[FRAME_MS] * (len(images) - 1) + [LAST_FRAME_MS],
        loop=0,
        quality=82,
        method=6,
    )


def _drawn(frame: Frame, number: int, count: int) -> Image.Image:
    with Image.open(frame.picture) as opened:
        height = round(opened.height * WIDTH / opened.width)
        picture = opened.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    canvas = Image.new("RGB", (WIDTH, height + CAPTION_HEIGHT), BACKGROUND)
    canvas.paste(picture, (0, 0))
    draw = ImageDraw.Draw(canvas)
    draw.text((24, height + 17), frame.caption, fill=TEXT, font=ImageFont.load_default(size=24))
    part = WIDTH / count
    for each in range(count):
        colour = DONE if each <= number else TODO
        draw.rectangle(
            (each * part + 2, height + CAPTION_HEIGHT - 6, (each + 1) * part - 2, height + CAPTION_HEIGHT), colour
        )
    return canvas
