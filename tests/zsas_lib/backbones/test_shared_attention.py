"""Attention in two parts against attention at once, and what both passes of AdaCLIP begin with."""

import pytest
import torch
import torch.nn.functional as F
from small_towers import TOKENS, kept

from zsas_lib.backbones.families.shared_attention import attended, with_more


def parts(tokens):
    generator = torch.Generator().manual_seed(tokens)
    return [4 * torch.randn(2, 3, tokens, 8, generator=generator) for _ in range(3)]


@pytest.mark.parametrize("on_cpu", [True, False])
def test_more_tokens_are_seen_as_if_they_had_been_there(on_cpu, monkeypatch):
    if not on_cpu:
        monkeypatch.setattr("zsas_lib.backbones.families.shared_attention._ON_CPU", None)
    (query, key, value), (_, more_keys, more_values) = parts(11), parts(3)
    mixed, sums = attended(query, key, value)
    torch.testing.assert_close(mixed, F.scaled_dot_product_attention(query, key, value), atol=1e-5, rtol=0)
    torch.testing.assert_close(sums, (query @ key.mT / 8**0.5).logsumexp(-1), atol=1e-5, rtol=1e-6)
    whole = F.scaled_dot_product_attention(query, torch.cat([key, more_keys], 2), torch.cat([value, more_values], 2))
    found = with_more(query, mixed, sums, more_keys, more_values)
    torch.testing.assert_close(found, whole, atol=1e-5, rtol=0)
    assert (found - mixed).abs().max() > 0.1


@pytest.mark.parametrize("kind", ["class token", "custom blocks", "eva02", "relpos", "siglip"])
def test_what_is_begun_changes_nothing(kind):
    """A tower with biases, or whose pool reads patches, begins nothing; one with rotary positions does."""
    assert kind in TOKENS
    image = kept(kind).image
    start = torch.randn(2, image.prefix + image.grid[0] * image.grid[1], image.widths[0])
    begun = image.begun(start)
    assert bool(begun) == (kind not in ("relpos", "siglip"))
    assert not image.begun(start.clone().requires_grad_()), "the sums have no gradient"
    more = torch.randn(2, 3, image.widths[0])

    def change(block, tokens):
        return torch.cat([tokens[:, : start.shape[1]], more + block], 1) if block < 2 else tokens

    for one, other in zip(image.changed_stream(start, change, begun), image.changed_stream(start, change), strict=True):
        torch.testing.assert_close(one, other, atol=2e-5, rtol=1e-4)
    unchanged = image.changed_stream(start, lambda _, tokens: tokens, begun)
    torch.testing.assert_close(unchanged[-1], image.stream(start)[-1], atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(image.pooled(start, (), begun)[0], image.pooled(start, ())[0], atol=2e-5, rtol=1e-4)
