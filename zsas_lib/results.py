"""The store of results: found again by what produced them, written whole or not at all.

A result is one parquet file ``NAME/KEY.parquet``. KEY is a digest of the function, its arguments (model with its
weights, data set with its contents, numbers) and the library sources they depend on, so a result is found exactly when
it would come out again. Where and when it was made (device, versions, duration) stands in the file but is not part of
the key: a cluster's results are as good as one's own.
"""

import base64
import hashlib
import inspect
import io
import json
import os
import time
import uuid
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import nn

from .data.dataset import AnomalyDataset
from .digests import canonical, configuration_digest, source_digest
from .evaluation import ResultTable, joined
from .provenance import record

HOW_NOT_WHAT = ("batch_size",)  # arguments that change how a result is computed and not what it is
RECORD = b"zsas record"
BESIDE = b"zsas beside "


class DamagedResultError(ValueError):
    """A stored file that does not hold what was written. The message names the file."""


def stored(
    function: Callable[..., pd.DataFrame],
    model: nn.Module,
    dataset: AnomalyDataset,
    *arguments: object,
    store: Path | None = None,
    **options: object,
) -> pd.DataFrame:
    """``function(model, dataset, *arguments, **options)``, category by category from the store.

    ``stored(evaluate, model, dataset, seed=1)`` is ``evaluate(model, dataset, seed=1)``; what of it is stored is
    loaded, the rest is computed and stored as soon as each category is done, so an interrupted run goes on where it
    was. ``function`` is `evaluate`, `uniform_sweep`, or any other that treats categories apart and returns rows for
    each, with mean rows at the end if it likes. Its options are checked by its own signature.

    ``.attrs["made"]`` of the result lists, per category, the file and the record of where and when it was made.
    ``store`` is a folder; by default `results_folder`. Raises TypeError for an argument the function does not take
    and ValueError for a function or model whose source cannot be found. A damaged file is reported in a warning and
    computed again; if a result cannot be written (a full disk), a warning says so and the result is returned.
    """
    bound = inspect.signature(function).bind(model, dataset, *arguments, **options)
    bound.apply_defaults()
    given = {name: value for name, value in list(bound.arguments.items())[2:] if name not in HOW_NOT_WHAT}
    sources = (function, type(model), type(dataset))
    described_model = describe_model(model)
    tables, made = [], []
    for category in dataset.categories:
        part = dataset.select([category])
        configuration = {
            "function": f"{function.__module__}.{function.__qualname__}",
            "arguments": given,
            "model": described_model,
            "dataset": {"name": part.name, "category": category, "digest": part.digest},
        }
        table, record_ = load_or_compute(...)
