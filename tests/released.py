"""A CLIP, pictures and learned parameters that anyone can draw alike, and the files that the authors' code saves of
them.

The authors' programs were run on exactly these, and what they said stands in tests/data/released.json. zsas_lib must
not be imported here (see conftest.py).

How the numbers were made. Repositories and commits: zqhang/AnomalyCLIP 45ed4dd, xiaozhen228/VCP-CLIP 4dd96ec,
augustinus2000/VCP-CLIP-plus c1ae2a8, ByChelsea/VAND-APRIL-GAN f13b8a6, caoyunkang/AdaCLIP e27ee32, Mwxinnn/AA-CLIP
53db195, Faustinaqq/AF-CLIP bb7edec, on a CPU with torch 2.12.1, float32. Changed in them: calls of CUDA left out; the
attention that is returned and never read comes from the last block instead of the twelfth; AnomalyCLIP's value-value
path covers the last 7 of 8 blocks, VCP-CLIP replaces the prompts of 3 of 4 text blocks and its cross-attention has 2
heads (128 channels each, as with 8 of 1024). Then their own classes got the weights `clip_state` and their own
checkpoint loading read what `checkpoint` returns, and the lines of their test programs were run: maps before and after
smoothing (sigma scaled by 112/518), image scores (the highest round(2000 (112/518)^2) pixels; AA-CLIP's `pooled`, and
`transductive`, its test's own, of both pictures as one category), and their losses of the maps against `masks`. VCP-
CLIP's pictures get their position table by bicubic interpolation with antialiasing, AnomalyCLIP's bilinear, both from
4 x 4 to 8 x 8.

AdaCLIP ran without half precision, one picture at a time, numpy's seed 0 before each; its loss here is the mean of
both. AA-CLIP's widths and depths, which stand in its code as numbers, are those of this CLIP, its surgery covers the
last 7 of 8 blocks; `text_loss` is that of its first stage.

With the released depths and sizes (24 and 12 layers, 336 to 518 pixels, blocks 6, 12, 18, 24, no change but the calls
of CUDA and two heads), widths as here, maps, scores and losses agreed within 2e-6; those numbers are not kept.
"""

import sys
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from unittest.mock import patch
from zlib import crc32

import numpy as np
import torch
from open_clip.model import CLIP
from torch import Tensor, nn

ARCHITECTURE = {
    "embed_dim": 128,
    "vision_cfg": {"image_size": 56, "patch_size": 14, "width": 256, "layers": 8, "head_width": 64},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 128, "heads": 2, "layers": 4},
}
SIZE = 112
WIDTH, EMBED, TEXT = 256, 128, 128
SPREADS = {"positional_embedding": 0.3, "class_embedding": 0.5, "token_embedding.weight": 0.5, "logit_scale": 0.0}


def drawn(name: str, *shape: int, spread: float = 1.0, centre: float = 0.0) -> Tensor:
    """Normal numbers that depend on the name alone; numpy keeps RandomState's streams."""
    numbers = np.random.RandomState(crc32(name.encode())).standard_normal(shape)
    return torch.from_numpy(np.asarray(centre + spread * numbers, dtype=np.float32))


def architecture(*, quick_gelu: bool) -> dict:
    return deepcopy(ARCHITECTURE) | {"quick_gelu": quick_gelu}


def clip_state() -> dict[str, Tensor]:
    """Weights of ARCHITECTURE, norms near 1, matrices that keep variance."""
    with torch.device("meta"):
        shapes = {name: tuple(value.shape) for name, value in CLIP(**deepcopy(ARCHITECTURE)).state_dict().items()}
    return {name: weight_of(name, shape) for name, shape in shapes.items()}


def weight_of(name: str, shape: tuple[int, ...]) -> Tensor:
    """The weights of that name, of an architecture of one's own."""
    last = name.removeprefix("visual.")
    if last in SPREADS:
        return drawn(name, *shape, spread=SPREADS[last])
    if ".ln_" in f".{name}" and name.endswith("weight"):
        return drawn(name, *shape, spread=0.2, centre=1)
    if len(shape) == 1:
        return drawn(name, *shape, spread=0.1)
    inputs = shape[0] if last in ("proj", "text_projection") else int(np.prod(shape[1:]))
    return drawn(name, *shape, spread=inputs**-0.5)


def images() -> Tensor:
    """Two pictures: waves of different lengths and noise."""
    down, right = torch.meshgrid(torch.arange(SIZE) / SIZE, torch.arange(SIZE) / SIZE, indexing="ij")
    waves = torch.stack(
        [
            torch.stack([torch.sin(3 * (i + 2) * down + 5 * (c + 1) * right * (1 - i / 2)) for c in range(3)])
            for i in range(2)
        ]
    )
    return (0.5 + 0.3 * waves + drawn("pictures", 2, 3, SIZE, SIZE, spread=0.1)).clamp(0, 1)


def masks() -> Tensor:
    """A rectangle in the first picture; the second is normal."""
    drawn_masks = torch.zeros(2, SIZE, SIZE, dtype=torch.bool)
    drawn_masks[0, 20:50, 60:90] = True
    return drawn_masks


def anomalyclip_checkpoint(
    embeddings: Tensor, sentences: Tensor, context: int = 12, depth: int = 3, compound: int = 4
) -> dict:
    """What AnomalyCLIP's training saves; `embeddings` is the token table, `sentences` are the two sentences' ids, the
    rest are its --n_ctx, --depth and --t_n_ctx."""
    words = embeddings[sentences]
    state = {
        "ctx_pos": drawn("ctx_pos", 1, 1, context, TEXT, spread=0.5),
        "ctx_neg": drawn("ctx_neg", 1, 1, context, TEXT, spread=0.5),
    }
    for layer in range(depth - 1):
        state[f"compound_prompts_text.{layer}"] = drawn(f"compound {layer}", compound, TEXT, spread=0.5)
        state[f"compound_prompt_projections.{layer}.weight"] = drawn(f"unused {layer}", 896, TEXT)
        state[f"compound_prompt_projections.{layer}.bias"] = drawn(f"unused bias {layer}", 896)
    for number, end in enumerate(("pos", "neg")):
        state[f"token_prefix_{end}"] = words[None, number : number + 1, :1].clone()
        state[f"token_suffix_{end}"] = words[None, number : number + 1, 1 + context :].clone()
        state[f"tokenized_prompts_{end}"] = sentences[None, number : number + 1].int()
    return {"prompt_learner": state}


def linear_layers() -> dict[str, Tensor]:
    """The linear layers of VCP-CLIP and APRIL-GAN, as both save them."""
    return {
        f"fc.{layer}.{part}": drawn(f"linear {layer} {part}", *shape, spread=0.1)
        for layer in range(4)
        for part, shape in (("weight", (EMBED, WIDTH)), ("bias", (EMBED,)))
    }


def stretched(positions: Tensor) -> Tensor:
    """Positions for pictures of SIZE, as VCP-CLIP makes them."""
    before, after = ARCHITECTURE["vision_cfg"]["image_size"] // 14, SIZE // 14
    plane = positions[1:].T.reshape(1, -1, before, before)
    plane = nn.functional.interpolate(plane, (after, after), mode="bicubic", antialias=True, align_corners=False)
    return torch.cat([positions[:1], plane[0].flatten(1).T])


def vcpclip_checkpoint(words: int = 2, deep: int = 1) -> dict:
    """What VCP-CLIP's training saves, temperatures 0.09 and 0.05; `words` and `deep` are its --prompt_len and
    --deep_prompt_len."""
    post = {"prompt_temp_l1": torch.tensor(1 / 0.05).log()}
    for name, inputs in (
        ("q_proj_pre", TEXT),
        ("k_proj_pre_1", WIDTH),
        ("v_proj_pre_1", WIDTH),
        ("proj_post_t", WIDTH),
    ):
        gain = 8 if name in ("q_proj_pre", "k_proj_pre_1") else 1
        post[f"{name}.weight"] = drawn(name, WIDTH, inputs, 1, spread=gain * inputs**-0.5)
        post[f"{name}.bias"] = drawn(f"{name} bias", WIDTH, spread=0.1)
    before = {
        "prompt_query": drawn("prompt_query", 1, words, TEXT),
        "prompt_temp": torch.tensor(1 / 0.09).log(),
        "prompt_linear1.fc.weight": drawn("mini-net", words, 1, 3, spread=0.5),
        "prompt_linear1.fc.bias": drawn("mini-net bias", words, spread=0.5),
    }
    prompts = {
        "prompt_text_projection": drawn("second projection", TEXT, EMBED),
        "prompt_embeddings": drawn("shallow", 1, deep, TEXT, spread=0.6),
        "deep_prompt_embeddings": drawn("deep", 3, deep, TEXT, spread=0.6),
        "prompt_proj.weight": drawn("prompt_proj", TEXT, TEXT, spread=TEXT**-0.5),
        "prompt_proj.bias": drawn("prompt_proj bias", TEXT, spread=0.1),
        "prompt_norm.weight": drawn("prompt_norm", TEXT, spread=0.2, centre=1),
        "prompt_norm.bias": drawn("prompt_norm bias", TEXT, spread=0.1),
    }
    parts = {"trainable_linearlayer": linear_layers(), "New_Lan_Embed": before, "Zero_try": post}
    return parts | {name: nn.Parameter(value) for name, value in prompts.items()}


def adaclip_checkpoint(prompts: str = "SD", towers: str = "VL", depth: int = 4, length: int = 5) -> dict[str, Tensor]:
    """What AdaCLIP's training saves; the arguments are its --prompting_type, _branch, _depth and _length."""
    sizes = {"visual": WIDTH, "text": TEXT}
    saved = {}
    for tower, channels in sizes.items():
        if "S" in prompts and {"visual": "V", "text": "L"}[tower] in towers:
            for block in range(depth):
                saved[f"{tower}_prompter.static_prompts.{block}"] = drawn(f"{tower} {block}", length, channels)
        for number in range(length if "D" in prompts else 0):
            name = f"dynamic_{tower}_prompt_generator.head.{number}"
            saved[f"{name}.weight"] = drawn(name, channels, EMBED, spread=0.1)
            saved[f"{name}.bias"] = drawn(f"{name} bias", channels, spread=0.1)
    for number in range(4):
        saved[f"patch_token_layer.head.{number}.weight"] = drawn(f"linear {number} weight", EMBED, WIDTH, spread=0.1)
        saved[f"patch_token_layer.head.{number}.bias"] = drawn(f"linear {number} bias", EMBED, spread=0.1)
    saved["cls_token_layer.head.0.weight"] = drawn("class head", EMBED, EMBED, spread=0.1)
    saved["cls_token_layer.head.0.bias"] = drawn("class head bias", EMBED, spread=0.1)
    return {f"clip_model.{name}": value for name, value in saved.items()}


def aa_clip_checkpoints(
    image_blocks: int = 3, text_blocks: int = 2, relu: bool = False
) -> tuple[dict[str, dict], dict[str, dict]]:
    """What AA-CLIP's training saves of the image tower and of the text tower, optimisers aside; the arguments are its
    --image_adapt_until, --text_adapt_until and --relu."""

    def square(name: str, outputs: int, inputs: int) -> Tensor:
        return drawn(name, outputs, inputs, spread=inputs**-0.5)

    head = "fc.0.weight" if relu else "fc.weight"
    image = {f"layer_adapters.{n}.fc.0.weight": square(f"image adapter {n}", WIDTH, WIDTH) for n in range(image_blocks)}
    image |= {f"seg_proj.{number}.{head}": square(f"head {number}", EMBED, WIDTH) for number in range(4)}
    image[f"det_proj.{head}"] = square("detection", EMBED, WIDTH)
    text = {f"{number}.fc.0.weight": square(f"text adapter {number}", TEXT, TEXT) for number in range(text_blocks + 1)}
    return {"epoch": 20, "image_adapter": image}, {"epoch": 5, "text_adapter": text}


def af_clip_checkpoint(context: int = 12) -> tuple[dict[str, Tensor], Tensor]:
    """The parameters of the adapter and of the prompt that AF-CLIP's training saves, the first as a module and not by
    names; ``context`` is its --prompt_len."""
    adapter = {
        "attention.norm.weight": drawn("af norm", WIDTH, spread=0.2, centre=1),
        "attention.norm.bias": drawn("af norm bias", WIDTH, spread=0.1),
        "attention.attn.to_out.0.weight": drawn("af out", WIDTH, 512, spread=512**-0.5),
        "attention.attn.to_out.0.bias": drawn("af out bias", WIDTH, spread=0.1),
    }
    for part in "qkv":
        adapter[f"attention.attn.to_{part}.weight"] = drawn(f"af {part}", 512, WIDTH, spread=2 * WIDTH**-0.5)
    return adapter, drawn("af prompt", 1, context, TEXT, spread=0.5)


def save_af_clip(folder: Path, context: int = 12) -> None:
    """Write both files as AF-CLIP's training does, the adapter as an object of a class of its program."""
    tensors, prompt = af_clip_checkpoint(context)
    there = ModuleType("clip.adaptor")
    for name in ("Adaptor", "BasicTransformerBlock", "CrossAttention"):
        setattr(there, name, type(name, (nn.Module,), {"__module__": "clip.adaptor"}))
    adapter, block, attention = there.Adaptor(), there.BasicTransformerBlock(), there.CrossAttention()
    for part in "qkv":
        setattr(attention, f"to_{part}", nn.Linear(WIDTH, 512, bias=False))
    attention.to_out = nn.Sequential(nn.Linear(512, WIDTH), nn.Dropout(0.0))
    block.attn, block.norm, adapter.attention = attention, nn.LayerNorm(WIDTH), block
    adapter.attention = block
    adapter.load_state_dict(tensors)
    with patch.dict(sys.modules, {"clip": ModuleType("clip"), "clip.adaptor": there}):
        torch.save(adapter, folder / "af-clip_adaptor.pt")
    torch.save(nn.Parameter(prompt), folder / "af-clip_prompt.pt")


def vcpclip_plus_checkpoint(clip: dict[str, Tensor]) -> dict:
    """What VCP-CLIP+'s training saves: temperatures of 0.07, sigmoid(alpha) 0.7, and all of CLIP with a 49409th word
    and positions for pictures of SIZE."""
    saved = vcpclip_checkpoint()
    saved["New_Lan_Embed"]["prompt_temp"] = saved["Zero_try"]["prompt_temp_l1"] = torch.tensor(1 / 0.07).log()
    direct = {
        "prompt_tokens": drawn("prompt_tokens", 1, 3, EMBED),
        "projector.weight": drawn("projector", 1, 3),
        "projector.bias": drawn("projector bias", 1),
        "norm.weight": drawn("norm", EMBED, spread=0.2, centre=1),
        "norm.bias": drawn("norm bias", EMBED, spread=0.1),
        "fusion_proj.weight": drawn("fusion_proj", EMBED, 2 * EMBED, spread=0.3 * (2 * EMBED) ** -0.5),
        "fusion_proj.bias": drawn("fusion_proj bias", EMBED, spread=0.1),
    }
    saved |= {f"prompt_token_embedding.{name}": nn.Parameter(value) for name, value in direct.items()}
    prompts = {name: value.detach() for name, value in saved.items() if "prompt" in name}
    words = torch.cat([clip["token_embedding.weight"], torch.zeros(1, TEXT)])
    positions = stretched(clip["visual.positional_embedding"])
    saved["model"] = clip | {"token_embedding.weight": words, "visual.positional_embedding": positions} | prompts
    saved["alpha"] = torch.tensor(0.7).logit()
    return saved
