"""Shards: what they are called, what they run, that a page finds everything they stored, and when they are stale."""

import ast
import builtins
import json
import re
from dataclasses import replace
from pathlib import Path

import mini_project
import pandas as pd
import pytest
from mini_project import REPOSITORY, run_in, snakemake
from tiny_clip import TINY

import zsas_lib as zsas
from zsas_book.jobs.shards import Shard, ShardError, compute_shard, page_shards, shard_script, stale_shards
from zsas_book.project.chapters import ChaptersError, Page, load_pages
from zsas_lib.backbones import registry
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.store.results import read_result

PAPER = load_pages(REPOSITORY, "paper")
SQUARES = "results/shards/embedded/squares"


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    return mini_project.make(tmp_path_factory.mktemp("books") / "Ann's new book", sharded=True)


@pytest.fixture(scope="module")
def built(project):
    return snakemake(project, "--config", "shards=1", "--", "pages")


def computed(project: Path) -> list[str]:
    return (project / "results" / "computed.log").read_text().split()


def functions_in(script: str) -> set[str]:
    """The names of a script's own functions and of their arguments."""
    nodes = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    arguments = {argument.arg for node in nodes for argument in node.args.args}
    return arguments | {node.name for node in nodes if isinstance(node, ast.FunctionDef)}


def test_a_benchmark_page_has_a_shard_for_each_official_category_after_one_for_each_seed():
    shards = page_shards(PAPER["winclip_vs_anomalyclip"], REPOSITORY)
    seeds = ["seeds_0", "seeds_1", "seeds_2"]
    assert list(shards)[:3] == seeds
    assert len(shards) == 3 + 15
    assert shards["seeds_1"].given["seeds"] == [1]
    assert shards["seeds_1"].given["categories"] == shards["bottle"].given["categories"] == ["bottle"]
    assert shards["bottle"].given["seeds"] == [0, 1, 2]
    assert (shards["seeds_1"].after, shards["bottle"].after) == ((), tuple(seeds))
    assert list(page_shards(PAPER["uniform_sweep"], REPOSITORY)) == [
        "bottle",
        "capsule",
        "hazelnut",
        "metal_nut",
        "pill",
        "screw",
    ]
    assert page_shards(PAPER["audit"], REPOSITORY) == {}


def test_names_of_shards_are_names_of_files_and_differ():
    names = ["metal_nut", "01", "metal nut", "metal/nut", "Ann's", "../x", "$(rm)", "a|b", "ä", "x" * 300, "all"]
    page = replace(load_pages(REPOSITORY, "smoke")["uniform_sweep"], parameters={"categories": names})
    shards = page_shards(page, REPOSITORY)
    assert [shard.given["categories"] for shard in shards.values()] == [[name] for name in names]
    assert list(shards)[:2] == ["metal_nut", "01"] and "ä" in shards
    assert all(re.fullmatch(r"[\w.+-]{1,99}", name) for name in shards)
    assert len({shard.receipt.parent for shard in shards.values()}) == 1


def test_categories_that_only_the_data_know_are_one_shard():
    page = load_pages(REPOSITORY, "embedded")["winclip_vs_anomalyclip"]
    assert list(page_shards(page, REPOSITORY)) == ["seeds_0", "seeds_1", "seeds_2", "all"]


@pytest.mark.parametrize("name", [name for name, page in PAPER.items() if page.shards])
def test_every_page_that_lists_shards_has_scripts_of_its_notebooks_own_cells(name):
    shards = page_shards(PAPER[name], REPOSITORY)
    assert len({shard_script(shard, REPOSITORY) for shard in shards.values()}) == len(shards)
    script = shard_script(
        shards[next((one for one in ("bottle", "pcb1") if one in shards), next(iter(shards)))], REPOSITORY
    )
    names = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Name)]
    made = {name.id for name in names if isinstance(name.ctx, ast.Store)}
    made |= {
        (alias.asname or alias.name)
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert "record_of_shard" in made
    assert {name.id for name in names if isinstance(name.ctx, ast.Load)} - made - set(dir(builtins)) - functions_in(
        script
    ) == set()
    assert any(f"{call}(" in script for call in ("stored", "study", "runs_of", "read_towers", "asked_of", "kept_under"))
    notebook = (REPOSITORY / PAPER[name].notebook).with_suffix(".md").read_text()
    assert all(cell.partition("\n")[2].strip() in notebook for cell in script.split("\n# %% ")[1:-1])


@pytest.mark.workflow
def test_a_page_computes_nothing_after_its_shards_and_shows_the_same_numbers(project, built, tmp_path):
    assert built.returncode == 0, built.stderr
    assert sorted(computed(project)) == [
        *(f"squares/{number}_{seed}" for number in (1, 2, 3) for seed in (0, 1)),
        "trained/0",
        "trained/1",
    ]
    text = (project / "book/_computed/squares.ipynb").read_text()
    assert "squares: {1: 12, 2: 18, 3: 28}" in text
    other = mini_project.make(tmp_path / "book", sharded=True)
    outcome = run_in(other, "-m", "zsas_book.cli", "run", "squares")
    assert outcome.returncode == 0, outcome.stderr
    assert "squares: {1: 12, 2: 18, 3: 28}" in (other / "book/_computed/squares.ipynb").read_text()
    assert sorted(computed(other)) == sorted(computed(project))
    assert not (other / SQUARES).exists()


@pytest.mark.workflow
def test_a_receipt_says_what_a_shard_was_made_from_and_a_log_and_a_script_lie_beside_it(project, built):
    receipt = json.loads((project / SQUARES / "numbers_3.json").read_text())
    assert receipt["results"] == ["squares/3_0.txt", "squares/3_1.txt", "trained/0.txt", "trained/1.txt"]
    assert receipt["given"] == {"numbers": [3], "seeds": [0, 1]}
    assert receipt["computed"] == 2
    assert "zsas_lib/kept_numbers.py" in receipt["library"]
    assert "zsas_book/jobs/shards.py" not in receipt["library"]
    assert (
        project / SQUARES / "numbers_3.log"
    ).read_text() == "squares/numbers_3 is in the store: 4 results, 2 of them computed now.\n"
    assert "not in a shard" not in (project / SQUARES / "numbers_3.py").read_text()


@pytest.mark.workflow
def test_fresh_shards_are_not_run_again_even_if_their_page_is_stale(project, built):
    notebook = project / "notebooks" / "squares.ipynb"
    text = notebook.read_text()
    notebook.write_text(text.replace("A page in pieces.", "A page in small pieces."))
    outcome = snakemake(project, "--config", "shards=1", "--", "pages")
    notebook.write_text(text)
    assert outcome.returncode == 0, outcome.stderr
    assert "Computing squares: notebooks/squares.ipynb changed" in outcome.stderr
    assert "Computing shard" not in outcome.stderr


REASONS = """
import json, sys
from pathlib import Path
from zsas_book.project.chapters import load_pages
from zsas_book.jobs.shards import page_shards, stale_shards

found = []
for name, old, new in json.loads(sys.argv[1]):
    path = Path(name)
    before = path.read_text()
    path.write_text(before.replace(old, new) if new else "")
    assert path.read_text() != before
    if not new:
        path.unlink()
    page = load_pages(Path.cwd(), "embedded")["squares"]
    stale = stale_shards(page_shards(page, Path.cwd()).values(), Path.cwd())
    found.append({shard: why for (_, shard), why in stale.items()})
    path.write_text(before)
print(json.dumps(found))
"""


@pytest.mark.workflow
def test_what_changes_makes_stale_the_shards_that_depend_on_it_and_no_more(project, built):
    everyone = ["seeds_0", "seeds_1", "numbers_1", "numbers_2", "numbers_3"]
    edits = [
        ("notebooks/squares.ipynb", "A page in pieces.", "A page in a few pieces."),
        ("notebooks/squares.ipynb", "number**2", "number**3"),
        ("zsas_lib/kept_numbers.py", "import os", "import os  # changed"),
        ("zsas_lib/alpha.py", "return 1", "return 2"),
        ("chapters.yaml", "numbers: [1, 2, 3]", "numbers: [1, 2, 5]"),
        ("chapters.yaml", "seeds: [0, 1]", "seeds: [0, 2]"),
        ("results/squares/2_1.txt", "", None),
    ]
    outcome = run_in(project, "-c", REASONS, json.dumps(edits))
    assert outcome.returncode == 0, outcome.stderr
    prose, cell, library, other, number, seed, result = json.loads(outcome.stdout)
    assert prose == other == {}
    assert cell == dict.fromkeys(everyone, "its cells in notebooks/squares.ipynb changed")
    assert library == dict.fromkeys(everyone, "zsas_lib/kept_numbers.py changed")
    assert number == {"numbers_5": "not computed yet"}
    assert seed == {"seeds_2": "not computed yet"} | dict.fromkeys(everyone[2:], "its parameters changed")
    assert result == {"numbers_2": "its result squares/2_1.txt is gone"}


@pytest.mark.workflow
def test_a_failing_shard_is_shown_in_one_line_with_its_log_and_its_page_is_not_made(project, built):
    library = project / "zsas_lib" / "kept_numbers.py"
    text = library.read_text()
    library.write_text(text.replace("    path = results", "    assert name != '2_1', 'no two'\n    path = results"))
    outcome = snakemake(project, "--config", "shards=1", "--", "pages")
    library.write_text(text)
    assert outcome.returncode != 0
    line = f"shard squares/numbers_2 failed: AssertionError: no two Log: {SQUARES}/numbers_2.log"
    assert line in outcome.stderr.splitlines()
    assert "Computing squares" not in outcome.stderr
    assert "Rendering" not in outcome.stderr, "only pages were asked for"
    assert (project / SQUARES / "numbers_1.json").is_file()
    assert not (project / SQUARES / "numbers_2.json").exists()


@pytest.mark.workflow
def test_what_cannot_be_a_shard_is_refused(project):
    page = load_pages(project, "embedded")["squares"]
    unknown = Page(page.name, page.notebook, "embedded", page.parameters, shards=("seed",))
    with pytest.raises(UnknownNameError, match="Unknown parameter to cut into shards 'seed'.*Did you mean 'seeds'"):
        page_shards(unknown, project)
    with pytest.raises(ChaptersError, match="'rows' of notebooks/first.ipynb is none|tagged 'shard'"):
        page_shards(Page("first", Path("notebooks/first.ipynb"), "embedded", {}, shards=("rows",)), project)
    outcome = run_in(project, "-m", "zsas_book.cli", "shard", "squares", "numbers_7")
    assert outcome.returncode == 2
    assert "zsas: Unknown shard of squares 'numbers_7'; known: numbers_1, numbers_2" in outcome.stderr


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A store of this test's own for shards that run in this process."""
    monkeypatch.setattr("zsas_book.jobs.shards.watch_files", lambda: None)
    monkeypatch.chdir(REPOSITORY)

    def use(name):
        monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / name))
        return tmp_path / name

    return use


@pytest.mark.slow
def test_shards_store_what_the_page_would_to_the_last_digit(store, monkeypatch):
    """On the smallest tower, whose windows and looks are those of any."""
    monkeypatch.setattr(registry, "_REGISTERED", {})
    zsas.register_backbone("tiny", architecture=TINY)
    page = load_pages(REPOSITORY, "smoke")["worst_case"]
    tower = {"backbone": "tiny", "weights": "random", "image_size": 32}
    both = {**page.parameters, **tower, "categories": ["ceramic_ring", "woven_sheet"]}
    page = Page(page.name, page.notebook, "smoke", both, shards=("categories",))
    whole = store("whole")
    compute_shard(Shard(page, "whole", both), REPOSITORY)
    pieces = store("pieces")
    counts = [compute_shard(shard, REPOSITORY) for shard in page_shards(page, REPOSITORY).values()]
    made = {path.relative_to(whole) for path in whole.rglob("*.parquet")}
    assert made == {path.relative_to(pieces) for path in pieces.rglob("*.parquet")}
    for path in made:
        pd.testing.assert_frame_equal(read_result(whole / path), read_result(pieces / path), check_exact=True)
    assert all(count["computed"] == count["requested"] > 0 for count in counts)
    assert stale_shards(page_shards(page, REPOSITORY).values(), REPOSITORY) == {}
    assert compute_shard(Shard(page, "whole", both), REPOSITORY)["computed"] == 0


@pytest.mark.slow
def test_models_trained_by_the_shards_of_the_seeds_serve_all_categories(store):
    page = load_pages(REPOSITORY, "smoke")["winclip_vs_anomalyclip"]
    folder = store("pieces")
    shards = page_shards(page, REPOSITORY)
    assert list(shards) == ["seeds_0", "ceramic_ring", "woven_sheet"]
    computed = [compute_shard(shards["seeds_0"], REPOSITORY)["computed"]]
    (trained,) = (folder / "trained").glob("*.safetensors")
    when = trained.stat().st_mtime_ns
    computed += [compute_shard(shards[name], REPOSITORY)["computed"] for name in ("ceramic_ring", "woven_sheet")]
    of_category = 2 + len(zsas.list_trivial_maps())  # both models, and the maps without one
    assert computed == [of_category, 0, of_category]
    everything = compute_shard(Shard(page, "whole", page.parameters), REPOSITORY)
    assert everything == {"requested": 2 * of_category, "computed": 0}
    assert [path.stat().st_mtime_ns for path in (folder / "trained").iterdir()] == [when]


@pytest.mark.slow
def test_a_result_that_could_not_be_stored_fails_its_shard(store):
    page = load_pages(REPOSITORY, "smoke")["uniform_sweep"]
    folder = store("full")
    shard = Shard(page, "ceramic_ring", page.parameters)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "zsas_lib.store.results._write", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
        )
        with (
            pytest.warns(UserWarning, match="could not be written"),
            pytest.raises(ShardError, match="not in the store.*disk full"),
        ):
            compute_shard(shard, REPOSITORY)
    assert not (folder / shard.receipt).exists()
    assert compute_shard(shard, REPOSITORY)["computed"] == 1


@pytest.mark.slow
def test_the_shards_that_the_books_prose_runs_are_there():
    found = re.findall(r"zsas shard (\w+) (\w+) --profile (\w+)", (REPOSITORY / "book" / "cluster.md").read_text())
    assert found
    for page, shard, profile in found:
        assert shard in page_shards(load_pages(REPOSITORY, profile)[page], REPOSITORY)
