"""Every family's paths against open_clip's and timm's own modules, one small real tower of each."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from small_towers import MAPS, TOKENS, TOWERS, kept, small
from torch import nn

from zsas_lib.backbones.families.windows import window_index
from zsas_lib.backbones.image_tower import dense_embeddings, last_patches, local_embeddings, residual_stream

POOLED_WITHOUT_CLASS_TOKEN = ("coca", "pe-core")
"""Their pools read the class token too, which windows pooled from a shared trunk leave out."""
CLASS_TOKEN = ("class token", "custom blocks", "eva01", "eva02", "eva02-e", "mobileclip-b", "relpos", "dinov2")
TORCHS_OWN = {"class token", "clipa", "mean of normed", "coca"}
"""Their blocks have torch's attention, whose value path test_image_tower.py writes out."""


@pytest.fixture(params=TOWERS)
def kind(request):
    return request.param


@pytest.fixture
def backbone(kind):
    return kept(kind)


def pictures(backbone, count=2):
    return torch.rand(count, 3, *backbone.size, generator=torch.Generator().manual_seed(1))


def normalised(backbone, images):
    return (images - backbone.mean) / backbone.std


def seen(backbone, images):
    """open_clip's own embedding."""
    found = backbone.clip.visual(normalised(backbone, images))
    return found[0] if isinstance(found, tuple) else found


def close(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    assert float((found - expected).norm() / expected.norm()) < tolerance


def states(backbone, images):
    return residual_stream(backbone, backbone.embed_patches(images))


@torch.no_grad()
def test_the_picture_s_embedding_is_open_clips(backbone):
    images = pictures(backbone)
    start = backbone.embed_patches(images)
    close(backbone.image.encoded(start), seen(backbone, images))
    close(backbone.image.embedding(residual_stream(backbone, start, last=1)[0]), seen(backbone, images))
    assert backbone.encode_image(images).shape == (2, 24)


@torch.no_grad()
def test_the_stream_has_the_shapes_that_it_says(kind, backbone):
    image, images = backbone.image, pictures(backbone)
    stream = states(backbone, images)
    assert len(stream) == backbone.depth + 1 == len(image.grids) == len(image.widths)
    for state, (rows, columns), width in zip(stream[1:], image.grids[1:], image.widths[1:]):
        assert state.shape == (2, image.prefix + rows * columns, width)
    assert torch.equal(stream[-1], residual_stream(backbone, backbone.embed_patches(images), last=1)[0])
    assert image.grid == (4, 4) and image.prefix == {"dinov2": 5, "siglip": 0, "vitamin": 0, "gap": 0}.get(
        kind, 0 if kind in MAPS else 1
    )
    assert backbone.family == image.family


@torch.no_grad()
@pytest.mark.parametrize(
    "kind", ["convnext", "fastvit", "swin", "resnet", "vitamin", "eva02", "pe-core"], indirect=True
)
def test_the_stream_is_what_its_library_says_between_blocks(kind, backbone):
    images = pictures(backbone)
    said = backbone.clip.visual.forward_intermediates(normalised(backbone, images))["image_intermediates"]
    for state, map_ in zip(states(backbone, images)[1:-1], said[1:-1] if kind == "resnet" else said):
        close(state[:, backbone.image.prefix :], map_.flatten(2).mT)


def confined(backbone, tokens, index):
    """What stands behind the last block if it gets these tokens alone, through the modules' own blocks."""
    visual = backbone.clip.visual
    if not hasattr(visual, "trunk"):
        return visual.transformer(tokens)
    trunk = visual.trunk
    kept = torch.cat([torch.arange(backbone.image.prefix), index + backbone.image.prefix])
    for block in trunk.blocks:
        if type(trunk).__name__ == "Eva":
            rope = None if trunk.rope is None else trunk.rope.get_embed()[index]
            tokens = block(tokens, rope=rope)
        elif type(trunk).__name__ == "VisionTransformerRelPos":
            own, block.attn.rel_pos = block.attn.rel_pos, Positions(block.attn.rel_pos, kept)
            tokens = block(tokens)
            block.attn.rel_pos = own
        else:
            tokens = block(tokens)
    return tokens


class Positions(nn.Module):
    """Relative positions of some tokens alone."""

    def __init__(self, positions, kept):
        super().__init__()
        self.positions, self.kept = positions, kept

    def get_bias(self):
        return self.positions.get_bias()[..., self.kept, :][..., self.kept]


def pooled(backbone, last):
    """An embedding of the tokens behind the last block, by the modules' own pools."""
    visual = backbone.clip.visual
    if not hasattr(visual, "trunk"):
        return visual._pool(last)[0] @ visual.proj
    return visual.head(visual.trunk.forward_head(visual.trunk.norm(last)))


@torch.no_grad()
@pytest.mark.parametrize("side", [1, 3, 4])
@pytest.mark.parametrize("kind", TOKENS, indirect=True)
def test_encoded_windows_equal_one_window_at_a_time(backbone, side):
    start, prefix, expected = backbone.embed_patches(pictures(backbone)), backbone.image.prefix, []
    for index in window_index(backbone.patches, side):
        tokens = torch.cat([start[:, :prefix], start[:, prefix + index]], 1)
        expected.append(pooled(backbone, confined(backbone, tokens, index)))
    every = backbone.image.encoded_windows(start, side)
    close(every, torch.stack(expected, 1))
    last = every.shape[1] - 1
    chosen = torch.tensor([[0, last, last // 2], [last, last // 3, 0]])
    some = torch.stack([own[places] for own, places in zip(every, chosen)])
    close(backbone.image.encoded_windows(start, side, chosen), some)


@torch.no_grad()
@pytest.mark.parametrize("kind", TOKENS, indirect=True)
def test_some_patches_are_read_without_the_others(backbone):
    start, prefix = backbone.embed_patches(pictures(backbone, 2)), backbone.image.prefix
    chosen = torch.tensor([[0, 5, 6, 11], [3, 4, 9, 15]])
    found = backbone.image.stream_of(start, chosen)
    assert len(found) == backbone.depth + 1
    for number, places in enumerate(chosen):
        own = start[number : number + 1]
        tokens = torch.cat([own[:, :prefix], own[:, prefix + places]], 1)
        close(found[0][number : number + 1], tokens)
        close(found[-1][number : number + 1], confined(backbone, tokens, places))
    for own, whole in zip(
        backbone.image.stream_of(start, torch.arange(16).expand(2, -1)), residual_stream(backbone, start)
    ):
        close(own, whole)


@torch.no_grad()
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("kind", TOKENS, indirect=True)
def test_pictures_and_windows_of_all_sides_together_are_those_one_after_the_other(backbone, count):
    start = backbone.embed_patches(pictures(backbone, count))
    whole, windows = backbone.encoded_embeddings(start, (2, 3))
    close(whole, backbone.encode_tokens(start))
    for side, found in zip((2, 3), windows):
        close(found, backbone.window_embeddings(start, side))
    with pytest.raises(ValueError, match="does not fit"):
        backbone.encoded_embeddings(start, (2, 5))


@torch.no_grad()
def test_a_window_of_everything_is_the_picture(kind, backbone):
    images = pictures(backbone)
    start, tail = backbone.embed_patches(images), states(backbone, images)[-2:]
    if kind in TOKENS:
        close(backbone.image.encoded_windows(start, 4)[:, 0], seen(backbone, images))
    everything = backbone.image.pooled_windows(tail, 4)[:, 0]
    if kind in CLASS_TOKEN:
        return  # the class token is left out: see the next test
    if kind in POOLED_WITHOUT_CLASS_TOKEN:
        close(everything, pooled(backbone, tail[-1][:, 1:]))
    else:
        close(everything, seen(backbone, images))


@torch.no_grad()
@pytest.mark.parametrize("side", [1, 2])
def test_pooled_windows_equal_the_head_on_one_window_at_a_time(kind, backbone, side):
    tail, expected = states(backbone, pictures(backbone))[-2:], []
    prefix, visual = backbone.image.prefix, backbone.clip.visual
    for index in window_index(backbone.patches, side):
        if kind in CLASS_TOKEN:
            last = class_query(backbone, tail[-2], index + prefix)
        else:
            last = tail[-1][:, prefix + index]
        if kind == "resnet":
            expected.append(attention_pooled(visual.attnpool, last, index))
        elif kind in MAPS:
            crop = last.mT.unflatten(2, (side, side))
            crop = crop.permute(0, 2, 3, 1) if kind == "swin" else crop
            expected.append(visual.head(visual.trunk.forward_head(crop)))
        else:
            bare = kind in ("clipa", "mean of normed")
            expected.append(pooled(backbone, torch.cat([tail[-1][:, :1], last], 1) if bare else last))
    close(backbone.image.pooled_windows(tail, side), torch.stack(expected, 1))


def class_query(backbone, before, kept):
    """The last block's class query on a window's patches, by a mask of all other scores, added to their mean."""
    visual, mask = backbone.clip.visual, torch.full((before.shape[1],) * 2, -torch.inf)
    mask[:, kept] = 0
    got = attention_of(visual, backbone.depth - 1, before, mask)[:, :1] + before[:, kept].mean(1, keepdim=True)
    block = (visual.trunk.blocks if hasattr(visual, "trunk") else visual.transformer.resblocks)[-1]
    if not hasattr(visual, "trunk"):
        return got + block.ls_2(block.mlp(block.ln_2(got)))
    if type(block).__name__ == "EvaBlockPostNorm":
        return got + block.norm2(block.mlp(got))
    return got + getattr(block, "ls2", nn.Identity())(block.mlp(block.norm2(got)))


class Masked(Positions):
    def get_bias(self):
        return self.positions.get_bias() + self.kept


def attention_pooled(pool, cells, index):
    """CLIP's ResNet head on some cells: their mean asks itself and them, with the positions of the whole picture."""
    tokens = torch.cat(
        [cells.mean(1, keepdim=True) + pool.positional_embedding[0], cells + pool.positional_embedding[1 + index]], 1
    )
    query, key, value = (
        project(tokens).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
        for project in (pool.q_proj, pool.k_proj, pool.v_proj)
    )
    shares = (query[:, :, :1] @ key.mT / key.shape[-1] ** 0.5).softmax(-1)
    return pool.c_proj((shares @ value).transpose(1, 2).flatten(2))[:, 0]


@torch.no_grad()
def test_one_pass_gives_the_picture_and_its_pooled_windows(backbone):
    images = pictures(backbone)
    start = backbone.embed_patches(images)
    tail = residual_stream(backbone, start, last=2)
    whole, windows = backbone.image.pooled(start, (1, 3))
    close(whole, seen(backbone, images))
    for found, side in zip(windows, (1, 3)):
        close(found, backbone.image.pooled_windows(tail, side))


@torch.no_grad()
def test_the_dense_map_is_the_pool_at_single_patches(kind, backbone):
    tail = states(backbone, pictures(backbone))[-2:]
    dense = backbone.image.dense(tail[-1])
    assert dense.shape == (2, 16, 24)
    visual = backbone.clip.visual
    if kind == "resnet":
        weights = visual.attnpool.c_proj, visual.attnpool.v_proj
        close(dense, weights[0](weights[1](tail[-1])))
    elif kind in CLASS_TOKEN:
        first = torch.stack(
            [pooled(backbone, tail[-1][:, place:]) for place in range(backbone.image.prefix, tail[-1].shape[1])], 1
        )
        close(dense, first)
    else:
        close(dense, backbone.image.pooled_windows(tail, 1))
    torch.testing.assert_close(dense_embeddings(backbone, tail[-1]).norm(dim=-1), torch.ones(2, 16))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["gap", "swin", "fastvit"], indirect=True)
def test_where_all_is_linear_behind_the_mean_the_map_s_mean_is_the_embedding(backbone):
    images = pictures(backbone)
    close(backbone.image.dense(states(backbone, images)[-1]).mean(1), seen(backbone, images))


@torch.no_grad()
@pytest.mark.parametrize("kind", TOKENS, indirect=True)
def test_the_blocks_taken_apart_are_the_blocks(backbone):
    start = backbone.embed_patches(pictures(backbone))
    last = residual_stream(backbone, start)[-1]
    (steps,) = backbone.image._by_steps(start, [None])
    close(steps, last[:, : steps.shape[1]])


@torch.no_grad()
@pytest.mark.parametrize("kind", sorted(TOKENS.keys() - TORCHS_OWN), indirect=True)
def test_the_value_path_is_the_block_s_own_attention_with_values_alone(backbone, monkeypatch):
    """The modules' own attention, whose queries and keys are replaced on their way into torch's kernel."""
    stream, visual = states(backbone, pictures(backbone)), backbone.clip.visual
    attend = F.scaled_dot_product_attention
    for number in (1, backbone.depth):
        before = stream[number - 1]
        expected = {}
        for path in ("value", "query"):
            pick = {"value": lambda q, k, v: attend(v, v, v), "query": lambda q, k, v: attend(q, q, v)}[path]
            with monkeypatch.context() as patched:
                patched.setattr(F, "scaled_dot_product_attention", lambda q, k, v, **more: pick(q, k, v))
                expected[path] = attention_of(visual, number - 1, before)
        for path, values in expected.items():
            close(backbone.image.local_step(number, before, path), values)


def attention_of(visual, number, tokens, mask=None):
    """What a block's attention adds to its tokens; with a mask of the scores, whose -inf are not seen."""
    if not hasattr(visual, "trunk"):
        block = visual.transformer.resblocks[number]
        if isinstance(block.attn, nn.MultiheadAttention):
            return block.ls_1(block.attention(block.ln_1(tokens), attn_mask=mask))
        return block.ls_1(block.ln_attn(block.attn(block.ln_1(tokens), attn_mask=mask)))
    trunk, block = visual.trunk, visual.trunk.blocks[number]
    kind, rope = type(block).__name__, getattr(trunk, "rope", None)
    if kind == "EvaBlockPostNorm":
        return block.norm1(block.attn(tokens, rope=None, attn_mask=mask))
    if kind == "EvaBlock":
        return block.attn(block.norm1(tokens), rope=None if rope is None else rope.get_embed(), attn_mask=mask)
    if kind == "RelPosBlock" and mask is not None:
        own, block.attn.rel_pos = block.attn.rel_pos, Masked(block.attn.rel_pos, mask)
        got = block.attn(block.norm1(tokens))
        block.attn.rel_pos = own
        return block.ls1(got)
    return block.ls1(block.attn(block.norm1(tokens), **({} if mask is None else {"attn_mask": mask})))


@torch.no_grad()
@pytest.mark.parametrize("kind", ["relpos", "pe-core", "eva02"], indirect=True)
def test_the_diagonal_path_has_the_positions_of_ordinary_attention(backbone, monkeypatch):
    """With no weight on the diagonal it is what the block's own attention adds."""
    from zsas_lib.backbones.families import tokens as families

    monkeypatch.setattr(families, "DIAGONAL_WEIGHT", 0.0)
    stream = states(backbone, pictures(backbone))
    close(backbone.image.local_step(2, stream[1], "diagonal"), attention_of(backbone.clip.visual, 1, stream[1]))


@pytest.mark.slow
def test_gradients_agree_with_finite_differences(kind):
    """All paths of a single picture at once, each with a weight of its own."""
    backbone = small(kind).double()
    image, images = backbone.image, pictures(backbone, 1).double()

    def value(pictures):
        start = backbone.embed_patches(pictures)
        stream = residual_stream(backbone, start)
        found = [
            backbone.pooled_window_embeddings(stream[-2:], 3),
            dense_embeddings(backbone, stream[-1]),
            image.embedding(stream[-1]),
            last_patches(backbone, stream),
            *stream[1:],
        ]
        if "encoded" not in image.cannot:
            found.append(backbone.window_embeddings(start, 3))
        if "value path" not in image.cannot:
            found.append(local_embeddings(backbone, stream, backbone.depth, backbone.depth - 1))
        generator = torch.Generator().manual_seed(4)
        return torch.stack([(part * torch.randn(part.shape, generator=generator).double()).sum() for part in found])

    direction, step = torch.randn(images.shape, generator=torch.Generator().manual_seed(2)).double(), 1e-6
    with torch.no_grad():
        expected = (value(images + step * direction) - value(images - step * direction)) / (2 * step)
    seen = images.clone().requires_grad_()
    for found, difference in zip(value(seen), expected.tolist()):
        (gradient,) = torch.autograd.grad(found, seen, retain_graph=True)
        assert float((gradient * direction).sum()) == pytest.approx(difference, rel=1e-3, abs=1e-8) != 0


@pytest.mark.slow_after(3)
@torch.no_grad()
def test_bfloat16_returns_float32_and_is_close(kind):
    exact, fast = kept(kind), small(kind, precision="bfloat16")
    images = pictures(exact)
    for one, other in zip(
        (exact.encode_image(images), *states(exact, images)[1:]), (fast.encode_image(images), *states(fast, images)[1:])
    ):
        assert other.dtype == torch.float32 and not torch.equal(one, other)
    assert F.cosine_similarity(exact.encode_image(images), fast.encode_image(images)).min() > 0.99


@pytest.mark.slow_after(1)
def test_a_copy_of_a_backbone_shares_nothing_with_it(kind, backbone):
    """What the copy gives does not change when the weights of the one that it was copied from do."""
    images = pictures(backbone, 1)

    def given(tower):
        last = residual_stream(tower, tower.embed_patches(images))[-1]
        return [tower.encode_image(images), dense_embeddings(tower, last), tower.encode_text("a photo of a nut")]

    first = deepcopy(backbone)
    copied = deepcopy(first)
    expected = given(copied)
    with torch.no_grad():
        for parameter in first.clip.parameters():
            parameter.zero_()
    for one, other in zip(expected, given(copied), strict=True):
        assert torch.equal(one, other) and one.abs().max() > 0
