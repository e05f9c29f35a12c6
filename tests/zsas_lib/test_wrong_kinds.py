"""Arguments of another kind than was meant are refused in one sentence that says what was expected and what came."""

import inspect
import types
from typing import get_args

import numpy as np
import pytest
import torch

import zsas_lib as zsas
from zsas_lib.backbones.backbone import Backbone
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.models.learned import LearnedModel, NothingToLearnError
from zsas_lib.models.prediction import AnomalyModel

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
MASKS = torch.arange(32).expand(2, 32, 32) > 20
MAPS = torch.rand(2, 32, 32, generator=torch.Generator().manual_seed(1))
THREE = torch.ones(3)


@pytest.fixture(scope="module")
def made():
    backbone = (
        zsas.load_backbone("tiny", "random") if "tiny" in zsas.list_backbones() else zsas.load_backbone("embedded")
    )
    dataset = zsas.load_dataset("embedded-b", categories="ceramic_ring", image_size=32).select(per_category=2)
    return backbone, zsas.load_model("winclip", backbone), dataset


AMOUNTS = {
    "rotate": lambda amount: zsas.rotate(IMAGES, amount),
    "derotate": lambda amount: zsas.derotate(MAPS, amount),
    "shift_hue": lambda amount: zsas.shift_hue(IMAGES, amount),
    "shift_saturation": lambda amount: zsas.shift_saturation(IMAGES, amount),
    "perturb": lambda amount: zsas.perturb(IMAGES, degrees=amount),
    "corruption": lambda amount: zsas.CORRUPTIONS["defocus"].apply(IMAGES, amount),
}


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", AMOUNTS)
def test_amounts_are_one_number_or_one_for_each_image(name):
    with pytest.raises(ValueError, match="a number as an amount, or one for each image, got '3'"):
        AMOUNTS[name]("3")
    with pytest.raises(ValueError, match="one amount for all of 2 images, or one each, got 3"):
        AMOUNTS[name](THREE)
    assert len(AMOUNTS[name](np.float64(2.0))) == len(AMOUNTS[name](THREE[:2])) == 2


WRONG = {
    "a degree that is a word": (lambda *_: zsas.valid_region("3", 8, 8), "a number as an amount, .* got '3'"),
    "no corruption": (lambda *_: zsas.corrupt(IMAGES, None), "Unknown corruption 'None'"),
    "depths of another size": (
        lambda *_: zsas.corrupt(IMAGES, "near_focus(2)", depth=torch.ones(2, 5, 5)),
        r"depths .batch, height, width. of images \(2, 3, 32, 32\), got \(2, 5, 5\)",
    ),
    "resamples": (lambda _, m, d: zsas.evaluate(m, d, resamples="9"), "at least 2 resamples, got '9'"),
    "half a resample": (lambda *_: zsas.metrics.bootstrap_std(MAPS, MASKS, 9.5), "at least 2 resamples, got 9.5"),
    "a seed below 0": (lambda _, m, d: zsas.evaluate(m, d, seed=-1), "whole number from 0 on, got -1"),
    "a batch size": (lambda _, m, d: zsas.evaluate(m, d, batch_size="4"), "batch_size must be at least 1; got '4'"),
    "pictures": (lambda _, __, d: d.select(per_category="2"), "per_category must be at least 1 picture, .* got '2'"),
    "steps": (
        lambda _, m, __: zsas.worst_case(m, IMAGES, MASKS, "ring", ("hue",), search="grid", steps="5"),
        "one step for each, got steps='5' and restarts=5",
    ),
    "a limit": (lambda *_: zsas.metrics.aupro(MAPS, MASKS, "0.3"), r"fpr_limit must lie in \(0, 1\], got '0.3'"),
    "a backbone's name": (lambda *_: zsas.load_backbone(5), "Unknown backbone 5; known: .*embedded"),
}


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("case", WRONG)
def test_values_of_another_kind(case, made):
    call, message = WRONG[case]
    with pytest.raises(ValueError, match=message):
        call(*made)


@pytest.mark.usefixtures("unchecked_types")
def test_models_data_sets_and_backbones_of_another_kind(made):
    _, model, dataset = made
    with pytest.raises(TypeError, match="Expected a model .* and a data set .*, got AnomalyDataset and WinCLIP"):
        zsas.evaluate(dataset, model)
    with pytest.raises(TypeError, match="Model 'winclip' needs a backbone, got 'embedded': load_model"):
        zsas.load_model("winclip", "embedded")
    with pytest.raises(TypeError, match="WinCLIP needs a backbone of zsas.load_backbone, got 'embedded'"):
        type(model).require_suits("embedded")


TAKES = {
    "evaluate": lambda model, dataset, _: zsas.evaluate(model, dataset),
    "fit": lambda _, dataset, __: zsas.fit(zsas.load_model("april-gan", zsas.load_backbone("embedded")), dataset),
    "load_official_checkpoint": lambda _, __, tower: zsas.load_official_checkpoint("vcpclip", "x.pth", tower),
    "load_model": lambda _, __, tower: zsas.load_model("winclip", tower),
    "model_for": lambda _, __, tower: zsas.model_for("winclip", tower, "embedded-b"),
    "picture_agreement": lambda model, dataset, _: zsas.picture_agreement(model, dataset),
    "ready_model": lambda _, dataset, tower: zsas.ready_model("april-gan", tower, dataset),
    "remember_normal": lambda model, dataset, _: zsas.remember_normal(model, dataset),
    "remember_tested": lambda model, dataset, _: zsas.remember_tested(model, dataset),
    "stored": lambda model, dataset, _: zsas.stored(zsas.evaluate, model, dataset),
    "trained": lambda _, dataset, __: zsas.trained(
        zsas.load_model("april-gan", zsas.load_backbone("embedded")), dataset
    ),
    "uniform_sweep": lambda model, dataset, _: zsas.uniform_sweep(model, dataset, "hue"),
    "why_not": lambda _, __, tower: zsas.why_not("winclip", tower),
    "with_sentences_of": lambda model, _, tower: zsas.with_sentences_of(model, tower),
    "worst_case": lambda model, _, __: zsas.worst_case(model, IMAGES, MASKS, "ring", "hue"),
}
KINDS = {AnomalyModel: "a model", LearnedModel: "a model", AnomalyDataset: "a data set", Backbone: "a backbone"}
WITH_KINDS = {
    (name, kind)
    for name in dir(zsas)
    if isinstance(function := getattr(zsas, name), types.FunctionType)
    for parameter in inspect.signature(function).parameters.values()
    for kind in KINDS
    if kind in (parameter.annotation, *get_args(parameter.annotation))
}


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(("name", "kind"), sorted(WITH_KINDS, key=str))
def test_what_is_no_model_data_set_or_backbone_is_refused_by_every_function(name, kind, made):
    """Of those that are public; one that is new stands in `TAKES` too."""
    backbone, model, dataset = made
    given = {AnomalyModel: model, AnomalyDataset: dataset, Backbone: backbone}
    wrong = 7 if name == "why_not" else [AnomalyDataset]
    own = [wrong if issubclass(kind, one) else right for one, right in given.items()]
    learns = name in ("fit", "trained") and issubclass(kind, AnomalyModel)
    if learns:
        with pytest.raises(NothingToLearnError, match="list learns nothing; expected a model such as"):
            getattr(zsas, name)(wrong, dataset)
    else:
        with pytest.raises(TypeError, match=rf"([Ee]xpected .*{KINDS[kind]}|needs a backbone).* got .*(int|list|\[)"):
            TAKES[name](*own)


@pytest.mark.usefixtures("unchecked_types")
def test_a_data_set_gives_one_picture_by_its_number(made):
    dataset = made[2]
    for index in (slice(0, 2), "0", 1.0, None):
        with pytest.raises(
            TypeError, match="gives one picture by its number, got .*; `select` and `part` give several"
        ):
            dataset[index]
    with pytest.raises(IndexError):
        dataset[len(dataset)]
    assert dataset[np.int64(1)].path == dataset[-1].path


@pytest.mark.usefixtures("unchecked_types")
def test_whole_numbers_of_numpy_are_whole_numbers(made):
    _, model, dataset = made
    one, two, nine = (np.int64(number) for number in (1, 2, 9))
    table = zsas.evaluate(model, dataset.select(per_category=two), batch_size=one, resamples=nine)
    assert len(table.per_image) == 2 and len(table.replicates) == 9
