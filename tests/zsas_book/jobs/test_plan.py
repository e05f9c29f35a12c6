"""What `zsas plan` lists and refuses, and that its estimates count what notebooks do."""

import os
import re
import shlex
import shutil
from types import SimpleNamespace

import layouts
import pytest
from making import make
from mini_project import REPOSITORY

import zsas_book.jobs.plan
from zsas_book.jobs.estimates import MINUTES_LEAST, estimated, minutes
from zsas_book.jobs.plan import make_plan, report
from zsas_book.jobs.receipts import Receipt
from zsas_book.jobs.shards import Shard, compute_shard, page_shards
from zsas_book.project.chapters import load_pages
from zsas_lib.backbones.registry import shapes_only
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.data import official
from zsas_lib.data.load import load_dataset
from zsas_lib.models.winclip import WinCLIP

PAPER = load_pages(REPOSITORY, "paper")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """A store of its own, no data named by the user, and no network asked."""
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "results"))
    monkeypatch.delenv("ZSAS_DATA", raising=False)
    monkeypatch.setattr("zsas_lib.backbones.hub.why_no_downloads", lambda: "the hub cannot be reached")


@pytest.fixture
def weights(monkeypatch):
    monkeypatch.setattr("zsas_lib.backbones.registry.weights_at_hand", lambda name: REPOSITORY / "chapters.yaml")


@pytest.mark.slow
def test_the_paper_profile_is_listed_whole_and_refused_for_each_thing_that_is_missing(monkeypatch):
    looked_at = []

    def counting(*backbone):
        looked_at.append(backbone)
        return shapes_only(*backbone)

    monkeypatch.setattr("zsas_lib.backbones.registry.shapes_only", counting)
    plan = make_plan(REPOSITORY, "paper")
    assert len(looked_at) == len(set(looked_at)) > 1, "each backbone is looked at once"
    names = [job.name for job in plan.jobs]
    assert len(names) == len(set(names)) > 150
    assert "shard sweep_rotation_visa/pcb1" in names
    assert "page  audit" in names
    assert set(plan.datasets) == {"mvtec", "visa", "btad", "mpdd"}
    assert plan.missing_weights[:2] == ("vit-b-16-plus-240", "vit-l-14-336")
    assert {"RN50:openai", "ViT-L-14:datacomp_xl_s13b_b90k"} < {*plan.missing_weights}, "lists of towers count too"
    assert not any("No weights of RN50:openai" in problem for problem in plan.problems), "these may be left out"
    assert len(plan.problems) == 6
    assert all(
        any(word in problem for problem in plan.problems)
        for word in ("'mvtec' needs root", "'visa' needs root", "'btad' needs root", "No weights of vit-l-14-336")
    )
    lines = report(plan, "paper", REPOSITORY)
    assert sum("GPU hours  not computed yet" in line for line in lines) >= 150
    assert "Data set mvtec: about 4.9 GB to download, 5.1 GB on disk." in lines
    assert "Weights of vit-b-16-plus-240: about 0.8 GB, to download." in lines
    assert "Weights of RN50:openai: of unknown size, to download." in lines
    sides = ((REPOSITORY / "book" / "cluster.md").read_text(), "\n".join(lines))
    told, counted = (re.search(r"(\d+) shards,? (?:and )?(\d+) pages.*? (\d+) (?:GPU )?hours", own) for own in sides)
    assert told[1] == counted[1] and told[2] == counted[2], "the page on clusters counts as the plan does"
    assert int(told[3]) == pytest.approx(int(counted[3]), rel=0.1)
    tries = [line for line in lines if line.startswith("Try first")]
    assert tries[0].endswith("zsas shard uniform_sweep bottle --profile paper -p weights random")
    assert len(tries) == 3  # one for each data set that shards are of, and one for those of towers
    assert "zsas shard visual_factors towers_RN50_openai" in tries[2]


@pytest.mark.slow
def test_nothing_is_in_the_way_where_data_weights_and_disk_are_there(tmp_path, monkeypatch, weights):
    kinds = {"good": 2, "broken": 2}
    categories = {name: official.categories(name) for name in ("mvtec", "visa", "mpdd")}
    mvtec = layouts.write_mvtec(tmp_path / "data" / "mvtec", {name: kinds for name in categories["mvtec"]})
    layouts.write_visa(tmp_path / "data" / "visa", categories["visa"])
    layouts.write_mvtec(tmp_path / "data" / "mpdd", {name: kinds for name in categories["mpdd"]})
    layouts.write_btad(tmp_path / "data" / "btad")
    monkeypatch.setenv("ZSAS_DATA", str(tmp_path / "data"))
    assert make_plan(REPOSITORY, "paper").problems == ()
    assert set(load_dataset("mvtec").categories) == set(categories["mvtec"])
    (mvtec / "screw").rename(mvtec / "skrew")
    (problem, *others) = make_plan(REPOSITORY, "paper").problems
    assert problem.startswith(
        "Page uniform_sweep: Parameter 'categories' names 'screw', but data set 'mvtec' has bottle"
    )
    assert all("names 'screw', but data set 'mvtec' has" in other for other in others)
    (mvtec / "skrew").rename(mvtec / "screw")
    monkeypatch.setattr(zsas_book.jobs.plan.shutil, "disk_usage", lambda _: SimpleNamespace(free=2.5e9))
    (problem,) = make_plan(REPOSITORY, "paper").problems
    assert problem.startswith("2.5 GB are free for results in ")
    assert "ZSAS_RESULTS" in problem


@pytest.mark.slow
def test_places_that_cannot_be_written_are_said_before_anything_starts(tmp_path, monkeypatch):
    (tmp_path / "results").touch()
    (problem,) = make_plan(REPOSITORY, "smoke").problems
    assert problem == (
        f"Results cannot be kept in {tmp_path}/results ({tmp_path}/results is a file). "
        "Name a folder that can be written in $ZSAS_RESULTS."
    )
    monkeypatch.setenv("ZSAS_RESULTS", str(tmp_path / "others"))
    monkeypatch.setattr("zsas_book.jobs.plan.why_unwritable", lambda folder: "a disk that is read-only")
    (problem,) = make_plan(REPOSITORY, "smoke").problems
    assert problem.startswith(
        f"The book is made in {REPOSITORY}, where nothing can be written (a disk that is read-only)"
    )
    assert problem.endswith("with results in $ZSAS_RESULTS.")


@pytest.mark.slow
def test_unknown_profiles_executors_and_partitions_are_refused(tmp_path, monkeypatch):
    with pytest.raises(UnknownNameError, match="Unknown profile 'papr'.*Did you mean 'paper'"):
        make_plan(REPOSITORY, "papr")
    with pytest.raises(UnknownNameError, match="Unknown executor 'slrm'; known: local, slurm. Did you mean 'slurm'"):
        make_plan(REPOSITORY, "smoke", executor="slrm")
    (problem,) = make_plan(REPOSITORY, "smoke", partition="gpu").problems
    assert problem == "PARTITION=gpu is for EXECUTOR=slurm; this is local."
    monkeypatch.setenv("PATH", str(tmp_path))
    (problem,) = make_plan(REPOSITORY, "smoke", executor="slurm").problems
    assert "sbatch and sinfo, which are not here" in problem
    for name, text in (("sbatch", ""), ("sinfo", "echo 'cpu'; echo 'gpu_long'")):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    (problem,) = make_plan(REPOSITORY, "smoke", executor="slurm", partition="gpu_lang").problems
    assert problem == "Unknown Slurm partition 'gpu_lang'; known: cpu, gpu_long. Did you mean 'gpu_long'?"
    (problem,) = make_plan(REPOSITORY, "smoke", executor="slurm").problems
    assert "no default partition; name one: PARTITION=cpu or gpu_long" in problem
    assert make_plan(REPOSITORY, "smoke", executor="slurm", partition="cpu").problems == ()


def test_official_pictures_are_counted():
    shard = page_shards(PAPER["uniform_sweep"], REPOSITORY)["bottle"]
    assert (estimated(shard, REPOSITORY).pictures, estimated(shard, REPOSITORY).passes) == (83, 83 * 37)


def test_a_shard_that_waits_for_the_trainings_of_others_does_not_pay_for_them():
    shards = page_shards(PAPER["winclip_vs_anomalyclip"], REPOSITORY)
    assert estimated(shards["seeds_0"], REPOSITORY).passes > 50 * estimated(shards["bottle"], REPOSITORY).passes
    assert minutes(shards["seeds_0"], REPOSITORY) > minutes(shards["bottle"], REPOSITORY) == MINUTES_LEAST


def test_a_finished_shard_says_better_how_long_the_others_take(tmp_path):
    shards = page_shards(PAPER["worst_case"], REPOSITORY)
    guess = minutes(shards["screw"], REPOSITORY)
    receipt = tmp_path / "results" / shards["bottle"].receipt
    receipt.parent.mkdir(parents=True)
    Receipt(
        **{
            "page": "worst_case",
            "shard": "bottle",
            "profile": "paper",
            "script": "",
            "seconds": 36000.0,
            "computed": 1,
        },
        **{"given": {}, "library": {}, "data": {}, "results": []},
        record={"commit": "", "device": "", "versions": {}},
    ).write(receipt)
    receipt.with_name("capsule.json").write_text('{"seconds": 72000}')
    assert minutes(shards["screw"], REPOSITORY) == 1200 != guess


@pytest.mark.slow
@pytest.mark.parametrize(("page", "tolerance"), [("uniform_sweep", 0.5), ("worst_case", 0.5), ("best_case", 0.6)])
def test_estimated_passes_are_about_those_that_a_shard_takes(page, tolerance, tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    monkeypatch.setattr("zsas_book.jobs.shards.watch_files", lambda: None)
    seen = []
    forward = WinCLIP.forward

    def counting(self, images, *rest, **named):
        seen.append(len(images) * (2 if images.requires_grad else 1))
        return forward(self, images, *rest, **named)

    monkeypatch.setattr(WinCLIP, "forward", counting)
    page = load_pages(REPOSITORY, "smoke")[page]
    compute_shard(Shard(page, "whole", page.parameters), REPOSITORY)
    guess = estimated(page, REPOSITORY).passes
    assert abs(sum(seen) / guess - 1) <= tolerance, (sum(seen), guess)
    assert os.environ["ZSAS_RESULTS"] == str(tmp_path / "results")


def made(*variables: str) -> list[list[str]]:
    """The commands that `make book` would run with these variables, in words, the environment being there."""
    lines = make("--dry-run", "book", "PYTHON=python", *variables).replace("\\\n", "").splitlines()
    return [shlex.split(line) for line in lines]


def test_make_checks_before_it_computes_and_computes_nothing_dry(monkeypatch):
    monkeypatch.setenv("MAKEFLAGS", "n -- JOBS=3 FAST=1")  # of `make test JOBS=3 FAST=1`, which runs this
    monkeypatch.setenv("JOBS", "3")
    plan, data, snakemake, last = made()
    assert plan[1:] == "-m zsas_book.cli plan --profile embedded --executor local --partition".split() + ["", "--quiet"]
    assert data[1:] == ["-m", "zsas_lib.data.embedded"] and last[0] == "echo"
    assert " ".join(["--profile", "zsas_book/workflow/profiles/local", "--cores", "2"]) in " ".join(snakemake)
    assert snakemake[-2:] == ["--config", "profile=embedded"]
    dry = made("PROFILE=paper", "DATA=/data", "DRY=1")
    assert dry == [["python", *"-m zsas_book.cli plan --profile paper --executor local --partition".split(), ""]]
    plan, snakemake, _ = made("PROFILE=paper", "EXECUTOR=slurm", "PARTITION=gpu", "ACCOUNT=mine", "JOBS=40")
    assert plan[-6:] == ["--executor", "slurm", "--partition", "gpu", "--shards", "--quiet"]
    words = " ".join(snakemake)
    assert "--profile zsas_book/workflow/profiles/slurm --jobs 40" in words
    assert "--default-resources slurm_partition='gpu' slurm_account='mine' " in words
    assert words.endswith("--config profile=paper shards=1")
    assert made("SHARDS=1")[2][-3:] == ["--config", "profile=embedded", "shards=1"]


def test_make_works_in_any_folder_and_takes_any_text(tmp_path):
    book = tmp_path / "Ann's new $book"
    (book / "my env" / "bin").mkdir(parents=True)
    shutil.copy(REPOSITORY / "Makefile", book)
    for name in ("requirements.lock", "pyproject.toml", "my env/installed"):
        (book / name).touch()
    python = book / "my env" / "bin" / "python"
    python.write_text('#!/bin/sh\nprintf "[%s]" "$@"; echo " in $PWD with $ZSAS_DATA"\n')
    python.chmod(0o755)
    plan, data, snakemake, last = make(
        "book", "VENV=my env", "PARTITION=a 'b", "DATA=my $data's", folder=book
    ).splitlines()
    assert plan == (
        "[-m][zsas_book.cli][plan][--profile][embedded][--executor][local][--partition][a 'b][--quiet] "
        f"in {book} with {book}/my $data's"
    )
    assert data == f"[-m][zsas_lib.data.embedded] in {book} with {book}/my $data's"
    assert "[--default-resources][slurm_partition='a 'b'][--quiet]" in snakemake
    assert last == f"The book is rendered: open {book}/book/_build/html/index.html"
    (line,) = make("status", f"PYTHON={python}", "DATA=/else where", folder=book).splitlines()
    assert line == f"[-m][zsas_book.cli][status][--profile][embedded] in {book} with /else where"
