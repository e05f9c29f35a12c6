"""Effective robustness of anomaly maps: methods on towers under corruptions, against the line of maps without a model.

What a method keeps under a corruption hangs on what it had. Maps without a model (`models.trivial`) make a line,
between logits, from a metric on clean pictures to the metric on corrupted ones; how far a method on a tower lies above
it is what its tower adds beyond being better at clean pictures (`effective`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from ..backbones.backbone import Backbone
from ..backbones.registry import load_backbone
from ..base.errors import DataError, OptionError
from ..data.dataset import AnomalyDataset, read_once
from ..evaluation.tables import MEAN
from ..models.load import load_model
from ..models.prediction import AnomalyModel
from ..store.results import stored
from .corruptions import CLEAN, corruption_sweep
from .effective import effective_robustness

RANDOM = "random weights"
ALL = "all corruptions"
PLAIN, SHIFTED = "plain", "corrupted"


def towers_at_hand(
    names: Sequence[str], *, weights: str | None = None, floor: bool = True, image_size: int | None = None
) -> tuple[dict[str, Backbone], dict[str, str]]:
    """Backbones by name, and why others cannot be had; with ``floor`` the first once more with random weights: what
    the shape of its tower gives by itself. Those that have such weights anyway are called so, and need no floor. Raises
    UnknownNameError for a name that is none."""
    known, absent = {}, {}
    for name in dict.fromkeys(names):
        try:
            known[name] = load_backbone(name, weights, image_size=image_size)
        except (DataError, OptionError) as error:
            absent[name] = str(error)
    found = {f"{name}, {RANDOM}" if own.is_random else name: own for name, own in known.items()}
    first = next(iter(known), None)
    if floor and first is not None and not known[first].is_random:
        found[f"{first}, {RANDOM}"] = load_backbone(first, "random", image_size=image_size)
    return found, absent


def methods_on(towers: Mapping[str, Backbone], models: Sequence[str]) -> tuple[dict[str, AnomalyModel], dict[str, str]]:
    """Each of the ``models``, which learn nothing, on each tower, by "MODEL on TOWER", and why others are left out."""
    found, absent = {}, {}
    for tower, backbone in towers.items():
        for model in models:
            try:
                found[f"{model} on {tower}"] = load_model(model, backbone)
            except OptionError as error:
                absent[f"{model} on {tower}"] = str(error)
    return found, absent


def kept_under(
    networks: Mapping[str, AnomalyModel],
    pictures: AnomalyDataset,
    corruptions: Sequence[str],
    severities: Sequence[int],
    metric: str,
    *,
    store: Path | None = None,
) -> pd.DataFrame:
    """A metric of each network on clean and on corrupted pictures, which `corruption_sweep` has in the store: a row for
    each model, category and corruption, and for their mean, `ALL`; columns model, category, corruption, and in [0, 1]
    `PLAIN` and `SHIFTED`, the mean over severities."""
    parts = []
    with read_once():
        for name, network in networks.items():
            sweep = stored(
                corruption_sweep, network, pictures, list(corruptions), list(severities), resamples=2, store=store
            )
            parts.append(of_sweep(sweep, metric).assign(model=name))
    return pd.concat(parts, ignore_index=True)


def of_sweep(sweep: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`kept_under` of one table of `corruption_sweep`, without the model."""
    own = pd.DataFrame(sweep[sweep["category"] != MEAN])
    clean = pd.DataFrame(own[own["corruption"] == CLEAN]).set_index("category")[metric]
    keys = ["category", "corruption"]
    corrupted = pd.DataFrame(own[own["corruption"] != CLEAN]).rename(columns={metric: SHIFTED})
    rows = pd.DataFrame(corrupted.groupby(keys, sort=False)[[SHIFTED]].mean()).reset_index()
    mean = pd.DataFrame(rows.groupby("category", sort=False)[[SHIFTED]].mean()).reset_index()
    whole = pd.concat([rows, mean.assign(corruption=ALL)], ignore_index=True)
    return whole.assign(**{PLAIN: clean.reindex(whole["category"]).to_numpy()})


def above_trivial(kept: pd.DataFrame, trivial: Sequence[str], resamples: int = 200) -> pd.DataFrame:
    """How far each model lies above the line of the ``trivial`` maps: a flat table by model and corruption, whose
    metrics are `PLAIN`, `SHIFTED`, expected and effective; categories are resampled, and the line is fitted in each
    resample. Trivial maps are on it too, as far as a line can have them. Raises as `effective_robustness`."""
    parts = []
    for corruption, own in kept.groupby("corruption", sort=False):
        flat = effective_robustness(own, plain=PLAIN, shifted=SHIFTED, reference=trivial, resamples=resamples)
        flat.insert(1, "corruption", corruption)
        parts.append(flat)
    return pd.concat(parts, ignore_index=True)
