"""Sentences whose hidden states get learned tokens, others for every picture, before some blocks of the text tower.

Many sentences about each picture are many passes of the text tower. Of most of them nothing is new: what comes before
the first learned tokens is the same for all pictures, and where a tower is causal, the learned tokens and what stands
before them are the same in all sentences about a picture, and only what stands at a sentence's end is read.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from .families.open_clip_blocks import OpenClipBlocks
from .text_tower import OpenClipText


class _TextBlocks(OpenClipBlocks):
    def __init__(self, tower: OpenClipText):
        self.blocks = tower.blocks


class PromptedSentences:
    """Sentences behind the first block of a text tower, which no learned token enters.

    :param keeps: learned tokens are put behind the start token, as in VCP-CLIP, and leave out no word; else they are
        written over the tokens that stand there.
    """

    def __init__(self, tower: OpenClipText, sentences: Sequence[str], keeps: bool):
        self.tower, self.keeps = tower, keeps
        self.words = tower.plain(sentences)
        with torch.inference_mode(False), torch.no_grad():
            tokens = tower.with_positions(self.words.tokens)
            self.states = tower.run_blocks(tokens, self.words.ids, lambda _, tokens: tokens, last=1)
        self._shortest = int(tower.ends(self.words.ids).min())

    def embeddings(self, prompts: Float[Tensor, "batch block prompt channel"]) -> Float[Tensor, "batch text embed"]:
        """Unit vectors of all sentences for each picture, with its learned tokens before blocks 2, 3 and so on."""
        prompts = prompts[:, : self.tower.depth - 1]
        cut = self.tower.cut_is_exact and not getattr(self.tower.parts, "use_pad_mask", False)
        shares = cut and not self.keeps and self._shortest >= self.words.gap + prompts.shape[2] and prompts.shape[1]
        read = self._shared(prompts) if shares else self._one_by_one(prompts)
        return F.normalize(read, dim=-1).unflatten(0, (len(prompts), -1))

    def _one_by_one(self, prompts: Tensor) -> Tensor:
        """Every sentence for itself, its whole length."""
        tower, first, texts = self.tower, self.words.gap, len(self.states)
        count = prompts.shape[2]

        def without(tokens: Tensor) -> Tensor:
            return torch.cat([tokens[:, :first], tokens[:, first + count :]], 1)

        def before(number: int, tokens: Tensor) -> Tensor:
            if number - 2 >= prompts.shape[1]:
                return tokens
            ours = prompts[:, number - 2].repeat_interleave(texts, 0)
            if self.keeps:
                tokens = tokens if number == 2 else without(tokens)
                return torch.cat([tokens[:, :first], ours, tokens[:, first:]], 1)
            return torch.cat([tokens[:, :first], ours[:, : tokens.shape[1] - first], tokens[:, first + count :]], 1)

        tokens = self.states.repeat(len(prompts), 1, 1)
        tokens = tower.run_blocks(tokens, self.words.ids, before, first=2)
        if self.keeps and prompts.shape[1]:
            tokens = without(tokens)
        return tower.read(tokens, self.words.ends.repeat(len(prompts)))

    def _shared(self, prompts: Tensor) -> Tensor:
        """The same for a causal tower: the learned tokens once per picture, each sentence's own tokens behind them, and
        of the last block the ends alone."""
        tower, steps, first = self.tower, _TextBlocks(self.tower), self.words.gap
        batch, texts, dtype = len(prompts), len(self.states), tower.parts.transformer.get_cast_dtype()
        count = first + prompts.shape[2]
        shared = self.states[:1, :first].expand(batch, -1, -1).to(dtype)
        own = self.states[:, count:].to(dtype)
        length, ends = own.shape[1], self.words.ends - count
        causal = torch.full((length, length), -torch.inf, dtype=dtype, device=own.device).triu(1)
        sentences = torch.arange(texts, device=own.device)
        for number in range(1, tower.depth):
            if number <= prompts.shape[1]:
                shared = torch.cat([shared[:, :first], prompts[:, number - 1].to(dtype)], 1)
            last = number == tower.depth - 1
            asked, keys, values = steps.split(number, steps.projected(number, shared))
            # of the first block here the sentences' own tokens are the same for all pictures
            query, key, value = (
                part.unflatten(0, (-1, texts)).transpose(1, 2)
                for part in steps.split(number, steps.projected(number, own))
            )
            mask, own = causal, own.unflatten(0, (-1, texts))
            if last:
                query, own, mask = (
                    query[:, :, sentences, ends, None],
                    own[:, sentences, ends, None],
                    causal[ends][:, None],
                )
            query = query * query.shape[-1] ** -0.5
            width = query.shape[2:4]
            before = (query.flatten(2, 3) @ keys.mT).unflatten(2, width)
            beside = (query @ key.mT + mask).expand(batch, -1, -1, -1, -1)
            weights = torch.cat([before, beside], -1).softmax(-1)
            mixed = (weights[..., :count].flatten(2, 3) @ values).unflatten(2, width) + weights[..., count:] @ value
            added = steps.added(number, mixed.transpose(1, 2).flatten(0, 1)).unflatten(0, (batch, texts))
            own = steps.feed(number, (own + added).flatten(0, 1))
            if not last:
                mixed = F.scaled_dot_product_attention(asked, keys, values, is_causal=True)
                shared = steps.feed(number, shared + steps.added(number, mixed))
        return tower.read(own.float(), torch.zeros(len(own), dtype=torch.long, device=own.device))
