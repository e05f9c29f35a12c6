import pytest
import torch
import torch.nn.functional as F
from small_towers import TEXTS, small, with_text
from tiny_clip import TINY, tiny_backbone

from zsas_lib.backbones.text_tower import LEARNED_WORDS, PLACEHOLDER
from zsas_lib.base.errors import OptionError
from zsas_lib.models.anomalyclip import SENTENCES as OBJECTS
from zsas_lib.models.vcpclip import SENTENCES

WORLDWIDE = {"context_length": 24, "pool_type": "eos", "eos_id": 5}
"""A causal tower that is read at an end token which is not the largest id, as MetaCLIP 2's."""


def untouched(block, tokens):
    return tokens


def test_token_ids_of_the_published_sentences(backbone):
    """As OpenAI's tokenizer gives them; the learned tokens take the placeholder's places."""
    words = backbone.text.words(SENTENCES, 1)
    assert words.ids.tolist() == [
        [49406, 320, 1125, 539, 320, 886, 343, 49407],
        [49406, 320, 1125, 539, 320, 13568, 343, 49407],
    ]
    assert (words.gap, words.ends.tolist(), backbone.text.starts) == (6, [7, 7], 1)
    words = backbone.text.words(OBJECTS, 12)
    assert words.ids[0].tolist() == [49406, *[343] * 12, 14115, 269, 49407, 0]
    assert words.ids[1].tolist() == [49406, *[343] * 12, 13568, 14115, 269, 49407]
    assert (words.gap, words.ends.tolist()) == (1, [15, 16])


def test_words_are_cut_after_the_longest_sentence(backbone):
    words = backbone.text.words([f"a {PLACEHOLDER}", f"a very small {PLACEHOLDER}"], 1)
    assert words.tokens.shape == (2, 6, 32) and words.ends.tolist() == [3, 5]
    assert torch.equal(words.tokens[0, 1], backbone.clip.token_embedding.weight[320])
    torch.testing.assert_close(
        backbone.text.with_positions(words.tokens)[1, 5] - words.tokens[1, 5], backbone.clip.positional_embedding[5]
    )
    assert backbone.text.words([f"a {PLACEHOLDER}", f"a very small {PLACEHOLDER}"], 1) is words


@pytest.mark.parametrize("kind", ["", *TEXTS])
@pytest.mark.parametrize("activation", ["gelu", "quick_gelu"])
def test_sentences_put_together_of_words_are_those_of_open_clip(kind, activation):
    """Words in the place of the learned tokens, and none behind the start: the tower's own embedding."""
    backbone = small("coca") if kind == "coca" else tiny_backbone(with_text(kind), activation=activation)
    text = backbone.text
    said = ["a photo of a bolt", "a very rusty bolt in a box"]
    words = text.words([sentence.replace("bolt", PLACEHOLDER) for sentence in said], 1)
    tokens = words.tokens.clone()
    for row, sentence in zip(tokens, said):
        gap = text._gap(sentence.replace("bolt", PLACEHOLDER))[0]
        row[gap] = text.embedded(backbone.tokenizer([sentence]))[0, gap]
    ran = text.run_blocks(text.with_positions(tokens), words.ids, untouched)
    ids = backbone.tokenizer(said)
    with torch.no_grad():
        expected = backbone.clip.encode_text(ids, normalize=False)
    torch.testing.assert_close(text.read(ran, words.ends), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(backbone.encode_text(said, normalise=False), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["", *TEXTS])
def test_learned_tokens_move_what_is_around_them_alone(kind):
    """Two more tokens than words take the padding's places, and the end is still read."""
    text = (small("coca") if kind == "coca" else tiny_backbone(with_text(kind))).text
    one, three = (text.words([f"a {PLACEHOLDER} bolt", f"a damaged {PLACEHOLDER} bolt"], count) for count in (1, 3))
    assert one.gap == three.gap == 2 - (not text.starts)
    for row, ids in zip(three.ids, one.ids):
        gap = text._gap(f"a {PLACEHOLDER} bolt")[0] if ids is one.ids[0] else 1 + one.gap
        assert torch.equal(row[:gap], ids[:gap])
        rest = ids[gap + 1 :]
        assert torch.equal(row[gap + 3 :][: len(rest)], rest[: len(row) - gap - 3])
    assert (three.ends - one.ends).tolist() == ([2, 2] if text.pool == "argmax" else [0, 0])


@pytest.mark.slow
def test_an_end_that_is_not_the_largest_id_is_found():
    """The largest id is a rare word's, which both sentences share: two products would have one embedding there."""
    backbone = tiny_backbone({**TINY, "text_cfg": {**TINY["text_cfg"], **WORLDWIDE}})
    text, tokenizer = backbone.text, backbone.tokenizer
    text.__dict__["tokenizer"] = lambda sentences: (
        tokenizer(sentences).where(tokenizer(sentences) != 49407, 5).clamp(max=49405)
    )
    words = text.words([f"a rare zzyzx {PLACEHOLDER}", f"a {PLACEHOLDER}"], 1)
    assert text.cut_is_exact and [int(ids[end]) for ids, end in zip(words.ids, words.ends)] == [5, 5]
    assert (words.ids.argmax(1) < words.ends.cpu()).all()
    ran = text.run_blocks(text.with_positions(words.tokens), words.ids, untouched)
    expected = backbone.clip.encode_text(F.pad(words.ids, (0, 24 - words.ids.shape[1])))
    torch.testing.assert_close(text.read(ran, words.ends), expected, atol=1e-5, rtol=0)
    with pytest.raises(OptionError, match="reads sentences at token 5, their end, and its tokenizer gave one without"):
        text.ends(torch.zeros(1, 4, dtype=torch.long))


def test_blocks_are_numbered_and_may_get_longer_sequences(backbone):
    text = backbone.text
    words = text.words([f"a {PLACEHOLDER}", f"the {PLACEHOLDER}"], 1)
    prompt = torch.zeros(1, 1, 32, requires_grad=True)
    told = []

    def before(block, tokens):
        told.append((block, tokens.shape[1]))
        return torch.cat([tokens[:, :1], prompt.expand(2, -1, -1), tokens[:, 1:]], 1) if block == 1 else tokens

    ran = text.run_blocks(text.with_positions(words.tokens), words.ids, before)
    assert told == [(1, 4), (2, 5)] and ran.shape == (2, 5, 32)
    text.read(ran, words.ends + 1).sum().backward()
    assert prompt.grad.abs().max() > 0
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_what_stands_after_the_end_changes_nothing(backbone):
    text = backbone.text
    words = text.words([f"a {PLACEHOLDER}"], 1)
    longer = torch.cat([words.tokens, torch.randn(1, 9, 32, generator=torch.Generator().manual_seed(0))], 1)
    short, long = (text.run_blocks(part, words.ids, untouched) for part in (words.tokens, longer))
    torch.testing.assert_close(text.read(long, words.ends), text.read(short, words.ends), atol=1e-6, rtol=0)


def test_bfloat16_blocks_give_float32(backbone):
    fast = tiny_backbone(precision="bfloat16")
    words = fast.text.words([f"a {PLACEHOLDER}"], 1)
    ran = fast.text.run_blocks(fast.text.with_positions(words.tokens), words.ids, untouched)
    assert ran.dtype == torch.float32
    expected = backbone.encode_text([f"a {PLACEHOLDER}"], normalise=False)
    torch.testing.assert_close(fast.text.read(ran, words.ends), expected, atol=0.05, rtol=0)


def test_back_to_the_width_of_the_tokens():
    """By the transposed projection, whatever form that has; an embedding without one has it already."""
    whole = torch.eye(24)
    for kind in ("", "siglip"):
        text = tiny_backbone(with_text(kind)).text
        projection = text.parts.text_projection
        torch.testing.assert_close(text.unprojected(whole), projection.weight if kind else projection.T)
    assert torch.equal(tiny_backbone(with_text("no projection")).text.unprojected(whole), whole)


def test_more_tokens_than_the_context_holds():
    text = tiny_backbone(with_text("bidirectional")).text
    text.words([f"a {PLACEHOLDER}"], 21)
    with pytest.raises(OptionError, match="reads 24 tokens; 'a X' with 22 learned tokens in the place of 'X' has 25"):
        text.words([f"a {PLACEHOLDER}"], 22)


def test_a_text_tower_that_takes_no_learned_tokens_is_refused_before_anything_runs(monkeypatch):
    from zsas_lib import load_model, why_not

    backbone = tiny_backbone()
    monkeypatch.setattr(backbone.text, "cannot", {LEARNED_WORDS: "it reads sentences only."})
    for name in ("anomalyclip", "vcpclip", "vcpclip+"):
        assert why_not(name, backbone) == "it reads sentences only."
        with pytest.raises(OptionError, match="cannot run on backbone 'tiny' .class token.: it reads sentences only"):
            load_model(name, backbone)
    assert why_not("winclip", backbone) == why_not("april-gan", backbone) == ""


@pytest.mark.slow
def test_scaled_cosine_attention_is_refused():
    """open_clip 3.3 has it as an option, and fails on the first call."""
    with pytest.raises(OptionError, match="'tiny': its text tower has scaled-cosine attention, which open_clip 3.3"):
        tiny_backbone({**TINY, "text_cfg": {**TINY["text_cfg"], "scaled_cosine_attn": True}})
    with pytest.raises(OptionError, match="'tiny': its image tower has scaled-cosine attention"):
        tiny_backbone({**TINY, "vision_cfg": {**TINY["vision_cfg"], "scaled_cosine_attn": True}})


@pytest.mark.slow
def test_padding_is_masked_where_the_tower_masks_it():
    """CoCa's own token sees no padding: what stands there changes nothing but by its own mask."""
    backbone = small("coca")
    text, sentence = backbone.text, ["a bolt"]
    embedded = backbone.encode_text(sentence)
    with torch.no_grad():
        expected = F.normalize(backbone.clip.encode_text(backbone.tokenizer(sentence), normalize=False), dim=-1)
        backbone.clip.text.token_embedding.weight[0] += 1
    torch.testing.assert_close(embedded, expected)
    assert text.pool == "appended" and not text.cut_is_exact
