"""Concept matching against its formula and scikit-learn, and models that are told other names."""

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_clip import tiny_backbone

import zsas_lib as zsas
from zsas_lib import load_model
from zsas_lib.base.errors import OptionError
from zsas_lib.robustness import wrong_product as module
from zsas_lib.store.results import describe_model

RNG = np.random.default_rng(5)
BEGUN = RNG.bit_generator.state


@pytest.fixture(autouse=True)
def begun_anew():
    """What a test draws depends on no test before it."""
    RNG.bit_generator.state = BEGUN


@pytest.fixture(scope="module")
def pictures():
    names = ["ceramic_ring", "woven_sheet", "rubber_gear"]
    return zsas.load_dataset("embedded-b", categories=names, image_size=32).select(per_category=4)


@pytest.mark.slow
def test_matching_is_a_softmax_of_cosines(pictures, backbone):
    names = ["ceramic_ring", "woven_sheet", "cork_disc"]
    table = module.matched(backbone, pictures, names, temperature=0.5)
    text = backbone.encode_text([f"a photo of a {name}." for name in ("ceramic ring", "woven sheet", "cork disc")])
    embedded = torch.nn.functional.normalize(backbone.encode_image(pictures[0].image[None]), dim=-1)
    found = np.exp((embedded @ text.mT)[0].detach().double().numpy() / 0.5)
    found /= found.sum()
    assert table.matching[0] == pytest.approx(found.max(), abs=1e-5)
    assert table.ceramic_ring[0] == pytest.approx(found[0], abs=1e-5)
    assert table.named[0] == names[found.argmax()] and table[names].sum(axis=1).to_numpy() == pytest.approx(1)
    assert list(table.path) == [record.name(pictures.root) for record in pictures.records]
    with pytest.raises(OptionError, match="two products with different names, got macaroni, macaroni"):
        module.matched(backbone, pictures, ["macaroni1", "macaroni2"])
    with pytest.raises(ValueError, match="positive temperature.*got 0"):
        module.matched(backbone, pictures, names, temperature=0.0)


def rows(scores: dict[str, float], anomalous: float = 0.0, images: int = 10) -> pd.DataFrame:
    parts = []
    for name, mean in scores.items():
        for damaged in (False, True):
            values = mean + damaged * anomalous + 0.01 * RNG.normal(size=images)
            parts.append(pd.DataFrame({"category": name, "is_anomalous": damaged, "matching": values}))
    return pd.concat(parts, ignore_index=True)


@pytest.mark.slow
def test_near_and_far_products_are_told_apart_and_damage_is_not_counted():
    known = rows({"ceramic_ring": 0.6, "woven_sheet": 0.6, "plastic_nut": 0.6}, anomalous=-0.5)
    others = rows({"wooden_ring": 0.6, "woven_panel": 0.6, "cork_disc": 0.4, "leather_bar": 0.4}, anomalous=0.5)
    found = module.rejected(known, others).set_index("product")
    assert found.loc["far", "AUROC"] == 1 and found.loc["far", "FPR95"] == 0
    assert 0.3 < found.loc["near", "AUROC"] < 0.7 and found.loc["near", "FPR95"] > 0.7
    assert found.loc["near", "AUROC_low"] < found.loc["near", "AUROC"] < found.loc["near", "AUROC_high"]
    strangers = module.defects_as_strangers(known)
    assert (strangers == 1).all() and module.defects_as_strangers(rows({"a": 0.5, "b": 0.5})).mean() == pytest.approx(
        0.5, abs=0.2
    )
    assert module.kinship("capsules", ["capsule"]) == "near" and module.kinship("pcb1", ["pcb4"]) == "near"


def test_the_interval_of_few_categories_has_the_degrees_of_freedom_of_the_smaller_side():
    """Chance itself is left out about as rarely as it should: percentiles of these leave it out in 12 of 60."""
    rng = np.random.default_rng(0)

    def side(count):
        return [rng.normal() + 0.5 * rng.normal(size=5) for _ in range(count)]

    found = [module._measured(side(4), side(3)) for _ in range(60)]
    assert np.mean([own["AUROC_low"] <= 0.5 <= own["AUROC_high"] for own in found]) >= 0.9
    assert all(0 <= own["AUROC_low"] <= own["AUROC"] <= own["AUROC_high"] <= 1 for own in found)
    alone = module._measured(side(4), side(1))
    assert np.isnan([alone["AUROC_low"], alone["FPR95_high"]]).all()


def test_the_expected_name_is_told_from_the_others():
    table = pd.DataFrame({"category": ["a", "a", "b", "b"], "is_anomalous": [False, True, False, False]})
    table = table.assign(a=[0.9, 0.0, 0.8, 0.95], b=[0.1, 1.0, 0.8, 0.9])
    assert module.expected_or_not(table).to_dict() == {"a": 0.5, "b": 1.0}


def test_other_names_share_no_word_where_that_can_be():
    found = module.other_names(["ceramic_ring", "ceramic_disc", "wooden_ring", "woven_sheet"])
    assert found["ceramic_ring"] == "woven_sheet" and all(name != other for name, other in found.items())
    assert module.other_names(["a_ring", "b_ring"]) == {"a_ring": "b_ring", "b_ring": "a_ring"}
    with pytest.raises(OptionError, match="at least two categories"):
        module.other_names(["a"])


@pytest.mark.slow
def test_a_model_is_told_another_name(pictures):
    backbone = tiny_backbone()
    winclip = load_model("winclip", backbone, scales=(2,))
    misnamed = module.Misnamed(winclip, {"ceramic_ring": "woven_sheet"})
    images = torch.stack([pictures[0].image, pictures[1].image])
    with torch.no_grad():
        told, meant = misnamed(images, "ceramic_ring"), winclip(images, "woven_sheet")
        torch.testing.assert_close(told.anomaly_map, meant.anomaly_map)
        torch.testing.assert_close(
            misnamed(images, "rubber_gear").image_score, winclip(images, "rubber_gear").image_score
        )
    assert module.reads_names(winclip, images, "ceramic ring", "woven sheet")
    centre = load_model("centre-distance")
    assert (
        not module.reads_names(centre, images, "ceramic ring", "woven sheet")
        and module.Misnamed(centre, {}).device == centre.device
    )
    own, other = (describe_model(model, ["ceramic_ring"]) for model in (winclip, misnamed))
    assert own != other and describe_model(misnamed, ["ceramic_ring"])["model"] == "winclip"


@pytest.mark.slow
def test_names_that_are_said_alike_are_one_concept(pictures, backbone):
    names = ["ceramic_ring", "pcb1", "woven_sheet", "pcb2", "pcb3"]
    found, single = (module.matched(backbone, pictures, own, temperature=0.05) for own in (names, names[:3]))
    assert found.named.tolist() == single.named.tolist()
    for column in ("matching", *names[:3]):
        assert found[column].tolist() == pytest.approx(single[column].tolist(), abs=1e-6)
    assert found["pcb1"].tolist() == found["pcb2"].tolist() == found["pcb3"].tolist()
    assert found[names[:3]].sum(axis=1).tolist() == pytest.approx([1.0] * len(pictures))
