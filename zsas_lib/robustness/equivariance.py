"""Whether a map follows its picture: A(T x) against T A(x), which needs neither masks nor labels.

Where both show the same pixels they are compared: by the cosine of the maps minus their own means (their correlation:
a map's offset, which is most of a map such as WinCLIP's, would make every raw cosine nearly 1), and by how much of the
highest pixels both have. A map can follow its picture perfectly and know nothing, such as one of its brightness; so
the maps without a model stand beside.
"""

from collections.abc import Sequence
from zlib import crc32

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy.stats import rankdata
from torch import Tensor

from ..base.devices import to_device
from ..base.options import listed
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..evaluation.evaluate import predict
from ..evaluation.replicates import checksums
from ..evaluation.sampled import ITSELF, Difference, Sampled
from ..metrics.bootstrap import resampled
from ..metrics.pixel import gathered_metrics
from ..metrics.ranking import gathered
from ..models.kinds import require_independent, require_kinds
from ..models.prediction import AnomalyModel
from ..perturbations.placement import Placed, placed
from .sweeps import whole_regions

USUAL = ("rotation(15)", "rotation(90)", "mirror", "shift(0.1)", "scale(1.25)")
"""What a camera or a conveyor does to a product."""
TOP = 0.05
"""The share of a map's pixels whose place is compared."""
MEASURED = ("pixel_auroc", "pixel_ap", "aupro")
RESAMPLES = 200
BEFORE = "_before"  # ends the name of a column with what was measured without the change


def agreement(
    one: Float[Tensor, "batch height width"],
    other: Float[Tensor, "batch height width"],
    shown: Bool[Tensor, "height width"],
    top: float = TOP,
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """How far maps agree on the pixels that are ``shown``: the cosine of both minus their means, in [-1, 1], and the
    overlap (intersection over union, in [0, 1]) of the ``top`` share of highest pixels of both.

    Ties with the lowest of these belong to them. Two constant maps agree (1); one alone has the cosine 0. Without any
    relation the cosine is 0 and the overlap about top / (2 - top). Raises ValueError for a share outside (0, 1).
    """
    if not 0 < top < 1:
        raise ValueError(f"Expected a share of highest pixels in (0, 1), got {top}.")
    both = [maps[:, shown.to(maps.device)] for maps in (one, other)]
    one_flat, other_flat = (values - values.mean(1, keepdim=True) for values in both)
    lengths = [values.norm(dim=1) for values in (one_flat, other_flat)]
    constant = [(values.amax(1) == values.amin(1)) for values in both]
    cosine = (one_flat * other_flat).sum(1) / (lengths[0] * lengths[1]).clamp_min(1e-30)
    cosine = torch.where(constant[0] | constant[1], (constant[0] & constant[1]).to(cosine), cosine.clamp(-1, 1))
    kept = max(1, round(top * both[0].shape[1]))
    highest = [values >= values.topk(kept, dim=1).values[:, -1:] for values in both]
    overlap = (highest[0] & highest[1]).sum(1) / (highest[0] | highest[1]).sum(1)
    return cosine.float(), overlap.float()


def picture_agreement(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    placements: str | Sequence[str] = USUAL,
    *,
    top: float = TOP,
    batch_size: int = 16,
) -> pd.DataFrame:
    """`agreement` of every picture, for pictures with masks or without: a row for each placement and picture.

    Columns: category, path (below the data set's root), is_anomalous, placement, cosine, overlap. A picture with little
    of both is one whose map hangs on where the part lies. ``placements`` are spelled as `placement.placed` reads them.
    Raises as `placed` and `predict`, and TypeError for what is no model or no data set.

    >>> model = zsas.load_model("local-contrast")
    >>> pictures = zsas.load_dataset("embedded-b", categories="ceramic_ring").select(per_category=2)
    >>> table = zsas.picture_agreement(model, pictures, ["mirror", "shift(0.1)"])
    >>> len(table), bool((table.cosine > 0.99).all())
    (4, True)
    """
    return _measured(model, dataset, placements, top, batch_size)[0]


def equivariance(
    model: AnomalyModel,
    dataset: AnomalyDataset,
    placements: str | Sequence[str] = USUAL,
    *,
    top: float = TOP,
    batch_size: int = 16,
) -> pd.DataFrame:
    """How far maps follow their pictures, and what they lose: a row for each category and placement.

    Columns: category, placement, pictures (how many), the means of cosine and overlap over them, and the metrics
    `MEASURED` (fractions) of A(T x), and with ``_before`` those of T A(x), against the mask moved alike and on the same
    pixels, so that nothing but the model tells them apart; nan without masks. Raises as `picture_agreement`.
    """
    pictures, measured = _measured(model, dataset, placements, top, batch_size)
    means = {"pictures": ("path", "size"), "cosine": ("cosine", "mean"), "overlap": ("overlap", "mean")}
    found = pd.DataFrame(pictures.groupby(["category", "placement"], sort=False).agg(**means))
    return measured.join(found, on=["category", "placement"])


def _measured(
    model: AnomalyModel, dataset: AnomalyDataset, placements: str | Sequence[str], top: float, batch_size: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    require_kinds((model, AnomalyModel), (dataset, AnomalyDataset))
    require_independent(model, "Equivariance")
    known = {spelled: placed(spelled) for spelled in listed(placements)}
    if not known:
        raise ValueError("Expected at least one placement, got none.")
    pictures, rows = [], []
    for category in dataset.categories:
        part = dataset.select([category])
        facts = {"category": row_name(category), "path": [record.name(part.root) for record in part.records]}
        facts |= {"is_anomalous": [record.is_anomalous for record in part.records]}
        batches = list(part.batches(batch_size, needs_masks=False))
        upright = [predict(model, batch.images, batch.categories, batch.paths).anomaly_map for batch in batches]
        for spelled, own in known.items():
            found = [_moved_map(model, own, batch.images, batch.categories, batch.paths) for batch in batches]
            expected = [own.maps(maps) for maps in upright]
            agreed = [agreement(one, other, own.shown(*one.shape[1:]), top) for one, other in zip(found, expected)]
            both = zip(("cosine", "overlap"), map(torch.cat, zip(*agreed)))
            numbers = {name: values.tolist() for name, values in both}
            pictures.append(pd.DataFrame(facts | {"placement": spelled} | numbers))
            masks = [own.masks(batch.masks) for batch in batches]
            row: dict[str, object] = {"category": row_name(category), "placement": spelled}
            for maps, ending in ((found, ""), (expected, BEFORE)):
                metrics = _metrics(maps, masks, own) if part.has_masks else dict.fromkeys(MEASURED, float("nan"))
                row |= {f"{name}{ending}": metrics[name] for name in MEASURED}
            rows.append(row)
    return pd.concat(pictures, ignore_index=True), pd.DataFrame(rows)


def _moved_map(model: AnomalyModel, own: Placed, images: Tensor, names: Sequence[str], paths: Sequence) -> Tensor:
    return predict(model, own.images(to_device(images, model.device)), names, paths).anomaly_map


def _metrics(maps: Sequence[Tensor], masks: Sequence[Tensor], own: Placed) -> dict[str, float]:
    flat_maps, flat_masks = ([plane for planes in parts for plane in planes] for parts in (maps, masks))
    matched = whole_regions(flat_maps, flat_masks, [own.shown(*mask.shape) for mask in flat_masks])
    return gathered_metrics(gathered(matched.maps, matched.masks))


def foretold(*tables: pd.DataFrame, agreement: str = "cosine", metric: str = "pixel_ap") -> Difference:
    """Whether maps that follow their pictures less lose more: Spearman's rank correlation over categories between what
    lacks in ``agreement`` and what ``metric`` loses, of each placement, and the mean over placements, in [-1, 1].

    ``tables`` are of `equivariance`, of one model's trainings, whose correlations are averaged. The interval is that of
    other categories like these, and other trainings. Categories without the metric, such as those without damaged
    pictures, take no part, and neither does a placement without a rank (all categories alike, or fewer than two of
    them with the metric); nan where that is so for all, and of fewer than three categories with the metric. Raises
    ValueError for fewer than three categories.
    """
    names = sorted(set(tables[0]["category"]))
    if len(names) < 3:
        raise ValueError(f"Expected at least three categories to rank, got {len(names)}.")
    both = [
        [_wide(own, "lost") for own in (table.assign(lost=1 - table[agreement]), lost(table, metric))]
        for table in tables
    ]
    known = np.all([np.isfinite(loss).any(axis=1) for _, loss in both], axis=0)
    names = [name for name, own in zip(names, known) if own]
    count = len(names)
    if count < 3:
        return Difference(*[float("nan")] * 6)
    drawn = resampled(count, RESAMPLES, 0)
    places = [np.repeat(np.arange(count), own) for own in [np.ones(count, dtype=int), *drawn]]
    facts = {"replicate": range(ITSELF, RESAMPLES), "draw": [0, *checksums(drawn)]}
    facts |= {"pictures": crc32("\n".join(map(str, names)).encode()), "units": count, "freedom": count - 1}
    parts = []
    for run, pair in enumerate(both):
        values = [_rank_correlation(*(part[known][own] for part in pair)) for own in places]
        parts.append(pd.DataFrame(facts | {"rank": values, "run": run}))
    return Sampled.of(pd.concat(parts, ignore_index=True), "rank").difference()


def _wide(table: pd.DataFrame, column: str) -> Float[np.ndarray, "category placement"]:
    """A column by category and placement, both in alphabetical order."""
    return table.pivot(index="category", columns="placement", values=column).to_numpy(dtype=float)


def lost(table: pd.DataFrame, metric: str = "pixel_ap") -> pd.DataFrame:
    """What ``metric`` loses in each category under each placement, as a fraction of 1: columns category, placement and
    lost."""
    return table[["category", "placement"]].assign(lost=table[f"{metric}{BEFORE}"] - table[metric])


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    """The mean over columns of Spearman's correlation between the rows that have both numbers."""
    found = []
    for pair in zip(one.T, other.T):
        known = np.isfinite(pair).all(0)
        ranks = [rankdata(part[known]) - (known.sum() + 1) / 2 for part in pair]
        size = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum())
        if size > 0:
            found.append(float((ranks[0] * ranks[1]).sum() / size))
    return float(np.mean(found)) if found else float("nan")
