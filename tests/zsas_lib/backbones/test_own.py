"""Modules of one's own as backbones: what the library asks of them, and what it says of those that do not answer."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import zsas_lib as zsas
from zsas_lib import load_model, stored, why_not
from zsas_lib.backbones import registry
from zsas_lib.backbones.families.tower import ImageTower
from zsas_lib.backbones.families.windows import window_means
from zsas_lib.backbones.registry import load_backbone, register_backbone
from zsas_lib.backbones.text_tower import TextTower
from zsas_lib.base.errors import DataError, OptionError
from zsas_lib.evaluation.complexity import shapes_only

EMBED = 8


class Cells(ImageTower):
    """One block that reads squares of 8 pixels, and the mean of what it gives."""

    family = "cells"

    def __init__(self, module, side):
        self.module, self.size, self.patch_size, self.embed_dim = module, (side, side), 8, EMBED
        self.grids, self.widths = ((side // 8, side // 8),) * 2, (12, 12)

    def start(self, images):
        return self.module.squares(images).flatten(2).mT

    def stream(self, start, last=None):
        states = [start, self.module.block(start).relu()]
        return states if last is None else states[-last:]

    def embedding(self, last, normed=True):
        return self.module.head(last.mean(1))

    def dense(self, state):
        return self.module.head(state)


class PooledCells(Cells):
    def pooled_windows(self, tail, side):
        return self.module.head(window_means(tail[-1], self.grid, side))


class Lengths(TextTower):
    """Sentences by their length: enough to be compared with."""

    embed_dim = EMBED

    def __init__(self, module):
        self.module = module

    def encode(self, sentences):
        lengths = torch.tensor([[len(sentence) / 50] for sentence in sentences], dtype=torch.float32)
        return self.module.words(lengths.to(self.module.words.weight.device))


class Own(nn.Module):
    mean, std = (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)
    tower, reader = PooledCells, Lengths

    def __init__(self, image_size=32):
        super().__init__()
        self.squares, self.block = nn.Conv2d(3, 12, 8, 8), nn.Linear(12, 12)
        self.head, self.words = nn.Linear(12, EMBED), nn.Linear(1, EMBED)
        self.image, self.text = self.tower(self, image_size), self.reader(self)


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", {})


def loaded(maker=Own, *arguments, **options):
    registry._REGISTERED.clear()
    register_backbone("own", architecture=maker)
    return load_backbone("own", *arguments, device="cpu", **options)


def changed(**attributes):
    """`Own`, with other attributes once it is made."""

    def made(image_size=32):
        module = Own(image_size)
        for name, value in attributes.items():
            setattr(module, name, value)
        return module

    return made


@torch.no_grad()
def test_its_embeddings_are_the_modules_and_models_run():
    backbone = loaded(weights="random", seed=1)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    states = backbone.clip.block(backbone.clip.squares((images - 0.5) / 0.2).flatten(2).mT).relu()
    expected = nn.functional.normalize(backbone.clip.head(states.mean(1)), dim=-1)
    torch.testing.assert_close(backbone.encode_image(images), expected)
    assert backbone.is_random and (backbone.family, backbone.grid, backbone.embed_dim) == ("cells", 4, EMBED)
    model = load_model("winclip", backbone)
    assert model.options["windows"] == "pooled"
    assert model(images, "pill").anomaly_map.shape == (2, 32, 32)
    april = load_model("april-gan", backbone)
    april.trained = {"settings": "none"}
    assert april(images, "pill").anomaly_map.shape == (2, 32, 32)


def test_the_seed_decides_random_weights_and_the_global_state_is_left_alone():
    torch.manual_seed(5)
    digests = [loaded(weights="random", seed=seed).digest for seed in (1, 1, 2)]
    drawn = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(3)) and digests[0] == digests[1] != digests[2]
    assert not loaded().is_random  # it has the weights that it is made with


def test_what_it_does_not_define_no_model_uses():
    backbone = loaded(changed(image=Cells(Own(), 32)))
    assert why_not("winclip", backbone) == "its image tower, Cells, defines no encoded_windows."
    assert why_not("anomalyclip", backbone) == "its image tower, Cells, defines no local_step."
    with pytest.raises(
        OptionError, match="cannot run on backbone 'own' .cells.: its image tower, Cells, defines no enc"
    ):
        load_model("winclip", backbone)
    own = loaded(Own)
    with pytest.raises(OptionError, match="learned tokens .* this one has Lengths, one's own"):
        load_model("vcpclip", own)
    with pytest.raises(OptionError, match="defines no encoded_windows"):
        load_model("winclip", own, windows="encoded")


def test_another_size_is_asked_of_the_module():
    assert loaded(image_size=48).grid == 6
    with pytest.raises(OptionError, match=r"asked for pictures of \(48, 40\) pixels, its tower takes \(48, 48\)"):
        loaded(lambda image_size: Own(image_size[0]), image_size=(48, 40))


def test_weights_of_a_file(tmp_path):
    made, file = loaded(weights="random", seed=3), tmp_path / "own.safetensors"
    save_file(made.clip.state_dict(), file)
    read = loaded(Own, file)
    assert read.digest == made.digest and not read.is_random
    register_backbone("with its own", architecture=Own, pretrained=file)
    assert load_backbone("with its own", device="cpu").digest == read.digest
    save_file({"visual.proj": torch.ones(3)}, file)
    with pytest.raises(
        DataError, match="own.safetensors does not fit Own, whose weights .*squares.weight.*visual.proj"
    ):
        loaded(Own, file)


def test_shapes_alone():
    register_backbone("own", architecture=Own)
    assert shapes_only("own").mean.is_meta


class Wrong(PooledCells):
    def dense(self, state):
        return state


class Nameless(Cells):
    family = property()


@pytest.mark.parametrize(
    ("maker", "message"),
    [
        (lambda: 3, "makes a int; expected a module of torch"),
        (
            lambda: nn.Linear(2, 2),
            r"Linear.image is not there, of no family that this book knows; expected an ImageTower",
        ),
        (changed(image=nn.Identity()), "Own.image is a Identity, of no family"),
        (changed(text=None), "Own.text is not there, so it has no text side"),
        (changed(text=TextTower()), "its text tower, TextTower, needs embed_dim and encode"),
        (changed(image=ImageTower()), "ImageTower, has no family, size, .* start, stream, embedding, dense"),
        (changed(image=Wrong(Own(), 32)), r"dense of Wrong gives \(1, 16, 12\); expected \(1, 16, 8\)"),
        (changed(mean=None), "mean is None; expected three finite numbers"),
        (changed(std=(0.1, 0.1, 0)), "std is .* above 0"),
        (changed(interpolation="nearest"), "interpolation is 'nearest'; expected bicubic or bilinear"),
    ],
)
def test_what_is_no_backbone_is_said_in_one_sentence(maker, message):
    with pytest.raises((OptionError, DataError), match=message):
        loaded(maker)


def test_sentences_of_another_space():
    text = Lengths(Own())
    text.embed_dim = 7
    with pytest.raises(OptionError, match="pictures have 8 dimensions and sentences 7; expected one space"):
        loaded(changed(text=text))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "bfloat16"}, "runs in float32 only: PooledCells defines no cast"),
        ({"activation": "gelu"}, "decides on activation and positions itself"),
        ({"positions": "bilinear"}, "decides on activation and positions itself"),
    ],
)
def test_options_that_are_not_its_own(options, message):
    with pytest.raises(OptionError, match=message):
        loaded(**options)
    with pytest.raises(OptionError, match="takes no image_size"):
        loaded(lambda: Own(), image_size=48)


def test_a_module_that_computes_in_float32_only_is_as_fast_as_it_is(monkeypatch):
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: {"amx_bf16": True})
    assert loaded(precision="fast").precision == "float32"


FILE = f"from {__name__} import Own as Base\n\n\n" + "class Own(Base):\n    std = (0.2, 0.2, {})\n"


@pytest.mark.slow
def test_a_class_in_a_file_whose_results_are_stored_by_its_source(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "own_in_a_file.py"
    file.write_text(FILE.format(0.2))
    place = f"{file.name}:Own"
    dataset = zsas.load_dataset("embedded-b", categories="ceramic_ring", image_size=32).select(per_category=2)

    def keys():
        backbone = loaded(place, weights="random")
        return stored(zsas.evaluate, load_model("winclip", backbone), dataset, store=tmp_path).attrs["made"]

    first = keys()
    assert keys() == first
    file.write_text(FILE.format(0.25) + "\n")
    assert keys() != first
    for wrong, message in {
        "nowhere.py:Own": "No file .*nowhere.py for nowhere.py:Own; expected FILE.py:NAME",
        f"{file.name}:None_": "has no class or function None_",
    }.items():
        with pytest.raises(DataError, match=message):
            register_backbone("wrong", architecture=wrong)
    (tmp_path / "timm.py").write_text("")
    with pytest.raises(DataError, match="has the name of another module, timm"):
        register_backbone("wrong", architecture="timm.py:Own")


def test_a_class_defined_anew_takes_the_place_of_the_former_and_no_other_does():
    register_backbone("own", architecture=Own)
    again = type("Own", (Own,), {"__module__": Own.__module__, "__qualname__": Own.__qualname__})
    register_backbone("own", architecture=again)
    assert type(load_backbone("own", device="cpu").clip) is again
    with pytest.raises(ValueError, match="'own' is already registered"):
        register_backbone("own", architecture=nn.Identity)


@pytest.mark.usefixtures("unchecked_types")
def test_a_size_is_judged_before_the_module_is_made():
    """numpy's whole numbers are sizes; what is none never reaches the module."""
    assert loaded(image_size=np.int64(48)).digest == loaded(image_size=48).digest

    def never(image_size=32):
        raise AssertionError(f"made for {image_size!r}")

    for size in ("48", 4.5, (48, 48, 48)):
        with pytest.raises(OptionError, match=r"'own' got image_size=.*; expected pixels, a whole number or \(height"):
            loaded(never, image_size=size)
    for size in (0, (48, -8), True):
        with pytest.raises(OptionError, match="'own' got image_size=.*; expected a whole number of at least 1"):
            loaded(never, image_size=size)
