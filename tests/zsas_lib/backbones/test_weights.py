import json
import socket

import open_clip
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from small_towers import small
from tiny_clip import TINY
from torch import nn

from zsas_lib.backbones import hub, weights
from zsas_lib.backbones import registry as backbones
from zsas_lib.backbones.registry import load_backbone, register_backbone
from zsas_lib.base.errors import DataError, UnknownNameError


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(backbones, "_REGISTERED", dict(backbones._REGISTERED))
    register_backbone("tiny", architecture=TINY)


@pytest.fixture
def images():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def save_openai_archive(path, state):
    """A TorchScript file whose state dict has CLIP's names, half precision and OpenAI's three extra entries."""

    class Holder(nn.Module):
        def forward(self, x):
            return x

    root = Holder()
    extras = {
        "input_resolution": torch.tensor(32),
        "context_length": torch.tensor(77),
        "vocab_size": torch.tensor(49408),
    }
    for name, value in {**{name: value.half() for name, value in state.items()}, **extras}.items():
        *parents, leaf = name.split(".")
        holder = root
        for parent in parents:
            if parent not in holder._modules:
                holder.add_module(parent, Holder())
            holder = holder._modules[parent]
        holder.register_buffer(leaf, value)
    torch.jit.save(torch.jit.script(root), path)


@pytest.mark.slow
def test_weights_files_of_every_format_give_the_same_backbone(tmp_path, images):
    state = {name: value.half() for name, value in load_backbone("tiny", "random", seed=3).clip.state_dict().items()}
    save_file(state, tmp_path / "tiny.safetensors")
    torch.save(state, tmp_path / "plain.pt")
    torch.save(
        {"epoch": 3, "state_dict": {f"module.{name}": value for name, value in state.items()}}, tmp_path / "run.pt"
    )
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


@pytest.mark.slow
def test_positions_of_another_grid_are_interpolated_as_asked(tmp_path):
    state = load_backbone("tiny", "random", seed=3).clip.state_dict()
    save_file(state, tmp_path / "tiny.safetensors")
    table = state["visual.positional_embedding"]
    plane = table[1:].reshape(1, 4, 4, 32).permute(0, 3, 1, 2)
    found = {}
    for positions, antialias in (("bicubic", True), ("bilinear", False)):
        clip = load_backbone("tiny", tmp_path / "tiny.safetensors", image_size=48, positions=positions).clip
        found[positions] = clip.visual.positional_embedding
        larger = F.interpolate(plane, (6, 6), mode=positions, antialias=antialias, align_corners=False)
        expected = torch.cat([table[:1], larger[0].flatten(1).T])
        torch.testing.assert_close(found[positions], expected, atol=1e-6, rtol=0, check_stride=False)
    usual = load_backbone("tiny", tmp_path / "tiny.safetensors", image_size=48).clip.visual.positional_embedding
    assert torch.equal(usual, found["bicubic"]) and not torch.allclose(usual, found["bilinear"], atol=1e-3)
    with pytest.raises(
        UnknownNameError, match="interpolation of positions 'nearest'; known: bicubic, bicubic_plain, bilinear"
    ):
        load_backbone("tiny", "random", positions="nearest")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit.(script|save).* is deprecated:DeprecationWarning")
def test_openai_archive_brings_its_activation(tmp_path):
    state = load_backbone("tiny", "random", seed=3).clip.state_dict()
    save_openai_archive(tmp_path / "openai.pt", state)
    backbone = load_backbone("tiny", tmp_path / "openai.pt")
    assert backbone.activation == "quick_gelu"
    for name, value in backbone.clip.state_dict().items():
        torch.testing.assert_close(value, state[name].half().float(), msg=name)


@pytest.mark.slow
def test_registered_weights_file(tmp_path, monkeypatch):
    source = load_backbone("tiny", "random", seed=3)
    save_file(source.clip.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "architecture.json").write_text(json.dumps(TINY))
    register_backbone(
        "mine",
        architecture=tmp_path / "architecture.json",
        pretrained=tmp_path / "weights.safetensors",
        activation="quick_gelu",
    )
    assert load_backbone("mine").digest == load_backbone("tiny", "random", seed=3, activation="quick_gelu").digest


class Payload:
    def __reduce__(self):
        return pytest.fail, ("the pickle was run",)


def test_pickled_code_is_refused(tmp_path):
    torch.save({"state_dict": Payload()}, tmp_path / "evil.pt")
    with pytest.raises(DataError, match="evil.pt"):
        load_backbone("tiny", tmp_path / "evil.pt")


@pytest.mark.slow
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


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda weight: weight.index_fill(0, torch.tensor([0]), torch.nan), "visual.proj has NaN or infinite values"),
        (lambda weight: weight.mul(100).to(torch.int8), "visual.proj is int8, expected floats"),
        (lambda weight: weight.to(torch.int64), "visual.proj is int64, expected floats"),
    ],
)
def test_weights_that_are_no_finite_floats_are_refused(tmp_path, change, said):
    state = load_backbone("tiny", "random").clip.state_dict()
    save_file(state | {"visual.proj": change(state["visual.proj"])}, tmp_path / "some.safetensors")
    with pytest.raises(DataError, match=f"some.safetensors holds what cannot be weights: {said}"):
        load_backbone("tiny", tmp_path / "some.safetensors")


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("siglip", "having an image tower of timm's in the place of open_clip's own vision transformer: "),
        ("resnet", "having a ResNet in the place of open_clip's own vision transformer: "),
        ("image alone", "lacking a text tower: "),
    ],
)
def test_weights_of_another_family_are_named(kind, said, tmp_path):
    state = (
        load_backbone("tiny", "random").clip.state_dict() if kind == "image alone" else small(kind).clip.state_dict()
    )
    image = {name: value for name, value in state.items() if kind != "image alone" or name.startswith("visual.")}
    save_file(image, tmp_path / "other.safetensors")
    with pytest.raises(DataError, match=f"other.safetensors does not fit the architecture, {said}") as caught:
        load_backbone("tiny", tmp_path / "other.safetensors")
    assert str(caught.value).count(". ") == 1 and "Load it under the one it was made for." in str(caught.value)


def test_missing_weights_file(tmp_path):
    with pytest.raises(DataError, match="No weights file at .*absent.pt"):
        load_backbone("tiny", tmp_path / "absent.pt")
    with pytest.raises(ValueError, match="'tiny' has no weights of its own; pass weights=PATH or weights='random'"):
        load_backbone("tiny")


@pytest.mark.slow
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


def no_download(*arguments, **options):
    pytest.fail("a download was tried")


@pytest.mark.slow
def test_offline_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.huggingface_hub, "hf_hub_download", no_download)
    with pytest.raises(DataError, match=r"chs20/fare2-clip \(HF_HUB_OFFLINE is set\).*weights=PATH"):
        load_backbone("fare2-vit-l-14")


@pytest.mark.slow
def test_an_unreachable_hub_is_told_at_once(monkeypatch):
    def refuse(address, timeout):
        raise OSError("no route")

    for variable in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(hub.huggingface_hub, "hf_hub_download", no_download)
    monkeypatch.setattr(hub.huggingface_hub, "try_to_load_from_cache", lambda repository, name, revision=None: None)
    with pytest.raises(DataError, match=r"plus_clip_240.laion400m_e31 .*cannot be reached: no route.*weights='random'"):
        load_backbone("vit-b-16-plus-240")
    with pytest.raises(DataError, match=r"Cannot fetch https://.*cannot be reached"):
        weights.tag_file({"url": "https://example.org/weights.pt"})


@pytest.mark.slow
def test_hub_repository_from_the_cache(tmp_path, monkeypatch):
    source = load_backbone("tiny", "random", seed=3)
    save_file(source.clip.state_dict(), tmp_path / "open_clip_model.safetensors")
    configuration = {
        "model_cfg": TINY,
        "preprocess_cfg": {"mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25], "size": 32},
    }
    (tmp_path / "open_clip_config.json").write_text(json.dumps(configuration))
    files = {path.name: str(path) for path in tmp_path.iterdir()}
    monkeypatch.setattr(
        hub.huggingface_hub,
        "try_to_load_from_cache",
        lambda repository, name, revision=None: files.get(name) if repository == "me/tiny" else None,
    )
    backbone = load_backbone("hf-hub:me/tiny")
    assert torch.equal(backbone.mean.flatten(), torch.full((3,), 0.5)) and torch.equal(
        backbone.std.flatten(), torch.full((3,), 0.25)
    )
    torch.testing.assert_close(dict(backbone.clip.state_dict()), dict(source.clip.state_dict()))
