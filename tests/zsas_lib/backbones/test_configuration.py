"""What lies beside weights decides how they are read; folders in the hub's layout are backbones."""

import json
from copy import deepcopy

import pytest
import torch
from safetensors.torch import save_file
from tiny_clip import TINY, tiny, tiny_backbone

from zsas_lib.backbones import hub
from zsas_lib.backbones import registry as backbones
from zsas_lib.backbones.registry import load_backbone, register_backbone, weights_at_hand
from zsas_lib.base.errors import DataError, OptionError

OTHER = {"mean": [0.5, 0.25, 0.75], "std": [0.5, 0.5, 0.25]}


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    monkeypatch.setattr(backbones, "_REGISTERED", dict(backbones._REGISTERED))
    register_backbone("tiny", architecture=TINY)


@pytest.fixture(scope="module")
def state():
    return tiny_backbone(seed=3).clip.state_dict()


@pytest.fixture
def folder(tmp_path, state):
    """A repository of the hub, downloaded by hand: `write(model, preprocessing)` puts its configuration there."""
    folder = tmp_path / "repository"
    folder.mkdir()
    save_file(state, folder / "open_clip_model.safetensors")

    def write(model=TINY, preprocessing=OTHER, **changes):
        content = {"model_cfg": {**deepcopy(model), **changes}, "preprocess_cfg": preprocessing}
        (folder / "open_clip_config.json").write_text(json.dumps(content))
        return folder

    return write


def read(backbone):
    return backbone.activation, backbone.mean.flatten().tolist(), backbone.std.flatten().tolist(), backbone.image_size


@pytest.mark.slow
def test_the_configuration_beside_weights_decides(folder):
    file = folder(quick_gelu=True) / "open_clip_model.safetensors"
    assert read(load_backbone("tiny", file)) == ("quick_gelu", OTHER["mean"], OTHER["std"], 32)
    folder(tiny(image_size=48), {})
    backbone = load_backbone("tiny", file)
    assert backbone.image_size == 48 and backbone.positions == "bicubic" and backbone.activation == "gelu"
    torch.testing.assert_close(backbone.mean, load_backbone("tiny", "random").mean)


@pytest.mark.slow
def test_what_is_asked_for_goes_before_it(folder):
    file = folder(tiny(image_size=48), quick_gelu=True) / "open_clip_model.safetensors"
    backbone = load_backbone("tiny", file, activation="gelu", image_size=40)
    assert (backbone.activation, backbone.image_size) == ("gelu", 40)
    register_backbone("mine", architecture=TINY, pretrained=file, activation="gelu", image_size=24)
    assert read(load_backbone("mine")) == ("gelu", OTHER["mean"], OTHER["std"], 24)


@pytest.mark.slow
def test_it_decides_for_registered_files_too_and_a_folder_without_one_changes_nothing(folder):
    file = folder(quick_gelu=True) / "open_clip_model.safetensors"
    register_backbone("mine", architecture=TINY, pretrained=file)
    assert read(load_backbone("mine"))[:2] == ("quick_gelu", OTHER["mean"])
    (file.parent / "open_clip_config.json").unlink()
    assert load_backbone("mine").digest == load_backbone("tiny", "random", seed=3).digest


@pytest.mark.slow
def test_a_name_that_says_quickgelu_and_a_configuration_that_is_silent_is_told(folder):
    register_backbone("quick", architecture={**TINY, "quick_gelu": True})
    file = folder() / "open_clip_model.safetensors"
    with pytest.warns(UserWarning, match="activation 'quick_gelu', and .*open_clip_config.json .*does not mention it"):
        assert load_backbone("quick", file).activation == "gelu"
    assert load_backbone("quick", file, activation="quick_gelu").activation == "quick_gelu"
    assert load_backbone("quick", folder(quick_gelu=False) / file.name).activation == "gelu"


def test_weights_of_another_architecture_are_refused_where_they_would_fit_too(folder):
    heads = deepcopy(TINY)
    heads["text_cfg"]["heads"] = 4
    file = folder(heads) / "open_clip_model.safetensors"
    with pytest.raises(DataError, match="of another architecture .*text_cfg.heads 4 instead of 2. Load it as local"):
        load_backbone("tiny", file)
    assert load_backbone(f"local-dir:{file.parent}").architecture["text_cfg"]["heads"] == 4


@pytest.mark.slow
def test_a_local_folder_is_a_backbone_as_in_open_clip(folder, monkeypatch):
    place = folder(quick_gelu=True)
    backbone = load_backbone(f"local-dir:{place}")
    assert read(backbone) == ("quick_gelu", OTHER["mean"], OTHER["std"], 32)
    monkeypatch.chdir(place.parent)
    relative = load_backbone("local-dir:repository", image_size=40)
    assert relative.image_size == 40 and weights_at_hand("local-dir:repository").name == "open_clip_model.safetensors"
    assert not backbones.backbone_record("local-dir:repository").needs_download
    assert load_backbone(f"local-dir:{place}", "random", seed=3).digest == backbone.digest
    register_backbone("copied", architecture=f"local-dir:{place}", pretrained=f"local-dir:{place}")
    assert load_backbone("copied").digest == backbone.digest == load_backbone("tiny", f"local-dir:{place}").digest


@pytest.mark.slow
def test_of_several_files_the_one_that_open_clip_takes(folder, state):
    place = folder()
    torch.save({"other": torch.zeros(1)}, place / "aaa.bin")
    assert load_backbone(f"local-dir:{place}").depth == 2
    (place / "open_clip_model.safetensors").rename(place / "epoch_3.safetensors")
    with pytest.warns(UserWarning, match="epoch_3.safetensors, aaa.bin; epoch_3.safetensors is taken"):
        load_backbone(f"local-dir:{place}")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("local-dir:", "No folder"),
        ("local-dir:nowhere", "No folder nowhere for 'local-dir:nowhere'; expected one with open_clip_config.json"),
        ("local-dir:empty", "empty has no open_clip_config.json"),
        ("local-dir:bare", "bare has no weights; expected a file that ends in .safetensors"),
        ("hf-hub:{here}/bare", "names no repository of the hub, which is ORG/NAME; a folder of this machine is local-"),
        ("hf-hub:", "names no repository"),
    ],
)
def test_folders_that_are_none(tmp_path, monkeypatch, name, message):
    monkeypatch.chdir(tmp_path)
    for folder in ("empty", "bare"):
        (tmp_path / folder).mkdir()
    (tmp_path / "bare" / "open_clip_config.json").write_text(json.dumps({"model_cfg": TINY}))
    with pytest.raises(DataError, match=message):
        load_backbone(name.format(here=tmp_path))


def test_a_folder_as_weights_is_told_how_to_name_it(folder):
    with pytest.raises(DataError, match="repository is a folder; expected a file .*local-dir:.*repository"):
        load_backbone("tiny", folder())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1], "lacks embed_dim"),
        ({"model_cfg": 3}, "lacks its parts"),
        ({"model_cfg": {**TINY, "quick_gelu": "false"}}, "quick_gelu is 'false'; expected true or false"),
        ({"model_cfg": {**TINY, "vision_cfg": None}}, "vision_cfg is None; expected a table"),
        ({"model_cfg": TINY, "preprocess_cfg": [0]}, r"preprocess_cfg is \[0\]; expected a table"),
        ({"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5]}}, r"mean is \[0.5\]; expected three finite numbers"),
        (
            {"model_cfg": TINY, "preprocess_cfg": {"std": [1, 1, 0]}},
            "std is .*; expected three .*, above 0",
        ),
        ({"model_cfg": TINY, "preprocess_cfg": {"mean": [0, 0, float("nan")]}}, "mean is .*nan.*; expected three"),
        ({"model_cfg": {**TINY, "future": 1}}, "cannot build this architecture .*'future'.*newer version"),
    ],
)
def test_a_configuration_that_is_none_says_what_is_amiss(folder, content, message):
    place = folder()
    (place / "open_clip_config.json").write_text(json.dumps(content))
    for name, file in ((f"local-dir:{place}", None), ("tiny", place / "open_clip_model.safetensors")):
        with pytest.raises(DataError, match=message):
            load_backbone(name, file)


def test_one_number_for_all_channels_as_open_clip_takes_it(folder):
    place = folder(preprocessing={"mean": 0.5, "std": 0.25})
    assert read(load_backbone(f"local-dir:{place}"))[1:3] == ([0.5] * 3, [0.25] * 3)


def test_weights_of_the_hub_bring_its_configuration(folder, monkeypatch):
    place = folder(quick_gelu=True)
    cached = {path.name: str(path) for path in place.iterdir()}
    monkeypatch.setattr(hub.huggingface_hub, "try_to_load_from_cache", lambda _, name, revision=None: cached.get(name))
    assert read(load_backbone("tiny", "hf-hub:me/tiny"))[:2] == ("quick_gelu", OTHER["mean"])
    (place / "open_clip_config.json").unlink()
    cached.pop("open_clip_config.json")
    monkeypatch.setattr(hub.huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DataError, match=r"Cannot fetch open_clip_config.json of hf-hub:me/tiny \(HF_HUB_OFFLINE"):
        load_backbone("tiny", "hf-hub:me/tiny")


@pytest.mark.parametrize("size", [0, -8, 4, True, 8 * 257])
def test_sizes_that_cannot_be(size):
    with pytest.raises(OptionError, match="'tiny'.* image_size"):
        load_backbone("tiny", "random", image_size=size)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "load_backbone got seed=-1; expected a whole number in 0..4294967295"),
        ({"device": "gpu"}, "load_backbone got device='gpu'; expected a device such as cpu or cuda:0"),
        ({"device": "cuda:99"}, "device='cuda:99'; expected one that is there: torch finds [0-9]+ GPUs"),
    ],
)
def test_other_options_that_cannot_be(options, message):
    with pytest.raises(OptionError, match=message):
        load_backbone("tiny", "random", **options)


@pytest.mark.slow
def test_a_backbone_says_how_its_positions_were_stretched(folder):
    file = folder() / "open_clip_model.safetensors"
    assert load_backbone("tiny", file).positions is None and load_backbone("tiny", "random").positions is None
    for positions in ("bicubic", "bilinear"):
        assert load_backbone("tiny", file, image_size=48, positions=positions).positions == positions
