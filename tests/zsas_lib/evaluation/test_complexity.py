"""Parameters and operations of any model, against formulas and torch's count of a real prediction."""

import pytest
import torch
from operations import counted, counted_smoothing
from tiny_clip import TINY, tiny, tiny_backbone
from trained import trained

from zsas_lib.evaluation.complexity import operations, parameter_counts, shapes_only
from zsas_lib.models import list_models, list_trivial_maps
from zsas_lib.models.learned import LearnedModel
from zsas_lib.models.load import load_model


@pytest.fixture(scope="module")
def published():
    """The released models' backbone and size, without numbers."""
    backbone = shapes_only("vit-l-14-336", 518)

    def model(name, **options):
        with torch.device("meta"):
            return load_model(name, backbone, **options)

    return model


def test_anomalyclip_learns_43008_numbers(published):
    assert parameter_counts(published("anomalyclip")).learned == 43_008
    assert parameter_counts(published("april-gan")).learned == 3_148_800


def tower_operations(backbone):
    """Patch embedding, blocks and image projection of the image tower, by hand."""
    patches, width, blocks = backbone.grid**2, backbone.width, backbone.clip.visual.transformer.resblocks
    tokens = patches + 1
    mlp = 2 * 2 * tokens * width * blocks[0].mlp.c_fc.out_features
    attention = 2 * 4 * tokens * width**2 + 2 * 2 * tokens**2 * width
    embedding = 2 * patches * width * 3 * backbone.patch_size**2
    return embedding + len(blocks) * (mlp + attention) + 2 * width * backbone.embed_dim


def april_gan_operations(model):
    """Four linear layers on the patches, then patches and picture against two sentences."""
    backbone = model.backbone
    patches, embed = backbone.grid**2 * len(model.projections), backbone.embed_dim
    return 2 * patches * backbone.width * embed + 2 * (patches + 1) * 2 * embed


def anomalyclip_operations(model):
    """The value-value path beside the tower (queries, keys and values once more, scores, mixtures, output)."""
    backbone, tokens, tapped = model.backbone, model.backbone.grid**2 + 1, len(model._layers)
    block = 2 * 4 * tokens * backbone.width**2 + 2 * 2 * tokens**2 * backbone.width
    path = sum(layer - model._first + 1 for layer in model._layers) * block
    projection = 2 * tapped * tokens * backbone.width * backbone.embed_dim
    return path + projection + 2 * (tapped * (tokens - 1) + 1) * 2 * backbone.embed_dim


@pytest.mark.slow_after(3)
@pytest.mark.parametrize(
    "name, options, own",
    [
        ("april-gan", {}, april_gan_operations),
        ("anomalyclip", {}, anomalyclip_operations),
        ("anomalyclip", {"layers": (0.5, 1.0)}, anomalyclip_operations),
    ],
)
@pytest.mark.parametrize("embed", [24, 32])
def test_operations_are_those_of_the_formulas(name, options, own, embed):
    backbone = tiny_backbone({**tiny(layers=4), "embed_dim": embed, "text_cfg": {**TINY["text_cfg"], "layers": 3}})
    model = trained(name, backbone, **options)
    assert operations(model) == tower_operations(backbone) + own(model) + counted_smoothing(model)


BY_SHAPE = {"adaclip": {"clustering": "highest"}, "anovl": {"adapter": "off"}}


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in list_models() if name not in list_trivial_maps()])
def test_shapes_give_the_count_of_a_real_prediction(name):
    """For every model without code of its own, and nothing of the model is changed by counting. What depends on the
    numbers of a picture is left out: how long clusters are looked for, and adaptation to it."""
    options = BY_SHAPE.get(name, {})
    model = trained(name, tiny_backbone(tiny(layers=4)), **options)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model(image, "pill")
    without_numbers = tiny_backbone(tiny(layers=4)).to("meta")
    with torch.device("meta"):
        shapes = load_model(name, without_numbers, **options)
    fast = torch.backends.mha.get_fastpath_enabled()
    assert operations(shapes, "pill") == operations(model, "pill") == counted(model, image) > 0
    assert torch.backends.mha.get_fastpath_enabled() == fast
    assert not isinstance(shapes, LearnedModel) or shapes.trained is None


@pytest.mark.slow
def test_operations_of_the_released_models_without_their_weights(published):
    """APRIL-GAN on ViT-L-14-336 at 518 pixels, by its formula; WinCLIP's windows are many passes of the tower."""
    model = published("april-gan")
    assert operations(model) == tower_operations(model.backbone) + april_gan_operations(model) == 1_022_239_054_848
    assert operations(published("winclip")) > 8 * tower_operations(model.backbone)


@pytest.mark.parametrize("name", ["centre-distance", "local-contrast", "median-colour"])
def test_a_map_without_a_backbone_has_no_parameters_and_multiplies_no_matrices(name):
    model = load_model(name)
    assert parameter_counts(model).total == 0 and operations(model, image_size=32) == 0
    with pytest.raises(ValueError, match=f"{name} has no backbone, so no image size of its own"):
        operations(model)


def test_models_that_learn_nothing():
    model = load_model("winclip", tiny_backbone())
    counts = parameter_counts(model)
    assert counts.learned == 0
    assert counts.total == counts.backbone == sum(value.numel() for value in model.backbone.clip.parameters())
