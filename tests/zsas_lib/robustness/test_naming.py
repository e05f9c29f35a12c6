from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from pretended_answers import pretended
from scipy.special import softmax

from zsas_lib.backbones.zoo import zoo_card
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.data.embedded.naming import HELD_OUT, TRAINED
from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.metrics import brier_score, calibration_error, known_auroc, negative_log_likelihood
from zsas_lib.metrics.calibration import fitted_temperature
from zsas_lib.robustness.naming import CLEAN, FACTS, STRANGERS, Answers, Questions, answers, members, require_several
from zsas_lib.robustness.naming_calibration import AS_IT_IS, CARRIED, calibration_of_names, errors_as_they_are
from zsas_lib.robustness.naming_towers import DAMAGED
from zsas_lib.robustness.out_of_distribution import MATCHING, PROBABILITY, require_strangers, score, strangers_told
from zsas_lib.robustness.retrieval import CHANCE, NAMED, PICTURES, retrieved
from zsas_lib.robustness.visual_factors import ALL, accuracies, against, drops, factor_robustness


@pytest.fixture(scope="module")
def found():
    strengths = {"reference": 0.4, "noisy": 0.5, "few": 0.6, "vit": 0.45}
    return [pretended(name, seed, noise) for name, noise in strengths.items() for seed in (0, 1)]


@pytest.mark.slow
def test_accuracies_are_by_name_and_drops_are_paired(found):
    table = accuracies(found)
    own = found[0].of("lighting", 2)
    right = own.right(HELD_OUT)
    rows = table[(table["member"] == "reference") & (table["seed"] == 0) & (table["factor"] == "lighting")]
    assert rows["accuracy"].mean() == pytest.approx(right.mean()) and len(rows) == len(HELD_OUT)
    assert (rows["accuracy"] >= rows["accuracy_of_all"]).all()
    whole = drops(table)
    one = whole[(whole["member"] == "reference") & (whole["factor"] == "lighting")]
    plain = [run.of(CLEAN).right(HELD_OUT).mean() for run in found[:2]]
    shifted = [run.of("lighting", 2).right(HELD_OUT).mean() for run in found[:2]]
    assert Sampled.of(one, "loss").values[0] == pytest.approx(np.mean(plain) - np.mean(shifted))
    assert Sampled.of(one[one["run"] == 0], "loss").difference().low > 0
    mean = whole[(whole["factor"] == ALL) & (whole["replicate"] == ITSELF)].groupby("member")["loss"].mean()
    parts = whole[(whole["factor"] != ALL) & (whole["replicate"] == ITSELF)].groupby("member")["loss"].mean()
    assert mean.to_dict() == pytest.approx(parts.to_dict())


@pytest.mark.slow
def test_a_member_is_compared_with_the_reference_of_its_seed(found):
    table = accuracies(found)
    whole = against(table)
    own = whole[(whole["member"] == "few") & (whole["factor"] == CLEAN) & (whole["replicate"] == ITSELF)]
    means = table[table["factor"] == CLEAN].groupby(["member", "seed"])["accuracy"].mean()
    expected = [means["few", seed] - means["reference", seed] for seed in (0, 1)]
    assert own["gain"].tolist() == pytest.approx(expected) and own["kept"].tolist() == pytest.approx([0, 0])
    with pytest.raises(ValueError, match="Expected the member 'short'"):
        against(table, "short")


@pytest.mark.slow
def test_effective_robustness_is_by_network_and_factor(found):
    whole = factor_robustness(accuracies(found), ["reference", "noisy", "few"], resamples=5)
    assert {*whole["factor"]} == {"lighting", "colour", ALL} and {*whole["run"]} == {0, 1}
    itself = whole[whole["replicate"] == ITSELF]
    assert itself["effective"].to_numpy() == pytest.approx((itself["accuracy"] - itself["expected"]).to_numpy())
    with pytest.raises(ValueError, match="at least 3 reference networks, got 2"):
        factor_robustness(accuracies(found), ["reference"])


@pytest.mark.slow
def test_calibration_is_that_of_the_metrics_on_the_half_that_no_temperature_saw(found):
    errors, temperatures = calibration_of_names(found[:1], resamples=5)
    own = found[0]
    plain, shifted = own.of(CLEAN), own.of("lighting", 2)
    first, later = (plain.rows["number"] < 2).to_numpy(), (shifted.rows["number"] >= 2).to_numpy()
    temperature = fitted_temperature(plain.logits[first], plain.truth[first])
    assert temperatures["carried"].tolist() == pytest.approx([temperature] * 4)
    probabilities, truth = softmax(shifted.logits[later] / temperature, axis=1), shifted.truth[later]
    row = errors[(errors["set"] == "lighting") & (errors["way"] == CARRIED) & (errors["replicate"] == ITSELF)].iloc[0]
    assert row["ece"] == pytest.approx(calibration_error(probabilities, truth))
    assert row["nll"] == pytest.approx(negative_log_likelihood(probabilities, truth), abs=1e-6)
    assert row["brier"] == pytest.approx(brier_score(probabilities, truth))
    assert row["accuracy"] == pytest.approx((probabilities.argmax(1) == truth).mean())
    assert errors.groupby(["set", "way"]).size().eq(6).all()


def test_pictures_in_plain_view_alone_lose_nothing_that_could_be_said(found):
    table = accuracies(found[:1])
    with pytest.raises(OptionError, match="or damaged ones, beside those in plain view, got none; name a corruption"):
        drops(table[table["factor"] == CLEAN])


def some_of(own, part):
    return replace(own, rows=own.rows[part].reset_index(drop=True), images=own.images[part.to_numpy()])


def test_calibration_takes_every_damaged_picture_and_leaves_out_sets_without_one(found):
    clean, lit, first = (
        found[0].rows[name] == value for name, value in (("set", CLEAN), ("set", "lighting"), ("number", 0))
    )
    own = some_of(
        found[0], clean | lit & first
    )  # of each name the first alone is lit, which a temperature may have seen
    with pytest.raises(OptionError, match="Expected at least two pictures of a name in plain view, .* or damaged"):
        calibration_of_names([own])
    own = replace(own, rows=own.rows.replace({"set": {"lighting": DAMAGED}}))
    errors, temperatures = calibration_of_names([own], resamples=5)
    assert temperatures["set"].tolist() == [CLEAN, DAMAGED, ALL]
    part = own.of(DAMAGED, 2)
    known = calibration_error(softmax(part.logits, axis=1), part.truth)
    row = errors[(errors["set"] == DAMAGED) & (errors["way"] == AS_IT_IS) & (errors["replicate"] == ITSELF)]
    whole = errors_as_they_are([own], resamples=5)
    assert row["ece"].item() == pytest.approx(known)
    assert whole.loc[whole["replicate"] == ITSELF, "ece"].item() == pytest.approx(known)
    single = some_of(own, own.rows["number"] == 0)  # half of one picture fits nothing
    for function in (calibration_of_names, errors_as_they_are):
        with pytest.raises(OptionError, match="got too few to measure on"):
            function([single])


@pytest.mark.slow
def test_strangers_are_told_as_the_metrics_say(found):
    told = strangers_told(found[:1], resamples=5)
    own = told[(told["strangers"] == "unseen shape") & (told["replicate"] == ITSELF)].set_index("score")
    for kind_of_score, factor in ((MATCHING, 1.0), (PROBABILITY, 12.0)):
        known, strange = (
            softmax(factor * found[0].of(kind).cosines, axis=1).max(1) for kind in (CLEAN, "unseen shape")
        )
        assert own.loc[kind_of_score, "auroc"] == pytest.approx(known_auroc(known, strange))
    assert told[told["replicate"] != ITSELF]["fpr95"].isna().all()
    assert told[(told["replicate"] != ITSELF) & (told["strangers"] == "photograph")]["auroc"].std() > 0
    assert {*strangers_told([pretended("labels")], resamples=5)["score"]} == {PROBABILITY}


def test_scores_of_strangers_are_those_of_pytorch_ood():
    """The negatives of what pytorch-ood 0.4.0 gave: `MCM(lambda x: x, texts)(pictures)`, and `MaxSoftmax.score` of 12
    times the cosines."""
    rng = np.random.default_rng(5)
    texts, pictures = rng.normal(size=(6, 8)), rng.normal(size=(5, 8))
    texts, pictures = (own / np.linalg.norm(own, axis=1, keepdims=True) for own in (texts, pictures))
    rows = pd.DataFrame([(CLEAN, 0, HELD_OUT[0], number) for number in range(5)], columns=FACTS)
    own = Answers(zoo_card("reference"), rows, pictures, texts, 12.0)
    matching = [0.219810530543, 0.266433566809, 0.184081420302, 0.260509163141, 0.258358240128]
    probability = [0.670136036888, 0.979686399572, 0.400046906461, 0.953852810649, 0.989878192033]
    assert score(own, MATCHING) == pytest.approx(matching, abs=1e-7)  # theirs is float32
    assert score(own, PROBABILITY) == pytest.approx(probability, abs=1e-11)


@pytest.mark.slow
def test_retrieval_in_both_directions_beside_chance(found):
    whole = retrieved(found[:2])
    itself = whole[(whole["replicate"] == ITSELF) & (whole["run"] == 0)].set_index(["member", "direction"])
    plain = found[0].of(CLEAN)
    assert itself.loc[("reference", NAMED), "hit@1"] == pytest.approx(plain.right(HELD_OUT).mean())
    assert itself.loc[(CHANCE, NAMED), "hit@1"] == pytest.approx(1 / len(HELD_OUT))
    assert itself.loc[(CHANCE, PICTURES), "R-precision"] == pytest.approx(1 / len(HELD_OUT))
    assert itself.loc[("reference", PICTURES), "mAP"] > 5 * itself.loc[(CHANCE, PICTURES), "mAP"]


@pytest.mark.slow
def test_questions_ask_each_picture_in_plain_view_and_under_each_factor():
    settings = Questions(factors=("lighting", "colour"), levels=(2,), per_name=2).settings()
    sets = pd.Series([own[0] for own in settings]).value_counts()
    assert sets[CLEAN] == sets["lighting"] == sets["colour"] == 2 * len(HELD_OUT)
    assert sets["learnt"] == len(TRAINED) and all(sets[kind] == len(HELD_OUT) // 2 for kind in STRANGERS)
    plain, lit, coloured = (own[4] for own in settings[:3])
    assert lit.product == plain.product and lit.pose == coloured.pose == plain.pose
    assert lit.light.exposure < plain.light.exposure and coloured.product.colour != plain.product.colour


@pytest.mark.slow
def test_a_member_names_better_than_chance_and_is_asked_once(tmp_path, monkeypatch):
    questions = Questions(factors=("lighting",), per_name=2)
    cards, absent = members(["reference", "narrow"], [0, 7])
    assert [card.name for card in cards] == ["reference", "narrow"] and {*absent} == {"reference:7", "narrow:7"}
    both = answers(cards, questions, store=tmp_path)
    assert both[0].of(CLEAN).right(HELD_OUT).mean() > 5 / len(HELD_OUT)
    monkeypatch.setattr("zsas_lib.robustness.naming.drawn", None)  # what is stored needs no picture
    again = answers(cards[:1], questions, store=tmp_path)[0]
    assert np.array_equal(again.images, both[0].images) and again.scale == both[0].scale


def test_bad_questions_are_refused():
    with pytest.raises(UnknownNameError, match="factor 'ligthing'.*Did you mean 'lighting'"):
        Questions(factors=("ligthing",))
    with pytest.raises(OptionError, match="level"):
        Questions(levels=(4,))
    with pytest.raises(OptionError, match="per_name"):
        Questions(per_name=1)
    with pytest.raises(UnknownNameError, match="member of the zoo 'vitt'"):
        members(["vitt"])
    with pytest.raises(OptionError, match="Expected members of the zoo, got none"):
        answers([])


def test_what_compares_networks_needs_two_before_any_is_asked():
    require_several(None)
    require_several(["reference", "vit"])
    with pytest.raises(OptionError, match="at least two networks, for this compares each with the first; got vit"):
        require_several(["vit"])


def test_strangers_are_missed_before_anybody_is_asked():
    require_strangers(object())
    with pytest.raises(OptionError, match="Expected pictures of strangers"):
        require_strangers(None)
