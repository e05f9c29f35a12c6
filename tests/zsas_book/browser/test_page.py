"""The exported page in a real browser, opened from a folder: its numbers against the library's, and how it is used."""

import base64
import io
import json
from pathlib import Path

import browsing
import numpy as np
import pytest
import torch
from PIL import Image
from skimage import data as photographs
from sklearn.metrics import roc_auc_score
from torchvision.transforms.functional import InterpolationMode, resize

import zsas_lib as zsas
from zsas_book.browser.export import Example, export_page
from zsas_lib.data.pictures import read_image
from zsas_lib.models.winclip import WinCLIP

pytestmark = pytest.mark.browser

NAMES = ("bottle", "metal_nut", "pcb1")
FREE_WORDS = ("old wooden bench", "m2.5_screw", "Café-Tür’s edge")
UPRIGHT = {"degrees": 0, "hue": 0, "saturation": 0}
AMOUNTS = (UPRIGHT, {"degrees": 33, "hue": 1.0, "saturation": 0.2}, {"degrees": -77, "hue": 0, "saturation": -0.3})
DAMAGED = "window.box.zsasTry"


@pytest.fixture(scope="module")
def model():
    return WinCLIP(zsas.load_backbone("embedded"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> dict[str, Path]:
    """Ten pictures of as many kinds."""
    folder = tmp_path_factory.mktemp("pictures")
    astronaut, coins, rocket = (
        Image.fromarray(of()) for of in (photographs.astronaut, photographs.coins, photographs.rocket)
    )
    turned = Image.Exif()
    turned[0x0112] = 6
    clear = astronaut.convert("RGBA")
    clear.putalpha(Image.fromarray(np.where(np.arange(512)[:, None] < 300, 255, 0).repeat(512, 1).astype(np.uint8)))
    written = {
        "plain.png": (astronaut, {}),
        "small.png": (astronaut.resize((40, 60)), {}),
        "grey.png": (coins, {}),
        "palette.png": (rocket.quantize(64), {}),
        "bilevel.png": (coins.convert("1"), {}),
        "clear.png": (clear, {}),
        "halved.jpg": (rocket, {"quality": 85, "subsampling": 2}),
        "turned.jpg": (astronaut, {"quality": 95, "exif": turned}),
        "grey.jpg": (coins, {"quality": 90}),
        "lossless.webp": (rocket, {"lossless": True}),
    }
    for name, (picture, options) in written.items():
        picture.save(folder / name, **options)
    return {name: folder / name for name in written}


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory) -> Path:
    """A page with three names and two pictures that ship."""
    folder = tmp_path_factory.mktemp("a page") / "Ann's page"
    side = model.backbone.image_size
    images = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) / 4
    mask = torch.zeros(side, side, dtype=torch.bool)
    mask[20:50, 30:70] = True
    images[0, :, mask] += 0.5
    examples = [
        Example(images[0], mask, "bottle", "bottle, damaged"),
        Example(images[1], torch.zeros_like(mask), "bottle", "bottle, sound"),
    ]
    export_page(model.backbone, folder, names=NAMES, examples=examples, title="A page")
    return folder


@pytest.fixture(scope="module")
def browser():
    with browsing.a_browser() as program:
        yield program


def opened(browser, folder: Path, **context):
    """The page with its model loaded, and all that it complained of."""
    page = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context}).new_page()
    page.complaints, page.loaded = [], []
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("console", lambda said: said.type in ("error", "warning") and page.complaints.append(said.text))
    page.on("request", lambda request: page.loaded.append(request.url))
    page.goto((folder / "index.html").as_uri())
    return page


def pressed(page):
    page.evaluate("window.box = document.querySelector('.zsas-try')")
    page.locator(".zsas-try button").first.click()
    page.wait_for_function("window.box.zsasTry?.found", timeout=60_000)
    return page


@pytest.fixture(scope="module")
def page(browser, folder):
    return pressed(opened(browser, folder))


def settled(page) -> None:
    page.wait_for_function(f"{DAMAGED}.found && !{DAMAGED}.busy", timeout=60_000)


def shown(page, path: Path) -> None:
    """Choose a picture of one's own, and wait for its map."""
    page.evaluate(f"{DAMAGED}.found = null")
    page.locator("input[type=file]").first.set_input_files(path)
    settled(page)


def named(page, name: str) -> None:
    page.evaluate(f"{DAMAGED}.found = null")
    field = page.locator("input[type=text]")
    field.fill(name)
    field.dispatch_event("change")
    settled(page)


def changed(page, amounts: dict) -> dict:
    """What the page finds with these amounts: map, map turned back, and score."""
    found = page.evaluate(
        f"""async (amounts) => {{
          const page = {DAMAGED};
          page.found = null;
          Object.assign(page.amounts, amounts);
          await page.look();
          const {{ map, upright, score }} = page.found;
          const text = (values) => btoa(String.fromCharCode(...new Uint8Array(values.buffer.slice(0))));
          const parts = Array.from({{ length: 12 }}, (_, i) => 1728 * i);
          const slices = (values) => parts.map((from) => text(values.slice(from, from + 1728)));
          return {{ map: slices(map), upright: slices(upright), score }};
        }}""",
        amounts,
    )
    whole = {name: np.frombuffer(b"".join(map(base64.b64decode, found[name])), "<f4") for name in ("map", "upright")}
    return whole | {"score": found["score"]}


def squashed(path: Path, side: int) -> torch.Tensor:
    return resize(read_image(path), [side, side], interpolation=InterpolationMode.BICUBIC, antialias=True).clamp(0, 1)[
        None
    ]


def difference(model, path: Path, name: str, amounts: dict, found: dict) -> float:
    """Perturbed in double precision, as the page does it: which hue an almost grey pixel has hangs on the last digits,
    and the library's maps of half-white pictures differ by 1e-4 between its own two precisions."""
    with torch.no_grad():
        picture = zsas.perturb(squashed(path, model.backbone.image_size).double(), **amounts).float()
        wanted = model(picture, name)
        upright = zsas.derotate(wanted.anomaly_map, amounts["degrees"]) if amounts["degrees"] else wanted.anomaly_map
    pairs = [(wanted.anomaly_map, found["map"]), (upright, found["upright"])]
    maps = [float(np.abs(ours.numpy().ravel() - theirs).max()) for ours, theirs in pairs]
    return max(*maps, abs(wanted.image_score.item() - found["score"]))


def in_turn(number: int) -> tuple[dict, ...]:
    """All amounts, first those that the picture before this one came to last, with which the page shows this one."""
    return AMOUNTS[:: -1 if number % 2 else 1]


def test_maps_are_the_librarys_for_names_that_ship(page, model, pictures):
    """Every picture with one name and amounts in turn, and the first with all of both."""
    worst = {}
    for number, (kind, path) in enumerate(pictures.items()):
        shown(page, path)
        for amounts in in_turn(number):
            for name in NAMES if number == 0 else NAMES[number % 3 :][:1]:
                named(page, name)
                worst[kind, name, amounts["degrees"]] = difference(model, path, name, amounts, changed(page, amounts))
    changed(page, UPRIGHT)
    assert {key: value for key, value in worst.items() if value > 1e-4} == {}
    assert page.complaints == []


def test_maps_are_the_librarys_of_real_photographs(page, model, shared):
    named(page, "metal_nut")
    folders = ("hazelnut_toy/hazelnut/test", "real/kolektor", "real/mpdd")
    for number, folder in enumerate(folders):
        path = next(path for path in sorted((shared / "data" / folder).rglob("*")) if path.suffix in (".jpg", ".png"))
        shown(page, path)
        for amounts in in_turn(number):
            assert difference(model, path, "metal_nut", amounts, changed(page, amounts)) < 1e-4, (path, amounts)
    changed(page, UPRIGHT)


def test_maps_are_near_the_librarys_for_words_of_ones_own(page, model, pictures):
    path = pictures["plain.png"]
    shown(page, path)
    for name in FREE_WORDS:
        named(page, name)
        assert difference(model, path, name, UPRIGHT, changed(page, UPRIGHT)) < 1e-3, name
    assert "“m2.5”" not in page.locator(".zsas-try").inner_text()
    named(page, "m2.5_screw")
    assert "Read as “m2.5 screw”. The text tower hardly knows “m2.5”" in page.locator(".zsas-try").inner_text()


def test_few_shot_is_the_librarys(page, model, pictures):
    normal, path = [pictures["grey.png"], pictures["halved.jpg"]], pictures["plain.png"]
    few = WinCLIP(model.backbone, shots=2)
    few.remember("bottle", torch.cat([squashed(one, model.backbone.image_size) for one in normal]))
    shown(page, path)
    named(page, "bottle")
    page.locator("input[type=file]").nth(1).set_input_files(normal)
    page.wait_for_function(f"{DAMAGED}.found?.byReferences && !{DAMAGED}.busy")
    assert difference(few, path, "bottle", UPRIGHT, changed(page, UPRIGHT)) < 1e-4
    assert page.get_by_role("img", name="The map of what the normal pictures say").is_visible()
    page.get_by_role("button", name="Forget them").click()
    page.wait_for_function(f"{DAMAGED}.found && !{DAMAGED}.found.byReferences && !{DAMAGED}.busy")
    assert not page.get_by_role("img", name="The map of what the normal pictures say").is_visible()


def test_worst_angle_is_that_of_the_pixel_auroc(page, model, folder):
    page.locator(".zsas-examples button").first.click()
    settled(page)
    page.get_by_role("button", name="Find the worst angle").click()
    page.wait_for_function("document.body.innerText.includes('Angle 1 of 37')")
    controls = f"[...{DAMAGED}.box.querySelectorAll('input, button, select')]"
    assert page.evaluate(f"{controls}.every((control) => control.disabled)")
    page.evaluate(f"{DAMAGED}.take(new Blob()), {DAMAGED}.normals([])")
    assert "the next thing can be asked when it is found" in page.get_by_role("alert").first.inner_text()
    page.wait_for_function("document.body.innerText.includes('Worst at')", timeout=120_000)
    settled(page)
    assert not page.evaluate(f"{controls}.some((control) => control.disabled)")
    about = json.loads((folder / "about.js").read_text().split(", ", 1)[1].rstrip(");\n"))
    image, mask = (Image.open(_png(about["examples"][0][part])) for part in ("picture", "mask"))
    picture = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    truth = torch.from_numpy(np.array(mask) > 0)[None]
    angles, values = range(-90, 91, 5), []
    with torch.no_grad():
        for degrees in angles:
            turned = model(zsas.rotate(picture, degrees) if degrees else picture, "bottle").anomaly_map
            upright = zsas.derotate(turned, degrees) if degrees else turned
            values.append(roc_auc_score(truth.flatten().numpy(), upright.flatten().numpy()))
    worst = int(np.argmin(values))
    said = page.locator("output", has_text="Worst at").inner_text()
    angle = f"{angles[worst]}".replace("-", "\u2212")
    assert said == f"Worst at {angle}°: pixel AUROC {values[worst]:.3f}, upright {values[18]:.3f}."
    assert page.locator("input[aria-label^=Rotation]").input_value() == str(angles[worst])


def test_nothing_is_loaded_before_the_click_and_nothing_from_elsewhere(browser, folder):
    page = opened(browser, folder)
    assert [Path(address).name for address in page.loaded] == ["index.html"]
    pressed(page)
    assert {address.split(":")[0] for address in page.loaded} <= {"file", "data", "blob"}
    files = [folder / Path(address).name for address in page.loaded if address.startswith("file:")]
    assert sum(path.stat().st_size for path in files) < 3e6
    assert page.complaints == []


def test_keyboard_reads_places_and_moves_sliders(page, pictures):
    shown(page, pictures["plain.png"])
    canvas = page.get_by_role("img", name="The picture with its anomaly map.")
    canvas.press("ArrowRight")
    canvas.press("ArrowDown")
    place = page.locator("output", has_text="Row 2, column 2")
    assert "windows of 2 x 2:" in place.inner_text() and "windows of 3 x 3:" in place.inner_text()
    threshold = page.get_by_role("slider", name="Threshold of the outline")
    threshold.fill("0")
    assert "100.0 % of the picture lies above 0.00" in page.locator("output").first.inner_text()
    threshold.press("ArrowRight")
    assert threshold.get_attribute("aria-valuetext") == "0.01"
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll('.zsas-try :is(input, select, button, canvas)')]
          .filter((part) => !(part.labels?.length || part.ariaLabel || part.innerText?.trim() || part.title))
          .map((part) => part.outerHTML)"""
    )
    assert unnamed == []


def test_newest_request_is_the_one_that_counts(page, pictures):
    shown(page, pictures["plain.png"])
    asked = page.evaluate(
        f"""async () => {{
          const page = {DAMAGED};
          const ask = page.ask;
          let count = 0;
          page.ask = (...given) => (count++, ask(...given));
          const slider = document.querySelector("input[aria-label^=Rotation]");
          for (let degrees = 1; degrees <= 60; degrees++) {{
            slider.value = degrees;
            slider.dispatchEvent(new Event("input"));
          }}
          while (page.busy) await new Promise((done) => setTimeout(done, 20));
          page.ask = ask;
          return {{ count, degrees: page.amounts.degrees }};
        }}"""
    )
    assert asked == {"count": 2, "degrees": 60}
    page.get_by_role("slider", name="Rotation").fill("0")
    settled(page)


def test_unreadable_pictures_are_said_and_change_nothing(page, pictures, tmp_path):
    shown(page, pictures["plain.png"])
    before = page.locator("output").first.inner_text()
    files = {
        "text.png": (b"no picture", "no picture that this browser can read"),
        "phone.heic": (b"\0\0\0\x18ftypheic" + bytes(100), "HEIC pictures cannot be read"),
        "scan.tif": (b"II*\0" + bytes(100), "TIFF pictures cannot be read"),
    }
    for name, (content, said) in files.items():
        (tmp_path / name).write_bytes(content)
        page.locator("input[type=file]").first.set_input_files(tmp_path / name)
        page.get_by_role("alert").filter(has_text=said).wait_for()
        assert page.locator("output").first.inner_text() == before
    Image.new("RGBA", (20, 20), (200, 0, 0, 0)).save(tmp_path / "nothing.png")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "nothing.png")
    page.get_by_role("alert").filter(has_text="transparent everywhere").wait_for()


def test_deep_and_moving_pictures_are_read_with_a_note(page, tmp_path):
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20) * 160).save(tmp_path / "deep.png")
    shown(page, tmp_path / "deep.png")
    assert "16-bit values are cut to 8 bits" in page.locator(".zsas-try").inner_text()
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    shown(page, tmp_path / "moving.gif")
    assert "its first frame is taken" in page.locator(".zsas-try").inner_text()


def test_names_that_are_none_are_said(page):
    field = page.locator("input[type=text]")
    field.fill("   ")
    field.blur()
    page.get_by_role("alert").filter(has_text="Say in a word or two").wait_for()
    field.fill("x" * 300)
    field.blur()
    page.get_by_role("alert").filter(has_text="at most 200 letters").wait_for()
    named(page, "bottle")
    assert page.get_by_role("alert").inner_text() == ""


def test_lines_for_a_real_clip_are_python(page, pictures):
    shown(page, pictures["plain.png"])
    page.get_by_text("The lines").click()
    page.locator(".zsas-try pre").filter(has_text="model(image").wait_for()
    lines = page.locator(".zsas-try pre").inner_text()
    compile(lines, "page", "exec")
    assert 'model(image, "bottle")' in lines
    assert "vit-b-16-plus-240" in zsas.list_backbones()


def test_without_webassembly_and_workers_the_numbers_are_the_same(browser, folder, model, pictures):
    page = browser.new_context().new_page()
    page.add_init_script("delete self.WebAssembly; delete self.Worker;")
    page.goto((folder / "index.html").as_uri())
    pressed(page)
    path, amounts = pictures["plain.png"], AMOUNTS[1]
    shown(page, path)
    assert difference(model, path, "bottle", amounts, changed(page, amounts)) < 1e-4
    page.context.close()


def test_under_a_strict_policy_it_runs_all_the_same(browser, folder, tmp_path):
    """Neither WebAssembly nor a worker made from text; playwright's own evaluations are forbidden there too."""
    for path in folder.glob("*.js"):
        (tmp_path / path.name).symlink_to(path)
    policy = "script-src 'unsafe-inline' file:; worker-src 'none'"
    strict = f'<head><meta http-equiv="Content-Security-Policy" content="{policy}">'
    text = (folder / "index.html").read_text(encoding="utf-8")
    (tmp_path / "index.html").write_text(text.replace("<head>", strict), encoding="utf-8")
    said = []
    for place in (folder, tmp_path):
        page = browser.new_context().new_page()
        page.goto((place / "index.html").as_uri())
        page.locator(".zsas-try button").first.click()
        output = page.locator("output", has_text="Score of the whole picture")
        output.wait_for(timeout=60_000)
        said.append(output.inner_text().rsplit(". ", 1)[0])
        page.context.close()
    assert said[0] == said[1]


def test_phone_and_dark_fit_the_window(browser, folder):
    page = pressed(opened(browser, folder, viewport={"width": 390, "height": 844}, color_scheme="dark"))
    assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
    page.close()


def test_still_pictures_where_motion_is_not_wanted(browser, folder):
    """What the search finds, which another test looks at, is here the same at every angle."""
    page = pressed(opened(browser, folder, reduced_motion="reduce"))
    page.evaluate(
        """() => { const page = window.box.zsasTry, { plot, found } = page; window.plots = window.looks = 0;
          page.plot = function (...given) { window.plots++; return plot.apply(this, given); };
          page.ask = async (kind) => { if (kind === "look") { window.looks++; return found; } }; }"""
    )
    page.get_by_role("button", name="Find the worst angle").click()
    page.wait_for_function("document.body.innerText.includes('Worst at')", timeout=120_000)
    assert page.evaluate("window.plots") == 1
    assert page.evaluate("window.looks") >= 37
    page.close()


def test_words_of_any_letters_are_cut_and_read_as_clip_does(page, model):
    """Texts of letters, digits, marks and spaces; only the words' eight bits lie between both."""
    named(page, "a chair")  # the text tower is there then
    for text in ("don't  stop", "ＡＢ１ 3.5mm", "O'Brien’s “box”", "漢字 ß éü", "a1b2-c3/d4!?", "usb3.0"):
        found = page.evaluate(f"(name) => {DAMAGED}.ask('about', {{ name }})", text)
        assert [piece["tokens"] for piece in found["pieces"]] == [
            len(model.backbone.tokenizer.encode(word)) for word in found["said"].split(" ")
        ]
        rows = [list(row.values()) if isinstance(row, dict) else row for row in found["words"]]
        assert np.abs(np.array(rows) - model.text_features(text).numpy()).max() < 2e-3, text


def _png(address: str) -> io.BytesIO:
    return io.BytesIO(base64.b64decode(address.split(",")[1]))
