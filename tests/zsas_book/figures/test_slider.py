"""The kernel-free slider: its HTML read as a browser reads it, and its script run where there is a JavaScript
engine."""

import base64
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from mini_project import REPOSITORY, WARM, environment
from PIL import Image

from zsas_book.figures import slider as sliders
from zsas_book.figures.slider import frame_slider

FRAMES = [np.full((30, 60, 3), grey, dtype=np.uint8) for grey in (10, 120, 230)]
GIVEN = {
    "values": ["-90 degrees", "0 degrees", "90 degrees"],
    "captions": ["score <0.1>", "score 0.2", 'score "0.3" </script>'],
    "label": "rotation & turn",
    "alt": "A grey picture",
    "start": 1,
    "curve": [50.0, 75.0, 100.0],
    "curve_label": "pixel AUROC (%)",
}


class Elements(HTMLParser):
    """The start tags of a text with their attributes, and what scripts hold."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.script = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.found and self.found[-1][0] == "script" and "const frames" in data:
            self.script += data

    def of(self, tag: str) -> dict:
        (attributes,) = [attributes for name, attributes in self.found if name == tag]
        return attributes


@pytest.fixture(scope="module")
def text() -> str:
    return frame_slider(FRAMES, **GIVEN)


def entries(text: str) -> list[dict]:
    return json.loads(re.search(r"const frames = (\[.*\]);", Elements(text).script)[1])


def test_every_frame_is_in_the_page_with_its_words(text):
    shown = entries(text)
    assert [entry["value"] for entry in shown] == GIVEN["values"]
    assert [entry["caption"] for entry in shown] == GIVEN["captions"]
    assert shown[2]["alt"] == "A grey picture, at 90 degrees"
    for entry, frame in zip(shown, FRAMES):
        kind, data = entry["picture"].split(",")
        assert kind == "data:image/webp;base64"
        decoded = np.array(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")).astype(int)
        assert decoded.shape == frame.shape and abs(decoded - frame).max() <= 3


def test_without_scripts_the_starting_frame_stays(text):
    page = Elements(text)
    assert page.of("img")["alt"] == "A grey picture, at 0 degrees"
    assert page.of("img")["src"] == entries(text)[1]["picture"]
    assert ">score 0.2</output>" in text
    assert "without it the picture stays at 0 degrees" in text


def test_the_control_is_the_browsers_own_and_says_its_value(text):
    control = Elements(text).of("input")
    assert {name: control[name] for name in ("type", "min", "max", "step", "value")} == {
        "type": "range",
        "min": "0",
        "max": "2",
        "step": "1",
        "value": "1",
    }
    assert control["aria-valuetext"] == "0 degrees"
    assert "rotation &amp; turn\n<input" in text and "</label>" in text


def test_nothing_is_fetched_and_no_colour_is_fixed_against_the_page(text):
    assert not re.search(r"https?:|//\w|@import|url\(", re.sub(r"base64,[^\"]*", "", text))
    assert "background" not in text and 'fill="currentColor"' in text


def test_the_curve_runs_from_the_smallest_to_the_largest_number(text):
    points = [tuple(map(float, p.split(","))) for p in Elements(text).of("polyline")["points"].split()]
    heights = [y for _, y in points]
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2]) and heights[2] < heights[0]
    assert Elements(text).of("circle")["cx"] == f"{points[1][0]:.1f}"
    assert "<svg" not in frame_slider(FRAMES, **GIVEN | {"curve": None})
    level = frame_slider(FRAMES, **GIVEN | {"curve": [5.0] * 3})
    assert len({p.split(",")[1] for p in Elements(level).of("polyline")["points"].split()}) == 1


def test_it_repeats_and_two_sliders_can_share_a_page(text):
    assert text == frame_slider(FRAMES, **GIVEN)
    ids = {Elements(frame_slider(FRAMES, **GIVEN | {"label": label})).found[0][1]["id"] for label in ("a", "b")}
    assert len(ids) == 2


@pytest.mark.parametrize(
    "given, message",
    [
        ({"values": ["0 degrees"]}, "got 3 frames, 1 values, 3 captions and 3 numbers"),
        ({"curve": [1.0]}, "3 captions and 1 numbers"),
        ({"start": 3}, "one of the 3 frames, 0 to 2; got 3"),
        ({"curve": [1.0, float("nan"), 2.0]}, "finite numbers for the curve"),
    ],
)
def test_what_does_not_fit_together_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        frame_slider(FRAMES, **GIVEN | given)


def test_frames_must_be_there_be_alike_and_be_small(monkeypatch):
    nothing = {"values": [], "captions": [], "label": "a", "alt": "b"}
    with pytest.raises(ValueError, match="at least one frame"):
        frame_slider([], **nothing)
    with pytest.raises(ValueError, match="frames of one size"):
        frame_slider([*FRAMES[:2], FRAMES[2][1:]], **GIVEN)
    monkeypatch.setattr(sliders, "LIMIT", 1000)
    with pytest.raises(ValueError, match="more than 0.001; take fewer frames than 3 or smaller ones"):
        frame_slider(FRAMES, **GIVEN)


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_moving_the_control_changes_picture_words_and_dot(text):
    page = """
    const made = {};
    const element = () => ({attributes: {}, setAttribute(name, value) { this.attributes[name] = value; },
                            addEventListener(name, heard) { this.heard = heard; }});
    const parts = {img: element(), input: element(), output: element(), circle: element()};
    const document = {getElementById: () => ({querySelector: (name) => parts[name]})};
    """
    end = "parts.input.value = 2; parts.input.heard(); console.log(JSON.stringify(parts));"
    ran = subprocess.run(["node", "-e", page + Elements(text).script + end], capture_output=True, text=True, check=True)
    parts, frame = json.loads(ran.stdout), entries(text)[2]
    assert parts["img"]["src"] == frame["picture"] and parts["img"]["alt"] == frame["alt"]
    assert parts["input"]["attributes"] == {"aria-valuetext": "90 degrees"}
    assert parts["output"]["textContent"] == frame["caption"]
    assert parts["circle"]["attributes"] == {"cx": frame["x"], "cy": frame["y"]}


FILES_OF_A_PAGE = """
from zsas_book.provenance import record, watch_packages
watch_packages()
import zsas_book.figures
print(*record().facts["library"]["files"])
"""


@pytest.mark.kernel
def test_a_page_with_figures_depends_on_the_sliders_html(tmp_path):
    (tmp_path / "files_of_a_page.py").write_text(FILES_OF_A_PAGE)
    program = [sys.executable, "-m", WARM, "files_of_a_page"]
    files = subprocess.check_output(program, cwd=tmp_path, env=environment(REPOSITORY), text=True).split()
    assert {"zsas_book/figures/slider.html", "zsas_book/figures/slider_curve.html"} <= set(files)
