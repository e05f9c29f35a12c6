"""Shards: the costly cells of a page's notebook as scripts, one for each category or seed, which fill the store.

A page that lists ``shards`` in ``chapters.yaml`` can be computed in pieces. A shard is its notebook's parameters cell
with single values in the list parameters of that name, the code cells tagged ``shard``, and the ``record(...)`` at the
end. So a notebook says once what is computed, and later finds in the store what its shards put there. With
``shards: [seeds, categories]`` there is first a shard for each seed, on the first category, which trains what all
categories need, and after them one for each category with all seeds.

A finished shard leaves a receipt, ``shards/PROFILE/PAGE/SHARD.json`` in the store, which says by digests what it was
made from and which results it requested; beside it stand its script and, where the workflow ran it, its log.
"""

import ast
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, time

from nbformat import NotebookNode

from zsas_lib.base.digests import canonical
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.base.files import write_atomically
from zsas_lib.base.ledger import requested, watch_files
from zsas_lib.base.surroundings import library_files
from zsas_lib.base.work import work_folder
from zsas_lib.data import official
from zsas_lib.store.folder import require_writable_store, results_folder

from ..pages.certificate import NOT_COMPUTED, CertificateError, sources_of, text_digest, unreadable
from ..project.backbones import registered_in
from ..project.chapters import ChaptersError, Page
from ..project.notebooks import read_notebook
from ..project.parameters import TAG, read_parameters, resolve
from ..project.together import require_together
from ..project.written import parameters_source
from .receipts import Now, Receipt

FOLDER = "shards"
SHARD_TAG = "shard"
WHOLE = "all"
CATEGORIES = "categories"
RECORD = "record_of_shard"
LONGEST = 60
WORD, NO_FILE = re.compile(rf"(?!all$)\w{{1,{LONGEST}}}"), re.compile(r"[^\w.+-]+")


class ShardError(RuntimeError):
    """A shard that ran, but whose results are not all in the store. The message names them."""


@dataclass(frozen=True)
class Shard:
    """One piece of a page's work: `given` are its parameters that differ from the notebook's defaults, `after` the
    names of the page's shards that must be finished before."""

    page: Page
    name: str
    given: Mapping[str, object] = field(default_factory=dict)
    after: tuple[str, ...] = ()

    @property
    def receipt(self) -> Path:
        """Where its receipt lies, from the store's folder."""
        return Path(FOLDER, self.page.profile or "none", self.page.name, f"{self.name}.json")


def page_shards(page: Page, root: Path) -> dict[str, Shard]:
    """The shards of a page by name, those of an earlier stage first; none for a page that lists none.

    A shard is called by its value where that is a word, such as a category, else by parameter and value (``seeds_0``,
    ``categories_metal_nut_8c2a0f31``).
    Where the categories are not written out, they are those of the official data set; of one without official ones
    there is a single shard, "all". Raises ChaptersError for a notebook without a cell tagged ``shard`` or a parameter
    that is no list, and as `parameters.resolve`.
    """
    if not page.shards:
        return {}
    notebook = read_notebook(root / page.notebook)
    if not _tagged(notebook):
        raise ChaptersError(
            f"Page {page.name} lists shards, but no code cell of {page.notebook} is tagged {SHARD_TAG!r}."
        )
    declared = read_parameters(notebook)
    values = resolve(declared, page.parameters)
    for name in page.shards:
        if name not in values:
            raise UnknownNameError("parameter to cut into shards", name, values)
        if not next(parameter for parameter in declared if parameter.name == name).is_list:
            raise ChaptersError(
                f"Page {page.name}: shards are cut along lists, but {name!r} of {page.notebook} is none."
            )
    stages = [(name, _single_values(name, values)) for name in page.shards]
    found: dict[str, Shard] = {}
    before: tuple[str, ...] = ()
    for place, (parameter, singles) in enumerate(stages):
        rest = {name: list(later[:1]) for name, later in stages[place + 1 :] if later}
        cut = [
            Shard(page, _name(parameter, value), {**page.parameters, **rest, parameter: [value]}, before)
            for value in singles
        ]
        cut = cut or [
            Shard(page, WHOLE if place + 1 == len(stages) else parameter, {**page.parameters, **rest}, before)
        ]
        found |= {shard.name: shard for shard in cut}
        before = tuple(shard.name for shard in cut)
    return found


def shard_script(shard: Shard, root: Path, overrides: Mapping[str, object] | None = None) -> str:
    """The shard as a Python script; what its last cell records is ``record_of_shard`` at the end.

    Raises ChaptersError where the notebook's last code cell does not end in ``record(...)``, UnknownNameError and
    ParameterError for parameters that it does not take.
    """
    notebook = read_notebook(root / shard.page.notebook)
    declared = read_parameters(notebook)
    values = resolve(declared, {**shard.given, **(overrides or {})})
    cells = {number: cell.source for number, cell in _code(notebook) if SHARD_TAG in cell.metadata.get("tags", ())}
    number, last = _code(notebook)[-1]
    lines = [f"# Shard {shard.name} of page {shard.page.name}: the cells of {shard.page.notebook} that take long.", ""]
    lines += [parameters_source(declared, values)]
    for place, source in (cells | {number: _kept_record(last.source, shard.page)}).items():
        lines += ["", f"# %% cell {place}", source]
    return "\n".join(lines) + "\n"


def compute_shard(shard: Shard, root: Path, overrides: Mapping[str, object] | None = None) -> dict[str, int]:
    """Run a shard in this process, in the folder `root`, and write its receipt; none where there are `overrides`.

    Returns how many results of the store it requested and how many of them it computed. Raises as `require_together`
    before anything runs, what its cells raise, and ShardError where a result could not be stored.
    """
    script = shard_script(shard, root, overrides)
    notebook = read_notebook(root / shard.page.notebook)
    declared = read_parameters(notebook)
    given = resolve(declared, {**shard.given, **(overrides or {})})
    require_together(declared, given, root, registered_in(notebook, root))
    os.chdir(root)
    store = require_writable_store()
    receipt = store / shard.receipt
    path = receipt.with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    if not overrides:
        receipt.unlink(missing_ok=True)
        with write_atomically(path) as file:
            file.write(script.encode())
    started, start = time(), monotonic()
    with nullcontext() if overrides else work_folder(receipt.parent, shard.name):  # tells that it was killed
        facts = _run(script, path)
    _require_stored(requested, f"{shard.page.name}/{shard.name}")
    counts = {"requested": len(requested), "computed": sum(requested.values())}
    if not overrides:
        Receipt(
            page=shard.page.name,
            shard=shard.name,
            profile=shard.page.profile,
            given=canonical(shard.given),
            script=text_digest(script),
            results=sorted(Path(os.path.relpath(file, store)).as_posix() for file in requested),
            computed=counts["computed"],
            seconds=round(monotonic() - start, 1),
            **sources_of(facts, root, library_files(), started),
        ).write(receipt)
    return counts


def stale_shards(shards: Iterable[Shard], root: Path) -> dict[tuple[str, str], str]:
    """Why each of these shards must be computed (again), by page and name; fresh ones are left out.

    What a shard needs is compared with its receipt: its script (cells and parameters), the library's files, the data,
    the weights, and that the results it needs are still in the store. Every file is read once for all of them. A
    receipt that cannot be read makes its shard stale.
    """
    now = Now(root, root / results_folder())
    found = {}
    for shard in shards:
        path = now.store / shard.receipt
        try:
            receipt = Receipt.read(path)
            reason = receipt.why_stale(shard.given, shard_script(shard, root), shard.page.notebook, now)
        except FileNotFoundError:
            reason = NOT_COMPUTED
        except CertificateError:
            reason = unreadable(path, root)
        if reason:
            found[shard.page.name, shard.name] = reason
    return found


def _run(script: str, path: Path) -> dict[str, object]:
    """What a shard's script, which lies in ``path``, recorded when it was run; the library's files are left out."""
    os.environ.setdefault("MPLBACKEND", "Agg")
    requested.clear()
    watch_files()
    names = {"__name__": "shard"}
    exec(compile(script, path, "exec"), names)
    return {name: fact for name, fact in names[RECORD].facts.items() if name != "library"}


def _require_stored(results: Iterable[Path], name: str) -> None:
    lost = [file.as_posix() for file in results if not file.is_file()]
    if lost:
        raise ShardError(f"{len(lost)} results of {name} are not in the store, such as {lost[0]}; is the disk full?")


def _code(notebook: NotebookNode) -> list[tuple[int, NotebookNode]]:
    cells = [(number, cell) for number, cell in enumerate(notebook.cells) if cell.cell_type == "code"]
    return [(number, cell) for number, cell in cells if TAG not in cell.metadata.get("tags", ())]


def _tagged(notebook: NotebookNode) -> bool:
    return any(SHARD_TAG in cell.metadata.get("tags", ()) for _, cell in _code(notebook))


def _single_values(parameter: str, values: Mapping[str, object]) -> Sequence[object]:
    if values[parameter] is not None:
        return values[parameter]
    return official.categories(str(values.get("dataset"))) if parameter == CATEGORIES else ()


def _name(parameter: str, value: object) -> str:
    """What a shard is called, which is the name of files too: a word as it is; what else no file should be called has
    its letters replaced, and a digest that keeps such names apart."""
    if isinstance(value, str) and WORD.fullmatch(value):
        return value
    plain = NO_FILE.sub("_", str(value))[:LONGEST]
    return f"{parameter}_{plain}" + ("" if plain == str(value) else f"_{text_digest(str(value))[:8]}")


def _kept_record(source: str, page: Page) -> str:
    """The last cell, with its last expression kept under a name."""
    lines, body = source.splitlines(), ast.parse(source).body
    if not body or not isinstance(body[-1], ast.Expr) or "record(" not in source:
        raise ChaptersError(f"{page.notebook}: its last code cell does not end in record(...), which a shard needs.")
    line = body[-1].lineno - 1
    return "\n".join([*lines[:line], f"{RECORD} = {lines[line]}", *lines[line + 1 :]])
