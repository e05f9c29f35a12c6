"""Groups of defects: the published mapping, contrast on drawn pictures, and metrics against single evaluations."""

import numpy as np
import pandas as pd
import pytest
import torch
from flats import flat_of
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import DataError
from zsas_lib.data.dataset import AnomalyDataset, Record
from zsas_lib.evaluation.paired import flat_models
from zsas_lib.evaluation.replicates import REPLICATE, drawn_pictures
from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.studies.defects import (
    LEVELS,
    beside_drawn,
    contrast,
    contrast_gains,
    defect_table,
    flat_group_gaps,
    found_alone,
    group_gaps,
    group_metrics,
    group_summary,
    mean_groups,
    methods_apart,
    ordered_groups,
    stronger_reason,
)

FEW = {"resamples": 4}


def drawn(size: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.full((3, size, size), 0.4), torch.zeros(size, size, dtype=torch.bool)


def test_contrast_is_the_mean_difference_over_the_channels():
    image, mask = drawn()
    mask[10:20, 10:20] = True
    image[:, mask] += torch.tensor([0.3, -0.15, 0.0])[:, None]
    assert contrast(image, mask) == pytest.approx(0.15, abs=1e-6)


def test_contrast_is_local_and_bright_and_dark_regions_do_not_cancel():
    image, mask = drawn()
    image[:, :, 25:] = 0.8  # another ground on the right
    mask[10:20, 5:15] = mask[10:20, 35:40] = True
    image[:, 10:20, 5:15] += 0.1
    image[:, 10:20, 35:40] -= 0.4
    assert contrast(image, mask) == pytest.approx((100 * 0.1 + 50 * 0.4) / 150, abs=1e-6)


def test_the_ring_leaves_other_regions_out():
    image, mask = drawn()
    mask[10:20, 10:20] = mask[10:20, 21:30] = True
    image[:, mask] = 0.9
    assert contrast(image, mask) == pytest.approx(0.5, abs=1e-6)


def test_contrast_where_there_is_nothing_to_compare():
    image, mask = drawn()
    assert np.isnan(contrast(image, mask)) and np.isnan(contrast(image, ~mask))
    ring = mask.clone()
    ring[:-1] = True  # only a row is normal, and it touches
    assert contrast(image, ring) == pytest.approx(0, abs=1e-6)


@pytest.fixture
def dataset(tmp_path):
    plain = toy_dataset(tmp_path / "data", {"lamp": 4, "star": 3}, normal=4)
    kinds = {"lamp": ["glow", "glow", "dim", "dim"], "star": ["glow", "glow", "glow"]}
    records = []
    for record in plain.records:
        kind = kinds[record.category].pop(0) if record.is_anomalous else record.defect
        records.append(Record(record.path, record.mask_path, record.category, kind))
    return AnomalyDataset("toy", plain.root, records)


MAPPED = pd.DataFrame(
    [("", "glow", "appearance_change"), ("lamp", "dim", "surface_damage"), ("star", "glow", "foreign_material")],
    columns=["category", "defect", "type"],
)


def test_every_damaged_picture_has_a_type_and_a_level(dataset):
    table = defect_table(dataset, MAPPED)
    assert (
        len(table) == 7
        and table.type.tolist() == ["appearance_change"] * 2 + ["surface_damage"] * 2 + ["foreign_material"] * 3
    )
    assert table.level.value_counts().to_dict() == {"low": 2, "medium": 2, "high": 3}
    assert table.groupby("level").contrast.max()["low"] < table.groupby("level").contrast.min()["medium"]
    assert table.area.between(0.03, 0.08).all() and table.path.iloc[0] == "lamp/4.png"
    sample = dataset[4]
    assert table.contrast.iloc[0] == contrast(sample.image, sample.mask)
    assert (defect_table(dataset, MAPPED, [0.5, 0.6]).level == LEVELS[0]).all()


def test_a_defect_without_a_type_and_wrong_thresholds_are_refused(dataset):
    with pytest.raises(DataError, match="without a type: lamp/dim. Add rows"):
        defect_table(dataset, MAPPED.drop(index=1))
    for wrong in ([0.2], [0.3, 0.2]):
        with pytest.raises(ValueError, match="two ascending thresholds"):
            defect_table(dataset, MAPPED, wrong)


@pytest.mark.slow
def test_metrics_of_a_group_are_those_of_its_pictures_with_the_good_ones(dataset):
    defects = defect_table(dataset, MAPPED)
    metrics = group_metrics(Glow(), dataset, {"type": dict(zip(defects.path, defects.type))}, **FEW)
    rows = metrics.set_index(["category", "grouping", "group"])
    assert len(rows) == 2 + 3 + 1 + 3  # categories' all, their groups, means of both
    everything = zsas.evaluate(Glow(), dataset, **FEW)
    for category in ("lamp", "star", "mean"):
        for metric in ("image_auroc", "pixel_auroc"):
            assert rows.loc[(category, "all", "all"), metric] == pytest.approx(everything.loc[category, metric])
    dim = [r for r in dataset.records if r.category == "lamp" and r.defect in ("good", "dim")]
    alone = zsas.evaluate(Glow(), AnomalyDataset("toy", dataset.root, dim), **FEW).loc["lamp"]
    for metric in ("image_auroc", "pixel_auroc"):
        assert rows.loc[("lamp", "type", "surface_damage"), metric] == pytest.approx(alone[metric])


@pytest.mark.slow
def test_groups_and_models_meet_the_same_resamples_of_a_category(dataset):
    defects = defect_table(dataset, MAPPED)
    types = {"type": dict(zip(defects.path, defects.type))}
    found, other = (group_metrics(Glow(channel), dataset, types, resamples=30) for channel in (0, 1))
    own = found.replicates.set_index(["category", "grouping", "group"]).sort_index()
    evaluated = zsas.evaluate(Glow(), dataset, resamples=30).replicates.set_index("category")
    for category in ("lamp", "star"):
        everything, rows = own.loc[(category, "all", "all")], evaluated.loc[category]
        for column in ("image_auroc", "pixel_auroc"):
            np.testing.assert_allclose(everything[column], rows[column], atol=1e-9)
        assert (everything[REPLICATE[1:]].to_numpy() == rows[REPLICATE[1:]].to_numpy()).all()
    whole = flat_models({"one": [found], "other": [other]})
    rows = whole[(whole["category"] == "lamp") & (whole["grouping"] == "type")]
    glow, dim = (
        rows[(rows["group"] == group) & (rows["model"] == "one")] for group in ("appearance_change", "surface_damage")
    )
    gap = Sampled.of(glow, "pixel_auroc") - Sampled.of(dim, "pixel_auroc")  # raises for other resamples
    again = Sampled.of(dim, "pixel_auroc") - Sampled.of(
        rows[(rows["group"] == "surface_damage") & (rows["model"] == "other")], "pixel_auroc"
    )
    assert gap.units == again.units == 8 and np.isfinite(gap.difference().se)
    errors = found.set_index(["category", "grouping", "group"]).pixel_auroc_se
    spread = np.nanstd(own.loc[("lamp", "type", "surface_damage"), "pixel_auroc"], ddof=1)
    assert errors[("lamp", "type", "surface_damage")] == pytest.approx(spread)


@pytest.mark.slow
def test_a_group_s_replicates_are_those_of_its_own_pictures_in_each_resample(dataset):
    """By hand: AUROCs of the image scores of those drawn that are good or of the group, as often as they are drawn."""
    defects = defect_table(dataset, MAPPED)
    found = group_metrics(Glow(), dataset, {"type": dict(zip(defects.path, defects.type))}, resamples=12)
    scores = zsas.evaluate(Glow(), dataset, **FEW).per_image.query("category == 'lamp'")
    drawn = drawn_pictures("lamp", 8, 12, 0)
    value, good, own = (
        scores.image_score.to_numpy(),
        (~scores.is_anomalous).to_numpy(),
        (scores.defect == "dim").to_numpy(),
    )
    expected = []
    for counts in drawn:
        one, two = np.repeat(value[good], counts[good]), np.repeat(value[own], counts[own])
        wins = (two[:, None] > one).mean() + 0.5 * (two[:, None] == one).mean() if len(one) and len(two) else np.nan
        expected.append(wins)
    rows = found.replicates.query("category == 'lamp' and group == 'surface_damage'")
    np.testing.assert_allclose(rows.image_auroc, expected, atol=1e-12)


def test_methods_are_apart_in_each_group_pair_by_pair():
    numbers = {("a", "type", "hole", "mean"): 0.8, ("b", "type", "hole", "mean"): 0.83}
    numbers |= {("a", "type", "hole", "nut"): 0.1, ("b", "type", "hole", "nut"): 0.9}
    whole = flat_of(numbers, ["model", "grouping", "group", "category"], own=0.002)
    apart = methods_apart(whole, {"b": "a"})
    assert apart[["grouping", "group", "model", "over", "metric"]].to_numpy().tolist() == [
        ["type", "hole", "b", "a", metric] for metric in ("image_auroc", "pixel_auroc")
    ]
    assert apart.gap.tolist() == pytest.approx([0.03, 0.03]) and (apart.low > 0).all() and (apart.se < 0.01).all()


@pytest.mark.slow
def test_runs_of_groups_are_averaged_and_their_gaps_keep_them_apart():
    rows = [(c, "contrast", g, v) for c in ("a", "b") for g, v in (("low", 0.5), ("high", 0.7))]
    one = pd.DataFrame(rows, columns=["category", "grouping", "group", "image_auroc"]).assign(pixel_auroc=0.5)
    two = one.assign(image_auroc=one.image_auroc + 0.1 * (one.group == "high"))
    mean = mean_groups([one, two])
    assert mean[["category", "grouping", "group"]].equals(one[["category", "grouping", "group"]])
    assert mean.image_auroc.tolist() == pytest.approx([0.5, 0.75] * 2)
    flat = flat_group_gaps({"m": [one, two]}, [("contrast", "high", "low"), ("type", "hole", "stain")])
    itself = flat[flat["replicate"] == ITSELF]
    assert itself[["model", "pair", "run"]].to_numpy().tolist() == [["m", "high - low", 0], ["m", "high - low", 1]]
    assert itself.image_auroc.tolist() == pytest.approx([0.2, 0.3])
    assert Sampled.of(flat, "image_auroc").difference().se == pytest.approx(0.05)  # of trainings alone
    assert flat_group_gaps({"m": [one]}, [("type", "hole", "stain")]).empty


@pytest.mark.slow
def test_what_goes_along_with_being_found_is_compared_over_the_same_resampled_pictures():
    order = np.arange(60.0)
    found = pd.DataFrame({"contrast": order, "area": np.random.default_rng(0).permutation(order), "exceeds": order})
    apart = stronger_reason(found)
    assert 0.5 < apart.low < apart.gap < 1 and apart.agree == 1
    same = stronger_reason(found.assign(area=order))
    assert (same.gap, same.low, same.high) == (0, 0, 0)


def test_groups_are_compared_in_the_categories_that_have_both():
    rows = [("a", "low", 0.5), ("a", "high", 0.75), ("b", "low", 0.5), ("c", "high", 0.9), ("mean", "low", 0.5)]
    metrics = pd.DataFrame(rows, columns=["category", "group", "image_auroc"])
    metrics = metrics.assign(grouping="contrast", pixel_auroc=metrics.image_auroc)
    gaps = group_gaps(metrics, [("contrast", "high", "low"), ("type", "hole", "stain")])
    assert gaps.to_dict("list") == {
        "category": ["a"],
        "pair": ["high - low"],
        "image_auroc": [0.25],
        "pixel_auroc": [0.25],
    }


@pytest.mark.slow
def test_each_picture_goes_through_the_model_once_and_unnamed_ones_are_in_no_group(dataset):
    model = Glow()
    one = dataset.records[4].path.relative_to(dataset.root).as_posix()
    metrics = group_metrics(model, dataset, {"level": {one: "low"}, "type": {}}, **FEW)
    assert model.seen == len(dataset)
    assert metrics[metrics.grouping == "level"].category.tolist() == ["lamp", "mean"]
    assert not (metrics.grouping == "type").any()


@pytest.mark.slow
def test_the_summary_counts_and_compares_with_the_category(dataset):
    defects = defect_table(dataset, MAPPED)
    groups = {"type": dict(zip(defects.path, defects.type)), "level": dict(zip(defects.path, defects.level))}
    metrics = group_metrics(Glow(), dataset, groups, **FEW)
    summary = group_summary(metrics, defects, "level", "level")
    assert summary.pictures.sum() == 7 and summary.image_auroc.is_monotonic_increasing
    rows = metrics[metrics.category != "mean"].set_index(["grouping", "group", "category"]).image_auroc
    for level, row in summary.iterrows():
        own = rows["level"][level]
        assert row.image_auroc == pytest.approx(own.mean()) and row.categories == len(own)
        assert row.image_auroc_beside == pytest.approx((own - rows["all"]["all"][own.index]).mean())
    types = group_summary(metrics, defects, "type", "type")
    assert types.loc["foreign_material", ["categories", "defects", "pictures"]].tolist() == [1, 1, 3]
    assert (
        np.isnan(types.loc["foreign_material", "image_auroc_std"])
        and types.loc["foreign_material", "image_auroc_beside"] == 0
    )


GAINS = pd.DataFrame(
    [
        ("lamp", "contrast", "low", 0.5, 0.6),
        ("lamp", "contrast", "high", 0.9, 0.7),
        ("star", "contrast", "low", 0.4, 0.8),
        ("star", "contrast", "medium", 0.5, 0.8),
        ("lamp", "type", "multiple", 0.1, 0.1),
        ("mean", "contrast", "low", 0.45, 0.7),
        ("mean", "contrast", "high", 0.9, 0.7),
    ],
    columns=["category", "grouping", "group", "image_auroc", "pixel_auroc"],
)


def test_contrast_gains_are_within_the_categories_that_have_both_levels():
    gains = contrast_gains(GAINS)
    assert gains.index.tolist() == ["lamp"]
    assert gains.loc["lamp"].to_dict() == pytest.approx({"image_auroc": 0.4, "pixel_auroc": 0.1})
    assert contrast_gains(GAINS[GAINS.grouping == "type"]).empty


def test_groups_of_contrast_are_ordered_by_level_and_types_as_found():
    found = {"contrast": ["high", "low"], "type": ["multiple", "appearance_change"]}
    summaries = {("winclip", by): pd.DataFrame(index=groups) for by, groups in found.items()}
    assert ordered_groups(summaries, "contrast") == ["low", "high"]
    assert ordered_groups(summaries, "type") == ["multiple", "appearance_change"]


def test_a_group_without_a_good_picture_beside_it_has_no_number():
    rows = [("lamp", grouping, group, np.nan, 0.8) for grouping, group in (("all", "all"), ("type", "multiple"))]
    columns = ["category", "grouping", "group", "image_auroc", "pixel_auroc"]
    defects = pd.DataFrame({"category": ["lamp"], "defect": ["glow"], "type": ["multiple"]})
    found = group_summary(pd.DataFrame(rows, columns=columns), defects, "type", "type").loc["multiple"]
    assert np.isnan([found.image_auroc, found.image_auroc_beside]).all() and found.pixel_auroc_beside == 0


def test_a_picture_is_found_alone_by_its_rank_among_the_good_ones_of_its_category():
    rows = [("g1", "lamp", False, 0.1), ("g2", "lamp", False, 0.3), ("g3", "star", False, 0.9)]
    rows += [("d1", "lamp", True, 0.3), ("d2", "lamp", True, 0.5), ("d3", "star", True, 0.5)]
    per_image = pd.DataFrame(rows, columns=["path", "category", "is_anomalous", "image_score"])
    defects = pd.DataFrame({"path": ["d1", "d2", "d3"], "contrast": 0.1, "area": 0.2, "type": "multiple"})
    found = found_alone(per_image, defects.assign(level="low")).set_index("path")
    assert found.exceeds.to_dict() == {"d1": 0.75, "d2": 1.0, "d3": 0.0}
    assert found.columns.tolist()[-5:] == ["contrast", "area", "type", "level", "exceeds"]
    alone = found_alone(per_image[per_image.path != "g3"], defects.assign(level="low")).set_index("path")
    assert alone.exceeds[["d1", "d2"]].tolist() == [0.75, 1.0] and np.isnan(alone.exceeds["d3"]), "no good star"


def test_drawn_defects_stand_beside_measured_ones():
    defects = pd.DataFrame({"path": ["a", "b"], "category": "lamp", "contrast": [0.1, 0.2]})
    drawn = pd.DataFrame({"image": ["b", "c"], "category": "lamp", "contrast": [0.5, 0.6], "contrast_level": "high"})
    both = beside_drawn(defects, drawn)
    assert both[["path", "contrast", "contrast_drawn"]].to_numpy().tolist() == [["b", 0.2, 0.5]]
