import pytest
import torch
import torch.nn.functional as F
from tiny_clip import tiny, tiny_backbone

from zsas_lib.backbones.image_tower import class_embedding, layer_at, local_embeddings, residual_stream


def deep_backbone(**options):
    return tiny_backbone(tiny(layers=4), **options)


@pytest.fixture(scope="module")
def backbone():
    return deep_backbone()


@pytest.fixture(scope="module")
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def stream(backbone, images):
    return residual_stream(backbone, backbone.embed_patches(images))


@pytest.mark.parametrize(
    "depth, layers",
    [
        (24, [6, 12, 18, 24]),
        (12, [3, 6, 9, 12]),
        (5, [2, 3, 4, 5]),
        (7, [2, 4, 6, 7]),
        (2, [1, 1, 2, 2]),
        (1, [1, 1, 1, 1]),
    ],
)
def test_layers_at_quarters_of_the_depth(depth, layers):
    assert [layer_at(depth, share / 4) for share in (1, 2, 3, 4)] == layers


def test_the_stream_is_what_open_clip_says_between_blocks(backbone, images, stream):
    visual = backbone.clip.visual
    said = visual.forward_intermediates(
        (images - backbone.mean) / backbone.std, indices=4, output_fmt="NLC", output_extra_tokens=True
    )
    assert len(stream) == 5
    torch.testing.assert_close(stream[0], backbone.embed_patches(images))
    for state, patches, prefix in zip(stream[1:], said["image_intermediates"], said["image_intermediates_prefix"]):
        torch.testing.assert_close(state, torch.cat([prefix, patches], 1), atol=1e-5, rtol=0)
    embedding = class_embedding(backbone, stream[-1])
    torch.testing.assert_close(embedding, said["image_features"], atol=1e-5, rtol=0)
    torch.testing.assert_close(F.normalize(embedding, dim=-1), backbone.encode_image(images), atol=1e-5, rtol=0)


def test_the_class_token_without_the_last_norm(backbone, stream):
    with torch.no_grad():
        torch.nn.init.normal_(backbone.clip.visual.ln_post.bias, generator=torch.Generator().manual_seed(0))
    bare = class_embedding(backbone, stream[-1], normed=False)
    torch.testing.assert_close(bare, torch.stack([state[0] @ backbone.clip.visual.proj for state in stream[-1]]))
    assert (bare - class_embedding(backbone, stream[-1])).abs().max() > 0.1


def attention_by_heads(block, x, path):
    """One picture and one head at a time, attention weights written out."""
    attention, normed, mixtures = block.attn, block.ln_1(x), []
    width, heads = x.shape[-1], block.attn.num_heads
    channels = width // heads
    for head in range(heads):
        query, key, value = (
            normed @ attention.in_proj_weight[start : start + channels].T
            + attention.in_proj_bias[start : start + channels]
            for start in (part * width + head * channels for part in range(3))
        )
        left, right = {"value": (value, value), "query": (query, query), "diagonal": (query, key)}[path]
        weights = (left @ right.T / channels**0.5).softmax(-1)
        if path == "diagonal":
            weights = weights + torch.diag(weights.diagonal())
            weights = weights / weights.sum(1, keepdim=True)
        mixtures.append(weights @ value)
    return attention.out_proj(torch.cat(mixtures, -1))


@pytest.mark.parametrize("path", ["value", "query", "diagonal"])
@pytest.mark.parametrize("first, layer", [(1, 4), (2, 4), (3, 3)])
def test_the_local_path_is_its_closed_form(path, first, layer, backbone, stream):
    visual, expected = backbone.clip.visual, []
    for number in range(2):
        local = stream[first - 1][number]
        for block in range(first, layer + 1):
            local = local + attention_by_heads(visual.transformer.resblocks[block - 1], stream[block - 1][number], path)
        expected.append(F.normalize(visual.ln_post(local) @ visual.proj, dim=-1)[1:])
    torch.testing.assert_close(
        local_embeddings(backbone, stream, layer, first, path), torch.stack(expected), atol=1e-5, rtol=0
    )


@pytest.mark.parametrize("path", ["value", "query", "diagonal"])
def test_attention_of_every_path_sums_to_one(path, images):
    """Where all values are the same, so is every mixture of them, whoever is asked."""
    backbone = deep_backbone()
    block = backbone.clip.visual.transformer.resblocks[3]
    constant = torch.linspace(-1, 1, 32)
    with torch.no_grad():
        block.attn.in_proj_weight[64:] = 0
        block.attn.in_proj_bias[64:] = constant
    stream = residual_stream(backbone, backbone.embed_patches(images))
    local = stream[3] + block.attn.out_proj(constant)
    expected = F.normalize(backbone.clip.visual.ln_post(local) @ backbone.clip.visual.proj, dim=-1)[:, 1:]
    torch.testing.assert_close(local_embeddings(backbone, stream, 4, 4, path), expected, atol=1e-5, rtol=0)


def test_bfloat16_streams_are_float32_and_close(images, stream):
    fast = deep_backbone(precision="bfloat16")
    states = residual_stream(fast, fast.embed_patches(images))
    assert all(state.dtype == torch.float32 for state in states)
    torch.testing.assert_close(states[-1], stream[-1], atol=0.1, rtol=0)
    local = local_embeddings(fast, states, 4, 1)
    assert local.dtype == torch.float32
    torch.testing.assert_close(local.norm(dim=-1), torch.ones(2, 16))
