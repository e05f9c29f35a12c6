import json
import socket
from copy import deepcopy

import open_clip
import pytest
import torch
import torch.nn.functional as F
from open_clip.transformer import QuickGELU
from safetensors.torch import save_file
from torch import nn

from zsas_lib import backbones, towers, weights
from zsas_lib.backbones import list_backbones, load_backbone, register_backbone
from zsas_lib.errors import DataError, UnknownNameError

TINY = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def tiny(**vision):
    return {**deepcopy(TINY), "vision_cfg": {**TINY["vision_cfg"], **vision}}


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
    mean, std = (torch.tensor(values)[:, None, None] for values in (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD))
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


def save_openai_archive(path, state):
    """A TorchScript file whose state dict has CLIP's names, half precision and OpenAI's three extra entries."""

    class Holder(nn.Module):
        def forward(self, x):
            return x

    root = Holder()
    extras = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(77), "vocab_size": torch.tensor(49408)}
    for name, value in {**{name: value.half() for name, value in state.items()}, **extras}.items():
        *parents, leaf = name.split(".")
        holder = root
        for parent in parents:
            if parent not in holder._modules:
                holder.add_module(parent, Holder())
            holder = holder._modules[parent]
        holder.register_buffer(leaf, value)
    torch.jit.save(torch.jit.script(root), path)


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
    image = torch.rand(1, 3, 24, 24, dtype=torch.float64, generator=torch.Generator().manual_seed(1), requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: backbone.window_embeddings(backbone.embed_patches(x), 2), image, fast_mode=True
    )


def test_tower_is_frozen_and_stays_in_evaluation_mode():
    backbone = load_backbone("tiny", "random").train()
    assert not backbone.training and not backbone.clip.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


def test_sentence_embeddings_are_open_clips():
    backbone = load_backbone("tiny", "random")
    sentences = ["a photo of a pill.", "a close-up photo of the damaged metal nut for visual inspection."] * 40
    with torch.no_grad():
        raw = backbone.clip.encode_text(open_clip.SimpleTokenizer()(sentences))
    torch.testing.assert_close(backbone.encode_text(sentences, normalise=False), raw, atol=1e-5, rtol=0)
    torch.testing.assert_close(backbone.encode_text(sentences), F.normalize(raw, dim=-1), atol=1e-6, rtol=0)
    torch.testing.assert_close(backbone.encode_text(sentences[0]), backbone.encode_text(sentences[:1]))


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
    found = (backbone.image_size, backbone.patch_size, backbone.grid, backbone.width, backbone.depth, backbone.embed_dim)
    assert found == (32, 8, 4, 32, 2, 24)
    assert (backbone.name, backbone.activation, backbone.precision, backbone.device.type) == ("tiny", "gelu", "float32", "cpu")


def test_random_weights_depend_on_their_seed_alone():
    torch.manual_seed(5)
    first, state = load_backbone("tiny", "random", seed=1), torch.random.get_rng_state()
    torch.manual_seed(5)
    assert torch.equal(state, torch.random.get_rng_state())
    torch.rand(3)
    assert load_backbone("tiny", "random", seed=1).digest == first.digest != load_backbone("tiny", "random", seed=2).digest


def test_digest_tells_everything_that_changes_an_embedding():
    options = [{}, {"activation": "quick_gelu"}, {"precision": "bfloat16"}, {"image_size": 40}, {"seed": 1}]
    digests = [load_backbone("tiny", "random", **option).digest for option in options]
    assert len(set(digests)) == len(digests)


def test_bfloat16_is_close_to_float32_and_returns_float32(images):
    exact, fast = (load_backbone("tiny", "random", precision=precision) for precision in ("float32", "bfloat16"))
    blocks = fast.clip.visual.transformer, fast.clip.transformer
    assert {parameter.dtype for block in blocks for parameter in block.parameters()} == {torch.bfloat16}
    for outputs in zip(*(
        (b.encode_image(images), b.window_embeddings(b.embed_patches(images), 2), b.encode_text(["a pill", "a damaged pill"]))
        for b in (exact, fast)
    )):
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
    build = backbones._build
    monkeypatch.setattr(backbones, "_build", lambda architecture: build({**TINY, "quick_gelu": architecture["quick_gelu"]}))
    backbone = load_backbone(name, "random", **options)
    towers_blocks = [*backbone.clip.visual.transformer.resblocks, *backbone.clip.transformer.resblocks]
    assert backbone.activation == expected
    assert {type(block.mlp.gelu) for block in towers_blocks} == {QuickGELU if expected == "quick_gelu" else nn.GELU}


def test_weights_files_of_every_format_give_the_same_backbone(tmp_path, images):
    state = {name: value.half() for name, value in load_backbone("tiny", "random", seed=3).clip.state_dict().items()}
    save_file(state, tmp_path / "tiny.safetensors")
    torch.save(state, tmp_path / "plain.pt")
    torch.save({"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "run.pt")
    loaded = [load_backbone("tiny", tmp_path / file) for file in ("tiny.safetensors", "plain.pt", "run.pt")]
    assert len({backbone.digest for backbone in loaded}) == 1
    assert {value.dtype for value in loaded[0].clip.state_dict().values()} == {torch.float32}
    with torch.no_grad():
        sentence = ["a pill"], open_clip.SimpleTokenizer()(["a pill"])
        expected = loaded[0].clip.encode_text(sentence[1], normalize=True)
    torch.testing.assert_close(loaded[0].encode_text(sentence[0]), expected)
    torch.testing.assert_close(
        loaded[0].encode_image(images), load_backbone("tiny", "random", seed=3).encode_image(images), atol=1e-2, rtol=0
    )


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_openai_archive_brings_its_activation(tmp_path):
    state = load_backbone("tiny", "random", seed=3).clip.state_dict()
    save_openai_archive(tmp_path / "openai.pt", state)
    backbone = load_backbone("tiny", tmp_path / "openai.pt")
    assert backbone.activation == "quick_gelu"
    for name, value in backbone.clip.state_dict().items():
        torch.testing.assert_close(value, state[name].half().float(), msg=name)


def test_registered_weights_file(tmp_path, monkeypatch):
    source = load_backbone("tiny", "random", seed=3)
    save_file(source.clip.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "architecture.json").write_text(json.dumps(TINY))
    register_backbone(
        "mine", architecture=tmp_path / "architecture.json", pretrained=tmp_path / "weights.safetensors", activation="quick_gelu"
    )
    assert load_backbone("mine").digest == load_backbone("tiny", "random", seed=3, activation="quick_gelu").digest


class Payload:
    def __reduce__(self):
        return pytest.fail, ("the pickle was run",)


def test_pickled_code_is_refused(tmp_path):
    torch.save({"state_dict": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(DataError, match="evil.pt"):
        load_backbone("tiny", tmp_path / "evil.pt")


def test_weights_that_do_not_fit_name_the_file_and_the_difference(tmp_path):
    state = load_backbone("tiny", "random").clip.state_dict()
    state["visual.proj"] = torch.zeros(32, 7)
    del state["ln_final.bias"]
    state["extra"] = torch.zeros(1)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(DataError) as caught:
        load_backbone("tiny", tmp_path / "other.safetensors")
    for part in ("other.safetensors", "ln_final.bias", "extra", "visual.proj (file (32, 7), architecture (32, 24))"):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", ["cut.safetensors", "cut.pt"])
def test_truncated_weights_file(name, tmp_path):
    state = load_backbone("tiny", "random").clip.state_dict()
    (save_file if name.endswith("safetensors") else torch.save)(state, tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=f"{name}.*download complete"):
        load_backbone("tiny", tmp_path / name)


def test_missing_weights_file(tmp_path):
    with pytest.raises(DataError, match="No weights file at .*absent.pt"):
        load_backbone("tiny", tmp_path / "absent.pt")
    with pytest.raises(ValueError, match="'tiny' has no weights of its own; pass weights=PATH or weights='random'"):
        load_backbone("tiny")


def test_another_image_size_interpolates_positions(tmp_path):
    native = load_backbone("tiny", "random")
    save_file(native.clip.state_dict(), tmp_path / "tiny.safetensors")
    larger = load_backbone("tiny", tmp_path / "tiny.safetensors", image_size=48)
    assert (larger.image_size, larger.grid) == (48, 6)
    old, new = native.clip.visual.positional_embedding, larger.clip.visual.positional_embedding
    expected = F.interpolate(old[1:].T.reshape(1, 32, 4, 4), (6, 6), mode="bicubic", antialias=True)
    torch.testing.assert_close(new[0], old[0])
    torch.testing.assert_close(new[1:], expected.reshape(32, 36).T)
    assert larger.window_embeddings(larger.embed_patches(torch.rand(1, 3, 48, 48)), 3).shape == (1, 16, 24)


def test_image_size_must_be_whole_patches():
    with pytest.raises(ValueError, match="image_size 42 is not a multiple of the patch size 8; use 40 or 48"):
        load_backbone("tiny", "random", image_size=42)


def test_registering_twice():
    register_backbone("tiny", architecture=deepcopy(TINY))
    with pytest.raises(ValueError, match="'tiny' is already registered"):
        register_backbone("tiny", architecture=TINY, image_size=40)
    assert "tiny" in list_backbones()


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
    assert "x" not in list_backbones()


@pytest.mark.parametrize(
    "name, message",
    [
        ("vit-b-16-plus-24", "Unknown backbone .* known: embedded, .*Did you mean 'vit-b-16-plus-240'.*ViT-B-32:openai"),
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


@pytest.mark.parametrize(
    "name, found",
    [
        ("RN50:openai", "a ResNet"),
        ("ViT-B-16-SigLIP:webli", "timm's vit_base_patch16_siglip_224"),
        ("coca_ViT-B-32:laion2b_s13b_b90k", "attentional pooling"),
        ("ViT-L-14-CLIPA:datacomp1b", "pool_type='avg'"),
    ],
)
def test_towers_without_a_class_token_are_refused(name, found):
    with pytest.raises(ValueError, match=f"image tower is .*{found}; expected open_clip's VisionTransformer"):
        load_backbone(name)


def no_download(*arguments, **options):
    pytest.fail("a download was tried")


def test_offline_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(weights.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(weights.huggingface_hub, "hf_hub_download", no_download)
    with pytest.raises(DataError, match=r"chs20/fare2-clip \(HF_HUB_OFFLINE is set\).*weights=PATH"):
        load_backbone("fare2-vit-l-14")


def test_an_unreachable_hub_is_told_at_once(monkeypatch):
    def refuse(address, timeout):
        raise OSError("no route")

    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(weights.huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(weights.huggingface_hub, "hf_hub_download", no_download)
    monkeypatch.setattr(weights.huggingface_hub, "try_to_load_from_cache", lambda repository, name: None)
    with pytest.raises(DataError, match=r"plus_clip_240.laion400m_e31 .*cannot be reached: no route.*weights='random'"):
        load_backbone("vit-b-16-plus-240")
    with pytest.raises(DataError, match=r"Cannot fetch https://.*cannot be reached"):
        weights.tag_file({"url": "https://example.org/weights.pt"})


def test_hub_repository_from_the_cache(tmp_path, monkeypatch):
    source = load_backbone("tiny", "random", seed=3)
    save_file(source.clip.state_dict(), tmp_path / "open_clip_model.safetensors")
    configuration = {"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "size": 32}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(configuration))
    files = {path.name: str(path) for path in tmp_path.iterdir()}
    monkeypatch.setattr(
        weights.huggingface_hub, "try_to_load_from_cache", lambda repository, name: files.get(name) if repository == "me/tiny" else None
    )
    backbone = load_backbone("hf-hub:me/tiny")
    assert torch.equal(backbone.mean.flatten(), torch.full((3,), 0.5)) and torch.equal(backbone.std.flatten(), torch.full((3,), 0.25))
    torch.testing.assert_close(dict(backbone.clip.state_dict()), dict(source.clip.state_dict()))
