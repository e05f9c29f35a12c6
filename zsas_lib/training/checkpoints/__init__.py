"""Learned parameters from the files that the authors' programs save."""

import math
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from ...backbones.registry import Backbone
from ...base.digests import file_digest
from ...base.errors import DataError, UnknownNameError
from ...models import load_model
from ...models.learned import LearnedModel, assign_learned
from ...models.vcpclip import FIRST_BALANCE, LAYERS

ACTIVATIONS = {"anomalyclip": "quick_gelu", "april-gan": "gelu", "vcpclip": "gelu", "vcpclip+": "gelu"}
"""What the released code runs both towers with. OpenAI trained them with QuickGELU."""
SAME_WORDS = 1e-3
"""Largest difference between the word embeddings in a file and the backbone's."""
PROMPTS = ("prompt_", "deep_prompt_")
"""How the names of VCP-CLIP's prompts begin."""


def load_official_checkpoint(name: str, path: str | Path, backbone: Backbone, **options: object) -> LearnedModel:
    """A model as its authors released it, ready to predict: "anomalyclip", "april-gan", "vcpclip" or "vcpclip+".

    ``path`` is a file that their training wrote (`torch.save`; nothing in it is run). ``options`` are the model's own,
    those that leave the parameters as they are, such as `image_score`; without them VCP-CLIP gets the released
    `fusion=0.8`. What a file says of sizes (contexts, depth of the compound prompts, IDP's vectors) is taken over.

    All released files belong to OpenAI's ViT-L-14-336 with pictures of 518 pixels. To get the authors' numbers:

        anomalyclip        load_backbone("vit-l-14-336", image_size=518, positions="bilinear")
        vcpclip, vcpclip+  load_backbone("vit-l-14-336", image_size=518, activation="gelu")
        april-gan          as VCP-CLIP

    Another activation than theirs gives a UserWarning. AnomalyCLIP's compound prompts are rounded to half precision, as
    its code does in every forward pass. VCP-CLIP+'s file holds all of CLIP too: only its prompts are read, and its word
    embeddings compared with the backbone's. Its beta is not saved; it stays at its start and serves only training.

    The model's `trained` record names the file and its sha256. Raises UnknownNameError for a model without released
    files or an unknown option, DataError for a file that is none, of another model, or for another backbone: it names
    the entries and shapes.
    """
    if name not in _READERS:
        raise UnknownNameError("model with official checkpoints", name, _READERS)
    path = Path(path)
    entries = _Entries(name, path, backbone)
    found, tensors = _READERS[name](entries, backbone)
    entries.require_all()
    if backbone.activation != ACTIVATIONS[name]:
        warnings.warn(
            f"{path.name} was learned with activation {ACTIVATIONS[name]!r}, backbone {backbone.name!r} has "
            f"{backbone.activation!r}; for the authors' numbers use load_backbone(..., activation={ACTIVATIONS[name]!r}).",
            stacklevel=2,
        )
    model = load_model(name, backbone, **found | options)
    assign_learned(model, tensors, path)
    model.trained = {"official_file": path.name, "sha256": file_digest(path)}
    return model


class _Entries:
    """A file's tensors by dotted names: asked for with their shapes, and what is wrong told at the end."""

    def __init__(self, name: str, path: Path, backbone: Backbone):
        self.name, self.path, self.backbone = name, path, backbone
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:
            said = str(error).partition("\n")[0] or type(error).__name__
            raise DataError(
                f"{path} cannot be read as a checkpoint of {name} ({said}); expected what its authors' code saves."
            ) from error
        self.tensors = dict(_flat(content)) if isinstance(content, Mapping) else {}
        self.left = set(self.tensors)
        self.problems: list[str] = []

    def take(self, key: str, *shape: int | None) -> Tensor:
        """An entry in float32; None in the shape stands for any size. In the place of a wrong one something empty."""
        self.left.discard(key)
        if key not in self.tensors:
            self.problems.append(f"lacks {key}")
        else:
            tensor = self.tensors[key].detach().float()
            if tensor.ndim == len(shape) and all(wanted in (None, size) for wanted, size in zip(shape, tensor.shape)):
                return tensor
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            self.problems.append(f"{key} is {tuple(tensor.shape)}, expected ({expected})")
        return torch.zeros([size or 1 for size in shape])

    def pass_over(self, *beginnings: str) -> None:
        """Entries that the authors save and nothing reads."""
        self.left = {key for key in self.left if not key.startswith(beginnings)}

    def require_words(self, key: str, words: Tensor) -> None:
        """Word embeddings in the file are the backbone's."""
        tensor = self.take(key, *words.shape)
        if not self.problems and (tensor - words.cpu().float()).abs().max() > SAME_WORDS:
            self.problems.append(f"{key} holds other word embeddings than the backbone")

    def require_all(self) -> None:
        self.problems += [f"has {key}, which {self.name} lacks" for key in sorted(self.left)]
        if self.problems:
            shown = "; ".join(self.problems[:6]) + (
                f"; and {len(self.problems) - 6} more" if len(self.problems) > 6 else ""
            )
            raise DataError(
                f"{self.path} is no checkpoint of {self.name} for backbone {self.backbone.name!r}: {shown}. It may be another "
                "model's, or another backbone's: the released ones are for vit-l-14-336 at image_size=518."
            )


def _flat(content: Mapping, before: str = "") -> list[tuple[str, Tensor]]:
    entries: list[tuple[str, Tensor]] = []
    for key, value in content.items():
        if isinstance(value, Mapping):
            entries += _flat(value, f"{before}{key}.")
        elif isinstance(value, Tensor):
            entries.append((f"{before}{key}", value))
    return entries


def _anomalyclip(entries: _Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    text = backbone.clip.transformer
    contexts = [entries.take(f"prompt_learner.ctx_{end}", 1, 1, None, text.width)[0, 0] for end in ("pos", "neg")]
    if contexts[0].shape != contexts[1].shape:
        entries.problems.append(
            f"has {len(contexts[0])} normal and {len(contexts[1])} abnormal contexts, expected as many"
        )
    prefix = "prompt_learner.compound_prompts_text."
    deep = max(1, sum(key.startswith(prefix) for key in entries.tensors))
    if deep >= len(text.resblocks):
        entries.problems.append(
            f"has {deep} compound prompts, expected fewer than the text tower's {len(text.resblocks)} blocks"
        )
    compound = [entries.take(f"{prefix}{number}", None, text.width) for number in range(deep)]
    if len({part.shape for part in compound}) > 1:
        entries.problems.append("has compound prompts of different lengths")
    entries.pass_over("prompt_learner.compound_prompt_projections.", "prompt_learner.tokenized_prompts_")
    if entries.problems:
        entries.pass_over("prompt_learner.token_")
        return {}, {}
    sentences = [" ".join(["X"] * len(contexts[0]) + [ending]) for ending in ("object.", "damaged object.")]
    table = backbone.clip.token_embedding(backbone.tokenizer(sentences).to(backbone.device))
    for words, end in zip(table, ("pos", "neg")):
        entries.require_words(f"prompt_learner.token_prefix_{end}", words[None, None, :1])
        entries.require_words(f"prompt_learner.token_suffix_{end}", words[None, None, 1 + len(contexts[0]) :])
    options = {
        "context": len(contexts[0]),
        "compound": len(compound[0]),
        "compound_depth": (deep + 1) / len(text.resblocks),
    }
    return options, {"contexts": torch.stack(contexts), "compound": torch.stack(compound).half().float()}


def _projections(entries: _Entries, backbone: Backbone) -> dict[str, Tensor]:
    tensors = {}
    for number in range(len(LAYERS)):
        for part, shape in (("weight", (backbone.embed_dim, backbone.width)), ("bias", (backbone.embed_dim,))):
            tensors[f"projections.{number}.{part}"] = entries.take(f"trainable_linearlayer.fc.{number}.{part}", *shape)
    return tensors


def _april_gan(entries: _Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    return {}, _projections(entries, backbone)


def _vcp_parts(entries: _Entries, backbone: Backbone, place: str = "") -> tuple[dict[str, Tensor], Tensor]:
    """What both VCP-CLIPs learn, by our names, and the two logarithms of the scales; `place` is where prompts are."""
    text, embed, width = backbone.clip.transformer.width, backbone.embed_dim, backbone.width
    tensors = _projections(entries, backbone)
    for ours, theirs, inputs in (
        ("query", "q_proj_pre", embed),
        ("key", "k_proj_pre_1", width),
        ("value", "v_proj_pre_1", width),
        ("output", "proj_post_t", width),
    ):
        tensors[f"post_vcp.{ours}.weight"] = entries.take(f"Zero_try.{theirs}.weight", width, inputs, 1)[..., 0]
        tensors[f"post_vcp.{ours}.bias"] = entries.take(f"Zero_try.{theirs}.bias", width)
    blocks = len(backbone.clip.transformer.resblocks)
    prompts = [
        entries.take(f"{place}prompt_embeddings", 1, 1, text),
        entries.take(f"{place}deep_prompt_embeddings", blocks - 1, 1, text),
    ]
    tensors["deep_prompts.prompts"] = torch.cat(prompts)
    for ours, theirs, shape in (("linear", "prompt_proj", (text, text)), ("norm", "prompt_norm", (text,))):
        tensors[f"deep_prompts.{ours}.weight"] = entries.take(f"{place}{theirs}.weight", *shape)
        tensors[f"deep_prompts.{ours}.bias"] = entries.take(f"{place}{theirs}.bias", text)
    scales = torch.stack([entries.take("New_Lan_Embed.prompt_temp"), entries.take("Zero_try.prompt_temp_l1")])
    return tensors, scales


def _vcpclip(entries: _Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    width = backbone.clip.transformer.width
    tensors, scales = _vcp_parts(entries, backbone)
    entries.pass_over("prompt_text_projection")
    tensors["class_word.tokens"] = entries.take("New_Lan_Embed.prompt_query", 1, 2, width)
    tensors["class_word.convolution.weight"] = entries.take("New_Lan_Embed.prompt_linear1.fc.weight", 2, 1, 3)
    tensors["class_word.convolution.bias"] = entries.take("New_Lan_Embed.prompt_linear1.fc.bias", 2)
    return {"fusion": 0.8}, tensors | {"log_scales": scales}


def _vcpclip_plus(entries: _Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    """Prompts are read where the authors' test reads them, beside CLIP's weights; training saves them a second time."""
    width, embed = backbone.clip.transformer.width, backbone.embed_dim
    tensors, scales = _vcp_parts(entries, backbone, "model.")
    place = "model.prompt_token_embedding."
    vectors = entries.take(f"{place}prompt_tokens", 1, None, width)
    tensors["class_word.vectors"] = vectors
    for ours, theirs, shape in (
        ("mixture", "projector", (1, vectors.shape[1])),
        ("norm", "norm", (width,)),
        ("linear", "fusion_proj", (width, embed + width)),
    ):
        tensors[f"class_word.{ours}.weight"] = entries.take(f"{place}{theirs}.weight", *shape)
        tensors[f"class_word.{ours}.bias"] = entries.take(f"{place}{theirs}.bias", shape[0])
    tensors |= {"alpha": entries.take("alpha"), "beta": torch.tensor(FIRST_BALANCE)}
    table = backbone.clip.token_embedding.weight
    entries.require_words("model.token_embedding.weight", torch.cat([table, table.new_zeros(1, width)]))
    for key, value in entries.tensors.items():
        if key.startswith(PROMPTS) and not torch.equal(value, entries.tensors.get(f"model.{key}", value)):
            entries.problems.append(f"{key} differs from model.{key}")
    if not torch.allclose(*scales):
        entries.problems.append(f"has two temperatures, {(-scales).exp().tolist()}, expected one that was fixed")
    entries.pass_over("model.", *PROMPTS, "New_Lan_Embed.")
    return {"temperature": round(math.exp(-scales[0]), 6), "tokens": vectors.shape[1]}, tensors


_READERS = {"anomalyclip": _anomalyclip, "april-gan": _april_gan, "vcpclip": _vcpclip, "vcpclip+": _vcpclip_plus}
