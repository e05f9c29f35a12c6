"""The study of shots, draws and windows: against models evaluated one by one, and how it is stored."""

import numpy as np
import pandas as pd
import pytest
from layouts import write_mvtec

import zsas_lib as zsas
from zsas_lib.models.load import load_model
from zsas_lib.models.references import draw_normal
from zsas_lib.studies.few_shot import (
    BOTH,
    REFERENCES,
    TEXT,
    chosen,
    curve,
    curves,
    few_shot_table,
    flat_sets,
    gain_table,
    maps_by_term,
    over_draws,
    weight_curves,
)

FEW = {"resamples": 4}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    kinds = {"bottle": {"good": 3, "crack": 2}, "grid": {"good": 2, "bent": 3}}
    root = write_mvtec(tmp_path_factory.mktemp("few") / "mvtec", kinds, train=3)
    return [zsas.load_dataset("mvtec", root, split=split, image_size=32) for split in ("test", "train")]


@pytest.fixture(scope="module")
def table(backbone, pictures):
    return few_shot_table(
        load_model("winclip", backbone), *pictures, shots=(0, 1, 3), scales=((2, 3), (1,)), draws=5, **FEW
    )


@pytest.mark.slow
def test_there_is_a_row_for_every_setting_and_no_set_is_drawn_twice(table):
    counts = table.groupby(["category", "scales", "shots", "weight"]).size()
    for category in ("bottle", "grid", "mean"):
        for scales in ("2+3", "1"):
            assert counts[category, scales].to_dict() == {
                (0, TEXT): 1,
                (1, BOTH): 3,
                (1, REFERENCES): 3,
                (3, BOTH): 1,
                (3, REFERENCES): 1,
            }


@pytest.mark.slow
@pytest.mark.parametrize("scales", [(2, 3), (1,)])
def test_rows_are_what_models_of_their_own_get(backbone, pictures, table, scales):
    test, train = pictures
    name = "+".join(map(str, scales))
    metrics = ["image_auroc", "pixel_auroc"]
    zero = zsas.evaluate(load_model("winclip", backbone, scales=scales), test, **FEW).loc[
        ["bottle", "grid", "mean"], metrics
    ]
    rows = table[(table.scales == name) & (table.shots == 0)].set_index("category")[metrics]
    np.testing.assert_allclose(rows, zero, atol=1e-6)
    model = load_model("winclip", backbone, scales=scales, shots=3)
    zsas.remember_normal(model, train)
    few = zsas.evaluate(model, test, **FEW).loc[["bottle", "grid", "mean"], metrics]
    rows = table[(table.scales == name) & (table.shots == 3) & (table.weight == BOTH)].set_index("category")[metrics]
    np.testing.assert_allclose(rows, few, atol=2e-3)  # the order of references may part what nearly ties
    alone, may_part = [], []
    for category in ("bottle", "grid"):
        part = test.select([category])
        batch = next(part.batches(16))
        scores = sum(model.association_maps(batch.images, category).values()).amax((1, 2))
        alone.append(zsas.metrics.image_auroc(scores, batch.is_anomalous))
        gaps = (scores[batch.is_anomalous][:, None] - scores[~batch.is_anomalous]).abs()
        may_part.append(float((gaps < 1e-5).float().mean()))  # pairs that rounding may order either way
    rows = table[(table.scales == name) & (table.shots == 3) & (table.weight == REFERENCES)].set_index("category")
    assert max(may_part) < 0.5
    assert (np.abs(rows.image_auroc[["bottle", "grid"]].to_numpy() - alone) <= np.array(may_part) + 1e-6).all()


@pytest.mark.slow
def test_the_first_draw_is_the_seeds(backbone, pictures):
    test, train = (part.select(["grid"]) for part in pictures)
    table = few_shot_table(load_model("winclip", backbone), test, train, shots=(1,), draws=1, seed=5, **FEW)
    model = load_model("winclip", backbone, shots=1)
    model.remember("grid", draw_normal(train, "grid", 1, 5)[0].image[None])
    expected = zsas.evaluate(model, test, **FEW).loc["grid", "pixel_auroc"]
    assert table[table.weight == BOTH].pixel_auroc.iloc[0] == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_over_draws_is_mean_and_standard_deviation(table):
    rows = over_draws(table).set_index(["category", "scales", "shots", "weight"])
    drawn = table[(table.category == "grid") & (table.scales == "1") & (table.shots == 1) & (table.weight == BOTH)]
    row = rows.loc[("grid", "1", 1, BOTH)]
    assert row.pixel_auroc == pytest.approx(np.mean(drawn.pixel_auroc)) and row.draws == 3
    assert row.pixel_auroc_draws == pytest.approx(np.std(drawn.pixel_auroc, ddof=1))
    assert row.image_auroc_se == pytest.approx(np.mean(drawn.image_auroc_se))
    assert np.isnan(rows.loc[("grid", "1", 0, TEXT)].image_auroc_draws)


@pytest.mark.slow
def test_sets_of_references_are_runs_of_the_same_pictures(table):
    whole = flat_sets(table[table.scales == "2+3"])
    none = chosen(whole, "pixel_auroc", "grid", shots=0)
    few = chosen(whole, "pixel_auroc", "grid", shots=1, weight=BOTH)
    rows = table[(table.scales == "2+3") & (table.category == "grid")]
    drawn = rows[(rows.shots == 1) & (rows.weight == BOTH)].pixel_auroc
    before = rows[rows.shots == 0].pixel_auroc.iloc[0]
    assert (few - none).values[0] == pytest.approx(drawn.mean() - before, abs=1e-12)
    assert {number: len(own) for number, own in few.runs.items()} == {3: 3} and not none.runs
    assert few.units == 5


def test_wrong_settings_are_refused(backbone, pictures):
    model = load_model("winclip", backbone)
    for wrong in ({"shots": ()}, {"scales": ()}, {"draws": 0}, {"shots": (-1,)}):
        with pytest.raises(ValueError, match="Expected numbers of shots, scales and at least 1 draw"):
            few_shot_table(model, *pictures, **wrong)
    for weights in ((), (0.0,), (1.5,)):
        with pytest.raises(ValueError, match="weights of the references above 0 and up to 1"):
            few_shot_table(model, *pictures, weights=weights)
    with pytest.raises(ValueError, match="at least 4 normal pictures of 'bottle'.*found 3"):
        few_shot_table(model, *pictures, shots=(4,))
    with pytest.raises(ValueError, match="squashes images, got non_square='tile'"):
        few_shot_table(load_model("winclip", backbone, non_square="tile"), *pictures)


@pytest.mark.slow
def test_the_store_knows_a_table_by_the_references_of_its_category(backbone, pictures, tmp_path):
    test, train = pictures
    model = load_model("winclip", backbone)
    first = zsas.stored(few_shot_table, model, test, train, store=tmp_path, shots=(0, 1), draws=1, **FEW)
    direct = few_shot_table(model, test, train, shots=(0, 1), draws=1, **FEW)
    pd.testing.assert_frame_equal(first, direct)
    assert first.attrs["settings"] == direct.attrs["settings"] == ["scales", "shots", "set", "weight"]
    grid = zsas.stored(
        few_shot_table, model, test.select(["grid"]), train, store=tmp_path, shots=(0, 1), draws=1, **FEW
    )
    assert len(list(tmp_path.rglob("*.parquet"))) == 2 and len(grid) == 2 * 3
    fewer = type(train)(train.name, train.root, [r for r in train.records if r.category == "grid"][1:], 32)
    zsas.stored(few_shot_table, model, test.select(["grid"]), fewer, store=tmp_path, shots=(0, 1), draws=1, **FEW)
    assert len(list(tmp_path.rglob("*.parquet"))) == 3


@pytest.mark.slow
def test_a_curve_has_a_row_for_each_number_of_shots_and_the_mean_as_a_column(table):
    summary = over_draws(table[table.scales == "2+3"])
    lines = curve(summary, "pixel_auroc", (TEXT, BOTH))
    assert lines.index.tolist() == [0, 1, 3] and lines.columns.tolist() == ["bottle", "grid", "mean"]
    single = table[(table.scales == "2+3") & (table.shots == 1) & (table.weight == BOTH) & (table.category == "grid")]
    assert lines.grid[1] == pytest.approx(100 * single.pixel_auroc.mean())
    assert list(curves(summary, (REFERENCES,), column="_se")) == ["image_auroc", "pixel_auroc"]
    assert curves(summary, (REFERENCES,))["pixel_auroc"].index.tolist() == [1, 3]


@pytest.mark.slow
def test_gains_are_differences_to_no_reference_with_their_errors(table):
    summary = over_draws(table[table.scales == "2+3"])
    lines, gains = curve(summary, "image_auroc", (TEXT, BOTH)), gain_table(summary, "image_auroc", 3)
    assert gains.columns.tolist() == ["0 shots", "3 shots", "references alone", "gain", "±", "± draws"]
    assert np.allclose(gains["gain"], lines.loc[3] - lines.loc[0])
    spread = (
        table[(table.scales == "2+3") & (table.shots == 1) & (table.weight == BOTH)].groupby("category").image_auroc
    )
    assert np.allclose(gains["± draws"], 100 * spread.std()[gains.index])
    assert gain_table(summary[summary.shots != 1], "image_auroc", 3)["± draws"].isna().all()


@pytest.mark.slow
def test_curves_of_weights_go_from_words_to_references(backbone, pictures, table):
    weights = (0.25, BOTH, REFERENCES)
    by_weight = few_shot_table(
        load_model("winclip", backbone), *pictures, shots=(0, 3), draws=1, weights=weights, scales=((2, 3),), **FEW
    )
    lines = weight_curves(by_weight)["pixel_auroc"]
    assert lines.index.tolist() == [TEXT, *weights] and lines.columns.tolist() == ["bottle", "grid", "mean"]
    asked = table[(table.scales == "2+3") & (table.category == "mean")].set_index(["shots", "weight"]).pixel_auroc
    assert np.allclose(lines["mean"][[TEXT, BOTH, REFERENCES]], 100 * asked[[(0, TEXT), (3, BOTH), (3, REFERENCES)]])
    quarter = load_model("winclip", backbone, shots=3, reference_weight=0.25)
    zsas.remember_normal(quarter, pictures[1])
    expected = zsas.evaluate(quarter, pictures[0], **FEW).pixel_auroc["mean"]
    assert lines["mean"][0.25] == pytest.approx(100 * expected, abs=0.2)


@pytest.mark.slow
def test_the_map_of_both_is_the_mean_of_those_of_words_and_of_references(backbone, pictures):
    test, train = pictures
    model = load_model("winclip", backbone, shots=2)
    zsas.remember_normal(model, train)
    maps = maps_by_term(load_model("winclip", backbone), model, test.select(["grid"], anomalous=True)[0])
    assert list(maps)[3:] == ["windows of side 2", "windows of side 3", "patches"]
    parts = sum(list(maps.values())[3:]) / 3
    assert np.allclose(maps["references: Mᵂ"], parts, atol=1e-6)
    assert np.allclose(maps["both"], (maps["words: M"] + parts) / 2, atol=1e-6)
