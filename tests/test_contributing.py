"""CONTRIBUTING.md is true: what its examples are is added, by its own steps, to a copy of the project, where a real
chapter runs with each of them."""

import re
import shutil
import textwrap
from pathlib import Path

import layouts
import nbformat
import pytest
import yaml
from mini_project import REPOSITORY, WARM, copy_sources, run_in

TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text()
PICTURES = {"mug": {"good": 2, "chip": 2}}
FEWEST = {"A model": 4, "A data set": 4, "A chapter": 3, "A perturbation": 3, "A metric": 3}
MODELS, DATASETS = Path("zsas_lib", "models", "__init__.py"), Path("zsas_lib", "data", "registry.py")
PERTURBATIONS, METRICS = Path("zsas_lib", "perturbations", "__init__.py"), Path("zsas_lib", "metrics", "__init__.py")
SMALL = ["-p", "pictures_per_category", "2", "-p", "resamples", "2"]


def section(title: str) -> str:
    return re.search(rf"(?ms)^## {title}\n(.*?)(?=^## |\Z)", TEXT)[1]


def block(title: str, language: str) -> str:
    """The first block of code of a section."""
    return textwrap.dedent(re.search(rf"(?ms)^   (`{{3,}}){language}\n(.*?)^   \1$", section(title))[2])


def steps(title: str) -> list[str]:
    """The numbered steps of a section, without its code."""
    prose = re.sub(r"(?ms)^   (`{3,})\w+\n.*?^   \1$", "", section(title))
    return re.findall(r"(?ms)^\d\. (.*?)(?=^\d\. |\Z)", prose)


def entry(title: str, beginning: str) -> str:
    """What a step says is to be entered, which begins so."""
    return re.search(rf"`({re.escape(beginning)}[^`]*)`", section(title))[1]


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1, (path, old)
    path.write_text(text.replace(old, new))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of the project to which all five examples were added."""
    root = tmp_path_factory.mktemp("contributed")
    for name in ("zsas_lib", "zsas_book", "notebooks"):
        copy_sources(REPOSITORY / name, root / name)
    for name in ("pyproject.toml", "chapters.yaml"):
        shutil.copy(REPOSITORY / name, root)
    (root / "zsas_lib/models/plain_patches.py").write_text(block("A model", "python"))
    end = '    )\n}\n"""By name'
    edit(root / MODELS, end, f"        {entry('A model', 'ModelRecord(')}\n{end}")
    (root / "zsas_lib/data/layouts/cups.py").write_text(block("A data set", "python"))
    edit(root / DATASETS, "from .layouts import btad, ", "from .layouts import btad, cups, ")
    end = "    )\n}\n\n\ndef list_datasets"
    edit(root / DATASETS, end, f"        {entry('A data set', 'DatasetRecord(')}\n{end}")
    with (root / "zsas_lib/data/tables/official_counts.csv").open("a") as file:
        file.write("".join(f"cups,mug,{part},2\n" for part in ("train,good", "test,good", "test,chip")))
    (root / "zsas_lib/perturbations/sharpness.py").write_text(block("A perturbation", "python"))
    text = (root / PERTURBATIONS).read_text()
    text = text.replace("\n\nPERTURBATIONS:", f"\n{entry('A perturbation', 'from .sharpness')}\n\nPERTURBATIONS:", 1)
    (root / PERTURBATIONS).write_text(text)
    edit(root / PERTURBATIONS, "in (ROTATION, HUE, SATURATION)", "in (ROTATION, HUE, SATURATION, SHARPNESS)")
    (root / "zsas_lib/metrics/top_precision.py").write_text(block("A metric", "python"))
    with (root / METRICS).open("a") as file:
        file.write(entry("A metric", "from .top_precision") + "\n")
    (root / "notebooks/how_many.md").write_text(block("A chapter", "markdown"))
    chapters = (root / "chapters.yaml").read_text().rstrip("\n")
    chapters = chapters.replace("\ncosts:\n", f"\ncosts:\n  {entry('A chapter', 'how_many: {winclip')}\n", 1)
    (root / "chapters.yaml").write_text(f"{chapters}\n  {entry('A chapter', 'how_many: {notebook')}\n")
    layouts.write_mvtec(root / "cups", PICTURES)
    return root


def run_chapter(project: Path, name: str, *options: str) -> str:
    """Run a chapter in the project; what it printed and shows, as text, with plain spaces for no-break ones."""
    output = project / "out" / f"{name}.ipynb"
    ran = run_in(project, "-m", "zsas_book.cli", "run", name, "--output", str(output), *options)
    assert ran.returncode == 0, ran.stderr[-3000:]
    return str(nbformat.read(output, as_version=4).cells).replace(r"\xa0", " ")


@pytest.mark.parametrize(("title", "fewest"), FEWEST.items())
def test_what_is_added_takes_at_most_so_many_files(title, fewest):
    numbers = re.findall(r"(?m)^(\d)\. ", section(title))
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    files = [
        name
        for step in steps(title)
        if not step.startswith("Try")
        for name in re.findall(r"`([\w./]+\.(?:py|md|csv|ya?ml))`", step)
    ]
    written = {name for name in files if "/" in name or name == "chapters.yaml"} - {"tests/layouts.py"}
    assert 3 <= len(written) <= fewest, written


def test_every_file_that_is_named_exists():
    named = set(re.findall(r"`((?:zsas_lib|zsas_book|book|tests|notebooks)/[\w./]+\.(?:py|md|csv|yml))`", TEXT))
    named = {name for name in named if "NAME" not in name}
    assert len(named) > 8 and {name for name in named if not (REPOSITORY / name).is_file()} == set()


@pytest.mark.kernel
def test_all_are_known_by_their_records(project):
    script = """
        import zsas_lib as zsas
        from zsas_book import figures, label
        from zsas_book.project.kinds import known_names
        from zsas_lib.data import official
        from zsas_lib.evaluation.complexity import operations
        from zsas_lib.perturbations import RANGES
        assert zsas.__file__.startswith("%s")
        assert "plain-patches" in known_names("model") and label("plain-patches") == "plain patches"
        assert figures.COLOURS["plain-patches"] in figures.SERIES
        assert "cups" in known_names("data set with an auxiliary one") and official.pictures("cups", "test") == 4
        assert "sharpness" in known_names("perturbation") and tuple(RANGES["sharpness"])[:2] == (-1, 1)
        assert figures.axis_label("pixel_top_precision") == "precision of the top 1 %% (%%)"
        model = zsas.load_model("plain-patches", zsas.load_backbone("embedded"), temperature=0.1)
        images = zsas.load_dataset("cups", "cups", image_size=144)
        seen = images[0].image[None].requires_grad_()
        model(seen, "mug").anomaly_map.sum().backward()
        assert seen.grad.abs().sum() > 0 and operations(model) > 10**8
        sharper = zsas.perturb(seen, sharpness=0.5)
        assert (sharper - seen).abs().max() > 0.001
        table = zsas.evaluate(model, images)
        assert list(table.index) == ["mug", "mean"] and 0 <= table.loc["mean", "pixel_top_precision"] <= 1
    """
    (project / "seen.py").write_text(textwrap.dedent(script) % project)
    ran = run_in(project, "-m", WARM, "seen")
    assert ran.returncode == 0, ran.stderr


@pytest.mark.kernel
def test_a_chapter_sweeps_the_perturbation_with_the_model_on_the_data_set(project):
    options = ["-p", "model", "plain-patches", "-p", "perturbation", "sharpness", "-p", "values", "0,0.5"]
    options += ["-p", "dataset", "cups", "-p", "data_root", str(project / "cups"), "-p", "categories", "mug"]
    shown = run_chapter(project, "sweep_hue_mvtec", "--profile", "smoke", *options, *SMALL)
    assert "model plain-patches, " in shown
    assert "data set cups, pictures 2, " in shown
    assert "2 shifts of sharpness from 0 to" in shown


@pytest.mark.kernel
def test_a_chapter_shows_the_perturbation(project):
    shown = run_chapter(
        project, "perturbed_samples", "--profile", "smoke", "-p", "sliders", "sharpness", "-p", "frames", "2"
    )
    assert "sharpness shift" in shown


@pytest.mark.kernel
def test_a_chapter_shows_the_metric(project):
    categories = ["-p", "categories", "ceramic_ring"]
    shown = run_chapter(project, "embedded_benchmark", "--profile", "smoke", *categories, *SMALL)
    assert "precision of the top 1 %" in shown


@pytest.mark.kernel
def test_the_chapter_runs(project):
    paired = run_in(project, "-m", "jupytext", "--to", "ipynb", "--update", "notebooks/how_many.md")
    assert paired.returncode == 0, paired.stderr
    shown = run_chapter(project, "how_many", "--profile", "smoke")
    assert re.search(r"'text': '\d+\\n'", shown)
    costs = yaml.safe_load((project / "chapters.yaml").read_text())["costs"]["how_many"]
    assert costs == {"winclip": 0}
