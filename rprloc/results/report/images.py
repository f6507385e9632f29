"""How a drawn figure becomes a file and a part of the page, and the colours of its curves."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from rprloc.files import whole_file

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
"""Blue, vermilion, green and purple of Okabe and Ito, which colour-blind readers tell apart; one for each curve."""


def write_png(path: Path, figure: Figure, *, palette: bool = True) -> None:
    """Write a figure as PNG, whole; with a palette of 256 colours where greys and one or two line colours are all."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
    if palette:
        image = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    with whole_file(path) as temporary:
        image.save(temporary, optimize=True)


def data_uri(path: Path) -> str:
    """Return a picture as a data URI in WebP, a fifth of the size of the PNG it comes from."""
    stream = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").save(stream, "WEBP", quality=75, method=4)
    return "data:image/webp;base64," + base64.b64encode(stream.getvalue()).decode("ascii")
