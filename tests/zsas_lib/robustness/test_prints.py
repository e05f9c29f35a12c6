import numpy as np
import pytest
from layouts import write_mvtec
from tiny_clip import tiny

from zsas_lib.backbones import registry as backbones
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.data.embedded.camera import UPRIGHT, Camera
from zsas_lib.data.load import load_dataset
from zsas_lib.perturbations.corruptions import corrupt
from zsas_lib.robustness import depth_naming, naming_towers, prints
from zsas_lib.robustness.naming import CLEAN, Questions
from zsas_lib.robustness.naming_towers import CNN, TRANSFORMER, asked_of, tower_answers
from zsas_lib.robustness.prints import PrintQuestions, print_pairs, print_questions, seen_print, tower_matches
from zsas_lib.robustness.visual_factors import accuracies

CONVOLUTIONS = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    place = tmp_path_factory.mktemp("products")
    return str(write_mvtec(place, {name: {"good": 2} for name in ("bottle", "metal_nut", "screw")}))


@pytest.fixture
def towers(monkeypatch):
    monkeypatch.setattr(backbones, "_REGISTERED", {})
    for name, architecture in (("fine", tiny(image_size=128)), ("coarse", tiny()), ("stages", CONVOLUTIONS)):
        backbones.register_backbone(name, architecture=architecture)
    return ["fine", "coarse", "stages"]


@pytest.fixture
def questions(root):
    return print_questions(["mvtec"], [root], ("near_focus", "far_focus", "fog_3d"), (2, 4), 35, 2)


def test_a_print_from_above_is_the_photograph_and_from_aside_its_points_are_where_they_are_said_to_be():
    across = np.linspace(0, 1, 65, dtype=np.float32)[:-1] + 1 / 128
    photograph = np.stack([np.tile(across, (64, 1)), np.tile(across[:, None], (1, 64)), np.zeros((64, 64))], -1)
    above = seen_print(photograph.astype(np.float32), UPRIGHT)
    assert np.abs(above.image - photograph).max() < 1e-5 and above.cover.all() and np.ptp(above.depth) < 1e-5
    aside = seen_print(photograph.astype(np.float32), Camera(np.deg2rad(40), 0.7, 0.4, perspective=True))
    inside = (np.abs(aside.x) < 0.98) & (np.abs(aside.y) < 0.98)
    assert 0.3 < inside.mean() < 1 and np.ptp(aside.depth) > 0.5
    assert np.abs(aside.image[..., 0] - (aside.x + 1) / 2)[inside].max() < 1e-4, "red says x, green says y"
    assert np.abs(aside.image[..., 1] - (aside.y + 1) / 2)[inside].max() < 1e-4
    outside = (np.abs(aside.x) > 1) | (np.abs(aside.y) > 1)
    assert (aside.image[outside] == prints.BENCH).all() and not aside.cover[outside].any()


def test_pairs_are_of_every_photograph_and_tilt(root):
    shown = load_dataset("mvtec", root).select(anomalous=False, per_category=1)
    pairs = print_pairs(shown, [10, 40], 32)
    assert [(pair.category, pair.tilt) for pair in pairs] == [
        (name, tilt) for name in ("bottle", "metal nut", "screw") for tilt in (10, 40)
    ]
    assert pairs[0].above is pairs[1].above and pairs[0].aside.image.shape == (32, 32, 3)
    again = print_pairs(shown, [10, 40], 32)
    assert np.array_equal(again[3].aside.image, pairs[3].aside.image)
    assert not np.array_equal(print_pairs(shown, [10, 40], 32, seed=1)[3].aside.image, pairs[3].aside.image)


@pytest.mark.slow
def test_towers_match_points_of_prints_and_one_that_cannot_be_had_is_told(towers, questions, tmp_path, monkeypatch):
    asked = [*towers, "local-dir:nowhere"]
    found, absent = tower_matches(asked, questions.products, [20], 1, weights="random", store=tmp_path)
    assert list(found) == towers and {*absent} == {"local-dir:nowhere"} and "nowhere" in absent["local-dir:nowhere"]
    assert {*found["fine"].category} == {"bottle", "metal nut", "screw"} and {*found["fine"].layer} == {1, 2}
    assert found["coarse"].recall.notna().all(), "it gets larger pictures"
    assert found["stages"].groupby("layer")["recall"].count().tolist() == [3, 0, 0, 0], "the others are too coarse"
    assert 0 < found["fine"].chance.min() < found["fine"].chance.max() < 0.05
    monkeypatch.setattr(prints, "seen_print", None)
    again, _ = tower_matches(["fine"], questions.products, [20], 1, weights="random", store=tmp_path)
    assert again["fine"].equals(found["fine"]), "what is stored needs no picture"


@pytest.mark.slow
def test_prints_are_asked_about_with_depth_and_without(towers, questions, tmp_path):
    found, absent = asked_of(None, None, Questions(), [*towers, "local-dir:no"], questions, "random", tmp_path)
    assert [own.card.name for own in found] == towers and {*absent} == {"local-dir:no"}
    assert [own.card.kind for own in found] == [TRANSFORMER, TRANSFORMER, CNN]
    counts = found[0].rows.groupby(["set", "level"]).size().to_dict()
    assert counts == {(CLEAN, 0): 6} | {
        (name, level): 6 for name in ("near_focus", "far_focus", "fog_3d", "defocus", "fog") for level in (2, 4)
    }
    ways = depth_naming.both_ways(accuracies(found))
    assert {*depth_naming.added(ways)["member"]} == {*towers}
    line = depth_naming.robustness(ways, towers, {"stages": CNN})
    assert line["effective"].notna().all() and {*line.loc[line["kind"] == CNN, "member"]} == {"stages"}
    few = depth_naming.robustness(depth_naming.both_ways(accuracies(found[:2])), towers[:2], {})
    assert few["effective"].isna().all() and {*few["factor"]} == {depth_naming.EVERY}, "two make no line"


@pytest.mark.slow
def test_corruptions_know_the_depth_of_the_print(questions):
    facts, images = zip(*questions.batches(32))
    clean, far = images[0], next(own for fact, own in zip(facts, images) if fact[0][:2] == ("far_focus", 4))
    _, views = next(questions.views(32))
    shown, depth = depth_naming.images_and_depth(views)
    assert np.array_equal(clean, shown) and np.array_equal(far, corrupt(shown, "far_focus(4)", depth=depth))
    assert depth.std() > 0.1


def test_bad_questions_are_refused(root):
    own = ["mvtec"], [root]
    with pytest.raises(UnknownNameError, match="fog_3d"):
        print_questions(*own, ("fog_3",))
    with pytest.raises(ValueError, match="corruptions that take depth, got 'fog'"):
        print_questions(*own, ("fog",))
    with pytest.raises(ValueError, match="severity of 1, 2, 3, 4 or 5"):
        print_questions(*own, levels=(0,))
    with pytest.raises(ValueError, match="tilt"):
        print_questions(*own, tilt=80)
    with pytest.raises(OptionError, match="at least two products to tell apart, got screw"):
        one = load_dataset("mvtec", root).select(["screw"])
        PrintQuestions(naming_towers.ProductQuestions((one,)))
    with pytest.raises(UnknownNameError):
        tower_answers(["no-such-tower"], print_questions(*own))
