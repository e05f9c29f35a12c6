import numpy as np
import pandas as pd
import pytest

from zsas_lib.backbones.zoo import zoo_card
from zsas_lib.base.errors import OptionError
from zsas_lib.data.embedded.conflicts import TOLD, TOLD_MATERIALS, TOLD_SHAPES
from zsas_lib.evaluation.sampled import ITSELF, Sampled
from zsas_lib.robustness import shape_bias as science
from zsas_lib.robustness.naming import FACTS, Answers, answers, members
from zsas_lib.robustness.shape_bias import (
    AS_DRAWN,
    BOTH,
    CONFLICT,
    EQUAL,
    FIT,
    HEADS,
    MATERIAL,
    PROTOTYPES,
    SHAPE,
    TAUGHT,
    ConflictQuestions,
    conflicts_answered,
)

STRENGTHS = (0.6, 0.3)


def seen(material: float, shape: float, noise: float = 0.05, seed: int = 0) -> Answers:
    """Answers of a tower that sees materials and shapes in directions of their own, as strongly as is said."""
    rng = np.random.default_rng(seed)
    count, strengths = len(TOLD), (1.0, *STRENGTHS)
    facts, images = [], []

    def add(kind, level, i, j, number, a, b):
        own = np.zeros(2 * count)
        own[i] += material * a
        own[count + j] += shape * b
        facts.append((kind, level, f"{TOLD_MATERIALS[i]} {TOLD_SHAPES[j]}", number))
        images.append(own + noise * rng.normal(size=2 * count))

    for i in range(count):
        for number in range(8):
            for level, (a, b) in ((0, (1, 1)), (1, (0, 1)), (-1, (1, 0))):
                add(FIT, level, i, i, number, a, b)
            add(BOTH, 0, i, i, number, 1, 1)
            for level, strength in enumerate(strengths):
                add(SHAPE, level, i, i, number, 0, strength)
                add(MATERIAL, level, i, i, number, strength, 0)
        for j in set(range(count)) - {i}:
            for level, strength in enumerate(strengths):
                add(CONFLICT, level, i, j, 0, 1, strength)
                if level:
                    add(CONFLICT, -level, i, j, 0, strength, 1)
    vectors = np.array(images)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Answers(zoo_card("reference", seed), pd.DataFrame(facts, columns=FACTS), vectors, np.zeros((0, 20)), 1.0)


def number(table: pd.DataFrame, column: str, **keys) -> float:
    for key, value in keys.items():
        table = table[table[key] == value]
    return float(table.loc[table["replicate"] == ITSELF, column].mean())


@pytest.mark.slow
def test_who_sees_shapes_alone_answers_by_shape_and_the_other_way_round():
    for strengths, expected in (((0.2, 1.0), 1.0), ((1.0, 0.2), 0.0)):
        own = seen(*strengths)
        whole = conflicts_answered([own], resamples=5)
        assert number(whole, "bias", head=PROTOTYPES, level=0) == expected
        shares = [number(whole, name, head=TAUGHT, level=0) for name in ("by_shape", "by_material", "neither")]
        assert sum(shares) == pytest.approx(1)
        assert number(whole, "both", head=TAUGHT, level=0) == 1


@pytest.mark.slow
def test_cues_that_are_read_alike_are_answered_alike():
    found = [seen(1.0, 1.0, 0.4, seed) for seed in (0, 1)]
    bias = science.shape_bias(conflicts_answered(found))
    own = bias[(bias["head"] == TAUGHT) & (bias["way"] == EQUAL)]
    assert {*bias["run"]} == {0, 1} and list(bias.columns[:3]) == ["member", "head", "way"]
    sure = (Sampled.of(own, "bias") - 0.5).difference()
    assert sure.low < 0 < sure.high and abs(sure.gap) < 0.15


@pytest.mark.slow
def test_weakening_the_easier_cue_takes_out_that_it_is_easier():
    bias = science.shape_bias(conflicts_answered([seen(0.6, 1.0, 0.25)]))
    assert number(bias, "bias", head=TAUGHT, way=AS_DRAWN) > 0.8
    own = {name: number(bias, name, head=TAUGHT, way=EQUAL) for name in (*science.METRICS, "weakened")}
    assert own["shape_alone"] == pytest.approx(own["material_alone"]) and 0 < own["weakened"] <= 2
    assert own["bias"] < number(bias, "bias", head=TAUGHT, way=AS_DRAWN) - 0.05
    other = science.shape_bias(conflicts_answered([seen(1.0, 0.6, 0.25)]))
    assert number(other, "weakened", head=TAUGHT, way=EQUAL) < 0 < number(other, "bias", head=TAUGHT, way=EQUAL)


def test_the_balance_lies_on_the_line_between_two_steps_and_is_missing_where_no_step_is_enough():
    levels = np.array([-1, 0, 1])
    metrics = dict.fromkeys(science.METRICS, [0.0, 0.0, 0.0])
    metrics |= {"shape_alone": [0.8, 0.8, 0.4], "material_alone": [0.2, 0.6, 0.6], "bias": [1.0, 0.9, 0.3]}
    cube = np.array([metrics[name] for name in science.METRICS], float).T[:, None]
    found = dict(zip((*science.METRICS, "weakened"), science._balanced(levels, cube)[0]))
    assert found["weakened"] == pytest.approx(0.5) and found["bias"] == pytest.approx(0.6)
    assert found["shape_alone"] == found["material_alone"] == pytest.approx(0.6)
    assert np.isnan(science._balanced(levels[:2], cube[:2])).all()


def test_replicates_weigh_pairs_by_both_of_their_names():
    own = seen(1.0, 1.0, 0.3)
    whole = conflicts_answered([own], [PROTOTYPES], resamples=3)
    rows = whole[whole["level"] == 0].set_index("replicate")
    weights = science._weights(3)[2]
    kinds = own.rows[(own.rows["set"] == CONFLICT) & (own.rows["level"] == 0)]
    fitted = ((own.rows["set"] == FIT) & (own.rows["level"] == 0)).to_numpy()
    names = own.rows["name"].str.split(" ").tolist()
    material = np.array([TOLD_MATERIALS.index(name[0]) for name in names])
    shape = np.array([TOLD_SHAPES.index(name[1]) for name in names])
    said = science._answers_of(PROTOTYPES, own.images[fitted], material[fitted], own.images)
    sums = [0.0, 0.0]
    for place in kinds.index:
        share = weights[material[place]] * weights[shape[place]]
        sums[0] += share * (said[place] == shape[place])
        sums[1] += share * (said[place] == material[place])
    assert rows.loc[1, "bias"] == pytest.approx(sums[0] / sum(sums)) and rows["units"].eq(10).all()


@pytest.mark.slow
def test_what_is_drawn_is_asked_and_stored(tmp_path, monkeypatch):
    questions = ConflictQuestions(fitted=2, per_name=1, per_pair=1, strengths=(0.3,))
    cards, _ = members(["narrow"], [0])
    own = answers(cards, questions, store=tmp_path)[0]
    counts = own.rows.groupby("set").size().to_dict()
    assert counts == {FIT: 60, BOTH: 10, SHAPE: 20, MATERIAL: 20, CONFLICT: 270}
    assert {*conflicts_answered([own], resamples=2)["head"]} == {*HEADS}
    monkeypatch.setattr("zsas_lib.robustness.shape_bias.Cues", None)  # what is stored needs no picture
    assert np.array_equal(answers(cards, questions, store=tmp_path)[0].images, own.images)


@pytest.mark.parametrize("strengths", [(), (1.0, 0.5), (0.3, 0.5), (0.5, 0.0)])
def test_bad_strengths_are_refused(strengths):
    with pytest.raises(OptionError, match="Expected strengths below 1 and above 0 that fall"):
        ConflictQuestions(strengths=strengths)


def test_bad_numbers_are_refused():
    with pytest.raises(OptionError, match="fitted"):
        ConflictQuestions(fitted=1)
    with pytest.raises(OptionError, match="per_pair"):
        ConflictQuestions(per_pair=0)
