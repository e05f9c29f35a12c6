import pytest
import torch
from tiny_clip import TINY, tiny_backbone

from zsas_lib.backbones.text_tower import (
    PLACEHOLDER,
    read_at_end,
    require_causal_text_tower,
    run_blocks,
    with_positions,
    word_tokens,
)
from zsas_lib.models.vcpclip import SENTENCES


def test_token_ids_of_the_published_sentences(backbone):
    """As OpenAI's tokenizer gives them; the learned tokens take the placeholder's places."""
    assert backbone.tokenizer(SENTENCES)[:, :9].tolist() == [
        [49406, 320, 1125, 539, 320, 886, 343, 49407, 0],
        [49406, 320, 1125, 539, 320, 13568, 343, 49407, 0],
    ]
    sentences = [" ".join([PLACEHOLDER] * 12 + [ending]) for ending in ("object.", "damaged object.")]
    ids = backbone.tokenizer(sentences)
    assert ids.shape == (2, 77)
    assert ids[0, :17].tolist() == [49406, *[343] * 12, 14115, 269, 49407, 0]
    assert ids[1, :17].tolist() == [49406, *[343] * 12, 13568, 14115, 269, 49407]
    assert word_tokens(backbone, sentences)[1].tolist() == [15, 16]


def test_words_are_cut_after_the_longest_sentence(backbone):
    tokens, ends = word_tokens(backbone, ["a bolt", "a very small bolt"])
    assert tokens.shape == (2, 6, 32) and ends.tolist() == [3, 5]
    assert torch.equal(tokens[0, 1], backbone.clip.token_embedding.weight[320])
    torch.testing.assert_close(
        with_positions(backbone, tokens)[1, 5] - tokens[1, 5], backbone.clip.positional_embedding[5]
    )


@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_untouched_sentences_are_open_clips(activation):
    backbone = tiny_backbone(activation=activation)
    sentences = ["a photo of a cat", "bolt", "a very small and rather long brass bolt"]
    tokens, ends = word_tokens(backbone, sentences)
    ran = run_blocks(backbone, with_positions(backbone, tokens), lambda block, tokens: tokens)
    with torch.no_grad():
        expected = backbone.clip.encode_text(backbone.tokenizer(sentences))
    torch.testing.assert_close(read_at_end(backbone, ran, ends), expected, atol=1e-5, rtol=0)


def test_blocks_are_numbered_and_may_get_longer_sequences(backbone):
    tokens, ends = word_tokens(backbone, ["a bolt", "a nut"])
    prompt = torch.zeros(1, 1, 32, requires_grad=True)
    told = []

    def before(block, tokens):
        told.append((block, tokens.shape[1]))
        return torch.cat([tokens[:, :1], prompt.expand(2, -1, -1), tokens[:, 1:]], 1) if block == 1 else tokens

    ran = run_blocks(backbone, with_positions(backbone, tokens), before)
    assert told == [(1, 4), (2, 5)] and ran.shape == (2, 5, 32)
    read_at_end(backbone, ran, ends + 1).sum().backward()
    assert prompt.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_what_stands_after_the_end_changes_nothing(backbone):
    tokens, ends = word_tokens(backbone, ["a bolt"])
    longer = torch.cat([tokens, torch.randn(1, 9, 32, generator=torch.Generator().manual_seed(0))], 1)
    short, long = (run_blocks(backbone, part, lambda block, tokens: tokens) for part in (tokens, longer))
    torch.testing.assert_close(read_at_end(backbone, long, ends), read_at_end(backbone, short, ends), atol=1e-6, rtol=0)


def test_bfloat16_blocks_give_float32(backbone):
    fast = tiny_backbone(precision="bfloat16")
    tokens, ends = word_tokens(fast, ["a bolt"])
    ran = run_blocks(fast, with_positions(fast, tokens), lambda block, tokens: tokens)
    assert ran.dtype == torch.float32
    expected = backbone.encode_text(["a bolt"], normalise=False)
    torch.testing.assert_close(read_at_end(fast, ran, ends), expected, atol=0.05, rtol=0)


def test_other_text_towers_are_refused(backbone):
    require_causal_text_tower(backbone, "AnomalyCLIP")
    with pytest.raises(
        ValueError, match="AnomalyCLIP needs CLIP's own causal text tower.*'tiny' has another .CustomTextCLIP"
    ):
        require_causal_text_tower(tiny_backbone({**TINY, "custom_text": True}), "AnomalyCLIP")
