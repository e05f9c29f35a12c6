import numpy as np
import pandas as pd
import pytest

from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.data.embedded import naming as embedded
from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness import depth_naming
from zsas_lib.robustness.depth_naming import DEPTH, EVERY, TWIN, WITH_DEPTH, DepthQuestions, added, both_ways, losses
from zsas_lib.robustness.naming import CLEAN, answers, members
from zsas_lib.robustness.visual_factors import AMONG

NAMES = embedded.HELD_OUT[:3]


@pytest.fixture
def few_names(monkeypatch):
    monkeypatch.setattr(depth_naming, "HELD_OUT", NAMES)


def accuracy(shift):
    """Two members and seeds, ten names; the corruption takes 0.2 with depth and 0.1 without, ``shift`` more of b."""
    taken = {CLEAN: 0.0, "near_focus": 0.2, "far_focus": 0.3, "defocus": 0.1, "fog_3d": 0.05, "fog": 0.05}
    rows = [
        {"member": member, "seed": seed, "factor": factor, "category": f"n{name}", "accuracy_of_all": 0.0}
        | {AMONG: 0.5 + 0.01 * name + 0.1 * seed - own - (shift if member == "b" and factor in WITH_DEPTH else 0)}
        for member in ("a", "b")
        for seed in (0, 1)
        for factor, own in taken.items()
        for name in range(10)
    ]
    return pd.DataFrame(rows)


def number(whole, metric, **keys):
    for key, value in keys.items():
        whole = whole[whole[key] == value]
    return Sampled.of(whole, metric).values[0]


@pytest.mark.slow
def test_depth_adds_what_its_twin_does_not_take():
    ways = both_ways(accuracy(0.04))
    assert {*ways[TWIN]["factor"]} == {*ways[DEPTH]["factor"]} == {CLEAN, "near_focus", "far_focus", "fog_3d"}
    lost, more = losses(ways), added(ways)
    assert number(lost, "loss", way=DEPTH, member="a", factor="far_focus") == pytest.approx(0.3)
    assert number(lost, "loss", way=TWIN, member="a", factor="far_focus") == pytest.approx(0.1)
    assert number(lost, "loss", way=TWIN, member="b", factor=EVERY) == pytest.approx(0.25 / 3)
    for member, shift in (("a", 0), ("b", 0.04)):
        expected = {"near_focus": 0.1, "far_focus": 0.2, "fog_3d": 0.0, EVERY: 0.1}
        for factor, own in expected.items():
            assert number(more, "added", member=member, factor=factor) == pytest.approx(own + shift)
    assert (more[more["replicate"] == ITSELF].groupby(["member", "factor"]).size() == 2).all(), "a row for each seed"


@pytest.mark.slow
def test_robustness_is_by_way_and_kind():
    table = pd.concat([accuracy(0.0), accuracy(0.0).replace({"member": {"a": "c", "b": "d"}})])
    table = table.assign(**{AMONG: table[AMONG] - 0.05 * (table["member"] == "c")})
    whole = depth_naming.robustness(both_ways(table), ["a", "c"], {"d": "CNN"})
    itself = whole[whole["replicate"] == ITSELF]
    assert list(whole.columns[:4]) == ["way", "kind", "member", "factor"]
    assert {*itself["way"]} == {DEPTH, TWIN} and {*itself.loc[itself["kind"] == "CNN", "member"]} == {"d"}
    assert itself["effective"].to_numpy() == pytest.approx((itself[AMONG] - itself["expected"]).to_numpy())


@pytest.mark.slow
def test_at_equal_accuracy_members_are_set_against_the_reference_both_ways():
    start = {"reference": 0.7, "short": 0.3, "vit": 0.5, "few": 0.05}
    parts = []
    for name, plain in start.items():
        own = accuracy(0.0)
        own = own[own["member"] == "a"].assign(member=name)
        shift = own["factor"].map(lambda factor: 0.03 if name == "vit" and factor in WITH_DEPTH else 0.0)
        parts.append(own.assign(**{AMONG: plain - shift - 0.05 * (own["factor"] != CLEAN)}))
    whole, absent = depth_naming.at_equal_accuracy(both_ways(pd.concat(parts)))
    assert (
        list(absent) == ["few"]
        and {*whole["member"]} == {"vit"}
        and list(whole.columns[:3])
        == [
            "way",
            "member",
            "factor",
        ]
    )
    for factor in ("near_focus", EVERY):
        gains = {way: number(whole, "gain", way=way, member="vit", factor=factor) for way in (DEPTH, TWIN)}
        assert gains == pytest.approx({DEPTH: -0.03, TWIN: 0.0}, abs=1e-9), "half way, and 0.03 below"


@pytest.mark.slow
def test_pictures_are_of_one_view_and_differ_where_depth_does(few_names):
    questions = DepthQuestions(("near_focus", "far_focus", "fog_3d"), (2, 4), per_name=2)
    rows, pictures = questions.pictures()
    counts = rows.groupby(["set", "level"]).size()
    assert counts.to_dict() == {(CLEAN, 0): 6} | {
        (name, level): 6 for name in ("near_focus", "far_focus", "defocus", "fog_3d", "fog") for level in (2, 4)
    }
    first = {(kind, level): pictures[own.index[0]].astype(int) for (kind, level), own in rows.groupby(["set", "level"])}
    view = questions.view(NAMES[0], 0)
    assert np.abs(first[CLEAN, 0] - 255 * view.image).max() <= 0.51
    fog, flat = (first[name, 4] - first[CLEAN, 0] for name in ("fog_3d", "fog"))
    far, near = view.depth > np.quantile(view.depth, 0.9), view.depth < np.quantile(view.depth, 0.1)
    assert (fog - flat)[far].mean() > 5 > -5 > (fog - flat)[near].mean(), (
        "thicker behind the mean depth, thinner before"
    )


def test_without_a_tilt_and_lift_twins_do_nearly_the_same(few_names, monkeypatch):
    questions = DepthQuestions(("near_focus",), (4,), per_name=1)
    monkeypatch.setattr(depth_naming, "LIFT", 0.0)
    monkeypatch.setattr(depth_naming, "DISTANCE", 1000.0)
    rows, pictures = questions.pictures()
    depth, twin = (pictures[(rows["set"] == name).to_numpy()].astype(int) for name in ("near_focus", "defocus"))
    assert np.abs(depth - twin).max() <= 1


@pytest.mark.slow
def test_answers_are_stored_under_their_questions(few_names, tmp_path, monkeypatch):
    cards, _ = members(["reference"], [0])
    questions = DepthQuestions(("fog_3d",), (3,), per_name=1)
    one = answers(cards, questions, store=tmp_path)[0]
    assert len(one.rows) == 9 and {*one.rows["set"]} == {CLEAN, "fog_3d", "fog"}
    monkeypatch.setattr(DepthQuestions, "view", None)  # what is stored needs no picture
    assert np.array_equal(answers(cards, questions, store=tmp_path)[0].images, one.images)


def test_bad_questions_are_refused():
    with pytest.raises(UnknownNameError, match="fog_3d"):
        DepthQuestions(("fog_3",))
    with pytest.raises(ValueError, match="corruptions that take depth, got 'fog'"):
        DepthQuestions(("fog",))
    with pytest.raises(ValueError, match="severity"):
        DepthQuestions(severities=(6,))
    with pytest.raises(ValueError, match="tilt"):
        DepthQuestions(tilt=80)
    with pytest.raises(OptionError, match="per_name"):
        DepthQuestions(per_name=0)
