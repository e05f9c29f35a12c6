"""What `make book` would do, before it does it: the jobs and what they cost, and what stands in their way."""

import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from zsas_lib.backbones.aliases import ALIASES
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.base.writable import UnwritableError, why_unwritable
from zsas_lib.data.registry import dataset_record
from zsas_lib.store.folder import require_writable_store, results_folder

from ..machine.gpus import machine_gpus
from ..pages.certificate import stale_reason
from ..parts import MissingPartError, require
from ..project.backbones import WEIGHTS, registered_in, unknown_backbones
from ..project.chapters import COMPUTED, Page, load_pages, load_profile
from ..project.kinds import BACKBONE
from ..project.notebooks import read_notebook
from ..project.parameters import items_of, read_parameters, resolve
from ..project.together import categories_of, datasets_of, learns, misfits, missing
from .estimates import Estimate, estimated
from .shards import Shard, page_shards, stale_shards

EXECUTORS = "zsas_book/workflow/profiles"
COMMON = "default"
COUNTED = "counted_backbone"
"""The parameter that names a backbone for its shapes alone."""
MADE_IN = (".snakemake", COMPUTED, "book/_build")
RESULT_GB_PER_PASS = 4e-8
"""What a pass leaves in the store, histories of searches included: measured on the embedded profile, rounded up."""
TRAINED_GB, PAGE_GB, SPARE_GB = 0.3, 0.005, 1.0
"""For what a job trains (up to nine models of some 30 MB), for a page, and to be left free."""


@dataclass(frozen=True)
class Job:
    """A page or shard that would be computed: what it is called, why, and what it costs."""

    work: Page | Shard
    reason: str
    estimate: Estimate

    @property
    def name(self) -> str:
        return (
            f"shard {self.work.page.name}/{self.work.name}"
            if isinstance(self.work, Shard)
            else f"page  {self.work.name}"
        )


@dataclass(frozen=True)
class Plan:
    """The jobs in the order of pages, the data sets and weights they need, and the problems that forbid to start."""

    jobs: tuple[Job, ...]
    datasets: tuple[str, ...]
    backbones: tuple[str, ...]
    missing_weights: tuple[str, ...]
    disk_gb: float
    problems: tuple[str, ...] = field(default=())


def make_plan(
    root: Path, profile: str, *, executor: str = "local", partition: str | None = None, sharded: bool | None = None
) -> Plan:
    """What is to be done for the book under a profile. Nothing is computed, made or downloaded.

    Raises UnknownNameError for an unknown profile or executor, and as `shards.page_shards`. What else is missing (data
    sets, weights, packages, disk, Slurm or its partition), and parameters that do not fit each other, are in
    ``problems``, a sentence each.
    """
    chosen = load_profile(root, profile)
    require_executor(root, executor)
    pages = load_pages(root, profile)
    stale = {name: reason for name, page in pages.items() if (reason := stale_reason(page, root))}
    jobs: list[Job] = []
    for name, reason in stale.items():
        shards = page_shards(pages[name], root) if (chosen.shards if sharded is None else sharded) else {}
        waiting = stale_shards(shards.values(), root)
        jobs += [Job(shards[shard], why, estimated(shards[shard], root)) for (_, shard), why in waiting.items()]
        jobs.append(Job(pages[name], reason, estimated(pages[name], root, sharded=bool(shards))))
    values = [_values(job.work, root) for job in jobs]
    datasets, backbones = _datasets(values), _backbones((job.work for job in jobs), root)
    needed = [name for name, alone in backbones.items() if alone]
    trains = sum(
        learns(own)
        for job, own in zip(jobs, values)
        if job.estimate.gpu and not (isinstance(job.work, Shard) and job.work.after)
    )
    passes = sum(job.estimate.passes or 0 for job in jobs)
    disk = RESULT_GB_PER_PASS * passes + PAGE_GB * len(stale) + TRAINED_GB * trains
    missing = tuple(name for name in backbones if _has_no_weights(name))
    problems = [
        *_part_problems(),
        *_slurm_problems(executor, partition),
        *_together_problems([pages[name] for name in stale], root),
        *_weights_problems([name for name in missing if name in needed]),
        *(_place_problems(root) or _disk_problems(disk)),
    ]
    return Plan(tuple(jobs), datasets, tuple(backbones), missing, disk, tuple(problems))


def report(plan: Plan, profile: str, root: Path) -> list[str]:
    """The plan in lines of text: every job, then the sums, what is downloaded, and how to try the first shards."""
    width = max([len(job.name) for job in plan.jobs], default=0)
    lines: list[str] = []
    for job in plan.jobs:
        cost, unit = job.estimate, "GPU" if job.estimate.gpu else "core"
        passes, hours = ("unknown",) * 2 if cost.passes is None else (f"{cost.passes:,}", f"{cost.hours:.2f}")
        lines.append(
            f"{job.name:{width}}  {cost.pictures:>6,} pictures  {passes:>12} passes  "
            f"{hours:>8} {unit} hours  {job.reason}"
        )
    if not plan.jobs:
        return ["Nothing is to be computed."]
    gpu = sum(job.estimate.hours or 0 for job in plan.jobs if job.estimate.gpu)
    core = sum(job.estimate.hours or 0 for job in plan.jobs if not job.estimate.gpu)
    unknown = sum(job.estimate.hours is None for job in plan.jobs)
    shards = sum(isinstance(job.work, Shard) for job in plan.jobs)
    hours = [f"about {gpu:,.0f} GPU hours (H100, float32, to a factor of three)"] * (gpu > 0) + [
        f"{core:,.1f} core hours"
    ] * (core > 0)
    hours += [f"unknown hours of {unknown} jobs, whose chapters have no costs in chapters.yaml"] * (unknown > 0)
    lines.append(
        f"{len(plan.jobs)} jobs: {shards} shards, {len(plan.jobs) - shards} pages; {' and '.join(hours)}, "
        "less what pages share."
    )
    if gpu and not machine_gpus():
        lines.append("This machine has no GPU.")
    for name in plan.datasets:
        if (record := dataset_record(name)).download_gb:
            lines.append(f"Data set {name}: about {record.download_gb} GB to download, {record.disk_gb} GB on disk.")
    for name in plan.backbones:
        if _needs_download(name):
            alias = ALIASES.get(name)
            size = f"about {alias.weights_gb} GB" if alias and alias.weights_gb else "of unknown size"
            lines.append(
                f"Weights of {name}: {size}, {'to download' if name in plan.missing_weights else 'here already'}."
            )
    lines.append(f"Results: about {plan.disk_gb:.1f} GB in {results_folder()}.")
    tried: set[str] = set()
    for job in plan.jobs:
        values = _values(job.work, root)
        dataset = str(values.get("dataset"))
        if isinstance(job.work, Shard) and job.estimate.gpu and dataset not in tried and "weights" in values:
            tried.add(dataset)
            lines.append(
                f"Try first, without weights: zsas shard {job.work.page.name} {job.work.name} --profile {profile} "
                "-p weights random"
            )
    return lines


def require_executor(root: Path, name: str) -> None:
    """Raises UnknownNameError where there is no such executor: a folder of ``zsas_book/workflow/profiles``."""
    known = sorted(path.name for path in (root / EXECUTORS).iterdir() if path.is_dir() and path.name != COMMON)
    if name not in known:
        raise UnknownNameError("executor", name, known)


def _page_and_given(work: Page | Shard) -> tuple[Page, Mapping[str, object]]:
    return (work, work.parameters) if isinstance(work, Page) else (work.page, work.given)


def _values(work: Page | Shard, root: Path) -> dict[str, object]:
    page, given = _page_and_given(work)
    return resolve(read_parameters(read_notebook(root / page.notebook)), given)


def _datasets(values: Iterable[dict]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for own in values for name, _ in datasets_of(own)))


def _needs_download(backbone: str) -> bool:
    return backbone not in ALIASES or ALIASES[backbone].needs_download


def _backbones(works: Iterable[Page | Shard], root: Path) -> dict[str, bool]:
    """The backbones whose own weights are read, but for those that a notebook registers, which come with it; and
    whether a page can not do without: of a list of towers it leaves out, and names, those that cannot be had."""
    named: dict[str, bool] = {}
    registered = cache(lambda place: registered_in(read_notebook(root / place), root) or set())
    for work in works:
        page, given = _page_and_given(work)
        declared = read_parameters(read_notebook(root / page.notebook))
        values, own = resolve(declared, given), registered(page.notebook)
        if values.get(WEIGHTS) is None:
            for parameter in declared:
                if parameter.kind != BACKBONE or parameter.name == COUNTED:
                    continue
                for name in items_of(values[parameter.name]):
                    if name not in own:
                        named[str(name)] = named.get(str(name), False) or not parameter.is_list
    return named


def _has_no_weights(name: str) -> bool:
    if not _needs_download(name):
        return False
    from zsas_lib.backbones.registry import weights_at_hand

    try:
        return weights_at_hand(name) is None
    except UnknownNameError:  # told with its page, see `_together_problems`; or registered where reading does not tell
        return False


def _part_problems() -> list[str]:
    try:
        require("snakemake", "jupyter_book")
    except MissingPartError as error:
        return [str(error)]
    return []


def _together_problems(pages: Iterable[Page], root: Path) -> list[str]:
    known, looked_at, problems = cache(categories_of), {}, []
    for page in pages:
        notebook = read_notebook(root / page.notebook)
        declared = read_parameters(notebook)
        values = resolve(declared, page.parameters)
        problems += missing(declared, values, root, known)
        misfit = [*unknown_backbones(declared, values, root, registered_in(notebook, root))]
        misfit += misfits(declared, values, root, known, looked_at)
        problems += [f"Page {page.name}: {problem}" for problem in misfit]
    return list(dict.fromkeys(problems))


def _weights_problems(missing: Sequence[str]) -> list[str]:
    problems = []
    for name in missing:
        from zsas_lib.backbones.hub import why_no_downloads

        if reason := why_no_downloads():
            problems.append(
                f"No weights of {name} on this machine, and none can be downloaded ({reason}). Fetch them where there "
                f"is a network, with load_backbone({name!r}), and copy its Hugging Face cache here (HF_HOME)."
            )
    return problems


def _place_problems(root: Path) -> list[str]:
    """What cannot be written: the folder of results, or the checkout, in which the book is made."""
    problems = []
    try:
        require_writable_store()
    except UnwritableError as error:
        problems.append(str(error))
    for folder in MADE_IN:
        if reason := why_unwritable(root / folder):
            problems.append(
                f"The book is made in {root}, where nothing can be written ({reason}): work in a copy of the checkout "
                "that is yours, with results in $ZSAS_RESULTS."
            )
            break
    return problems


def _disk_problems(needed: float) -> list[str]:
    folder = results_folder().absolute()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / 1e9
    if free >= needed + SPARE_GB:
        return []
    return [
        f"{free:.1f} GB are free for results in {folder}; {needed + SPARE_GB:.1f} GB are needed. "
        "Name a folder with more in $ZSAS_RESULTS."
    ]


def _slurm_problems(executor: str, partition: str | None) -> list[str]:
    if executor != "slurm":
        return [f"PARTITION={partition} is for EXECUTOR=slurm; this is {executor}."] if partition else []
    if not (shutil.which("sbatch") and shutil.which("sinfo")):
        return [
            "EXECUTOR=slurm needs Slurm's sbatch and sinfo, which are not here. "
            "Run this on a login node of the cluster."
        ]
    listed = subprocess.run(
        ["sinfo", "--noheader", "--format=%P"], capture_output=True, text=True, timeout=60, check=False
    )
    if listed.returncode != 0:
        return [f"Slurm does not answer: {' '.join(listed.stderr.split())}"]
    known = listed.stdout.split()
    if partition and partition not in {name.rstrip("*") for name in known}:
        return [str(UnknownNameError("Slurm partition", partition, [name.rstrip("*") for name in known]))]
    if not partition and not any(name.endswith("*") for name in known):
        return [f"This cluster has no default partition; name one: PARTITION={' or '.join(known)}."]
    return []
