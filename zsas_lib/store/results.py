"""The store of results: found again by what produced them, written atomically.

A result is a parquet file ``NAME/KEY.parquet``. The cache key is a digest of everything that decides what comes out:
public names, arguments, the model's weights, the data set's contents, and the definitions in the sources that these use
(`base.sources`). No wording of a message and no place of a definition is part of it. Where and when a result was made
(device, versions, duration) stands in the file and is no part of the key either, so a cluster's results serve as well
as one's own.
"""

import base64
import hashlib
import inspect
import io
import json
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import cast

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pandas.util import hash_pandas_object
from torch import nn

from ..base.digests import canonical, configuration_digest
from ..base.files import free_first, locked, write_atomically
from ..base.ledger import note_requested, note_result
from ..base.records import as_record
from ..base.sources import source_digest
from ..base.surroundings import commit, device_of, versions
from ..data.dataset import AnomalyDataset
from ..evaluation.tables import PICTURES, SETTINGS, Replicated, ResultTable, joined
from ..models.kinds import require_kinds
from ..models.prediction import AnomalyModel
from .folder import require_writable_store, results_folder

BATCH_SIZE = "batch_size"  # decides how a result is computed, not what it is, but for rounding
ROUNDING = 1e-5
"""By less than this a batch size moves any metric of a function that does not hang on rounding. Products of matrices
of other sizes are rounded differently, in the seventh digit of a map."""
HANGS_ON_ROUNDING = "hangs_on_rounding"
RECORD = "zsas.record"
BESIDE = "zsas.beside."


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a stored file says in any case of how it was made, beside its key and the digest of its content."""

    name: str
    key: str
    content: str
    created: str
    device: str
    commit: str


class MadeList(list):
    """What ``.attrs["made"]`` of a table holds. Nobody changes what is in it, so pandas, which copies attrs deeply with
    every column that is taken, need not copy it."""

    def __deepcopy__(self, _: object) -> "MadeList":
        return self


class DamagedResultError(ValueError):
    """A stored file that does not hold what was written into it. The message names the file."""


def hangs_on_rounding(function: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """Marks a function that goes on from what it finds, as a search does: rounding decides between two ways. `stored`
    keeps what it finds with each batch size apart."""
    setattr(function, HANGS_ON_ROUNDING, True)
    return function


def stored(
    function: Callable[..., pd.DataFrame],
    model: AnomalyModel,
    dataset: AnomalyDataset,
    *arguments: object,
    store: Path | None = None,
    **options: object,
) -> pd.DataFrame:
    """``function(model, dataset, *arguments, **options)``, from the store where it has been made before.

    ``stored(uniform_sweep, model, dataset, "rotation", values)`` is ``uniform_sweep(model, dataset, "rotation",
    values)``, one category at a time: what is stored is loaded, the others are computed, each stored as soon as it is
    done. So a run that was stopped goes on where it was, and another selection of categories computes only the new
    ones; what another process computes meanwhile comes last, so that two that ask for the same share the work.
    ``function`` is `evaluate`, `uniform_sweep`, or another that treats categories apart, takes these two arguments
    first and returns a table that `evaluation.joined` can join. A data set among its other arguments, such as reference
    pictures, is cut to the category too and known by its contents. ``batch_size`` is no part of what is asked for, as
    it moves numbers by less than `ROUNDING`; but it is of a function that `hangs_on_rounding`. Of code outside the
    package the files of the function and of the model's class are followed, and not what these import; nor is what was
    registered or replaced while the process runs, such as a metric. Where either changes, give a ``store`` of its own.

    ``store`` is a folder, by default `results_folder`. ``.attrs["made"]`` of the table says for each category which
    file holds it, and when, where, how long and with which versions and precision it was made.

    Raises TypeError for what is no model or no data set, and arguments that the function does not take or that no
    configuration can hold, ValueError for a function or model without a source file, UnwritableError before anything is
    computed for a folder that cannot be made. A damaged file is computed again, with a warning; a result that cannot be
    written (a full disk) is returned, with one.

    >>> model = zsas.load_model("winclip", zsas.load_backbone("embedded"))
    >>> dataset = zsas.load_dataset("embedded-b", categories="ceramic_ring")
    >>> dataset = dataset.select(per_category=2)
    >>> first = zsas.stored(zsas.evaluate, model, dataset)  # kept in results/
    >>> again = zsas.stored(zsas.evaluate, model, dataset)  # read
    >>> again.equals(first)
    True
    """
    require_kinds((model, AnomalyModel), (dataset, AnomalyDataset))
    bound = inspect.signature(function).bind(model, dataset, *arguments, **options)
    bound.apply_defaults()
    _, data, *others = bound.arguments
    beside = {name: bound.arguments[name] for name in others if isinstance(bound.arguments[name], AnomalyDataset)}
    unasked = beside.keys() | ({BATCH_SIZE} if not hasattr(function, HANGS_ON_ROUNDING) else set())
    given = canonical({name: bound.arguments[name] for name in others if name not in unasked})
    sources = source_digest(function, *model.classes, type(dataset))

    jobs, places = {}, {}
    for category in dataset.categories:
        parts = {name: whole.select([category]) for name, whole in ({data: dataset} | beside).items()}
        described = {
            name: {"name": part.name, "category": category, "digest": part.digest} for name, part in parts.items()
        }
        configuration = {
            "function": function.__qualname__,
            "arguments": given | {name: described[name] for name in beside},
            "model": describe_model(model, [category]),
            "dataset": described[data],
        }
        bound.arguments.update(parts)
        compute = partial(_anew, model, function, *bound.args, **bound.kwargs)
        known = {"name": function.__name__, "configuration": configuration, "sources": sources, "store": store}
        jobs[category] = partial(load_or_compute, compute=compute, maker=model, **known)
        places[category] = result_place(**known)
    found = {category: jobs[category]() for category in free_first(places)}
    tables = [found[category] for category in dataset.categories]
    table = joined(tables)
    table.attrs["made"] = MadeList(entry for part in tables for entry in part.attrs["made"])
    return table


def _anew(model: AnomalyModel, function: Callable[..., pd.DataFrame], /, *arguments, **options) -> pd.DataFrame:
    """What a function returns, whatever the model was asked before."""
    model.begin_anew()
    return function(*arguments, **options)


def result_place(name: str, configuration: Mapping[str, object], *, sources: str, store: Path | None = None) -> Path:
    """The file of the store that holds what `load_or_compute` gives for these, whether it is there or not."""
    known = {"name": name, "configuration": canonical(configuration), "sources": sources}
    return (store or results_folder()) / name / f"{configuration_digest(known)}.parquet"


def load_or_compute(
    name: str,
    configuration: Mapping[str, object],
    compute: Callable[[], pd.DataFrame],
    *,
    sources: str,
    maker: nn.Module | None = None,
    store: Path | None = None,
) -> pd.DataFrame:
    """The table that ``compute()`` gives, loaded if it was stored under this name, configuration and sources.

    ``sources`` is a `source_digest`; ``maker`` a model or backbone whose device is recorded. Index, column types and
    the tables beside a `ResultTable` are kept; so is ``.attrs["made"]``, a list with one record. Errors and warnings
    as in `stored`.
    """
    return load_or_compute_all(name, [configuration], lambda _: [compute()], sources=sources, maker=maker, store=store)[
        0
    ]


def load_or_compute_all(
    name: str,
    configurations: Sequence[Mapping[str, object]],
    compute: Callable[[list[int]], Sequence[pd.DataFrame]],
    *,
    sources: str,
    maker: nn.Module | None = None,
    store: Path | None = None,
) -> list[pd.DataFrame]:
    """One table per configuration, as `load_or_compute` gives it; those that are missing are computed together.

    ``compute`` gets the places in ``configurations`` of what is not stored, and gives a table for each of them. A
    result is locked while it is computed, so what another process computes meanwhile is waited for, not computed twice.
    """
    _make_folder(store, name)
    configurations = [canonical(configuration) for configuration in configurations]
    paths = [result_place(name, own, sources=sources, store=store) for own in configurations]
    tables = {place: table for place, path in enumerate(paths) if (table := _stored_table(path)) is not None}
    absent = [place for place in range(len(paths)) if place not in tables]
    with locked(*(paths[place] for place in absent)):
        tables |= {place: table for place in absent if (table := _meanwhile_stored(paths[place])) is not None}
        if missing := [place for place in absent if place not in tables]:
            start = time.perf_counter()
            computed = compute(missing)
            seconds = (time.perf_counter() - start) / len(missing)
            when = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "seconds": round(seconds, 3)}
            circumstances = _circumstances(maker) | when
            for place, table in zip(missing, computed, strict=True):
                made = {"name": name, "configuration": configurations[place], "sources": sources, **circumstances}
                try:
                    _write(paths[place], table, made)
                except OSError as error:
                    warnings.warn(
                        f"{paths[place]} could not be written ({error}); its result is used, but not stored.",
                        stacklevel=3,
                    )
                table.attrs["made"] = MadeList([{"file": paths[place].as_posix(), **made}])
                tables[place] = table
    for place, path in enumerate(paths):
        note_requested(path, place in missing)
        note_result(tables[place].attrs["made"][0])
    return [tables[place] for place in range(len(paths))]


def _make_folder(store: Path | None, name: str) -> None:
    """The folder of results of this name is made where it is not there. Raises UnwritableError where that cannot be
    done."""
    folder = (store or results_folder()) / name
    if not folder.is_dir():
        require_writable_store(store)
        folder.mkdir(parents=True, exist_ok=True)


def _meanwhile_stored(path: Path) -> pd.DataFrame | None:
    try:
        return read_result(path)
    except (FileNotFoundError, DamagedResultError):
        return None


def _stored_table(path: Path) -> pd.DataFrame | None:
    try:
        return read_result(path)
    except FileNotFoundError:
        return None
    except DamagedResultError as error:
        warnings.warn(f"{error} It is computed again.", stacklevel=4)
        return None


def read_result(path: Path) -> pd.DataFrame:
    """The table in a file of the store, checked against the digest it was written with.

    Raises FileNotFoundError, or DamagedResultError for a file that is truncated, changed, renamed or no result.
    """
    if not path.is_file():
        raise FileNotFoundError(f"No stored result {path}.")
    try:
        with pq.ParquetFile(path) as file:
            read = file.read(use_threads=False)
        metadata = {key.decode(): value for key, value in read.schema.metadata.items()}
        made = json.loads(metadata[RECORD])
        as_record(Made, made)
        frames = {"": read.to_pandas(use_threads=False)}
        for key, value in metadata.items():
            if key.startswith(BESIDE):
                beside = io.BytesIO(base64.b64decode(value))
                frames[key.removeprefix(BESIDE)] = pd.read_parquet(beside, use_threads=False)
        intact = made.pop("content") == _content_digest(frames, made) and made.pop("key") == path.stem
    except Exception as error:  # whatever pyarrow makes of a damaged file
        raise DamagedResultError(f"{path} cannot be read as a stored result ({type(error).__name__}).") from error
    if not intact:
        raise DamagedResultError(f"{path} does not hold the result that was written into it.")
    table = frames.pop("")
    if frames:
        attrs, table = table.attrs, (ResultTable if PICTURES in frames else Replicated)(table)
        table.attrs = attrs
        for name, frame in frames.items():
            setattr(table, name, frame)
    table.attrs["made"] = MadeList([{"file": path.as_posix(), **made}])
    return table


def describe_model(model: AnomalyModel, class_names: Sequence[str]) -> dict[str, object]:
    """What decides a model's predictions for these classes, beside its source: name, options, backbone (None where it
    has none), all weights outside the backbone, and what else tells it from others (`AnomalyModel.identity`), such as
    remembered pictures."""
    weights = hashlib.sha256()
    for name, values in sorted(model.state_dict().items()):
        if not name.startswith("backbone."):
            weights.update(f"{name} {values.dtype} {tuple(values.shape)}\n".encode())
            weights.update(values.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return {
        "model": getattr(model, "name", type(model).__qualname__),
        "options": model.options,
        "backbone": None if model.backbone is None else model.backbone.digest,
        "weights": weights.hexdigest(),
        "references": model.identity(class_names),
    }


def _write(path: Path, table: pd.DataFrame, made: Mapping[str, object]) -> None:
    """Write the file, with its record and its own digest, atomically."""
    beside = {name: frame for name in table._metadata if (frame := getattr(table, name)) is not None}
    made = {**made, "key": path.stem}
    record = {**made, "content": _content_digest({"": table, **beside}, made)}
    metadata: dict[str, str | bytes] = {RECORD: json.dumps(record)}
    for name, frame in beside.items():
        metadata[BESIDE + name] = base64.b64encode(frame.to_parquet())
    frame = pd.DataFrame(table)
    frame.attrs = {name: table.attrs[name] for name in (SETTINGS,) if name in table.attrs}
    arrow = pa.Table.from_pandas(frame)
    arrow = arrow.replace_schema_metadata({**arrow.schema.metadata, **metadata})

    with write_atomically(path) as file:
        pq.write_table(arrow, file)


def _content_digest(frames: Mapping[str, pd.DataFrame], made: Mapping[str, object]) -> str:
    hashed = cast(Callable[[pd.DataFrame], pd.Series], hash_pandas_object)  # pandas loads it lazily, as an object
    content = hashlib.sha256(configuration_digest(made).encode())
    for name, frame in sorted(frames.items()):
        content.update(repr((name, frame.index.name, list(frame.columns), list(map(str, frame.dtypes)))).encode())
        content.update(hashed(pd.DataFrame(frame)).to_numpy().tobytes())
    return content.hexdigest()


def _circumstances(maker: nn.Module | None) -> dict[str, object]:
    precision = getattr(getattr(maker, "backbone", maker), "precision", None)
    return {"commit": commit(), "device": device_of([maker]), "precision": precision, "versions": versions()}
