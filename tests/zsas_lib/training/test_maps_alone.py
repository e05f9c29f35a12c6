"""A training that looks at maps alone needs no references, and of what is tested only what chooses its epoch."""

import pytest
import torch
from toy import toy_dataset

import zsas_lib as zsas
from zsas_lib.models.references import References

FEW_SHOT = ("af-clip", {"shots": 1})
TRANSDUCTIVE = ("aa-clip", {"image_score": "transductive"})


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "toy", {"nut": 4, "ring": 4}).squashed(32)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), [FEW_SHOT, TRANSDUCTIVE])
@pytest.mark.parametrize("what", ["looks", "hard"])
def test_looks_and_hard_patches(backbone, pictures, name, options, what):
    given = {"perturbed": ("rotation",), "looks": 2} if what == "looks" else {"hard": [[0, 1]] * len(pictures)}
    settings = {"epochs": 1, "training_batch_size": 4, "augment": False, "seed": 3}
    learned = []
    for own in (options, {}):
        model = zsas.load_model(name, backbone, **own)
        assert zsas.fit(model, pictures, **settings, **given).loss.notna().all()
        learned.append(torch.cat([value.flatten() for value in model.learnable().values()]))
    assert torch.equal(*learned), "what is learned has nothing to do with references or with what is tested"


@pytest.mark.slow
def test_pictures_that_choose_the_epoch_are_what_a_transductive_score_ranges_over(backbone, pictures):
    name, options = TRANSDUCTIVE
    model = zsas.load_model(name, backbone, **options)
    zsas.fit(model, pictures, epochs=2, training_batch_size=4, augment=False, held_out=["nut"], select="auxiliary")
    assert model.trained["kept_epoch"] in (2, 3)  # behind one of the text
    with pytest.raises(ValueError, match="has not been shown those of 'nut'"):
        model(pictures[0].image[None], "nut")


@pytest.mark.slow
def test_the_epoch_of_a_few_shot_model_is_chosen_by_words(backbone, pictures):
    settings = {"epochs": 3, "training_batch_size": 4, "augment": False, "held_out": ["nut"], "select": "auxiliary"}
    kept = []
    for options in ({"shots": 1}, {}):
        model = zsas.load_model("af-clip", backbone, **options)
        zsas.fit(model, pictures, **settings)
        assert not model.training
        kept.append((model.trained["kept_epoch"], [value.clone() for value in model.learnable().values()]))
    assert kept[0][0] == kept[1][0] and all(map(torch.equal, kept[0][1], kept[1][1]))


def test_a_few_shot_model_in_training_mode_judges_by_words(backbone, images):
    plain, few = (zsas.load_model("af-clip", backbone, shots=shots) for shots in (0, 1))
    for model in (plain, few):
        model.trained = {"by": "hand"}
    few.train()
    assert isinstance(few.references, References)
    torch.testing.assert_close(few(images, "pill").anomaly_map, plain(images, "pill").anomaly_map)
    few.eval()
    with pytest.raises(ValueError, match="remember"):
        few(images, "pill")


@pytest.fixture
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
