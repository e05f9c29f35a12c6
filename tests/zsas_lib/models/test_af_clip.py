"""AF-CLIP's parts against plain computations; tests/zsas_lib/training/test_checkpoints.py has its authors' numbers."""

import pytest
import torch
import torch.nn.functional as F
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.evaluation.complexity import parameter_counts, shapes_only
from zsas_lib.models.af_clip import _averaged, _focal, _misaligned
from zsas_lib.models.load import load_model


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(tiny(layers=4))


@pytest.mark.slow
def test_as_many_parameters_as_the_released_model_has():
    with torch.device("meta"):
        model = load_model("af-clip", shapes_only("vit-l-14-336", image_size=518))
    assert model.context.numel() == 9_216
    assert parameter_counts(model).learned - 9_216 == 2 * 1024 + 3 * 1024 * 512 + 512 * 1024 + 1024


def test_sentences_equal_a_hand_computation_over_the_whole_context(backbone):
    model = trained("af-clip", backbone)
    clip = backbone.clip
    ids = backbone.tokenizer(["without defect.", "with defect."])
    tokens = torch.cat([model.context.expand(2, -1, -1), clip.token_embedding(ids)], 1)[:, :77]
    hidden = tokens + clip.positional_embedding
    for block in clip.transformer.resblocks:
        hidden = block(hidden, attn_mask=clip.attn_mask)
    rows = clip.ln_final(hidden)[torch.arange(2), 12 + ids.argmax(-1)] @ clip.text_projection
    torch.testing.assert_close(model.text_features(), F.normalize(rows, dim=-1), atol=1e-5, rtol=0)


def test_neighbours_are_weighed_and_there_are_none_beyond_the_edge():
    planes = torch.rand(1, 2, 4, 5, generator=torch.Generator().manual_seed(0))
    weights = torch.tensor(
        [[torch.tensor(-((i - 2) ** 2 + (j - 2) ** 2) / 32).exp() for j in range(5)] for i in range(5)]
    )
    weights = weights / weights.sum()
    padded = F.pad(planes, (2, 2, 2, 2))
    expected = [[(padded[0, :, i : i + 5, j : j + 5] * weights).sum((1, 2)) for j in range(5)] for i in range(4)]
    expected = torch.stack([torch.stack(row, 1) for row in expected], 1)
    torch.testing.assert_close(_averaged(planes, 5)[0], expected)
    assert _averaged(planes, 1) is planes


def test_the_alignment_is_of_patches_of_both_kinds():
    generator = torch.Generator().manual_seed(0)
    patches = F.normalize(
        torch.randn(1, 1, 4, 8, generator=generator) + torch.tensor([1.0, 1, -1, -1])[:, None], dim=-1
    )
    truth = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
    cosines = patches[0, 0] @ patches[0, 0].T
    alike = (cosines[[0, 2]][:, [0, 2]].sum() + cosines[[1, 3]][:, [1, 3]].sum()) / 8
    unlike = 2 * cosines[[0, 2]][:, [1, 3]].sum() / 8
    torch.testing.assert_close(_misaligned(patches, truth), (unlike - alike).clamp_min(0))
    torch.testing.assert_close(_misaligned(patches * torch.tensor([1.0, -1, -1, 1])[:, None], truth).item() >= 0, True)
    normal = patches.clone().requires_grad_()
    loss = _misaligned(normal, torch.zeros(1, 4))
    assert loss == 0 and torch.autograd.grad(loss, normal)[0].isfinite().all()


def test_the_focal_loss_has_the_fourth_power():
    probability, truth = torch.tensor([0.9, 0.3]), torch.tensor([1.0, 1.0])
    expected = -(torch.tensor([0.1, 0.7]) ** 4 * probability.log()).mean()
    torch.testing.assert_close(_focal(probability.logit(), truth), expected)
    far = torch.tensor([-60.0], requires_grad=True)
    (gradient,) = torch.autograd.grad(_focal(far, truth[:1]), far)
    assert gradient < -0.5, "what is wrong beyond doubt is put right"


def test_the_focal_loss_of_a_half_is_the_authors():
    """Their focus is 1 - (p t + (1 - p) (1 - t)), which of t = 1/2 is 1/2 whatever p is."""
    probability = torch.tensor([0.5, 0.9, 0.2])
    half = torch.full_like(probability, 0.5)
    expected = (0.5**4 * F.binary_cross_entropy(probability, half, reduction="none")).mean()
    torch.testing.assert_close(_focal(probability.logit(), half), expected)


@pytest.mark.slow
def test_nothing_is_said_of_the_product(backbone):
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = trained("af-clip", backbone)
    assert torch.equal(model(images, "pill").anomaly_map, model(images, "screw").anomaly_map)
    model.train()
    masks = torch.zeros(2, 32, 32, dtype=torch.bool)
    masks[0, 8:20, 8:20] = True
    labels = torch.tensor([True, False])
    features = model.features(images, ["pill"] * 2)
    aligned, apart = (trained("af-clip", backbone, align=weight).loss(features, masks, labels) for weight in (5.0, 0.0))
    assert aligned >= apart


def test_few_patches_are_what_they_are_among_all_and_are_compared_with_the_pixels_that_lie_in_them(backbone):
    model = trained("af-clip", backbone, align=0.5)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    features, labels = model.features(images, ["pill"] * 2), torch.tensor([True, False])
    chosen = torch.tensor([5, 7, 13, 15])  # the second and fourth of four rows and columns
    assert torch.equal(model._under((2, 2)), chosen) and model._under((4, 4)) is model._under((32, 32)) is None
    (whole, patches), (all_whole, all_patches) = model.tokens(features, chosen), model.tokens(features)
    torch.testing.assert_close(whole, all_whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(patches, all_patches[:, :, chosen], atol=1e-5, rtol=0)
    masks = torch.tensor([[[True, False], [False, False]], [[False] * 2] * 2])
    margins, truth = model._margins(patches, model.text_features()), masks.flatten(1).float()
    expected = _focal(model._margins(whole, model.text_features()), labels.float()) + _focal(margins, truth)
    expected = expected + (margins.sigmoid() - truth).abs().mean() + 0.5 * _misaligned(patches, truth)
    torch.testing.assert_close(model.loss(features, masks, labels), expected, atol=1e-5, rtol=1e-5)


def test_a_thinned_training_sees_the_patches_alone_that_it_asks_for(backbone):
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = trained("af-clip", backbone, thinned=True)
    features, chosen = model.features(images, ["pill"]), torch.tensor([5, 7, 13, 15])
    predicted = model.tokens(features, chosen)[1]
    model.train()
    thin = model.tokens(features, chosen)[1]
    few = model.adapter(features["tokens"][:, 0][:, [0, 6, 8, 14, 16]])
    torch.testing.assert_close(thin[:, 0], F.normalize(backbone.image.dense(few), dim=-1), atol=1e-5, rtol=0)
    assert (thin - predicted).abs().max() > 1e-3
    torch.testing.assert_close(model.tokens(features)[1][:, :, chosen], predicted, atol=1e-5, rtol=0)


def test_the_alignment_of_patches_half_covered_counts_in_no_pair():
    patches = F.normalize(torch.randn(2, 3, 6, 8, generator=torch.Generator().manual_seed(2)), dim=-1)
    patches[:, :, 1] = patches[:, :, 0]  # an abnormal patch like a normal one
    truth = torch.tensor([[0.0, 1, 0.5, 0, 0, 0.5], [0.0, 1, 1, 0.5, 0, 0]])
    signs = torch.where(truth == 0, -1.0, truth)
    pairs = signs[:, :, None] * signs[:, None]
    expected = []
    for rows in patches.unbind(1):
        cosines = rows @ rows.mT
        unlike, alike = (cosines[pairs == kind].mean() for kind in (-1, 1))
        expected.append((unlike - alike).clamp_min(0))
    torch.testing.assert_close(_misaligned(patches, truth), torch.stack(expected).mean())
