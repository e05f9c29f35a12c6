import numpy as np
import pandas as pd
import pytest
from pretended_answers import pretended

from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness import design_choices
from zsas_lib.robustness.design_choices import UNDER, choices_at_equal_accuracy, on_all_axes
from zsas_lib.robustness.effective import logits_of
from zsas_lib.robustness.equal_accuracy import FORETOLD, GAIN, SHARE, at_equal_accuracy, plain_accuracy
from zsas_lib.robustness.retrieval import CHANCE, NAMED, retrieved
from zsas_lib.robustness.visual_factors import ALL, AMONG, accuracies, beside_plain

STRENGTHS = {"reference": 0.35, "short": 0.8, "vit": 0.5, "few": 1.6, "labels": 0.2}


@pytest.fixture(scope="module")
def found():
    return [pretended(name, seed, noise) for name, noise in STRENGTHS.items() for seed in (0, 1)]


def flat(plain, shifted, draws=3):
    """Members by their accuracy in plain view and under a factor, the same in every replicate, from one seed."""
    rows = [
        {"member": name, "factor": "f", "replicate": number, "draw": number + 9, "pictures": 1, "units": 5}
        | {"freedom": 4, "plain": plain[name], AMONG: shifted[name], "run": 0}
        for name in plain
        for number in range(ITSELF, draws)
    ]
    return pd.DataFrame(rows)


def test_half_way_between_both_lengths_of_training_is_the_mean_of_what_they_keep():
    middle = 1 / (1 + np.exp(-(np.log(0.8 / 0.2) + np.log(0.2 / 0.8)) / 2))  # of the logits: 0.5
    plain = {"reference": 0.8, "short": 0.2, "vit": middle, "few": 0.75}
    shifted = {"reference": 0.6, "short": 0.1, "vit": 0.4, "few": 0.2}
    equal, absent = at_equal_accuracy(flat(plain, shifted), AMONG)
    itself = equal[equal["replicate"] == ITSELF].set_index("member")
    assert absent == {} and {*equal["member"]} == {"vit", "few"}
    assert itself.loc["vit", [SHARE, FORETOLD, GAIN]].tolist() == pytest.approx([0.5, 0.35, 0.05])
    share = (np.log(0.75 / 0.25) - np.log(0.2 / 0.8)) / (2 * np.log(4))
    assert itself.loc["few", GAIN] == pytest.approx(0.2 - (0.1 + share * 0.5))
    assert (equal.groupby("member").size() == 4).all() and list(equal.columns[:3]) == ["member", "factor", "replicate"]


def test_nothing_is_extrapolated_and_who_is_left_out_is_told():
    plain = {"reference": 0.8, "short": 0.4, "vit": 0.1, "labels": 0.95, "few": 0.6}
    equal, absent = at_equal_accuracy(flat(plain, plain), AMONG)
    assert {*equal["member"]} == {"few"} and {*absent} == {"vit", "labels"}
    assert "names less than the reference that has learnt least" in absent["vit"]
    assert "names more than the reference" in absent["labels"]
    alone = flat({name: own for name, own in plain.items() if name != "short"}, plain)
    equal, absent = at_equal_accuracy(alone, AMONG)
    assert equal.empty and set(absent.values()) == {"there is no reference and no short of its seeds"}


@pytest.mark.slow
def test_each_network_is_compared_with_the_references_of_its_own_seed(found):
    equal, absent = at_equal_accuracy(beside_plain(accuracies(found)), AMONG)
    assert {*absent} == {"few", "labels"} and {*equal["run"]} == {0, 1}
    means = accuracies(found).groupby(["member", "seed", "factor"])[AMONG].mean()
    for run in (0, 1):
        own = equal[(equal["run"] == run) & (equal["replicate"] == ITSELF)].set_index("factor")
        begun, long, vit = logits_of(np.array([means[name, run, "clean"] for name in ("short", "reference", "vit")]))
        share = (vit - begun) / (long - begun)
        ends = [means[name, run, "lighting"] for name in ("short", "reference")]
        gain = means["vit", run, "lighting"] - (ends[0] + share * (ends[1] - ends[0]))
        assert own.loc["lighting", [SHARE, GAIN]].tolist() == pytest.approx([share, gain])
    gap = Sampled.of(pd.DataFrame(equal[equal["factor"] == ALL]), GAIN).difference()
    assert gap.low < gap.gap < gap.high


@pytest.mark.slow
def test_other_axes_are_resampled_by_the_same_names(found):
    plain, one = plain_accuracy(found[:1]), retrieved(found[:1])
    table = accuracies(found[:1])
    clean = table[table["factor"] == "clean"].set_index("category")[AMONG]
    assert plain.loc[plain["replicate"] == ITSELF, "plain"].item() == pytest.approx(clean.mean())
    named = one[(one["direction"] == NAMED) & (one["member"] != CHANCE)]
    both = plain.merge(named, on=["member", "run", "replicate"])
    assert both["plain"].to_numpy() == pytest.approx(both["hit@1"].to_numpy()), "accuracy is the hit rate of names"


@pytest.mark.slow
def test_choices_at_equal_accuracy_have_an_interval_on_each_axis(found):
    whole = on_all_axes(found)
    table, absent = choices_at_equal_accuracy(found, whole)
    assert table.equals(choices_at_equal_accuracy(found)[0]) and {*absent} == {"few", "labels"}
    assert list(table["axis"]) == list(design_choices.BETTER_AT_EQUAL) and {*table["seeds"]} == {2}
    assert (table["low"] < table["gap"]).all() and (table["gap"] < table["high"]).all()
    equal, _ = at_equal_accuracy(beside_plain(accuracies(found)), AMONG)
    of_all = equal[(equal["factor"] == ALL) & (equal["replicate"] == ITSELF)][GAIN].mean()
    assert table.set_index("axis").loc[UNDER, "gap"] == pytest.approx(of_all)
    none, absent = choices_at_equal_accuracy([own for own in found if own.card.name != "short"])
    assert none.empty and list(none.columns) == list(table.columns) and "vit" in absent
