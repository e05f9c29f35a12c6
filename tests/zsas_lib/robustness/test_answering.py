import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import check_grad
from scipy.special import log_softmax

from zsas_lib.backbones.zoo import zoo_card
from zsas_lib.base.errors import OptionError
from zsas_lib.data.embedded.naming import HELD_OUT, NAMES, TRAINED
from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness import answering as science
from zsas_lib.robustness.answering import (
    ALL,
    FAILURES,
    HEAD,
    MASTERED,
    NEUTRAL,
    OTHER,
    SECOND,
    TOWER,
    AnsweringQuestions,
    answered,
    choices_about,
    fitted_head,
)
from zsas_lib.robustness.naming import CLEAN, FACTS, LEARNT, Answers, answers, members

EMBED = 16


def pretended(seed: int = 0, noise: float = 0.3, turned: float = 0.0, member: str = "reference") -> Answers:
    """A network whose pictures lie around their names, after a turn of the plane of the first two dimensions."""
    rng = np.random.default_rng(7)
    names = rng.normal(size=(len(NAMES), EMBED))
    names /= np.linalg.norm(names, axis=1, keepdims=True)
    turn = np.eye(EMBED)
    turn[:8, 8:], turn[8:, :8] = np.sin(turned) * np.eye(8), -np.sin(turned) * np.eye(8)
    turn[:8, :8] = turn[8:, 8:] = np.cos(turned) * np.eye(8)
    own, facts, images = np.random.default_rng(seed), [], []
    for kind, which, count in ((LEARNT, TRAINED, 4), (CLEAN, HELD_OUT, 3)):
        for name in which:
            for number in range(count):
                facts.append((kind, 0, name, number))
                images.append((names[NAMES.index(name)] + noise * own.normal(size=EMBED)) @ turn)
    vectors = np.array(images)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Answers(zoo_card(member, seed), pd.DataFrame(facts, columns=FACTS), vectors, names, 10.0)


def itself(table: pd.DataFrame, questions: str) -> pd.Series:
    return table[(table["replicate"] == ITSELF) & (table["questions"] == questions)].mean(numeric_only=True)


def test_choices_are_the_right_name_the_best_wrong_one_and_two_others():
    cosines = np.random.default_rng(0).normal(size=(50, 9))
    truth = np.arange(50) % 9
    asked = choices_about(cosines, truth)
    place = np.arange(50)
    assert np.array_equal(asked.offered[:, 0], truth) and np.array_equal(asked.neutral[:, 0], truth)
    assert all(len({*own}) == 4 for own in (*asked.offered, *asked.neutral))
    without = cosines.copy()
    without[place, truth] = -9
    assert np.array_equal(asked.offered[:, 1], without.argmax(1))
    assert np.array_equal(asked.wrong, cosines.argmax(1) != truth)
    with pytest.raises(OptionError, match="at least 4 names to choose among, got 3"):
        choices_about(cosines[:, :3], truth % 3)


@pytest.mark.slow
def test_of_its_failures_a_tower_is_right_in_none_and_of_the_rest_in_all():
    whole = answered([pretended(0), pretended(1)])
    assert itself(whole, FAILURES)[TOWER] == 0 and itself(whole, MASTERED)[TOWER] == 1
    assert itself(whole, MASTERED)[SECOND] == 0
    one = pretended(0)
    rows = whole[(whole["run"] == 0) & (whole["questions"] == ALL) & (whole["replicate"] == ITSELF)].iloc[0]
    assert rows[TOWER] == pytest.approx(one.of(CLEAN).right(HELD_OUT).mean())
    shares = [itself(whole, kind)["share"] for kind in (FAILURES, MASTERED, ALL, NEUTRAL)]
    assert shares[0] + shares[1] == pytest.approx(1) and shares[2:] == [1, 1]
    assert whole["chance"].eq(0.25).all()


@pytest.mark.slow
def test_another_seed_is_no_better_but_does_better_where_a_tower_was_caught_failing():
    whole = answered([pretended(0), pretended(1)])
    neutral = itself(whole, NEUTRAL)
    assert abs(neutral[OTHER] - neutral[TOWER]) < 0.03
    assert itself(whole, FAILURES)[OTHER] > 0.4
    assert np.isnan(itself(answered([pretended(0)]), ALL)[OTHER])


@pytest.mark.slow
def test_a_head_mends_what_the_learnt_names_tell():
    right, turned = answered([pretended(0)]), answered([pretended(0, turned=1.2)])
    assert itself(turned, NEUTRAL)[TOWER] < itself(right, NEUTRAL)[TOWER] - 0.1
    own = turned[turned["questions"] == NEUTRAL]
    gap = Sampled.of(own, "over_tower").difference()
    assert gap.low > 0.1 and gap.gap == pytest.approx(itself(turned, NEUTRAL)[HEAD] - itself(turned, NEUTRAL)[TOWER])


def test_the_head_is_the_least_of_its_cost():
    own = pretended(0, turned=0.5).of(LEARNT)
    names, images = own.names[:6].astype(float), own.images[:40].astype(float)
    offered = np.array([[n % 6, (n + 1) % 6, (n + 2) % 6, (n + 3) % 6] for n in range(40)])

    def cost(flat):
        head = flat.reshape(EMBED, EMBED)
        logs = log_softmax(np.einsum("pe,pce->pc", images @ head, names[offered]), axis=1)
        return -logs[:, 0].mean() + 0.3 / 100 * ((head - 10 * np.eye(EMBED)) ** 2).sum()

    found = fitted_head(images, names, offered, 10.0, 0.3).ravel()
    away = np.random.default_rng(0).normal(size=(20, found.size))
    assert all(cost(found + 0.05 * step) > cost(found) for step in away)
    assert check_grad(cost, lambda flat: np.zeros_like(flat), found) < 2e-2
    assert fitted_head(images, names, offered, 10.0, 1e6) == pytest.approx(10 * np.eye(EMBED), abs=1e-3)


def test_replicates_are_shares_among_the_pictures_of_resampled_names():
    right = {HEAD: np.array([1, 0, 1, 1, 0, 1], bool), TOWER: np.zeros(6, bool)}
    asked, names = np.array([1, 1, 0, 1, 1, 1], bool), np.array([0, 0, 1, 1, 2, 2])
    table = science.shares(right, asked, names, {"member": "m"}, resamples=4)
    weights = science.resampled(3, 4, 0)[1]
    picked = weights[names] * asked
    assert table.loc[2, HEAD] == pytest.approx((picked * right[HEAD]).sum() / picked.sum())
    assert table.loc[2, "share"] == pytest.approx(picked.sum() / weights[names].sum())
    assert table[SECOND].isna().all() and table["units"].eq(3).all()


def test_a_language_model_is_asked_the_same_questions_in_words(monkeypatch):
    class Knows:
        asked = []

        def answers(self, images, choices):
            assert images.shape[1:] == (3, 2, 2) and images.max() <= 1
            self.asked += choices
            return torch.tensor([[float(n == 0) for n in range(4)]] * len(images))

    own, model, questions = pretended(0), Knows(), AnsweringQuestions(asked=3)
    pictures = np.full((len(own.rows), 2, 2, 3), 9, np.uint8)
    monkeypatch.setattr(AnsweringQuestions, "pictures", lambda self: (own.rows, pictures))
    whole = science.language_answered(own, model, questions, 30, "tiny")
    assert itself(whole, FAILURES)[HEAD] == itself(whole, NEUTRAL)[HEAD] == 1 and itself(whole, FAILURES)[TOWER] == 0
    assert len(model.asked) == 60 and {*whole["member"]} == {"tiny"} and whole[OTHER].isna().all()
    plain, truth, asked = science._asked(own, 0)
    assert model.asked[0] == [HELD_OUT[number] for number in asked.offered[0]]


def test_networks_of_labels_have_no_words():
    labels = pretended(0, member="labels")
    assert {*answered([labels, pretended(0)])["member"]} == {"reference"}
    with pytest.raises(OptionError, match="Expected a network that reads sentences"):
        answered([labels])


@pytest.mark.slow
def test_what_is_drawn_is_asked(tmp_path):
    questions = AnsweringQuestions(learnt=1, asked=1)
    cards, _ = members(["narrow"], [0])
    own = answers(cards, questions, store=tmp_path)[0]
    assert own.rows.groupby("set").size().to_dict() == {LEARNT: len(TRAINED), CLEAN: len(HELD_OUT)}
    with pytest.raises(OptionError, match="asked"):
        AnsweringQuestions(asked=0)


def test_too_few_products_are_told_before_anybody_is_asked():
    science.require_enough(["nut"] * 8)
    with pytest.raises(OptionError, match="at least 8 products, half of them .* got 7; name more data sets"):
        science.require_enough(["nut"] * 7)
