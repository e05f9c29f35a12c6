"""The authors' files of `released`, and models and backbones made of them. zsas_lib must not be imported here."""

import pytest
import released
import torch
from official_files import FILES, OPTIONS, SETUPS
from safetensors.torch import save_file

SENTENCES = [" ".join(["X"] * 12 + [ending]) for ending in ("object.", "damaged object.")]


@pytest.fixture(scope="session")
def clip_state():
    return released.clip_state()


@pytest.fixture(scope="session")
def tower(clip_state, tmp_path_factory):
    """Backbones with the released weights, by set-up."""
    from zsas_lib.backbones import registry as backbones
    from zsas_lib.backbones.registry import load_backbone, register_backbone

    file = tmp_path_factory.mktemp("clip") / "clip.safetensors"
    save_file(clip_state, file)
    made = {}

    def load(**setup):
        key = tuple(sorted(setup.items()))
        if key not in made:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(backbones, "_REGISTERED", {})
                register_backbone("released", architecture=released.ARCHITECTURE, pretrained=file)
                made[key] = load_backbone("released", image_size=released.SIZE, device="cpu", **setup)
        return made[key]

    return load


@pytest.fixture(scope="session")
def contents(clip_state, tower):
    ids = tower(activation="gelu").tokenizer(SENTENCES)
    return {
        "aa-clip": released.aa_clip_checkpoints()[0],
        "adaclip": released.adaclip_checkpoint(),
        "anomalyclip": released.anomalyclip_checkpoint(clip_state["token_embedding.weight"], ids),
        "april-gan": {"trainable_linearlayer": released.linear_layers()},
        "vcpclip": released.vcpclip_checkpoint(),
        "vcpclip+": released.vcpclip_plus_checkpoint(clip_state),
    }


@pytest.fixture(scope="session")
def files(contents, tmp_path_factory):
    folder = tmp_path_factory.mktemp("official")
    for name, content in contents.items():
        torch.save(content, folder / f"{name}.pth")
    torch.save(released.aa_clip_checkpoints()[1], folder / "text_adapter.pth")
    released.save_af_clip(folder)
    (folder / "af-clip_adaptor.pt").rename(folder / "af-clip_adaptor.pth")
    (folder / "af-clip_prompt.pt").rename(folder / "af-clip_prompt.pth")
    return folder


@pytest.fixture(scope="module")
def models(files, tower):
    from zsas_lib.training.checkpoints import load_official_checkpoint

    return {
        name: load_official_checkpoint(
            name, files / f"{FILES.get(name, name)}.pth", tower(**setup), **OPTIONS.get(name, {})
        )
        for name, setup in SETUPS.items()
    }


@pytest.fixture
def pictures(tmp_path):
    """Three sound and three damaged pictures of each of two products; a module that needs others has its own."""
    from toy import toy_dataset

    return toy_dataset(tmp_path / "toy", {"nut": 3, "ring": 3}).squashed(32)
