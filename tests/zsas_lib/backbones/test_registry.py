from copy import deepcopy
from dataclasses import replace

import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU
from tiny_clip import TINY, tiny, tiny_backbone
from torch import nn

from zsas_lib.backbones import registry as backbones
from zsas_lib.backbones.configuration import build
from zsas_lib.backbones.families import tokens as towers
from zsas_lib.backbones.registry import list_backbones, load_backbone, register_backbone
from zsas_lib.base.errors import DataError, UnknownNameError

VARIANTS = {
    "plain": tiny(),
    "one layer": tiny(layers=1),
    "layer scale": tiny(ls_init_value=0.5),
    "custom blocks": tiny(qk_norm=True),
    "no first norm": tiny(no_ln_pre=True),
    "norm after pooling": tiny(final_ln_after_pool=True),
    "quick": {**tiny(), "quick_gelu": True},
}


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(backbones, "_REGISTERED", dict(backbones._REGISTERED))
    register_backbone("tiny", architecture=TINY)


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def normalised(images):
    mean, std = (
        torch.tensor(values)[:, None, None] for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    )
    return (images - mean) / std


def window_by_window(clip, images, side):
    """One window at a time through open_clip's own transformer, tokens picked by their numbers."""
    visual = clip.visual
    with torch.no_grad():
        columns = visual.conv1(normalised(images)).reshape(len(images), visual.conv1.out_channels, -1).permute(0, 2, 1)
        tokens = torch.cat([visual.class_embedding.view(1, 1, -1).repeat(len(images), 1, 1), columns], 1)
        tokens = visual.ln_pre(tokens + visual.positional_embedding)
        grid = visual.grid_size[0]
        embeddings = []
        for row in range(grid - side + 1):
            for column in range(grid - side + 1):
                kept = [0] + [1 + (row + i) * grid + column + j for i in range(side) for j in range(side)]
                embeddings.append(visual.ln_post(visual.transformer(tokens[:, kept]))[:, 0] @ visual.proj)
    return F.normalize(torch.stack(embeddings, 1), dim=-1)


@pytest.mark.parametrize("variant", VARIANTS)
def test_image_embedding_is_open_clips(variant, images):
    register_backbone("variant", architecture=VARIANTS[variant])
    backbone = load_backbone("variant", "random")
    with torch.no_grad():
        expected = backbone.clip.encode_image(normalised(images), normalize=True)
    torch.testing.assert_close(backbone.encode_image(images), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("side", [1, 2, 3, 4])
def test_windows_equal_one_window_at_a_time(variant, side, images):
    register_backbone("variant", architecture=VARIANTS[variant])
    backbone = load_backbone("variant", "random")
    embeddings = backbone.window_embeddings(backbone.embed_patches(images), side)
    assert embeddings.shape == (3, (4 - side + 1) ** 2, 24)
    torch.testing.assert_close(embeddings, window_by_window(backbone.clip, images, side), atol=1e-5, rtol=0)


def test_windows_are_not_all_alike(images):
    backbone = load_backbone("tiny", "random")
    embeddings = backbone.window_embeddings(backbone.embed_patches(images), 2)
    assert embeddings.std(dim=1).mean() > 0.01


def test_work_in_small_portions_changes_nothing(images, monkeypatch):
    backbone = load_backbone("tiny", "random")
    tokens = backbone.embed_patches(images)
    whole = backbone.encode_tokens(tokens), backbone.window_embeddings(tokens, 2)
    monkeypatch.setitem(towers.HIDDEN_BYTES_AT_ONCE, "cpu", 1)
    portions = backbone.encode_tokens(tokens), backbone.window_embeddings(tokens, 2)
    torch.testing.assert_close(portions, whole, atol=1e-6, rtol=0)


def test_a_window_must_fit_the_grid(images):
    backbone = load_backbone("tiny", "random")
    with pytest.raises(ValueError, match="window of 5 patches does not fit a grid of 4"):
        backbone.window_embeddings(backbone.embed_patches(images), 5)


def test_windows_differentiate_with_respect_to_the_image():
    backbone = load_backbone("tiny", "random", image_size=24).double()
    image = torch.rand(
        1, 3, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True
    )
    assert torch.autograd.gradcheck(
        lambda x: backbone.window_embeddings(backbone.embed_patches(x), 2), image, fast_mode=True
    )


def test_tower_is_frozen_and_stays_in_evaluation_mode():
    backbone = load_backbone("tiny", "random").train()
    assert not backbone.training and not backbone.clip.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.slow
def test_sentence_embeddings_are_open_clips():
    backbone = load_backbone("tiny", "random")
    sentences = ["a photo of a pill.", "a close-up photo of the damaged metal nut for visual inspection."] * 40
    with torch.no_grad():
        raw = backbone.clip.encode_text(open_clip.SimpleTokenizer()(sentences))
    torch.testing.assert_close(backbone.encode_text(sentences, normalise=False), raw, atol=1e-5, rtol=0)
    torch.testing.assert_close(backbone.encode_text(sentences), F.normalize(raw, dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(backbone.encode_text(sentences[0]), backbone.encode_text(sentences[:1]))


@pytest.mark.slow
def test_other_text_towers_go_through_open_clip():
    custom = {**deepcopy(TINY), "custom_text": True, "text_cfg": {**TINY["text_cfg"], "pool_type": "last"}}
    register_backbone("custom", architecture=custom)
    backbone = load_backbone("custom", "random", precision="bfloat16")
    with torch.no_grad():
        expected = backbone.clip.encode_text(open_clip.SimpleTokenizer()(["a pill"]), normalize=True)
    torch.testing.assert_close(backbone.encode_text(["a pill"]), expected)


def test_no_sentences():
    with pytest.raises(ValueError, match="no sentences"):
        load_backbone("tiny", "random").encode_text([])


def test_text_made_in_inference_mode_can_be_differentiated_against(images):
    backbone = load_backbone("tiny", "random")
    with torch.inference_mode():
        text = backbone.encode_text(["a pill"])
    (backbone.encode_image(images.requires_grad_()) @ text.T).sum().backward()
    assert images.grad.abs().sum() > 0


def test_images_of_other_sizes_are_squashed_and_clamped(images):
    backbone = load_backbone("tiny", "random")
    wide = F.interpolate(images, (50, 80)).round()
    squashed = F.interpolate(wide, (32, 32), mode="bicubic", antialias=True)
    assert squashed.min() < -1e-3
    torch.testing.assert_close(backbone.encode_image(wide), backbone.encode_image(squashed.clamp(0, 1)))


def test_images_that_are_not_in_the_unit_range():
    backbone = load_backbone("tiny", "random")
    with pytest.raises(ValueError, match=r"values in \[0, 1\], got 0..200; divide by 255"):
        backbone.encode_image(torch.linspace(0, 200, 3 * 32 * 32).reshape(1, 3, 32, 32))
    with pytest.raises(ValueError, match="do not normalise"):
        backbone.encode_image(normalised(torch.linspace(0, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)))


def test_attributes():
    backbone = load_backbone("tiny", "random", device="cpu")
    found = (
        backbone.image_size,
        backbone.patch_size,
        backbone.grid,
        backbone.width,
        backbone.depth,
        backbone.embed_dim,
    )
    assert found == (32, 8, 4, 32, 2, 24)
    assert (backbone.name, backbone.activation, backbone.precision, backbone.device.type) == (
        "tiny",
        "gelu",
        "float32",
        "cpu",
    )


@pytest.mark.slow
def test_random_weights_depend_on_their_seed_alone():
    torch.manual_seed(5)
    first, state = load_backbone("tiny", "random", seed=1), torch.random.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.rand(3)
    assert (
        load_backbone("tiny", "random", seed=1).digest == first.digest != load_backbone("tiny", "random", seed=2).digest
    )


@pytest.mark.slow
def test_digest_tells_everything_that_changes_an_embedding():
    options = [{}, {"activation": "quick_gelu"}, {"precision": "bfloat16"}, {"image_size": 40}, {"seed": 1}]
    digests = [load_backbone("tiny", "random", **option).digest for option in options]
    assert len(set(digests)) == len(digests)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("image_size", [32, 48])
def test_bfloat16_is_close_to_float32_and_returns_float32(images, image_size):
    exact, fast = (
        load_backbone("tiny", "random", image_size=image_size, precision=precision)
        for precision in ("float32", "bfloat16")
    )
    blocks = fast.clip.visual.transformer, fast.clip.transformer
    assert {parameter.dtype for block in blocks for parameter in block.parameters()} == {torch.bfloat16}
    for outputs in zip(
        *(
            (
                b.encode_image(images),
                b.window_embeddings(b.embed_patches(images), 2),
                b.encode_text(["a pill", "a damaged pill"]),
            )
            for b in (exact, fast)
        )
    ):
        assert outputs[1].dtype == torch.float32
        torch.testing.assert_close(outputs[1], outputs[0], atol=0.02, rtol=0)
        assert not torch.equal(outputs[1], outputs[0])


@pytest.mark.parametrize(
    "name, options, expected",
    [
        ("ViT-L-14:openai", {}, "quick_gelu"),
        ("ViT-L-14-quickgelu:openai", {}, "quick_gelu"),
        ("vit-l-14", {}, "quick_gelu"),
        ("fare2-vit-l-14", {}, "quick_gelu"),
        ("vit-b-16-plus-240", {}, "gelu"),
        ("ViT-B-32:laion2b_s34b_b79k", {}, "gelu"),
        ("ViT-L-14:openai", {"activation": "gelu"}, "gelu"),
        ("vit-b-16-plus-240", {"activation": "quick_gelu"}, "quick_gelu"),
    ],
)
def test_activation_follows_the_weights(name, options, expected, monkeypatch):
    def built(name, configuration):
        return build(name, replace(configuration, model={**TINY, "quick_gelu": configuration.model["quick_gelu"]}))

    monkeypatch.setattr(backbones, "build", built)
    backbone = load_backbone(name, "random", **options)
    towers_blocks = [*backbone.clip.visual.transformer.resblocks, *backbone.clip.transformer.resblocks]
    assert backbone.activation == expected
    assert {type(block.mlp.gelu) for block in towers_blocks} == {QuickGELU if expected == "quick_gelu" else nn.GELU}


def test_image_size_must_be_whole_patches():
    with pytest.raises(ValueError, match="image_size 42 is not a multiple of the patch size 8; use 40 or 48"):
        load_backbone("tiny", "random", image_size=42)


def test_registering_twice():
    register_backbone("tiny", architecture=deepcopy(TINY))
    with pytest.raises(ValueError, match="'tiny' is already registered"):
        register_backbone("tiny", architecture=TINY, image_size=40)
    assert "tiny" in list_backbones()


@pytest.mark.slow
def test_a_registration_keeps_its_own_copy(tmp_path):
    architecture = deepcopy(TINY)
    register_backbone("copied", architecture=architecture)
    architecture["vision_cfg"]["layers"] = 7
    assert load_backbone("copied", "random").depth == 2
    assert load_backbone("copied", "random", image_size=40).image_size == 40
    assert load_backbone("copied", "random").image_size == 32


def test_architectures_that_are_none(tmp_path):
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DataError, match="broken.json"):
        register_backbone("x", architecture=tmp_path / "broken.json")
    with pytest.raises(DataError, match="lacks text_cfg"):
        register_backbone("x", architecture={"embed_dim": 3, "vision_cfg": {}})
    with pytest.raises(UnknownNameError, match="Did you mean 'ViT-B-16'"):
        register_backbone("x", architecture="ViT-B-61")
    with pytest.raises(UnknownNameError, match="Unknown activation 'relu'; known: gelu, quick_gelu"):
        register_backbone("x", architecture=TINY, activation="relu")
    assert "x" not in list_backbones()


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "vit-b-16-plus-24",
            "Unknown backbone .* known: embedded, .*Did you mean 'vit-b-16-plus-240'.*ViT-B-32:openai",
        ),
        ("ViT-B-17:openai", "Unknown open_clip architecture 'ViT-B-17'.*Did you mean 'ViT-B-1"),
        ("ViT-B-16:laion400m_e33", "Unknown pretrained tag of ViT-B-16 .*Did you mean 'laion400m_e3"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UnknownNameError, match=message):
        load_backbone(name)


@pytest.mark.parametrize("options, known", [({"activation": "relu"}, "gelu"), ({"precision": "float16"}, "bfloat16")])
def test_unknown_options(options, known):
    with pytest.raises(UnknownNameError, match=known):
        load_backbone("tiny", "random", **options)


@pytest.mark.slow
def test_a_backbone_says_whether_its_weights_were_drawn():
    assert tiny_backbone().is_random
    assert not backbones.load_backbone("embedded", device="cpu").is_random
