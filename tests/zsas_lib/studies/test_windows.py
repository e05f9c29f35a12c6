"""WinCLIP from the inside, against the model's own numbers and means written out."""

import numpy as np
import pytest
import torch
from toy import toy_dataset

from zsas_lib.models.load import load_model
from zsas_lib.models.prompts import winclip_prompts
from zsas_lib.studies.windows import (
    IN_WORDS,
    OPEN_CHOICES,
    arithmetic_map,
    at_size,
    score_table,
    sentence_cosines,
    window_cover,
    zero_shot_steps,
)


@pytest.fixture
def sample(tmp_path):
    return toy_dataset(tmp_path, {"ring": 1})[3]


@pytest.mark.slow
def test_sentences_average_to_what_the_model_keeps(backbone, sample):
    table = sentence_cosines(backbone, sample.image, winclip_prompts("ring"))
    assert table.groupby("state").size().to_dict() == {"normal": 154, "abnormal": 88}
    with torch.no_grad():
        text = backbone.encode_text(list(winclip_prompts("ring").abnormal))
        mean = text.mean(0) @ backbone.encode_image(sample.image[None])[0]
    assert table.cosine[table.state == "abnormal"].mean() == pytest.approx(float(mean), abs=1e-6)


def test_corners_are_covered_once_and_the_inside_by_all_windows_that_fit():
    cover = window_cover(4, 2)
    assert cover.tolist() == [[1, 2, 2, 1], [2, 4, 4, 2], [2, 4, 4, 2], [1, 2, 2, 1]]
    assert window_cover(6, 3).max() == 9 and window_cover(3, 1).unique().tolist() == [1]


def test_a_patch_gets_the_arithmetic_mean_of_the_windows_over_it():
    scores = torch.tensor([[[1.0, 0.75], [0.5, 0.25]]])  # those of the example of `harmonic_map`
    expected = [[1.0, 0.875, 0.75], [0.75, 0.625, 0.5], [0.5, 0.375, 0.25]]
    assert torch.allclose(arithmetic_map(scores, 2)[0], torch.tensor(expected))


@pytest.mark.slow
def test_steps_end_in_the_model_s_own_map_and_score(backbone, sample):
    model = load_model("winclip", backbone)
    steps = zero_shot_steps(model, sample)
    with torch.no_grad():
        prediction = model(sample.image[None], "ring")
    assert torch.allclose(steps.maps["WinCLIP"], prediction.anomaly_map[0])
    assert steps.whole == pytest.approx(float(prediction.image_score[0]))
    assert list(steps.maps) == ["side 2", "side 3", "WinCLIP", "arithmetic"]
    assert {side: tuple(own.shape) for side, own in steps.scores.items()} == {2: (3, 3), 3: (2, 2)}


def test_with_one_scale_and_no_image_term_the_map_is_that_of_the_scale(backbone, sample):
    steps = zero_shot_steps(load_model("winclip", backbone, scales=(2,), image_term=False), sample)
    assert torch.allclose(steps.maps["side 2"], steps.maps["WinCLIP"], atol=1e-6)
    means = arithmetic_map(steps.scores[2][None], 2)[0]
    assert torch.allclose(steps.maps["arithmetic"], at_size(means, sample.mask.shape))


def test_scores_become_a_row_each():
    table = score_table({2: torch.tensor([[0.1, 0.2]]), 3: torch.tensor([[0.5]])})
    assert table[["row", "column", "side"]].values.tolist() == [[0, 0, 2], [0, 1, 2], [0, 0, 3]]
    assert np.allclose(table.score, [0.1, 0.2, 0.5])


def test_every_choice_that_the_paper_leaves_open_can_be_loaded(backbone):
    options = [load_model("winclip", backbone, **chosen).options for chosen in OPEN_CHOICES.values()]
    assert len({repr(own) for own in options}) == len(OPEN_CHOICES) and set(IN_WORDS) < set(OPEN_CHOICES)
