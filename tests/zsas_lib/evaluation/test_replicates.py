"""Replicates beside a table, and differences of two tables of the same pictures."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from toy import Glow, toy_dataset

from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.evaluation.paired import paired
from zsas_lib.evaluation.replicates import REPLICATE, category_replicates, drawn_pictures, facts_of, flat
from zsas_lib.evaluation.tables import joined
from zsas_lib.metrics.bootstrap import bootstrap_std, counted
from zsas_lib.metrics.image import image_metrics
from zsas_lib.metrics.pixel import pixel_metrics
from zsas_lib.metrics.pixel_scores import PixelScores
from zsas_lib.models.prediction import Prediction

FEW = {"resamples": 60}


class Noisy(Glow):
    """Glow with as much noise of its own in every pixel."""

    name = "noisy"

    def __init__(self, noise: float):
        super().__init__()
        self.options["noise"] = noise

    def forward(self, images, class_names):
        found = super().forward(images, class_names).anomaly_map.detach()
        noise = torch.rand(found.shape, generator=torch.Generator().manual_seed(1))
        maps = found + self.options["noise"] * noise
        return Prediction(maps, maps.amax((1, 2)))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 4, "star": 4})


@pytest.fixture(scope="module")
def tables(dataset):
    return {"glow": evaluate(Glow(), dataset, **FEW), "noisy": evaluate(Noisy(0.1), dataset, **FEW)}


def test_replicates_spread_as_the_standard_errors_say(tables, dataset):
    rows = tables["glow"].replicates
    assert list(rows.columns[: len(REPLICATE)]) == REPLICATE and rows.groupby("category").size().tolist() == [60, 60]
    spread = rows.groupby("category")[["pixel_auroc", "image_auroc"]].std()
    pd.testing.assert_frame_equal(spread, pd.DataFrame(tables["glow"].spread).drop(index="mean")[spread.columns])
    for category in dataset.categories:
        samples = list(dataset.select([category]))
        found = Glow()(torch.stack([sample.image for sample in samples]), category)
        maps, scores = found.anomaly_map.detach(), found.image_score.detach()
        masks, labels = torch.stack([s.mask for s in samples]), torch.tensor([s.is_anomalous for s in samples])
        of_images = bootstrap_std(scores[:, None, None], labels[:, None, None], 60)
        expected = [bootstrap_std(maps, masks, 60), of_images]
        assert spread.loc[category].to_numpy() == pytest.approx(expected, rel=1e-6)
    assert rows.groupby("category").aupro.mean().to_numpy() == pytest.approx(tables["glow"].aupro.iloc[:2], abs=0.05)


def test_what_counting_in_bins_moves_is_taken_out_of_replicates(dataset):
    """In 16 bins every resample has an AUPRO up to 0.1 below that of its pictures repeated, and so have the pictures
    themselves."""
    part, pixels = dataset.select(["lamp"]), PixelScores()
    samples = list(part)
    maps = Glow()(torch.stack([sample.image for sample in samples]), "lamp").anomaly_map.detach()
    masks, labels = torch.stack([own.mask for own in samples]), torch.tensor([own.is_anomalous for own in samples])
    for map_, mask in zip(maps, masks):
        pixels.add(map_, mask)
    row = {"category": "lamp"} | pixel_metrics(maps, masks) | image_metrics(maps.amax((1, 2)), labels)
    found = category_replicates(row, [], part, counted(pixels, bins=16), maps.amax((1, 2)), resamples=40, seed=0)
    drawn = [np.repeat(np.arange(7), weights) for weights in drawn_pictures("lamp", 7, 40, seed=0)]
    for name, bound in (("pixel_auroc", 0.02), ("aupro", 0.05), ("pixel_ap", 0.03)):
        expected = np.array([pixel_metrics(maps[chosen], masks[chosen])[name] for chosen in drawn])
        assert np.abs(found[name] - expected).max() < bound, name


def test_replicates_know_their_pictures_and_how_few_of_a_kind_there_are(tmp_path):
    """The name of a file is not enough: another picture under it is another one."""

    def facts(part):
        labels = np.array([record.is_anomalous for record in part.records])
        row, drawn = {"category": "lamp"}, np.ones((2, len(part)), dtype=int)
        return (
            facts_of(row, [], part, labels, drawn)[["pictures", "units", "freedom"]].drop_duplicates().values.tolist()
        )

    part = toy_dataset(tmp_path, {"lamp": 2}, normal=3)
    ((pictures, *numbers),) = facts(part)
    assert numbers == [5, 1] and facts(toy_dataset(tmp_path / "again", {"lamp": 2}, normal=3)) == [[pictures, 5, 1]]
    assert facts(toy_dataset(tmp_path / "few", {"lamp": 1}, normal=1))[0][1:] == [2, 0], (
        "nobody knows the spread of one"
    )
    part.records[0].path.write_bytes(part.records[1].path.read_bytes())
    assert facts(part)[0][0] != pictures


def test_categories_of_as_many_pictures_are_no_copies_of_each_other(tables):
    lamp, star = (rows.draw.to_numpy() for _, rows in tables["glow"].replicates.groupby("category"))
    assert set(lamp) == set(star) and not (lamp == star).all()


@pytest.mark.slow
def test_all_models_meet_the_same_resamples_whole_or_joined(dataset, tables):
    assert tables["glow"].replicates[REPLICATE].equals(tables["noisy"].replicates[REPLICATE])
    parts = joined([evaluate(Glow(), dataset.select([name]), **FEW) for name in ("lamp", "star")])
    pd.testing.assert_frame_equal(parts.replicates, tables["glow"].replicates)


@pytest.mark.slow
def test_a_difference_is_that_of_the_numbers_and_of_every_replicate(tables):
    found = paired([tables["glow"]], [tables["noisy"]]).set_index(["category", "metric"])
    for category in ("lamp", "star", "mean"):
        gap = tables["glow"].loc[category, "aupro"] - tables["noisy"].loc[category, "aupro"]
        assert found.loc[(category, "aupro"), "gap"] == pytest.approx(gap)
    one, other = (
        table.replicates.pivot(index="replicate", columns="category", values="aupro") for table in tables.values()
    )
    values, row = (one - other).lamp, found.loc[("lamp", "aupro")]
    count, rarer = 7, 3  # pictures, sound ones
    se = values.std() * np.sqrt(count / (count - 1))
    low, high = stats.t.interval(0.95, rarer - 1, row.gap, se)
    expected = [se, low, high, (np.sign(values) == np.sign(row.gap)).mean()]
    assert row[["se", "low", "high", "agree"]].tolist() == pytest.approx(expected)
    assert stats.nct.sf(stats.t.ppf(0.975, rarer - 1), rarer - 1, row.power / se) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.slow
def test_a_mean_is_resampled_by_category(tables):
    """Of two categories one resample in four holds the first alone, one the second; their standard deviation is half of
    what they differ by."""
    gaps = pd.DataFrame(tables["glow"] - tables["noisy"]).aupro
    row = paired([tables["glow"]], [tables["noisy"]]).set_index(["category", "metric"]).loc[("mean", "aupro")]
    values = flat(tables["glow"]).query("category == 'mean' and replicate >= 0").aupro
    expected = [tables["glow"].aupro.iloc[0], tables["glow"].aupro.iloc[1], tables["glow"].aupro["mean"]]
    assert sorted({*values.round(9)}) == pytest.approx(sorted(expected))
    assert row.se == pytest.approx(abs(gaps.iloc[0] - gaps.iloc[1]) / 2, rel=0.3)


@pytest.mark.slow
def test_what_is_alike_about_the_pictures_is_not_in_a_difference(tables):
    """A model against itself differs by nothing, though each number has its error; against one with slight noise of its
    own by far less than two independent ones would."""
    same = paired([tables["glow"]], [tables["glow"]])
    assert (same[["gap", "se", "low", "high"]] == 0).all(axis=None)
    found = paired([tables["glow"]], [tables["noisy"]]).set_index(["category", "metric"]).se[("mean", "pixel_auroc")]
    alone = np.hypot(*(table.spread.loc["mean", "pixel_auroc"] for table in tables.values()))
    assert 0 < found < 0.7 * alone


@pytest.mark.slow
def test_runs_are_averaged_and_spread_a_difference_further(dataset, tables):
    runs = [evaluate(Noisy(noise), dataset, **FEW) for noise in (0.02, 1.0)]
    found = paired(runs, [tables["glow"]]).set_index(["category", "metric"])
    single = [paired([run], [tables["glow"]]).set_index(["category", "metric"]) for run in runs]
    where = ("mean", "pixel_auroc")
    assert found.gap[where] == pytest.approx((single[0].gap[where] + single[1].gap[where]) / 2)
    assert found.se[where] > max(part.se[where] for part in single)


@pytest.mark.slow
def test_tables_of_other_pictures_or_resamples_are_refused(dataset, tables):
    glow = tables["glow"]
    fewer = evaluate(Glow(), dataset.select(per_category=4), **FEW)
    with pytest.raises(ValueError, match="same pictures in the same order, got 14 and 8 pictures, 6 of them in one"):
        paired([glow], [fewer])
    for other in ({"resamples": 50}, {"resamples": 60, "seed": 1}):
        with pytest.raises(ValueError, match="same resamples in both tables"):
            paired([glow], [evaluate(Glow(), dataset, **other)])
    one = evaluate(Glow(), dataset.select(["lamp"]).select(per_category=1), **FEW)
    with pytest.raises(ValueError, match="at least two pictures of each category, got one of lamp"):
        paired([one], [one])
