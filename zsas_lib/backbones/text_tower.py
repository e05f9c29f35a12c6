"""The frozen text tower: sentences in, embeddings out, and learned tokens in the place of words.

Where a tower is causal and pooled at the end token, nothing after that changes anything: sequences are cut there, which
is exact and several times as fast as the 77 tokens of the context. Others read, and are given, the whole context.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from open_clip.model import CLIP
from open_clip.transformer import Attention, TextTransformer
from torch import Tensor, nn

from ..base.devices import to_device
from ..base.errors import OptionError
from .tokenizers import tokenizer_of

PLACEHOLDER = "X"
"""The word that stands where learned tokens go."""
LEARNED_WORDS = "learned words"
NOT_OPEN_CLIPS = (
    "it puts learned tokens into the sentences, which needs a text tower whose blocks open_clip runs itself, such as "
    "CLIP's; this one has {}."
)


@dataclass(frozen=True)
class Words:
    """Sentences as a text tower reads them, with a gap for learned tokens.

    :param tokens: embeddings (text, token, channel) without positions; :param ids: of the same, in memory.
    :param gap: where the gap begins, in all of them; :param ends: where each is read.
    """

    tokens: Float[Tensor, "text token channel"]
    ids: Int[Tensor, "text token"]
    gap: int
    ends: Int[Tensor, " text"]


class TextTower:
    """What a text tower answers; a module of one's own is one if it answers it too.

    A tower sets `embed_dim`, and in `cannot` one sentence for what it cannot do: "learned words".
    """

    embed_dim: int
    cannot: Mapping[str, str] = {}

    def encode(self, sentences: Sequence[str]) -> Float[Tensor, "text embed"]:
        """One row per sentence, not of unit length."""
        raise NotImplementedError

    def require_readable(self) -> None:
        """Raises an error, in one sentence, if sentences cannot be read here, for want of a tokenizer or its files."""

    def cast(self, dtype: torch.dtype) -> None:
        """Run the blocks in another precision, where the tower can."""


class OpenClipText(TextTower):
    """The text tower of a model that open_clip has built: its own transformer, or one of Hugging Face's, which reads
    sentences and nothing else.

    Attributes, but for Hugging Face's: `width` and `depth` of the transformer, and `hidden`, the width of its
    feed-forward parts; `context_length` in tokens; `starts`, how many tokens every sentence has before its first
    word.
    """

    clip: Any
    parts: Any

    def __init__(self, clip: Any, name: str, configuration: Mapping[str, Any], embed_dim: int):
        self.clip, self.name, self.embed_dim, self._configuration = clip, name, embed_dim, configuration
        self._kept: dict[tuple, Words] = {}
        self.parts = clip if isinstance(clip, CLIP) else clip.text
        if not isinstance(self.parts, CLIP | TextTransformer):
            self.pool, self.causal = "own", False
        else:
            pool = self.parts.text_pool_type if isinstance(self.parts, CLIP) else self.parts.pool_type
            self.pool = "appended" if getattr(self.parts, "cls_emb", None) is not None else pool
            self.causal = self.parts.attn_mask is not None
            self.width: int = self.parts.transformer.width
            self.depth = len(self.blocks)
            self.hidden: int = self.blocks[0].mlp.c_fc.out_features
            self.context_length: int = self.parts.context_length
        if self.pool in ("own", "none"):
            found = "one of Hugging Face's" if self.pool == "own" else "pool_type='none'"
            self.cannot = {LEARNED_WORDS: NOT_OPEN_CLIPS.format(found)}
        elif any(isinstance(b.attn, Attention) and b.attn.logit_scale is not None for b in self.blocks):
            raise OptionError(
                f"Backbone {name!r}: its text tower has scaled-cosine attention, which open_clip 3.3 itself cannot run."
            )
        self.cut_is_exact = self.causal and self.pool in ("argmax", "eos")

    @property
    def blocks(self) -> Any:
        return self.parts.transformer.resblocks

    @cached_property
    def tokenizer(self) -> Any:
        """Sentences to token ids. Raises what `tokenizers.tokenizer_of` does."""
        return tokenizer_of(self.name, self._configuration)

    def require_readable(self) -> None:
        self.tokenizer  # noqa: B018 made on first use

    def cast(self, dtype: torch.dtype) -> None:
        if self._is_cut:
            self.parts.transformer.to(dtype)

    @property
    def _is_cut(self) -> bool:
        return self.causal and self.pool == "argmax"

    def encode(self, sentences: Sequence[str]) -> Float[Tensor, "text embed"]:
        ids, device = self._ids(sentences), self._device
        if not self._is_cut:
            if self.pool == "eos":
                self.ends(ids)
            read = self.clip.encode_text if self.parts is self.clip else self.parts
            found = read(to_device(ids, device))
            return found[0] if isinstance(found, tuple) else found
        parts, ends = self.parts, ids.argmax(dim=-1)
        length = int(ends.max()) + 1  # before they leave for the device, which would have to be waited for
        ids, ends = to_device(ids, device), to_device(ends, device)
        states = parts.token_embedding(ids[:, :length]) + parts.positional_embedding[:length]
        states = parts.transformer(states.to(parts.transformer.get_cast_dtype()), parts.attn_mask[:length, :length])
        states = states[torch.arange(len(states), device=device), ends].to(parts.ln_final.weight.dtype)
        return self._projected(parts.ln_final(states))

    def embedded(self, ids: Int[Tensor, "text token"]) -> Float[Tensor, "text token channel"]:
        """The embeddings of token ids, without positions."""
        return self.parts.token_embedding(to_device(ids, self._device))

    def _ids(self, sentences: Sequence[str]) -> Int[Tensor, "text token"]:
        """Token ids in memory, whatever device new tensors are made on."""
        with torch.device("cpu"):
            return self.tokenizer(list(sentences))

    @property
    def vocabulary(self) -> Float[Tensor, "word channel"]:
        """The embeddings of all token ids."""
        return self.parts.token_embedding.weight

    def ends(self, ids: Int[Tensor, "text token"]) -> Int[Tensor, " text"]:
        """Where each sentence is read. Raises OptionError for one without its end token."""
        if self.pool == "argmax":
            return ids.argmax(-1)
        if self.pool == "eos":
            end: Any = self.parts.text_eos_id if isinstance(self.parts, CLIP) else self.parts.eos_id
            found = ids.eq(end)
            if not found.any(-1).all():
                raise OptionError(
                    f"Backbone {self.name!r} reads sentences at token {end}, their end, and its tokenizer gave one "
                    "without it; is it the tokenizer of these weights?"
                )
            return found.int().argmax(-1)
        return ids.new_full((len(ids),), 0 if self.pool == "first" else ids.shape[1] - 1)

    @cached_property
    def starts(self) -> int:
        return self._gap(PLACEHOLDER)[0]

    def plain(self, sentences: Sequence[str]) -> Words:
        """Sentences without a gap, cut as `words` does; the gap is where their first word stands. Not kept, no
        gradient."""
        ids = self._ids(sentences)
        ends = self.ends(ids)
        if self.cut_is_exact:
            ids = ids[:, : int(ends.max()) + 1]
        with torch.inference_mode(False), torch.no_grad():
            return Words(self.embedded(ids), ids, self.starts, to_device(ends, self._device))

    def words(self, sentences: Sequence[str], length: int) -> Words:
        """Sentences, in each of which `PLACEHOLDER` stands once, with a gap of ``length`` tokens there; cut after the
        longest sentence's end where that is exact, else as long as the context. Kept, for they are asked for at
        every step; no gradient.

        Raises OptionError for a tokenizer that reads the placeholder as nothing, or more tokens than the context has.
        """
        key = (*sentences, length, str(self._device))
        if key not in self._kept:
            gaps, rows = zip(*(self._filled(sentence, length) for sentence in sentences))
            ids = torch.stack(rows)
            ends = self.ends(ids)
            if self.cut_is_exact:
                ids = ids[:, : int(ends.max()) + 1]
            with torch.inference_mode(False), torch.no_grad():
                tokens = self.embedded(ids)
            self._kept[key] = Words(tokens, ids, gaps[0], to_device(ends, self._device))
        return self._kept[key]

    def _filled(self, sentence: str, length: int) -> tuple[int, Tensor]:
        """Where the gap begins, and the sentence's ids with ``length`` tokens there, as long as the context."""
        gap, taken, ids = self._gap(sentence)
        filled = torch.cat([ids[:gap], ids[gap : gap + 1].expand(length), ids[gap + taken :]])
        room = self.context_length
        if len(filled) - room > _padding(ids) - (self.pool not in ("argmax", "eos")):
            raise OptionError(
                f"Backbone {self.name!r} reads {room} tokens; {sentence!r} with {length} learned tokens in the place "
                f"of {PLACEHOLDER!r} has {len(filled) - _padding(ids)}."
            )
        return gap, torch.cat([filled, ids[-1:].expand(max(0, room - len(filled)))])[:room]

    def _gap(self, sentence: str) -> tuple[int, int, Tensor]:
        """Where the placeholder begins, how many tokens it is, and the sentence's ids."""
        bare = " ".join(sentence.replace(PLACEHOLDER, " ", 1).split())
        ids, without = self._ids([sentence, bare])
        taken = _padding(without) - _padding(ids)
        if taken < 1:
            raise OptionError(
                f"Backbone {self.name!r}: its tokenizer reads {PLACEHOLDER!r} in {sentence!r} as nothing; learned "
                "tokens have no place there."
            )
        return int((ids != without).int().argmax()), taken, ids

    def with_positions(self, tokens: Float[Tensor, "text token channel"]) -> Float[Tensor, "text longer channel"]:
        """Position embeddings added, after CoCa's own last token where there is one."""
        if self.pool == "appended":
            tokens = torch.cat([tokens, self.parts.cls_emb.expand(len(tokens), 1, -1)], 1)
        return tokens + self.parts.positional_embedding[: tokens.shape[1]]

    def run_blocks(
        self,
        tokens: Float[Tensor, "text token channel"],
        ids: Int[Tensor, "_ _"],
        before: Callable[[int, Tensor], Tensor],
        first: int = 1,
        last: int | None = None,
    ) -> Float[Tensor, "text longer channel"]:
        """The tokens through all blocks, or from ``first`` to ``last``; ``before(number, tokens)`` gives what block
        ``number`` (from 1) reads, which may be longer, by learned tokens behind the first `starts`. ``ids`` are those
        of `words`, once or repeated.

        Neither the last norm nor the projection is applied. Gradients reach what ``before`` puts in.
        """
        dtype, mask = self.parts.transformer.get_cast_dtype(), None
        precision = torch.promote_types(dtype, torch.float32)
        for number, block in enumerate(self.blocks[first - 1 : last], first):
            tokens = before(number, tokens)
            if mask is None or mask.shape[-1] != tokens.shape[1]:
                mask = self._mask(ids, tokens.shape[1], len(tokens))
            attended = None if mask.numel() == 0 else mask.to(tokens.device, dtype)
            tokens = block(tokens.to(dtype), attn_mask=attended).to(precision)
        return tokens

    def read(
        self, states: Float[Tensor, "text token channel"], ends: Int[Tensor, " text"]
    ) -> Float[Tensor, "text embed"]:
        """The sentence embeddings that stand at their ends: last norm and projection applied, not of unit length."""
        return self._projected(self.normed(states, ends))

    def normed(
        self, states: Float[Tensor, "text token channel"], ends: Int[Tensor, " text"]
    ) -> Float[Tensor, "text channel"]:
        """What `read` projects: the tokens at the sentences' ends with the last norm."""
        rows = (
            states[:, -1] if self.pool == "appended" else states[torch.arange(len(states), device=states.device), ends]
        )
        return self.parts.ln_final(rows)

    def unprojected(self, embeddings: Float[Tensor, "batch embed"]) -> Float[Tensor, "batch channel"]:
        """Back to the width of the tokens, by the transposed projection."""
        projection = self.parts.text_projection
        if projection is None:
            return embeddings
        return embeddings @ (projection.weight if isinstance(projection, nn.Linear) else projection.T)

    def _projected(self, states: Tensor) -> Tensor:
        projection = self.parts.text_projection
        if projection is None:
            return states
        return projection(states) if isinstance(projection, nn.Linear) else states @ projection

    @property
    def _device(self) -> torch.device:
        return self.clip.logit_scale.device

    def _mask(self, ids: Tensor, length: int, texts: int) -> Tensor:
        """What is added to the attention's scores: (token, token), or per sentence and head where padding is masked;
        empty for nothing. ``length`` may be more than the ids have, by what CoCa appends and by learned tokens."""
        device, mask = self._device, torch.empty(0)
        if self.causal and length <= len(self.parts.attn_mask):
            mask = self.parts.attn_mask[:length, :length]
        elif self.causal:
            mask = torch.full((length, length), -torch.inf, device=device).triu(1)
        if self.pool != "appended" and not getattr(self.parts, "use_pad_mask", False):
            return mask
        valid = ids != self.parts.pad_id
        appended = int(self.pool == "appended")
        more = length - ids.shape[1] - appended
        valid = torch.cat([valid[:, : self.starts], valid.new_ones(len(ids), more), valid[:, self.starts :]], 1)
        if appended:
            own = valid.new_ones(len(ids), 1)
            valid = torch.cat([valid, own] if self.parts.correct_cls_mask else [own, valid], 1)
        added = torch.zeros(len(ids), length, length, device=ids.device)
        added.masked_fill_(~valid[:, None], -torch.inf)
        added = added.to(device) + (mask if self.causal else 0)
        return added.repeat(texts // len(ids), 1, 1).repeat_interleave(self.parts.heads, 0)


def _padding(ids: Tensor) -> int:
    """How many tokens like the last one a row ends with."""
    others = (ids.flip(0) != ids[-1]).int()
    return int(others.argmax()) if others.any() else len(ids)
