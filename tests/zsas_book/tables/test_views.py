import numpy as np
import pandas as pd
import pytest

from zsas_book.tables import views as tables
from zsas_lib.backbones.zoo import Card, zoo_card
from zsas_lib.evaluation.sampled import ITSELF
from zsas_lib.robustness import correspondence, depth_naming
from zsas_lib.robustness.naming import CLEAN, by_seed
from zsas_lib.robustness.naming_towers import TowerCard
from zsas_lib.robustness.visual_factors import AMONG

WAYS = (depth_naming.DEPTH, depth_naming.TWIN)


@pytest.fixture(scope="module")
def found():
    """Two towers of unlike depth on six products: the first finds 0.3, the other 0.1."""
    rng = np.random.default_rng(0)
    recalls = {}
    for name, layers, recall in (("zoo:reference:0", 2, 0.3), ("zoo:vit:0", 3, 0.1)):
        rows = [
            {"category": f"p{product}", "tilt": tilt, "layer": layer, "recall": recall + 0.01 * rng.normal()}
            | {"in_place": 0.2 if tilt == 15 else 0.1, "chance": 0.02}
            for product in range(6)
            for tilt in (15, 45)
            for layer in range(1, layers + 1)
        ]
        recalls[name] = pd.DataFrame(rows)
    return tables.of_towers(recalls, [zoo_card("reference"), zoo_card("vit")], {"reference": "CNN"})


def test_towers_are_known_by_member_kind_and_seed(found):
    assert {*zip(found.tower, found.kind, found.seed)} == {("reference", "CNN", 0), ("vit", "", 0)}


@pytest.mark.slow
def test_panels_have_the_layers_of_the_deepest_and_what_needs_no_features(found):
    values, errors = tables.recall_panels(correspondence.by_layer(found))
    assert list(values) == ["vit", "reference", tables.NO_FEATURES] and list(errors) == list(values)
    assert list(values["vit"].index) == ["layer 1", "layer 2", "layer 3"]
    assert list(values["vit"]) == ["tilt of 15 degrees", "tilt of 45 degrees"]
    assert values["vit"].to_numpy() == pytest.approx(np.full((3, 2), 10), abs=2)
    assert values[tables.NO_FEATURES].to_numpy() == pytest.approx(np.array([[20, 10], [2, 2]]))
    assert list(values[tables.NO_FEATURES].index) == ["same place", "chance"]


@pytest.mark.slow
def test_matches_are_beside_the_same_place(found):
    chosen = correspondence.at_chosen_layer(found)
    table = tables.matches_table(chosen).set_index(["tower", "tilt"])
    own = table.loc[("reference", "45")]
    assert own["same place"] == pytest.approx(10) and own["chance"] == pytest.approx(2)
    assert own["more than same place"] == pytest.approx(own["recall"] - 10) and own["low"] > 15
    said = tables.matches_in_words(chosen, "vit")
    assert said[0].startswith("Over all tilts reference finds most: ") and "right for 15.0 %" in said[0]
    assert "reference +" in said[1] and "vit -" in said[1]
    assert said[3].startswith("reference finds more than vit (+") and len(said) == 4


def test_against_is_paired():
    rows = [
        {"member": member, "seed": 0, "way": "a", "category": f"n{name}", "loss": 0.1 * name + shift}
        for member, shift in (("reference", 0.0), ("vit", 0.25))
        for name in range(8)
    ]
    whole = by_seed(pd.DataFrame(rows), ["way", "member"])
    (row,) = tables.against(whole, "loss", "member", "vit", ["way"]).to_dict("records")
    assert (row["way"], row["member"]) == ("a", "reference")
    assert row["gap"] == pytest.approx(-0.25) and row["se"] == pytest.approx(0, abs=1e-9)
    assert tables.against(whole, "loss", "member", "short", ["way"]).empty


@pytest.fixture(scope="module")
def naming():
    """Three members: corruptions take 0.1 without depth and 0.2 with, from the transformer 0.05 more of each."""
    rng = np.random.default_rng(1)
    rows = [
        {"member": member, "seed": seed, "factor": factor, "category": f"n{name}", "accuracy_of_all": 0.0}
        | {AMONG: start + 0.02 * seed - taken - (0.05 if member == "vit" and taken else 0) + 0.01 * rng.normal()}
        for member, start in (("reference", 0.6), ("vit", 0.5), ("few", 0.5))
        for seed in (0, 1)
        for factor, taken in {CLEAN: 0.0, "near_focus": 0.2, "defocus": 0.1}.items()
        for name in range(12)
    ]
    ways = depth_naming.both_ways(pd.DataFrame(rows))
    kinds = {"reference": "CNN", "vit": "transformer"}
    robustness = depth_naming.robustness(ways, ["reference", "few"], kinds)
    return depth_naming.losses(ways), depth_naming.added(ways), robustness[robustness["kind"] != ""]


@pytest.mark.slow
def test_losses_and_what_depth_adds_are_in_points(naming):
    lost, added, _ = naming
    table = tables.loss_table(lost, added).set_index(["member", "corruption"])
    assert list(table.columns) == [*WAYS, "depth adds", "low", "high"]
    own = table.loc[("vit", "near_focus")]
    assert own[list(WAYS)].tolist() == pytest.approx([25, 15], abs=1)
    assert own["depth adds"] == pytest.approx(own[WAYS[0]] - own[WAYS[1]]) and own["low"] > 8
    values, errors = tables.loss_panels(lost, added)
    assert list(values) == ["reference", "vit", "few"] and list(values["vit"]) == [*WAYS, "depth adds"]
    assert values["vit"].loc["near_focus", "depth adds"] == pytest.approx(own["depth adds"])
    assert (errors["vit"] > 0).all(axis=None)
    said = tables.depth_in_words(added)
    assert said[0].startswith("Over all corruptions depth costs the reference more (+") and "near focus +" in said[0]


@pytest.mark.slow
def test_architectures_are_set_against_the_transformer(naming):
    lost, _, robustness = naming
    lost = lost[lost["member"] != "few"]
    table = tables.architectures(lost, robustness, "vit")
    assert {*table["member"]} == {"reference"} and {*table["way"]} == {*WAYS}
    assert table["loses less"].tolist() == pytest.approx([5] * 4, abs=1)
    assert (table["low"] <= table["loses less"]).all() and (table["loses less"] <= table["high"]).all()
    line = table.set_index(["way", "corruption"])["more above the line"]
    known = {way: robustness[(robustness["way"] == way) & (robustness["replicate"] == ITSELF)] for way in WAYS}
    for way, own in known.items():
        means = own.groupby("member")["effective"].mean()
        assert line[way, depth_naming.EVERY] == pytest.approx(100 * (means["reference"] - means["vit"]))
        assert np.isnan(line[way, "near_focus"])
    said = tables.architectures_in_words(table, "vit")
    assert said[0].startswith("Under corruptions with depth the reference loses less than the vit (+")
    assert said[1].startswith("Under their twins without depth the reference loses less than the vit (+")


def test_kinds_are_known_of_the_zoo_and_told_by_other_towers():
    zoo = [zoo_card(name) for name in ("few", "reference", "vit", "convnext")]
    assert tables.kinds_of(zoo) == ({"reference": "CNN", "vit": "transformer", "convnext": "CNN"}, "vit")
    known = {name: getattr(zoo[0], name) for name in Card.__dataclass_fields__}
    towers = [TowerCard(**known | {"name": name}, kind=kind) for name, kind in (("RN50:openai", "CNN"), ("b", "CNN"))]
    assert tables.kinds_of(towers) == ({"RN50:openai": "CNN", "b": "CNN"}, "")


@pytest.mark.slow
def test_without_a_transformer_or_a_line_that_is_said(naming):
    lost, _, robustness = naming
    table = tables.architectures(lost, robustness, "")
    assert table.empty and tables.architectures_in_words(table, "")[0].startswith("There is nothing to compare")
    lost = lost[lost["member"] != "few"]
    said = tables.architectures_in_words(tables.architectures(lost, robustness.assign(effective=np.nan), "vit"), "vit")
    assert said[0].endswith(").") and "foretells" not in said[0]


def test_equal_accuracy_is_told_both_ways_with_who_is_left_out():
    rows = [
        {"way": way, "member": "vit", "gap": gap, "low": gap - 0.01, "high": gap + 0.01}
        for way, gap in zip(WAYS, (-0.03, 0.0))
    ]
    said = tables.equal_in_words(pd.DataFrame(rows), {"convnext": "why", "few": "other"}, {"vit": "", "convnext": ""})
    assert said[0] == "At equal accuracy, under corruptions with depth, beyond chance: vit -3.0 (-4.0 to -2.0)."
    assert said[1].endswith("under their twins without depth, beyond chance: none.")
    assert said[2] == "Left out: convnext (why)."
    table = tables.equal_table(pd.DataFrame(rows)).set_index("way")
    assert list(table.columns) == ["member", "gap", "low", "high"] and table["low"].iloc[0] == pytest.approx(-4.0)
