"""What the authors' scripts offer beside their defaults, against their numbers in routes.json.

The programs, the CLIP, the pictures and the parameters are those that released.py tells of; maps are not smoothed.
AF-CLIP: --feature_layers 3 8; --fewshot 2, and 1 with --memory_layers 5, of the same pictures mirrored. AdaCLIP: the
first 6 of 8 blocks, every 6 // 4 = 1 of which is tapped; --prompting_type D with --prompting_branch V. AA-CLIP: its
domain "Medical", both pictures one category; the text's loss with --surgery_until_layer 4 and --text_norm_weight 5.
"""

import json
from copy import deepcopy
from pathlib import Path

import pytest
import released
import torch
from official_files import SETUPS
from safetensors.torch import save_file
from tiny_clip import tiny, tiny_backbone
from trained import trained

from zsas_lib.backbones import registry as backbones
from zsas_lib.base.errors import OptionError
from zsas_lib.models.load import load_model
from zsas_lib.training.checkpoints import load_official_checkpoint

SAID = json.loads((Path(__file__).with_name("routes.json")).read_text())
NAMES = ["hazelnut", "bottle"]


def require_said(model, route, names=NAMES, relative=0.0):
    maps, scores = model.compare(model.features(released.images(), names), released.SIZE)
    close = dict(atol=5e-6, rtol=relative)
    torch.testing.assert_close(maps[:, 8::16, 8::16], torch.tensor(SAID[route]["unsmoothed"]), **close)
    torch.testing.assert_close(scores, torch.tensor(SAID[route]["score"]), **close)


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    "route, options, shots",
    [
        ("af-clip layers", {"layers": (3 / 8, 1.0)}, 0),
        ("af-clip shots", {"shots": 2}, 2),
        ("af-clip memory_layers", {"shots": 1, "memory_layers": (5 / 8,)}, 1),
    ],
)
def test_other_blocks_and_remembered_pictures_of_af_clip(route, options, shots, files, tower):
    model = load_official_checkpoint("af-clip", files / "af-clip_adaptor.pth", tower(**SETUPS["af-clip"]), **options)
    for name in NAMES if shots else ():
        model.remember(name, released.images()[:shots].flip(-1))
    require_said(model, route)


@pytest.mark.slow
def test_af_clip_with_shots_remembers_as_many_pictures_of_each_class(tmp_path):
    backbone = tiny_backbone(tiny(layers=4))
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    model = trained("af-clip", backbone, shots=2)
    with pytest.raises(ValueError, match="remembers no normal images of 'pill'"):
        model(images, "pill")
    for wrong in (images[:1], images[:0]):
        with pytest.raises(ValueError, match=f"shots=2 got {len(wrong)} normal reference images of 'pill'"):
            model.remember("pill", wrong)
    with pytest.raises(ValueError, match="shots=0 got 1 normal reference images"):
        trained("af-clip", backbone).remember("pill", images[:1])
    model.remember("pill", images)
    own = load_model("af-clip", backbone, shots=2, words_weight=0.0)
    own.load_state_dict(model.state_dict())
    own.trained = model.trained
    own.remember("pill", images)
    assert own(images, "pill").anomaly_map.amax() < 1e-5, "nothing is far from itself"
    assert model.identity(["pill"]) == own.identity(["pill"]) != {}
    zero = trained("af-clip", backbone)(images, "pill")
    torch.testing.assert_close(model(images, "pill").image_score, 0.1 * zero.image_score, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_adaclip_taps_every_quarter_of_its_blocks_rounded_down(clip_state, tmp_path):
    architecture = deepcopy(released.ARCHITECTURE)
    architecture["vision_cfg"]["layers"] = 6
    left = {name: value for name, value in clip_state.items() if ".resblocks.6." not in name or "visual" not in name}
    left = {name: value for name, value in left.items() if ".resblocks.7." not in name or "visual" not in name}
    save_file(left, tmp_path / "clip.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "_REGISTERED", {})
        backbones.register_backbone("six", architecture=architecture, pretrained=tmp_path / "clip.safetensors")
        backbone = backbones.load_backbone("six", image_size=released.SIZE, device="cpu", **SETUPS["adaclip"])
    torch.save(released.adaclip_checkpoint(), tmp_path / "theirs.pth")
    require_said(load_official_checkpoint("adaclip", tmp_path / "theirs.pth", backbone), "adaclip layers")
    torch.save(released.adaclip_checkpoint("D", "V"), tmp_path / "dynamic.pth")
    model = load_official_checkpoint("adaclip", tmp_path / "dynamic.pth", backbone)
    assert (model.options["prompts"], model.options["towers"]) == ("D", "V")
    require_said(model, "adaclip dynamic")


@pytest.mark.slow
def test_medical_pictures_of_aa_clip_are_scored_by_the_highest_of_all_that_is_tested(files, tower):
    options = {"image_score": "transductive-map", "blur": 1.5}
    model = load_official_checkpoint("aa-clip", files / "aa-clip.pth", tower(**SETUPS["aa-clip"]), **options)
    with pytest.raises(ValueError, match="image_score='transductive-map' scores a picture by all"):
        model(released.images(), "hazelnut")
    model.remember("hazelnut", released.images())
    require_said(model, "aa-clip medical", ["hazelnut"] * 2, relative=3e-6)


@pytest.mark.slow
def test_the_text_stage_of_aa_clip_from_another_block_on(files, tower):
    options = {"values_from": 6 / 8, "orthogonal": 5.0}
    model = load_official_checkpoint("aa-clip", files / "aa-clip.pth", tower(**SETUPS["aa-clip"]), **options)
    model.train()
    features = model.features(released.images(), ["hazelnut"] * 2)
    model.enter("text")
    loss = model.loss(features, released.masks(), torch.tensor([True, False]))
    torch.testing.assert_close(loss, torch.tensor(SAID["aa-clip text loss"]), atol=2e-5, rtol=0)


@pytest.mark.parametrize("score", ["transductive", "transductive-map"])
def test_what_is_the_same_in_all_that_is_tested_counts_nothing(score):
    model = trained("aa-clip", tiny_backbone(tiny(layers=4)), image_score=score)
    model.remember("pill", torch.full((3, 3, 32, 32), 0.5))
    assert model(torch.rand(2, 3, 32, 32), "pill").image_score.isfinite().all()


@pytest.mark.parametrize("name, option", [("af-clip", "layers"), ("af-clip", "memory_layers"), ("adaclip", "layers")])
@pytest.mark.parametrize("value", [(), (0.0,), (1.5,), (float("nan"),), "0.5", 0.5])
def test_blocks_that_there_are_not(unchecked_types, name, option, value):
    with pytest.raises(OptionError, match=f"got {option}=.*; expected .*shares of the depth"):
        load_model(name, tiny_backbone(), **{option: value})
