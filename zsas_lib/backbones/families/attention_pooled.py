"""Transformers whose embedding is pooled by attention with a learned query: SigLIP, SigLIP 2, PE-Core, CoCa.

The pool confined to a window's patches gives the window's embedding, confined to one patch the patch's: attention over
one token is its value, so this is MaskCLIP's value path of the pool, with its feed-forward part where it has one
(TextRegion, avaxiao/TextRegion, leaves that out and weighs the patches of a region alike). The class token that
PE-Core's and CoCa's pools read beside the patches would carry the whole picture into every window, and is left out of
windows that are pooled from a shared trunk.
"""

from typing import Any

from torch import Tensor

from .linear import linear
from .parts import Pool
from .windows import attend_windows

ATTENTION_POOLED = "attention-pooled"


class LatentPool(Pool):
    """timm's `AttentionPoolLatent` on normed tokens, all of them or only patches, then a projection."""

    family = ATTENTION_POOLED

    def __init__(self, pool: Any, norm: Any, project: Any, prefix: int, includes_prefix: bool):
        self.pool, self.norm, self.project, self.prefix = pool, norm, project, prefix
        self.pooled_from = 0 if includes_prefix else prefix

    def embedding(self, last: Tensor, normed: bool = True) -> Tensor:
        return self.project(self.pool(self.norm(last)[:, self.pooled_from :]))

    def normed(self, last: Tensor) -> Tensor:
        return self.norm(last[:, self.prefix :])

    def dense(self, state: Tensor) -> Tensor:
        width = self.pool.kv.out_features // 2
        values = linear(self.normed(state), self.pool.kv.weight[width:], _half(self.pool.kv.bias, width))
        return self._read(values)

    def windows(self, last: Tensor, grid: tuple[int, int], side: int) -> Tensor:
        pool = self.pool
        tokens = self.normed(last)
        key, value = pool.kv(tokens).unflatten(-1, (2, pool.num_heads, -1)).permute(2, 0, 3, 1, 4)
        query = pool.q(pool.latent).unflatten(-1, (pool.num_heads, -1)).transpose(1, 2)
        scores = (pool.q_norm(query) * pool.head_dim**-0.5 @ pool.k_norm(key).mT)[:, :, 0]
        return self._read(attend_windows(scores, value, grid, side).transpose(1, 2).flatten(2))

    def _read(self, mixed: Tensor) -> Tensor:
        pooled = self.pool.proj(mixed)
        return self.project(pooled + self.pool.mlp(self.pool.norm(pooled)))


class QueriesPool(Pool):
    """CoCa's `AttentionalPooler`, whose first query counts, then a norm and a projection."""

    family = ATTENTION_POOLED
    prefix = 1

    def __init__(self, pool: Any, norm: Any, project: Any):
        self.pool, self.norm, self.project = pool, norm, project

    def embedding(self, last: Tensor, normed: bool = True) -> Tensor:
        tokens, pool = self.pool.ln_k(last), self.pool
        query = pool.ln_q(pool.query[:1])[None].expand(len(last), -1, -1)
        pooled = pool.attn(query, tokens, tokens, need_weights=False)[0]
        return self.project(self.norm(pooled[:, 0]))

    def normed(self, last: Tensor) -> Tensor:
        return self.pool.ln_k(last[:, self.prefix :])

    def dense(self, state: Tensor) -> Tensor:
        return self._read(self._part(2, self.normed(state)))

    def windows(self, last: Tensor, grid: tuple[int, int], side: int) -> Tensor:
        heads = self.pool.attn.num_heads
        tokens = self.normed(last)
        query = self._part(0, self.pool.ln_q(self.pool.query[:1])).unflatten(-1, (heads, -1)).transpose(0, 1)
        key, value = (self._part(part, tokens).unflatten(-1, (heads, -1)).transpose(1, 2) for part in (1, 2))
        scores = (query * query.shape[-1] ** -0.5 @ key.mT)[:, :, 0]
        return self._read(attend_windows(scores, value, grid, side).transpose(1, 2).flatten(2))

    def _part(self, part: int, tokens: Tensor) -> Tensor:
        """Queries (0), keys (1) or values (2)."""
        attention = self.pool.attn
        if attention.in_proj_weight is not None:
            weight = attention.in_proj_weight.chunk(3)[part]
        else:
            weight = (attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight)[part]
        return linear(tokens, weight, attention.in_proj_bias.chunk(3)[part])

    def _read(self, mixed: Tensor) -> Tensor:
        return self.project(self.norm(self.pool.attn.out_proj(mixed)))


def _half(bias: Tensor | None, width: int) -> Tensor | None:
    return None if bias is None else bias[width:]
