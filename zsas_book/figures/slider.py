"""A slider over pictures that were computed before: HTML that works without a kernel, a network or a font of its own.

What it shows lies in the page: the frames as WebP in data URLs, a few lines of script that exchange them. The control
is the browser's own ``<input type="range">``, so arrow keys, Home and End move it and a screen reader says its value;
where scripts are off, the starting frame stays. Writing and axis take the page's colour, light or dark.
"""

import base64
import hashlib
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from ..escape import in_html

LIMIT = 2_500_000  # bytes of HTML: a page of the book stays below 3 MB
WIDTH, HEIGHT, MARGIN = 600, 90, 8  # of the curve, in its own units
QUALITY = 80  # of the WebP frames

TEMPLATE = Path(__file__).with_name("slider.html").read_text(encoding="utf-8")
CURVE = Path(__file__).with_name("slider_curve.html").read_text(encoding="utf-8")
"""Texts for `str.format`, so that braces of script stand twice."""


def frame_slider(
    frames: Sequence[UInt8[np.ndarray, "height width 3"]],
    values: Sequence[str],
    captions: Sequence[str],
    *,
    label: str,
    alt: str,
    start: int = 0,
    curve: Sequence[float] | None = None,
    curve_label: str = "",
    colour: str = "currentColor",
) -> str:
    """HTML that shows one of the ``frames``, chosen with a slider, and beneath it the frame's caption.

    ``values`` say in words what each frame stands for ("45 degrees"), ``label`` what the slider changes, ``alt`` what
    every frame shows; a frame's alternative text is ``alt`` and its value. ``curve`` is one finite number a frame,
    drawn below as a line from its smallest to its largest value with a dot at the frame shown. The same input gives the
    same HTML.

    Raises ValueError for no frame, lists of other lengths, a ``start`` that is no frame, frames of different sizes, a
    curve that is not finite, and for HTML that would be larger than 2.5 MB.
    """
    numbers = list(curve) if curve is not None else [0.0] * len(frames)
    if not frames or {len(frames)} != {len(values), len(captions), len(numbers)}:
        raise ValueError(
            "Expected at least one frame, and a value, a caption and a number of the curve for each; got "
            f"{len(frames)} frames, {len(values)} values, {len(captions)} captions and {len(numbers)} numbers."
        )
    if not 0 <= start < len(frames):
        raise ValueError(f"Expected start to be one of the {len(frames)} frames, 0 to {len(frames) - 1}; got {start}.")
    if len({frame.shape for frame in frames}) > 1:
        raise ValueError(f"Expected frames of one size, got {sorted({frame.shape[:2] for frame in frames})}.")
    if not np.isfinite(numbers).all():
        raise ValueError("Expected finite numbers for the curve, got nan or infinity; leave the curve out.")

    xs = np.linspace(MARGIN, WIDTH - MARGIN, len(frames)) if len(frames) > 1 else np.array([WIDTH / 2])
    ys = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (numbers - np.min(numbers)) / max(np.ptp(numbers), 1e-12)
    entries = [
        {
            "picture": _data_url(frame),
            "alt": f"{alt}, at {value}",
            "value": value,
            "caption": caption,
            "x": f"{x:.1f}",
            "y": f"{y:.1f}",
        }
        for frame, value, caption, x, y in zip(frames, values, captions, xs, ys)
    ]
    script = json.dumps(entries).replace("<", "\\u003c")
    drawn = CURVE.format(
        width=WIDTH,
        height=HEIGHT,
        label=html.escape(curve_label),
        name=in_html(curve_label),
        colour=html.escape(colour),
        points=" ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys)),
        x=entries[start]["x"],
        y=entries[start]["y"],
    )
    text = TEMPLATE.format(
        id="slider-" + hashlib.sha256((label + script).encode()).hexdigest()[:12],
        label=html.escape(label),
        name=in_html(label),
        shown=entries[start]["picture"],
        alt=html.escape(entries[start]["alt"]),
        width=frames[0].shape[1],
        height=frames[0].shape[0],
        last=len(frames) - 1,
        start=start,
        value=html.escape(values[start]),
        at=in_html(values[start]),
        caption=in_html(captions[start]),
        curve=drawn if curve is not None else "",
        frames=script,
    )
    if len(text) > LIMIT:
        raise ValueError(
            f"The slider would take {len(text) / 1e6:.1f} MB of the page, more than {LIMIT / 1e6:g}; "
            f"take fewer frames than {len(frames)} or smaller ones."
        )
    return text


def _data_url(frame: UInt8[np.ndarray, "height width 3"]) -> str:
    file = io.BytesIO()
    Image.fromarray(frame).save(file, "WEBP", quality=QUALITY, method=6)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
