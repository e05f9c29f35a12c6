import numpy as np
import pytest
import torch
from layouts import write_mvtec, write_visa
from tiny_clip import TINY, tiny

from zsas_lib.backbones import registry as backbones
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.data.load import load_dataset
from zsas_lib.evaluation.sampled import ITSELF
from zsas_lib.perturbations.corruptions import corrupt
from zsas_lib.robustness import naming, naming_towers
from zsas_lib.robustness.answering import ALL, HEAD, OTHER, TOWER, answered, language_answered, with_learnt
from zsas_lib.robustness.design_choices import TOLD, design_choices
from zsas_lib.robustness.naming import CLEAN, LEARNT
from zsas_lib.robustness.naming_calibration import calibration_of_names
from zsas_lib.robustness.naming_towers import (
    DAMAGED,
    OTHERS,
    SENTENCE,
    ProductQuestions,
    TowerCard,
    asked_of,
    product_questions,
    tower_answers,
)
from zsas_lib.robustness.out_of_distribution import strangers_told
from zsas_lib.robustness.retrieval import retrieved
from zsas_lib.robustness.visual_factors import accuracies, against, drops, robustness_or_none

MISSING = "ViT-B-32:openai"
KINDS = {"good": 3, "cut": 2}


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    place = tmp_path_factory.mktemp("products")
    products = write_mvtec(place / "mvtec", {name: KINDS for name in ("bottle", "metal_nut", "screw")})
    others = write_mvtec(place / "cups", {name: {"good": 2} for name in ("cup", "mug")})
    return {"mvtec": str(products), "folder": str(others), "visa": str(write_visa(place / "visa"))}


def register(patch):
    patch.setattr(backbones, "_REGISTERED", {})
    for name, image in (("one", TINY), ("two", tiny(layers=1)), ("three", tiny(patch_size=16))):
        backbones.register_backbone(name, architecture=image)
    return ["one", "two", "three"]


@pytest.fixture
def towers(monkeypatch):
    return register(monkeypatch)


@pytest.fixture(scope="module")
def questions(roots):
    return product_questions(
        ["mvtec"], [roots["mvtec"]], ["defocus", "sensor_noise"], (2,), 3, "folder", roots["folder"]
    )


@pytest.fixture(scope="module")
def found(questions, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        return tower_answers(register(patch), questions, weights="random", store=tmp_path_factory.mktemp("store"))[0]


def test_products_are_named_in_plain_view_under_corruptions_and_damaged(found):
    counts = found[0].rows.groupby(["set", "level"]).size().to_dict()
    assert counts == {(CLEAN, 0): 9, ("defocus", 2): 9, ("sensor_noise", 2): 9, (DAMAGED, 1): 6, (OTHERS, 0): 4}
    assert found[0].known == found[0].asked == ("bottle", "metal nut", "screw") and found[0].strangers == (OTHERS,)
    plain, strange = found[0].of(CLEAN), found[0].of(OTHERS)
    assert plain.truth.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2] and {*strange.truth} == {-1}
    assert plain.rows["number"].tolist() == 3 * [0, 1, 2] and plain.cosines.shape == (9, 3)


@pytest.mark.slow
def test_embeddings_are_the_towers_own(found, towers, roots):
    assert [own.card.backbone for own in found] == towers
    tower = backbones.load_backbone("one", "random")
    pictures = load_dataset("mvtec", roots["mvtec"], image_size=32).select(anomalous=False)
    images = torch.stack([sample.image for sample in pictures])
    with torch.no_grad():
        expected = tower.encode_image(images), tower.encode_image(corrupt(images, "sensor_noise(2)"))
        names = tower.encode_text([SENTENCE.format(name) for name in found[0].known])
    assert found[0].of(CLEAN).images == pytest.approx(expected[0].numpy(), abs=1e-5)
    assert found[0].names == pytest.approx(names.numpy(), abs=1e-5)
    noisy = found[0].of("sensor_noise", 2).images
    assert noisy[:9] == pytest.approx(expected[1].numpy(), abs=1e-4), "every picture has its own noise"


@pytest.mark.slow
def test_a_tower_that_cannot_be_had_is_named_and_the_others_are_shown(towers, questions, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    backbones.register_backbone("lost", architecture=tiny(layers=3))
    found, absent = tower_answers([towers[0], "lost", towers[1]], questions, store=tmp_path / "none", weights="random")
    assert len(found) == 3 and not absent
    real = backbones.load_backbone
    monkeypatch.setattr(
        naming_towers, "load_backbone", lambda name, weights: real(name, None if name == "lost" else weights)
    )
    found, absent = tower_answers([towers[0], "lost", towers[1]], questions, store=tmp_path, weights="random")
    assert [own.card.name for own in found] == ["one", "two"]
    assert {*absent} == {"lost"} and "has no weights of its own" in absent["lost"]
    assert tower_answers(["lost"], questions, weights="random", store=tmp_path) == ([], absent), "as in a shard"


@pytest.mark.slow
def test_each_tower_is_stored_by_itself(towers, questions, tmp_path, monkeypatch):
    for name in towers[:2]:  # as shards do
        tower_answers([name], questions, weights="random", store=tmp_path)
    monkeypatch.setattr(naming_towers, "numbered", None)  # what is stored needs no picture
    found, _ = asked_of(None, None, naming.Questions(), towers[:2], questions, "random", tmp_path)
    assert [own.card.backbone for own in found] == towers[:2] and isinstance(found[0].card, TowerCard)


@pytest.mark.slow
def test_every_axis_takes_them_as_it_takes_the_zoo(found):
    table = accuracies(found)
    assert {*table["factor"]} == {CLEAN, "defocus", "sensor_noise", DAMAGED}
    assert {*drops(table)["member"]} == {"one", "two", "three"}
    assert {*against(table, "one")["member"]} == {"two", "three"}
    line = robustness_or_none(table, ["one", "two", "three"])
    assert line.loc[line["replicate"] == ITSELF, "effective"].notna().all()
    errors, _ = calibration_of_names(found, resamples=5)
    assert {"clean", "defocus", DAMAGED} < {*errors["set"]}
    assert {*strangers_told(found, resamples=5)["strangers"]} == {OTHERS}
    hits = retrieved(found)
    assert hits.loc[(hits["member"] == "chance") & (hits["replicate"] == ITSELF), "hit@1"].tolist() == pytest.approx(
        [1 / 3, 1 / 3]
    )
    choices, absent = design_choices(found, "one")
    assert {*choices["member"]} == {"two", "three"} and {*choices["against"]} == {"one"} and not absent


@pytest.mark.slow
def test_of_few_towers_there_is_no_line_and_the_rest_stands(found):
    table = accuracies(found[:2])
    line = robustness_or_none(table, ["one", "two"])
    whole = robustness_or_none(accuracies(found), ["one", "two", "three"])
    assert list(line.columns) == list(whole.columns) and line["effective"].isna().all()
    key = ["member", "factor", "replicate"]
    both = line[line["replicate"] == ITSELF].merge(whole[whole["replicate"] == ITSELF], on=key)
    assert both["plain_x"].to_numpy() == pytest.approx(both["plain_y"].to_numpy())
    with pytest.raises(ValueError, match="Expected other members to compare with 'one'"):
        against(accuracies(found[:1]), "one")


@pytest.mark.slow
def test_without_strangers_that_axis_is_left_out(towers, roots, tmp_path):
    questions = product_questions(["mvtec"], [roots["mvtec"]], ["defocus"], (1,), 2)
    found, _ = tower_answers(towers[:2], questions, weights="random", store=tmp_path)
    choices, _ = design_choices(found, "one")
    assert TOLD not in {*choices["axis"]}
    with pytest.raises(OptionError, match="Expected pictures of strangers"):
        strangers_told(found)


def test_products_of_several_data_sets_are_asked_together(roots):
    both = product_questions(["mvtec", "visa"], [roots["mvtec"], roots["visa"]], [], (1,), 2)
    assert both.names == ("bottle", "metal nut", "screw", "candle", "printed circuit board")
    assert both.key["sound"] != product_questions(["mvtec"], [roots["mvtec"]], [], (1,), 2).key["sound"]


@pytest.mark.slow
def test_an_answerer_learns_from_every_second_product_and_is_asked_about_the_others(towers, tmp_path):
    names = ("bolt", "bottle", "cable", "capsule", "grid", "metal_nut", "pill", "screw")
    place = write_mvtec(tmp_path / "eight", {name: {"good": 3} for name in names})
    questions = product_questions(["mvtec"], [str(place)], [], (), 3)
    found = [with_learnt(own) for own in tower_answers(towers[:2], questions, weights="random", store=tmp_path)[0]]
    assert found[0].asked == ("bottle", "capsule", "metal nut", "screw")
    counts = found[0].rows.groupby("set")["name"].unique().map(list).to_dict()
    assert counts == {LEARNT: ["bolt", "cable", "grid", "pill"], CLEAN: list(found[0].asked)}
    whole = answered(found)
    itself = whole[whole["replicate"] == ITSELF].set_index(["member", "questions"])
    assert {*whole["member"]} == {"one", "two"} and itself[OTHER].isna().all()
    assert itself.loc[("one", ALL), TOWER] == pytest.approx(found[0].of(CLEAN).right(found[0].asked).mean())

    seen = []

    class Knows:
        def answers(self, images, choices):
            seen.append(images)
            return torch.tensor([[float(n == 0) for n in range(4)]] * len(images))

    told = language_answered(found[0], Knows(), questions, 12, "tiny")
    assert told.loc[told["replicate"] == ITSELF].set_index("questions").loc[ALL, HEAD] == 1
    sound = load_dataset("mvtec", str(place), image_size=naming_towers.LARGE).select(
        [n.replace(" ", "_") for n in found[0].asked]
    )
    pictures = [sample.image for sample in sound if not sample.is_anomalous]
    assert torch.equal(seen[0], torch.stack(pictures)), "the pictures that are asked about, in their order"
    few = product_questions(["mvtec"], [str(place)], [], (), 3)
    few = ProductQuestions((few.datasets[0].select(["bolt", "bottle", "cable"]),))
    with pytest.raises(
        OptionError, match="at least 8 products, half of them to learn from and half to ask about, got 3"
    ):
        with_learnt(tower_answers(towers[:1], few, weights="random", store=tmp_path)[0][0])


def test_bad_questions_are_refused(roots):
    own = ["mvtec"], [roots["mvtec"]]
    with pytest.raises(OptionError, match="strangers that are none of the products, got bottle"):
        product_questions(*own, strangers="mvtec", strangers_root=roots["mvtec"])
    with pytest.raises(OptionError, match="Expected a folder for each of mvtec, visa, got 1"):
        product_questions(["mvtec", "visa"], [roots["mvtec"]])
    with pytest.raises(ValueError, match="severity"):
        product_questions(*own, ["defocus"], (6,))
    with pytest.raises(ValueError, match="whose depth nobody knows, got 'fog_3d'"):
        product_questions(*own, ["fog_3d"])
    with pytest.raises(UnknownNameError, match="defocs"):
        product_questions(*own, ["defocs"])
    one = load_dataset("mvtec", roots["mvtec"]).select(["screw"])
    with pytest.raises(OptionError, match="at least two products to tell apart, got screw"):
        ProductQuestions((one,))
    with pytest.raises(OptionError, match="per_name"):
        product_questions(*own, per_name=1)
    assert np.isfinite(len(product_questions(*own).names))
