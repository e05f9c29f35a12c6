"""Pictures of other sizes than a tower was made for, and weights of every family read from files."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from small_towers import TOKENS, TOWERS, fitted, kept, register, small

from zsas_lib import load_model
from zsas_lib.backbones.families.sizes import interpolated
from zsas_lib.backbones.image_tower import dense_embeddings, residual_stream
from zsas_lib.backbones.registry import load_backbone
from zsas_lib.base.errors import OptionError

ANY_SIZE = ("convnext", "convnext mlp", "fastvit")
"""They have no positions."""


@pytest.fixture(params=TOWERS)
def kind(request):
    return request.param


@pytest.mark.slow_after(2)
@torch.no_grad()
def test_weights_of_every_family_are_read_from_a_file(kind, tmp_path, monkeypatch):
    """What no file holds (masks, rotary and relative positions, counts) is made again."""
    made = kept(kind)
    state = {name: value for name, value in made.clip.state_dict().items() if "num_batches_tracked" not in name}
    save_file({name: value.contiguous() for name, value in state.items()}, tmp_path / "weights.safetensors")
    with fitted(kind), register(kind):
        read = load_backbone("tiny", tmp_path / "weights.safetensors", device="cpu")
    assert read.digest == made.digest and read.positions is None
    assert not any(value.is_meta for value in [*read.clip.parameters(), *read.clip.buffers()])
    images = torch.rand(2, 3, *made.size, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(read.encode_image(images), made.encode_image(images))
    torch.testing.assert_close(read.encode_text(["a pill"]), made.encode_text(["a pill"]))


@torch.no_grad()
def test_nothing_of_a_captioning_tower_is_left_to_what_memory_holds(monkeypatch):
    """open_clip does not begin the projection of CoCa's text decoder."""
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *size, **options: empty(*size, **options).fill_(float("nan")))
    made = small("coca")
    assert all(value.isfinite().all() for value in made.clip.parameters())


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("size", [(1.5, 1.5), (1.0, 1.5)], ids=["larger", "not square"])
def test_other_sizes(kind, size, tmp_path):
    """Positions are interpolated once; the grid, windows, maps and embeddings follow."""
    own = kept(kind)
    stride = own.patch_size
    height, width = (round(4 * factor) * stride for factor in size)
    asked = height if height == width else (height, width)
    backbone = small(kind, image_size=asked)
    assert backbone.size == (height, width) and backbone.patches == (height // stride, width // stride)
    assert backbone.image_size == asked
    assert backbone.grid == (6 if height == width else (4, 6))
    images = torch.rand(1, 3, height + 3, width, generator=torch.Generator().manual_seed(0))
    start = backbone.embed_patches(images)
    stream = residual_stream(backbone, start)
    rows, columns = backbone.patches
    assert dense_embeddings(backbone, stream[-1]).shape == (1, rows * columns, 24)
    assert backbone.pooled_window_embeddings(stream[-2:], 3).shape == (1, (rows - 2) * (columns - 2), 24)
    if kind in TOKENS:
        windows = backbone.window_embeddings(start, 2)
        assert windows.shape == (1, (rows - 1) * (columns - 1), 24)
    inputs = (backbone._sized(images) - backbone.mean) / backbone.std
    visual = backbone.clip.visual
    if hasattr(visual, "image_size") and kind != "resnet":
        assert tuple(visual.image_size) == backbone.size
    found = visual(inputs)
    found = found[0] if isinstance(found, tuple) else found
    torch.testing.assert_close(backbone.image.embedding(stream[-1]), found, atol=1e-4, rtol=1e-4)
    prediction = load_model("winclip", backbone)(images, "pill")
    assert prediction.anomaly_map.shape == (1, height + 3, width)


@pytest.mark.slow
def test_learned_models_on_a_grid_that_is_not_square():
    backbone = small("siglip", image_size=(64, 96))
    images = torch.rand(2, 3, 40, 60, generator=torch.Generator().manual_seed(0))
    for name in ("april-gan", "vcpclip+", "anomalyclip"):
        model = load_model(name, backbone)
        model.trained = {"settings": "none"}
        assert model(images, "pill").anomaly_map.shape == (2, 40, 60)
        for value in model.learnable().values():
            value.requires_grad_(True)
        masks = torch.zeros(2, 64, 96, dtype=torch.bool)
        masks[0, :20, 30:] = True
        loss = model.loss(model.features(images, ["pill"] * 2), masks, torch.tensor([True, False]))
        loss.backward()
        assert loss.isfinite() and sum(float(p.grad.abs().sum()) for p in model.learnable().values()) > 0


def test_positions_are_interpolated_as_asked_for():
    """As open_clip and timm do, or as AnomalyCLIP does; both keep what is constant."""
    table = torch.randn(17, 5, generator=torch.Generator().manual_seed(0))
    for positions in ("bicubic", "bilinear"):
        found = interpolated(table, (4, 4), (6, 3), 1, positions)
        assert found.shape == (19, 5) and torch.equal(found[0], table[0])
        constant = interpolated(torch.ones(17, 5), (4, 4), (6, 3), 1, positions)
        torch.testing.assert_close(constant, torch.ones(19, 5))
    assert interpolated(table, (4, 4), (2, 8), 1, "bicubic").shape == (17, 5)
    assert not torch.equal(interpolated(table, (4, 4), (2, 8), 1, "bicubic"), table)


@pytest.mark.slow
@torch.no_grad()
@pytest.mark.parametrize("kind", ["siglip", "resnet", "clipa"])
def test_positions_of_a_file_are_told(kind, tmp_path):
    made = kept(kind)
    state = {name: value.contiguous() for name, value in made.clip.state_dict().items() if "num_batches" not in name}
    save_file(state, tmp_path / "weights.safetensors")
    tables = {}
    for positions in ("bicubic", "bilinear"):
        size = made.patch_size * 6
        with fitted(kind), register(kind):
            read = load_backbone("tiny", tmp_path / "weights.safetensors", image_size=size, positions=positions)
        assert (read.positions, read.grid) == (positions, 6)
        named = dict(read.clip.visual.named_parameters())
        tables[positions] = next(value for name, value in named.items() if "pos" in name and "emb" in name)
    assert not torch.equal(tables["bicubic"], tables["bilinear"])
    large = {name: value.contiguous() for name, value in read.clip.state_dict().items() if "num_batches" not in name}
    save_file(large, tmp_path / "large.safetensors")
    with fitted(kind), register(kind):
        again = load_backbone("tiny", tmp_path / "large.safetensors", image_size=size)
        assert again.positions is None and again.digest == read.digest
        assert load_backbone("tiny", tmp_path / "large.safetensors").grid == 4


@pytest.mark.parametrize(("kind", "stride"), [("siglip", 16), ("convnext", 32), ("resnet", 32)])
def test_a_size_that_is_not_whole_patches_is_refused(kind, stride):
    below = 250 // stride * stride
    expected = f"image_size 250 is not a multiple of the patch size {stride}; use {below} or {below + stride}"
    with pytest.raises(OptionError, match=expected):
        small(kind, image_size=250)
    with pytest.raises(OptionError, match=r"image_size=\(64, 64, 64\); expected pixels, a whole number or \(height"):
        small(kind, image_size=(64, 64, 64))
    with pytest.raises(OptionError, match=r"image_size=0; expected \(height, width\) in pixels"):
        small(kind, image_size=(64, 0))


@pytest.mark.slow
@torch.no_grad()
def test_pixels_that_no_patch_reads_get_the_nearest_value():
    """384 pixels hold 27 patches of 14; here 70 hold 4 of 16: a map covers 64, and beyond it is constant."""
    backbone = small("siglip 70")
    assert (backbone.size, backbone.image.seen, backbone.covered) == ((70, 70), (64, 64), (64 / 70, 64 / 70))
    images = torch.rand(1, 3, 140, 140, generator=torch.Generator().manual_seed(0))
    map_ = load_model("winclip", backbone)(images, "pill").anomaly_map[0]
    assert torch.equal(map_[128:], map_[127].expand(12, -1)) and torch.equal(
        map_[:, 128:], map_[:, 127:128].expand(-1, 12)
    )
    assert not torch.equal(map_[80], map_[127])
    inputs = (backbone._sized(images) - backbone.mean) / backbone.std
    torch.testing.assert_close(backbone.image.encoded(backbone.embed_patches(images)), backbone.clip.visual(inputs))
    model = load_model("april-gan", backbone)
    model.trained = {"settings": "none"}
    assert model(images, "pill").anomaly_map.shape == (1, 140, 140)
    masks = torch.zeros(1, 70, 70, dtype=torch.bool)
    assert model.covered(masks).shape == (1, 64, 64)


@pytest.mark.usefixtures("unchecked_types")
def test_numpys_whole_numbers_are_sizes():
    """The same backbone, and numbers of Python's own in what is written of it."""
    for given, size in [(np.int64(64), 64), ((np.int32(64), np.int64(96)), (64, 96))]:
        found, expected = (small("siglip", image_size=asked) for asked in (given, size))
        assert found.image_size == size and found.digest == expected.digest
    with pytest.raises(OptionError, match="image_size=.*64.5.*; expected pixels, a whole number"):
        small("siglip", image_size=np.float64(64.5))
