"""Make the README's picture of the book: a page on a desktop, light, and on a phone, dark, as Chromium shows them.

Run in the project's folder when the book is rendered: ``python -m zsas_book.site.picture``.
"""

import io
import sys
from pathlib import Path

from PIL import Image

from .chromium import NoBrowserError, chromium, settle

HTML = Path("book/_build/html")
PICTURE = Path(".github/book.png")
PAGE = "_computed/perturbed_samples.html"
SHOTS = (  # width, height, theme, and what stands in the middle of the window
    (1180, 800, "light", "#what-a-person-sees"),
    (390, 800, "dark", ".zsas-slider"),
)
GAP = 20  # pixels between the two
LIMIT = 300_000  # bytes


def main() -> None:
    with chromium() as browser:
        shots = [shot(browser, *window) for window in SHOTS]
    picture = Image.new("RGB", (sum(one.width for one in shots) + GAP, shots[0].height), "white")
    picture.paste(shots[0], (0, 0))
    picture.paste(shots[1], (shots[0].width + GAP, 0))
    picture.quantize(256, dither=Image.Dither.NONE).save(PICTURE, optimize=True)
    size = PICTURE.stat().st_size
    if size > LIMIT:
        raise SystemExit(
            f"{PICTURE} has {size:,} bytes; expected at most {LIMIT:,}. Choose another page or a smaller window."
        )
    print(f"{PICTURE}: {picture.width} x {picture.height} pixels, {size:,} bytes")


def shot(browser, width: int, height: int, theme: str, middle: str) -> Image.Image:
    with browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme) as context:
        page = context.new_page()
        page.goto((HTML / PAGE).resolve().as_uri())
        settle(page)
        page.locator(middle).first.evaluate(
            "(part) => part.scrollIntoView({block: part.matches('section') ? 'start' : 'center'})"
        )
        page.wait_for_timeout(500)
        return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


if __name__ == "__main__":
    try:
        main()
    except NoBrowserError as error:
        sys.exit(str(error))
