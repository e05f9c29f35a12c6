"""Pages in a real browser: offline, light, silent, fit for a phone, and worked with the keyboard.

The pages are those of a small book made here and, where it has been rendered, all of this project's own.
"""

import re
from pathlib import Path

import browsing
import pytest
import small_book
from browsing import DESKTOP, PHONE, Visit
from mini_project import REPOSITORY, run_in
from pypdf import PdfReader

pytestmark = pytest.mark.browser

OWN = REPOSITORY / "book" / "_build" / "html"
NO_PAGES = ("_static", "_sources", "_downloads", "mathjax", "index.html")  # the last only leads on to the first page
LIMIT, LIMIT_WITH_SLIDERS = 3_000_000, 8_000_000  # bytes


@pytest.fixture(scope="module")
def browser():
    with browsing.a_browser() as program:
        yield program


@pytest.fixture(scope="module")
def small(browser, tmp_path_factory) -> Path:
    return small_book.make(tmp_path_factory.mktemp("books") / "book")


@pytest.fixture(scope="module")
def visits(browser, small) -> list[Visit]:
    """Every page, opened on a desktop and on a phone."""
    books = [small, *([OWN] if (OWN.parent / "rendered").is_file() else [])]
    pages = [(book, page.relative_to(book)) for book in books for page in sorted(book.rglob("*.html"))]
    readable = [(book, page.as_posix()) for book, page in pages if page.parts[0] not in NO_PAGES]
    return [seen for width in (DESKTOP, PHONE) for seen in browsing.visits(browser, readable, width)]


@pytest.fixture(scope="module")
def dark(browser):
    """A window of a desktop with a dark theme, of which one tab stays open, so that all share its process."""
    with browser.new_context(viewport={"width": DESKTOP, "height": 844}, color_scheme="dark") as window:
        yield window


@pytest.fixture(scope="module")
def kept(dark, small):
    """The tab that stays open."""
    tab = dark.new_page()
    tab.goto((small / "_computed" / "second.html").as_uri())
    return tab


@pytest.fixture
def page(dark, kept, small):
    """The small book's first page, opened on a desktop with a dark theme for the first time."""
    opened = dark.new_page()
    opened.goto((small / "_computed" / "first.html").as_uri())
    browsing.settle(opened)
    yield opened
    opened.evaluate("localStorage.clear()")
    opened.close()


def test_tables_are_numbered_on_their_own_and_captioned_above(page):
    assert page.locator("#fig-lines figcaption").inner_text().startswith("Fig. 1 Lines.")
    assert page.locator("#tab-ones figcaption").inner_text().startswith("Table 1 Ones and zeros.")
    assert page.locator("#tab-ones").evaluate("(figure) => figure.firstElementChild.tagName") == "FIGCAPTION"
    page.goto(page.url.replace("first", "second"))
    assert page.locator("article a[href$='#tab-ones']").inner_text() == "Table 1"


def test_a_table_of_words_is_read_row_by_row_on_a_phone(page):
    table = page.locator("table.zsas-rows")
    before = (
        "(cell) => [getComputedStyle(cell).display, cell.dataset.column && getComputedStyle(cell, '::before').content]"
    )

    def cells():
        return [table.locator("td").nth(place).evaluate(before) for place in range(3)]

    assert [display for display, _ in cells()] == ["table-cell"] * 3
    page.set_viewport_size({"width": PHONE, "height": 844})
    assert cells() == [["block", "none"], ["none", None], ["block", '"meaning: "']]
    assert table.get_by_role("cell", name="many words about it").count() == 1
    box = page.locator(".pst-scrollable-table-container").first
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")


def test_published_numbers_are_searched_and_sorted(page):
    page.goto(page.url.replace("_computed/first", "_made/results"))
    lines = page.locator("#zsas-rows tr")
    page.locator("#zsas-count", has_text="3 numbers").wait_for(timeout=5000)
    values = "(lines) => lines.map((line) => [...line.children].slice(2).map((cell) => cell.textContent))"
    assert lines.evaluate_all(values) == [
        ["line=one", "rise", "1", "0.25", ""],
        ["line=two", "rise", "2", "", ""],
        ["line=steep", "rise", "", "", ""],
    ]
    for _ in range(2):
        page.get_by_role("button", name="value").click()
    assert lines.evaluate_all(values)[0] == ["line=two", "rise", "2", "", ""], (
        "the largest first, what is not finite last"
    )
    page.get_by_label("Search the numbers").fill("TWO rise")
    page.locator("#zsas-count", has_text="1 numbers").wait_for(timeout=5000)
    assert lines.evaluate_all(values) == [["line=two", "rise", "2", "", ""]]
    assert lines.get_by_role("link", name="Things to look at").get_attribute("href") == "../_computed/first.html"


def test_a_figure_that_is_cut_on_a_phone_says_so_until_its_end_is_seen(page):
    figure = page.locator("#fig-lines")
    hint = """(box) => [getComputedStyle(box, "::before").content, getComputedStyle(box, "::before").visibility,
                        getComputedStyle(box).maskImage !== "none"]"""
    assert figure.evaluate(hint)[::2] == ["none", False], "there is room for it on a desktop"
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.locator("#fig-lines.zsas-more").wait_for(timeout=5000)
    assert figure.evaluate("(box) => box.scrollWidth > box.clientWidth")
    assert figure.evaluate(hint) == ['"scroll →"', "visible", True]
    assert page.locator("#fig-lines img").bounding_box()["width"] > PHONE, "its letters keep their size"
    height = figure.bounding_box()["height"]
    figure.evaluate("(box) => box.scrollTo(box.scrollWidth, 0)")
    page.locator("#fig-lines:not(.zsas-more)").wait_for(timeout=5000)
    assert figure.evaluate(hint) == ['"scroll →"', "hidden", False]
    assert figure.bounding_box()["height"] == height
    page.set_viewport_size({"width": DESKTOP, "height": 844})
    page.locator("#fig-lines:not(.zsas-scrolls)").wait_for(timeout=5000)


def test_a_formula_that_is_cut_on_a_phone_says_so_until_its_end_is_seen(page):
    page.goto(page.url.replace("first", "second"))
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.locator("div.math.zsas-more").wait_for(timeout=10000)
    word = """(box) => [getComputedStyle(box, "::before").content, getComputedStyle(box, "::before").visibility]"""
    assert page.locator("div.math").evaluate(word) == ['"scroll →"', "visible"]
    formula = page.locator("div.math > mjx-container")
    assert formula.evaluate("(moving) => [moving.scrollWidth > moving.clientWidth, moving.tabIndex]") == [True, 0]
    assert formula.bounding_box()["y"] > page.locator("div.math").bounding_box()["y"] + 10, "the word stands above it"
    formula.evaluate("(moving) => moving.scrollTo(moving.scrollWidth, 0)")
    page.locator("div.math:not(.zsas-more)").wait_for(timeout=5000)
    assert page.locator("div.math").evaluate(word) == ['"scroll →"', "hidden"]


def test_no_request_leaves_the_machine(visits):
    assert {visit.page: visit.elsewhere for visit in visits if visit.elsewhere} == {}


def test_the_console_stays_silent_and_everything_loads(visits):
    assert {(visit.page, visit.width): visit.complaints for visit in visits if visit.complaints} == {}


def test_pages_are_light(visits):
    limits = {visit.page: LIMIT_WITH_SLIDERS if visit.sliders else LIMIT for visit in visits}
    assert {visit.page: visit.bytes for visit in visits if visit.bytes > limits[visit.page]} == {}


def test_nothing_stands_out_on_a_phone(visits):
    phone = [visit for visit in visits if visit.width == PHONE]
    assert {
        visit.page: visit.beyond_the_edge for visit in phone if visit.beyond_the_edge or visit.scrolls_sideways
    } == {}


def test_formulas_are_set_without_a_network(visits):
    (first,) = [visit for visit in visits if visit.page == "_computed/first.html" and visit.width == PHONE]
    assert (
        first.formulas == 2
        and first.sliders == 1
        and any("MathJax_Main-Regular" in address for address in first.loaded)
    )


def focused(page) -> str:
    """What the keyboard is on: the selector below that it matches, "" for anything else."""
    return page.evaluate("(kinds) => kinds.find((kind) => document.activeElement.matches(kind)) ?? ''", list(REACHED))


def tab_to(page, kind: str) -> None:
    for _ in range(200):
        page.keyboard.press("Tab")
        if focused(page) == kind:
            return
    raise AssertionError(f"200 presses of Tab do not reach {kind}")


REACHED = (
    "#pst-skip-link a",
    ".theme-switch-button",
    "article summary",
    "article input[type=range]",
    "button.copybtn",
    "article a.reference.download",
    "nav.bd-links a",
    ".btn-fullscreen-button",
)


def test_the_keyboard_reaches_everything(page):
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(focused(page))
    present = {kind for kind in REACHED if page.locator(kind).count()}
    assert present - reached == set()
    assert {"article summary", "article input[type=range]", "button.copybtn", ".theme-switch-button"} <= present


def test_the_keyboard_moves_a_slider(page):
    tab_to(page, "article input[type=range]")
    part = page.locator(".zsas-slider")
    before = part.locator("img").get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert part.locator("output").inner_text() == "bright"
    assert part.locator("input").get_attribute("aria-valuetext") == "bright"
    assert part.locator("img").get_attribute("src") != before
    page.keyboard.press("Home")
    assert part.locator("img").get_attribute("alt") == "A grey picture, at dark"


def test_the_keyboard_opens_hidden_code(page):
    tab_to(page, "article summary")
    code = page.locator("details .highlight pre").first
    assert not code.is_visible()
    page.keyboard.press("Enter")
    assert code.is_visible() and "show()" in code.inner_text()


def test_the_keyboard_copies_a_command(page):
    while True:
        tab_to(page, "button.copybtn")
        if page.evaluate("document.activeElement.closest('.highlight').innerText.includes('zsas run')"):
            break
    page.wait_for_function("getComputedStyle(document.activeElement).opacity === '1'")
    page.keyboard.press("Enter")
    page.locator("button.copybtn.success").wait_for(timeout=5000)
    page.wait_for_function("document.activeElement.matches('button.copybtn.success')", timeout=5000)
    page.evaluate("window.pressed = document.activeElement")
    page.keyboard.press("Tab")
    assert page.evaluate(
        "pressed.compareDocumentPosition(document.activeElement) & Node.DOCUMENT_POSITION_FOLLOWING"
    ), "the keyboard goes on from there"


def test_the_keyboard_changes_the_mode_and_the_next_page_keeps_it(page):
    assert page.evaluate("[document.documentElement.dataset.mode, document.documentElement.dataset.theme]") == [
        "auto",
        "dark",
    ]
    tab_to(page, ".theme-switch-button")
    for _ in range(3):
        page.keyboard.press("Enter")
        if page.evaluate("document.documentElement.dataset.mode") == "light":
            break
    page.goto(page.url.replace("first", "second"))
    assert page.evaluate("[document.documentElement.dataset.mode, document.documentElement.dataset.theme]") == [
        "light",
        "light",
    ]


def test_nothing_lies_behind_a_figure_in_dark_mode(page):
    behind = """(picture) => {
      const parts = [];
      for (let part = picture; part; part = part.parentElement) parts.push(part);
      return parts.map((part) => getComputedStyle(part).backgroundColor);
    }"""
    (figure,) = page.locator("article figure img").all()
    colours = {colour for colour in figure.evaluate(behind) if colour != "rgba(0, 0, 0, 0)"}
    assert colours == {page.evaluate("getComputedStyle(document.body).backgroundColor")}


def test_the_book_is_printed_as_one_pdf_with_an_outline(browser, small):
    root = small.parents[2]
    made = run_in(root, "-m", "zsas_book.site.print")
    listed = re.findall(r"(?:root|file): ", (root / "book" / "_build" / "source" / "_toc.yml").read_text())
    assert made.returncode == 0 and f"{len(listed)} pages of the book" in made.stdout, made.stderr
    book = PdfReader(root / "book" / "_build" / "book.pdf")
    titles = [entry.title for entry in book.outline]
    assert titles[:3] == ["A small book", "Things to look at", "The other page"] and len(titles) == len(listed)
    assert {"Results index", "Claims", "Status"} <= set(titles)
    text = "".join(sheet.extract_text() for sheet in book.pages)
    assert "Nothing but words." in text and "show()" not in text
    (small / "_computed" / "second.html").rename(small / "second.html")
    refused = run_in(root, "-m", "zsas_book.site.print")
    (small / "second.html").rename(small / "_computed" / "second.html")
    assert refused.returncode == 1 and "second.html is not rendered; run `make book` first." in refused.stderr


def test_without_a_browser_the_pdf_says_what_to_install(monkeypatch):
    monkeypatch.setattr(browsing.chromium, "NAMES", ("no-such-browser",))
    with pytest.raises(
        browsing.chromium.NoBrowserError,
        match="No Chromium here .looked for no-such-browser.; on Debian: apt-get install chromium",
    ):
        with browsing.chromium.chromium():
            pass


def test_a_page_that_is_none_of_this_is_found_out(browser, tmp_path):
    (tmp_path / "bad.html").write_text(
        "<article><img src='http://203.0.113.1/far.png'><p style='width: 2000px'>wide</p>"
        "<div style='overflow: auto'><p style='width: 2000px'>held</p></div>"
        "<script>console.warn('hm'); nowhere()</script></article>"
    )
    for seen in browsing.visits(browser, [(tmp_path, "bad.html")] * 2, PHONE):  # whatever was opened before
        assert seen.elsewhere == {"http://203.0.113.1/far.png"}
        assert seen.bytes == (tmp_path / "bad.html").stat().st_size
        assert seen.scrolls_sideways and [part[:9] for part in seen.beyond_the_edge] == ["<p style="]
        assert {"hm", "nowhere is not defined"} <= set(seen.complaints)
        assert any(said.startswith("Failed to load resource") for said in seen.complaints)


def test_the_dark_ground_is_the_one_that_the_figures_are_made_for(page):
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(0, 0, 0)"
