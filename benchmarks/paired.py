"""How often the 95 % interval of a paired difference holds the truth, on synthetic data of known truth, beside the
middle 95 % of its replicates: two models on the same pictures, some of which are hard for both."""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array

from zsas_lib.evaluation.sampled import Sampled
from zsas_lib.metrics.bootstrap import Counts, resampled
from zsas_lib.metrics.replicates import pixel_replicates

from .table import Measurement, Settings

EDGES = np.linspace(-4, 6, 120)
PIXELS, RESAMPLES = 40, 200
METRICS = ("pixel_auroc", "pixel_ap", "pixel_f1_max", "aupro")


def measure(settings: Settings) -> Iterator[Measurement]:
    rng, times = np.random.default_rng(0), 100 if settings.quick else 4000
    truth = pixel_differences(rng, 2_000 if settings.quick else 50_000, resamples=0)
    for pictures in (12, 24, 48):
        hits = {name: np.zeros(len(METRICS)) for name in ("ours", "peer")}
        for _ in range(times):
            values = pixel_differences(rng, pictures, RESAMPLES)
            for place, (own, true) in enumerate(zip(values, truth[:, 0])):
                gap = sampled(own, pictures, pictures // 2 - 1).difference()
                low, high = np.nanquantile(own[1:], [0.025, 0.975])
                hits["ours"][place] += gap.low <= true <= gap.high
                hits["peer"][place] += low <= true <= high
        yield from rows(f"{pictures} pictures, half of them damaged", METRICS, hits, times)
    for categories in (3, 6, 12):
        hits, drawn = {name: np.zeros(1) for name in ("ours", "peer")}, resampled(categories, RESAMPLES, 0)
        for _ in range(times):
            gaps = rng.normal(0.02, 0.03, categories)
            own = np.r_[gaps.mean(), drawn @ gaps / categories]
            gap = sampled(own, categories, categories - 1).difference()
            low, high = np.quantile(own[1:], [0.025, 0.975])
            hits["ours"] += gap.low <= 0.02 <= gap.high
            hits["peer"] += low <= 0.02 <= high
        yield from rows(f"mean over {categories} categories", ("any metric",), hits, times)


def rows(what: str, names: tuple[str, ...], hits: dict[str, np.ndarray], times: int) -> Iterator[Measurement]:
    for place, name in enumerate(names):
        ours, peer = (100 * hits[side][place] / times for side in ("ours", "peer"))
        note = f"covers {ours:.1f} %; the middle 95 % of replicates {peer:.1f} %"
        yield Measurement(f"{what}: {name}, coverage away from 95 %", abs(ours - 95), "points", rounds=times, note=note)


def sampled(values: np.ndarray, units: int, freedom: int) -> Sampled:
    return Sampled(values, {}, tuple(range(len(values) - 1)), 0, units, freedom)


def pixel_differences(rng: np.random.Generator, pictures: int, resamples: int) -> np.ndarray:
    """What two models differ by in each metric (row): itself, then in each resample."""
    ones = np.ones((1, pictures), int)
    drawn = np.vstack([ones, resampled(pictures, resamples, 0)]) if resamples else ones
    one, other = (pixel_replicates(counts, drawn) for counts in of_pictures(rng, pictures))
    return np.stack([one[metric] - other[metric] for metric in METRICS])


def of_pictures(rng: np.random.Generator, pictures: int) -> tuple[Counts, Counts]:
    """Counts of two models on the same pictures, the first half of them damaged: some pictures are hard for both."""
    masks = np.arange(PIXELS) < rng.integers(2, 8, pictures)[:, None]
    masks[pictures // 2 :] = False
    hard, shared = rng.normal(0, 0.4, (pictures, 1)), 0.7 * rng.normal(size=masks.shape)
    found = rng.normal(1.5, 0.6, (pictures, 1))
    one, other = (
        _counted(hard + masks * signal + shared + 0.5 * rng.normal(size=masks.shape), masks)
        for signal in (found, found - 0.3 + rng.normal(0, 0.4, (pictures, 1)))
    )
    return one, other


def _counted(maps: np.ndarray, masks: np.ndarray) -> Counts:
    """The damaged pixels of a picture are one region."""
    bins = np.clip(np.searchsorted(EDGES, maps), 1, len(EDGES) - 1) - 1
    normal, anomalous = (np.zeros((len(maps), len(EDGES) - 1), np.int32) for _ in range(2))
    for kind, chosen in ((normal, ~masks), (anomalous, masks)):
        np.add.at(kind, (np.nonzero(chosen)[0], bins[chosen]), 1)
    size = masks.sum(axis=1)
    shares = anomalous / np.maximum(size, 1)[:, None]
    return Counts(normal, anomalous, csr_array(shares), (size > 0).astype(int), np.ones(len(EDGES) - 1, dtype=bool))
