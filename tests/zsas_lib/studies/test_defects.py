"""Groups of defects: the published mapping, contrast on drawn pictures, and metrics against single evaluations."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy import Glow, toy_dataset

import zsas_lib as zsas
from zsas_lib.base.errors import DataError
from zsas_lib.data.dataset import AnomalyDataset, Record
from zsas_lib.studies.defects import (
    LEVELS,
    beside_drawn,
    contrast,
    contrast_gains,
    defect_table,
    found_alone,
    group_gaps,
    group_metrics,
    group_summary,
    ordered_groups,
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


def test_each_picture_goes_through_the_model_once_and_unnamed_ones_are_in_no_group(dataset):
    model = Glow()
    one = dataset.records[4].path.relative_to(dataset.root).as_posix()
    metrics = group_metrics(model, dataset, {"level": {one: "low"}, "type": {}}, **FEW)
    assert model.seen == len(dataset)
    assert metrics[metrics.grouping == "level"].category.tolist() == ["lamp", "mean"]
    assert not (metrics.grouping == "type").any()


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


def test_a_picture_is_found_alone_by_its_rank_among_the_good_ones_of_its_category():
    rows = [("g1", "lamp", False, 0.1), ("g2", "lamp", False, 0.3), ("g3", "star", False, 0.9)]
    rows += [("d1", "lamp", True, 0.3), ("d2", "lamp", True, 0.5), ("d3", "star", True, 0.5)]
    per_image = pd.DataFrame(rows, columns=["path", "category", "is_anomalous", "image_score"])
    defects = pd.DataFrame({"path": ["d1", "d2", "d3"], "contrast": 0.1, "area": 0.2, "type": "multiple"})
    found = found_alone(per_image, defects.assign(level="low")).set_index("path")
    assert found.exceeds.to_dict() == {"d1": 0.75, "d2": 1.0, "d3": 0.0}
    assert found.columns.tolist()[-5:] == ["contrast", "area", "type", "level", "exceeds"]


def test_drawn_defects_stand_beside_measured_ones():
    defects = pd.DataFrame({"path": ["a", "b"], "category": "lamp", "contrast": [0.1, 0.2]})
    drawn = pd.DataFrame({"image": ["b", "c"], "category": "lamp", "contrast": [0.5, 0.6], "contrast_level": "high"})
    both = beside_drawn(defects, drawn)
    assert both[["path", "contrast", "contrast_drawn"]].to_numpy().tolist() == [["b", 0.2, 0.5]]
