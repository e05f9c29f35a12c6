"""AnomalyCLIP's file, as zqhang/AnomalyCLIP writes it."""

from typing import cast

import torch
from torch import Tensor

from ...backbones.backbone import Backbone
from ...backbones.text_tower import OpenClipText
from .entries import WORDS, Entries

ACTIVATION = "quick_gelu"
"""What the released code runs both towers with, and OpenAI trained them with."""
POSITIONS = "bilinear"
"""How the released code stretches the positional embeddings."""


def anomalyclip(entries: Entries, backbone: Backbone) -> tuple[dict, dict[str, Tensor]]:
    """The model's options, as far as the file decides them, and what it learned, by our names."""
    text = cast(OpenClipText, backbone.text)
    contexts = [entries.take(f"prompt_learner.ctx_{end}", 1, 1, None, text.width)[0, 0] for end in ("pos", "neg")]
    if contexts[0].shape != contexts[1].shape:
        entries.problems.append(
            f"has {len(contexts[0])} normal and {len(contexts[1])} abnormal contexts, expected as many"
        )
    prefix = "prompt_learner.compound_prompts_text."
    deep = entries.count(prefix)  # none with --depth 1
    if deep >= text.depth:
        entries.problems.append(
            f"has {deep} compound prompts, expected fewer than the text tower's {text.depth} blocks"
        )
    compound = [entries.take(f"{prefix}{number}", None, text.width) for number in range(deep)]
    if len({part.shape for part in compound}) > 1:
        entries.problems.append("has compound prompts of different lengths")
    entries.pass_over("prompt_learner.compound_prompt_projections.", "prompt_learner.tokenized_prompts_")
    if entries.problems:
        entries.pass_over("prompt_learner.token_")
        return {}, {}
    width = contexts[0].shape[1]
    sentences = [" ".join(["X"] * len(contexts[0]) + [ending]) for ending in ("object.", "damaged object.")]
    table = text.embedded(text.tokenizer(sentences))
    for words, end in zip(table, ("pos", "neg")):
        entries.require_same(f"prompt_learner.token_prefix_{end}", words[None, None, :1], WORDS)
        entries.require_same(f"prompt_learner.token_suffix_{end}", words[None, None, 1 + len(contexts[0]) :], WORDS)
    options = {
        "context": len(contexts[0]),
        "compound": len(compound[0]) if compound else 0,
        "compound_depth": (deep + 1) / text.depth,
    }
    learned = torch.stack(compound) if compound else torch.zeros(0, 0, width)
    return options, {"contexts": torch.stack(contexts), "compound": learned.half().float()}
