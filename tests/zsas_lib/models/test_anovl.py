"""AnoVL against plain computations.

anovl.json holds what its authors' program (hq-deng/AnoVL 3a70bfd, the lines of vl_test.py) said on a processor with
torch 2.12.1, with the weights of released.py, 12 blocks in the image tower, once asked for another picture first (it
builds layers then, which draw random numbers), torch's seed 0 before each picture, and its lists of templates cut to
the first two. "reset" made a new optimiser for each picture.

anovl_tiled.json holds the same of vis_test.py, of the wide pictures below, 112 x 150, called macaroni1.
"""

import json
import math
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest
import released
import torch
import torch.nn.functional as F
from open_clip.model import CLIP
from safetensors.torch import save_file
from tiny_clip import tiny, tiny_backbone

from zsas_lib.backbones import registry as backbones
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.data.load import load_dataset
from zsas_lib.evaluation.evaluate import evaluate
from zsas_lib.models import anovl
from zsas_lib.models.anovl_views import COUNT, views
from zsas_lib.models.load import load_model
from zsas_lib.models.prompts import PromptEnsemble, anovl_prompts
from zsas_lib.robustness.equivariance import picture_agreement
from zsas_lib.robustness.search.worst_case import worst_case
from zsas_lib.robustness.sweeps import uniform_sweep
from zsas_lib.store.results import describe_model, stored


@pytest.fixture(scope="module")
def backbone():
    return tiny_backbone(tiny(layers=3))


@pytest.fixture
def images():
    return torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(autouse=True)
def few_sentences(monkeypatch):
    """Seven of each state instead of 462: the first template's."""

    def few(name, *, surface=False, raw_names=False):
        prompts = anovl_prompts(name, surface=surface, raw_names=raw_names)
        return PromptEnsemble(prompts.normal[:7], prompts.abnormal[:7])

    monkeypatch.setattr(anovl, "anovl_prompts", few)


def test_the_ensemble_is_the_published_one():
    prompts, surface = anovl_prompts("metal_nut", raw_names=True), anovl_prompts("wood", surface=True)
    for own in (prompts, surface):
        assert (len(own.normal), len(own.abnormal)) == (462, 462) == (len(set(own.normal)), len(set(own.abnormal)))
    assert prompts.normal[0] == "a cropped industrial photo of the normal metal_nut"
    assert prompts.normal[7] == "a cropped industrial photo of a normal metal_nut"
    assert prompts.abnormal[-1] == "a manufacturing image of a metal_nut with damage for anomaly detection"
    assert surface.abnormal[154] == "a cropped textural photo of the damaged wood"
    kinds = Counter(" ".join(text.split(" of ")[0].split()[-2:]) for text in surface.normal)
    assert kinds == {"industrial photo": 154, "textural photo": 154, "surface picture": 154}
    assert "an industrial photo of a small flawless metal_nut" in prompts.normal


def by_hand(model, image, name, steps):
    """One picture's map, as the paper's formulas have it."""
    backbone, visual = model.backbone, model.backbone.clip.visual
    text = model.text_features(name)
    state = start = backbone.embed_patches(image[None])
    for block in visual.transformer.resblocks:
        weight, bias = (part.chunk(3)[2] for part in (block.attn.in_proj_weight, block.attn.in_proj_bias))
        value = F.linear(block.ln_1(state), weight, bias).unflatten(-1, (2, 16)).transpose(1, 2)
        mixed = (value @ value.mT / 4).softmax(-1) @ value
        start = start + block.attn.out_proj(mixed.transpose(1, 2).flatten(2))
        state = block(state)
    patches = (visual.ln_post(start[0, 1:]) @ visual.proj).detach()
    bank = model.sentences(name)
    torch.manual_seed(model.options["seed"])
    layer = torch.nn.Linear(24, len(bank))
    optimiser = torch.optim.AdamW(layer.parameters(), 1e-3)

    def states(rows):
        rows = (rows + (layer(F.normalize(rows, dim=-1))).tanh() @ bank) / 2 if steps else rows
        return (F.normalize(rows, dim=-1) @ text.T).softmax(-1)

    for _ in range(steps):
        clean, noisy = states(patches), states(patches + torch.normal(0.0, 0.055, patches.shape))
        entropy = -(clean * clean.log()).sum(-1).mean()
        loss = entropy + 0.5 * (-noisy[:, 1].log() - clean[:, 0].log()).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    plane = states(patches)[:, 1].reshape(1, 1, 4, 4)
    plane = F.avg_pool2d(F.pad(plane, (1, 1, 1, 1), mode="replicate"), 3, 1)
    return F.interpolate(plane, (32, 32), mode="bilinear", align_corners=True)[0, 0].detach()


@pytest.mark.parametrize("steps, tolerance", [(0, 1e-6), (1, 1e-4), (5, 3e-4)])
def test_maps_equal_a_hand_computation(backbone, images, steps, tolerance):
    model = load_model("anovl", backbone, steps=steps, views="off")
    maps = model(images, ["pill", "wood"]).anomaly_map
    for image, name, own in zip(images, ["pill", "wood"], maps):
        torch.testing.assert_close(own, by_hand(model, image, name, steps), atol=tolerance, rtol=0)
    plain = load_model("anovl", backbone, adapter="off", views="off")(images, ["pill", "wood"]).anomaly_map
    assert (torch.equal(maps, plain)) == (steps == 0)


SAID = json.loads(Path(__file__).with_name("anovl.json").read_text())
"""What the authors' program said: see above."""


@pytest.fixture(scope="module")
def twelve_blocks(tmp_path_factory):
    """The CLIP of released.py with 12 blocks in its image tower, for pictures of its size."""
    architecture = deepcopy(released.ARCHITECTURE)
    architecture["vision_cfg"] |= {"layers": 12, "image_size": released.SIZE}
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in CLIP(**deepcopy(architecture)).state_dict().items()}
    file = tmp_path_factory.mktemp("clip") / "clip.safetensors"
    save_file({name: released.weight_of(name, shape) for name, shape in shapes.items()}, file)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backbones, "_REGISTERED", {})
        backbones.register_backbone("twelve", architecture=architecture, pretrained=file)
        return backbones.load_backbone("twelve", activation="gelu", device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("said", SAID)
def test_maps_and_scores_are_those_of_the_authors_program(twelve_blocks, said, monkeypatch):
    """Of two pictures as hazelnuts, then as carpets, which are surfaces; 14 sentences of each state, seed 0 before each
    picture's adapter."""
    adapter, optimiser = said.split()

    def fewer(name, *, surface=False, raw_names=False):
        prompts = anovl_prompts(name, surface=surface, raw_names=raw_names)
        return PromptEnsemble(prompts.normal[:14], prompts.abnormal[:14])

    monkeypatch.setattr(anovl, "anovl_prompts", fewer)
    model = load_model("anovl", twelve_blocks, adapter=adapter, optimiser=optimiser, raw_names=True)
    found = model(released.images().repeat(2, 1, 1, 1), ["hazelnut"] * 2 + ["carpet"] * 2)
    close = dict(atol=2e-5, rtol=0)
    torch.testing.assert_close(found.anomaly_map[:, 8::32, 8::32], torch.tensor(SAID[said]["map"]), **close)
    torch.testing.assert_close(found.image_score, torch.tensor(SAID[said]["score"]), **close)


TILED = json.loads(Path(__file__).with_name("anovl_tiled.json").read_text())
"""What their program for VisA said: see above."""


def wide_pictures():
    one, other = released.images()
    return torch.stack([torch.cat([one, other[..., :38]], -1), torch.cat([other, one[..., :38]], -1)])


@pytest.mark.slow
@pytest.mark.parametrize("said", TILED)
def test_maps_and_scores_of_two_tiles_are_those_of_the_authors_program_for_visa(twelve_blocks, said, monkeypatch):
    adapter, optimiser = said.split()

    def fewer(name, *, surface=False, raw_names=False):
        prompts = anovl_prompts(name, surface=surface, raw_names=raw_names)
        return PromptEnsemble(prompts.normal[:14], prompts.abnormal[:14])

    monkeypatch.setattr(anovl, "anovl_prompts", fewer)
    options = dict(adapter=adapter, optimiser=optimiser, views="off", tiled=True, raw_names=True)
    found = load_model("anovl", twelve_blocks, **options)(wide_pictures(), "macaroni1")
    close = dict(atol=2e-5, rtol=0)
    torch.testing.assert_close(found.anomaly_map[:, 8::16, 8::16], torch.tensor(TILED[said]["map"]), **close)
    torch.testing.assert_close(found.image_score, torch.tensor(TILED[said]["score"]), **close)
    tall = load_model("anovl", twelve_blocks, **options | {"adapter": "off"})(wide_pictures().mT, "macaroni1")
    assert tall.anomaly_map.shape == (2, 150, 112)


def test_the_numbers_of_macaroni_are_left_out_as_released_and_those_of_circuit_boards_are_not():
    said = [anovl_prompts(name, raw_names=True).normal[0] for name in ("macaroni1", "macaroni2", "pcb1", "pipe_fryum")]
    names = [sentence.rsplit(" ", 1)[1] for sentence in said]
    assert names == ["macaroni", "macaroni", "pcb1", "pipe_fryum"]


def test_tiles_are_joined_at_the_size_of_the_pictures_and_must_cover_them(backbone, images):
    model = load_model("anovl", backbone, adapter="off", views="off", tiled=True)
    plain = load_model("anovl", backbone, adapter="off", views="off")
    torch.testing.assert_close(model(images, "pill").anomaly_map, plain(images, "pill").anomaly_map)
    long = torch.cat([images, images.flip(-1)], -1)
    found = model(long, "pill")
    halves = [plain(half, "pill") for half in (images, images.flip(-1))]
    torch.testing.assert_close(found.anomaly_map, torch.cat([half.anomaly_map for half in halves], -1))
    torch.testing.assert_close(found.image_score, (halves[0].image_score + halves[1].image_score) / 2)
    assert model(F.interpolate(long, (70, 100)), "pill").anomaly_map.shape == (2, 70, 100)
    with pytest.raises(ValueError, match="32 x 32 pixels do not cover a picture of 32 x 65; .* or tiled=False"):
        model(F.pad(long, (0, 1)), "pill")


@pytest.mark.parametrize("adapter", ["text", "linear"])
def test_the_gradient_of_a_step_is_that_of_torch(backbone, adapter, monkeypatch):
    """What the optimiser is given in each step, against the loss written down and differentiated by torch."""
    model = load_model("anovl", backbone, adapter=adapter, views="off", steps=2)
    patches = torch.randn(16, 24, generator=torch.Generator().manual_seed(3))
    text = model.text_features("pill")
    bank = model.sentences("pill") if adapter == "text" else None
    weight, bias, noises = model._begun(patches, 24 if bank is None else len(bank))
    given, step = [], torch.optim.AdamW.step

    def watched(self):
        given.append([(value.clone(), value.grad.clone()) for value in self.param_groups[0]["params"]])
        return step(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", watched)
    with torch.no_grad():
        learned = model._trained(patches, text[1] - text[0], bank, "pill")
    assert torch.equal(given[0][0][0], weight) and not torch.equal(learned[0], weight), "it begins anew"
    for noise, own in zip(noises, given, strict=True):
        layer = [value.clone().requires_grad_() for value, _ in own]

        def states(rows):
            adapted = F.linear(F.normalize(rows, dim=-1), *layer)
            adapted = adapted if bank is None else adapted.tanh() @ bank
            return (F.normalize(rows + adapted, dim=-1) @ text.T).softmax(-1)

        clean, noisy = states(patches), states(patches + noise)
        entropy = -(clean * clean.log()).sum(-1).mean()
        loss = entropy + anovl.PUSHED * (-noisy[:, 1].log() - clean[:, 0].log()).mean()
        for (_, found), expected in zip(own, torch.autograd.grad(loss, layer), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-7, rtol=1e-4)


def test_carried_moments_tell_of_the_pictures_before_and_reset_ones_do_not(backbone, images):
    reset = load_model("anovl", backbone, views="off")
    first = reset(images, "pill").anomaly_map
    assert torch.equal(reset(images.flip(0), "pill").anomaly_map, first.flip(0))
    carried = load_model("anovl", backbone, views="off", optimiser="carried")
    assert torch.equal(carried(images[:1], "pill").anomaly_map, first[:1]), "nothing was before the first"
    assert (carried(images[:1], "pill").anomaly_map - first[:1]).abs().max() > 1e-6


@pytest.mark.slow
def test_carried_moments_decide_no_stored_result_and_no_sweep(backbone, tmp_path):
    dataset = load_dataset("embedded-b", categories=["ceramic_ring", "rubber_gear"], image_size=backbone.image_size)
    dataset = dataset.select(per_category=4)
    options = {"views": "off", "adapter": "linear", "optimiser": "carried"}
    fresh, used = (load_model("anovl", backbone, **options) for _ in range(2))
    for name in ("ceramic_ring", "rubber_gear"):
        used(dataset[0].image[None], name)
    assert describe_model(used, ["ceramic_ring"]) == describe_model(fresh, ["ceramic_ring"])
    columns = ["pixel_auroc", "aupro"]
    wanted = evaluate(fresh, dataset, resamples=2)[columns]
    assert evaluate(fresh, dataset, resamples=2)[columns].equals(wanted)
    assert stored(evaluate, used, dataset, resamples=2, store=tmp_path)[columns].equals(wanted)
    assert stored(evaluate, load_model("anovl", backbone, **options), dataset, resamples=2, store=tmp_path)[
        columns
    ].equals(wanted)
    images, masks = dataset[0].image[None], dataset[-1].mask[None]
    for call in (
        lambda: uniform_sweep(used, dataset, "hue", [0.0, 1.0]),
        lambda: worst_case(used, images, masks, "ring", "hue", steps=2, restarts=1),
        lambda: picture_agreement(used, dataset, "mirror"),
    ):
        with pytest.raises(OptionError, match="of anovl would tell the order of its pictures"):
            call()


@pytest.mark.parametrize("adapter", ["text", "linear"])
def test_it_adapts_in_inference_too_and_leaves_random_numbers_alone(backbone, images, adapter):
    model = load_model("anovl", backbone, adapter=adapter, views="off")
    before = torch.random.get_rng_state()
    with torch.inference_mode():
        found = model(images, "pill")
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.testing.assert_close(found.anomaly_map, model(images, "pill").anomaly_map, atol=1e-6, rtol=0)
    plain = load_model("anovl", backbone, adapter="off", views="off")(images, "pill").anomaly_map
    assert (found.anomaly_map - plain).abs().max() > 1e-5, "it adapted"
    assert not model.learnable()


def test_views_are_turned_shifted_mirrored_and_grey(images):
    made = views(images)
    assert len(made) == COUNT == 22 and made.shape[1:] == images.shape
    assert torch.equal(made[0], images) and torch.equal(made[17], images.flip(-1))
    grey = images[:, 0] * 0.299 + images[:, 1] * 0.587 + images[:, 2] * 0.114
    torch.testing.assert_close(made[18], grey[:, None].expand_as(images))
    for number in (1, 2, 3):
        torch.testing.assert_close(made[18 + number], images.rot90(number, (2, 3)), atol=1e-4, rtol=0)
    shifted = images.roll((-3, -3), (2, 3))[:, :, :28, :28]
    whole = F.interpolate(images, (32, 32))
    assert torch.equal(whole, images) and (made[13, :, :, :28, :28] - shifted).abs().mean() < 0.3
    ramp = torch.linspace(0, 1, 32).expand(1, 3, 32, 32)
    assert views(ramp)[9][0, 0, 16, 4].item() == pytest.approx(4 / 31 + 0.1, abs=1e-5), "by a tenth of the width"
    angle = math.atan2(
        *[float(part) for part in (views(ramp)[8][0, 0].diff(dim=0)[15, 15], views(ramp)[8][0, 0].diff(dim=1)[15, 15])]
    )
    assert abs(angle) == pytest.approx(math.pi / 4, abs=0.01)


@pytest.mark.slow
def test_the_score_is_the_mean_of_views_and_grey_depends_on_when_it_is_made(backbone, images):
    scores = {
        kind: load_model("anovl", backbone, adapter="off", views=kind)(images, "pill").image_score
        for kind in anovl.VIEWS
    }
    text = load_model("anovl", backbone).text_features("pill")
    normalised = backbone.normalised(images)
    made = [backbone.image.encoded(backbone.image.start(view)) for view in views(normalised)]
    expected = torch.stack([(F.normalize(own, dim=-1) @ text.T).softmax(-1)[:, 1] for own in made]).mean(0)
    torch.testing.assert_close(scores["normalised"], expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(scores["off"], (backbone.encode_image(images) @ text.T).softmax(-1)[:, 1])
    assert (scores["normalised"] - scores["pictures"]).abs().max() > 1e-7


@pytest.mark.slow
def test_pictures_have_gradients(backbone, images):
    pictures = images.requires_grad_()
    prediction = load_model("anovl", backbone)(pictures, "pill")
    (gradient,) = torch.autograd.grad(prediction.anomaly_map.sum() + prediction.image_score.sum(), pictures)
    assert gradient.abs().amax((1, 2, 3)).min() > 0


@pytest.mark.parametrize(
    "option, message",
    [("adapter", "linear, off, text"), ("optimiser", "carried, reset"), ("views", "normalised, off, pictures")],
)
def test_wrong_options(backbone, option, message):
    with pytest.raises(UnknownNameError, match=f"AnoVL's option {option} 'none'; known: {message}"):
        load_model("anovl", backbone, **{option: "none"})
    with pytest.raises(ValueError, match="steps=-1; expected a whole number of at least 0"):
        load_model("anovl", backbone, steps=-1)
