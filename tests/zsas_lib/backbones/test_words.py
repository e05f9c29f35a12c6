import pytest

from zsas_lib.backbones.tokenizers import tokenizer_of
from zsas_lib.backbones.words import WordTokenizer
from zsas_lib.base.errors import OptionError


def test_words_have_ids_and_the_end_the_highest():
    tokenizer = WordTokenizer(["wooden", "ring"], 6)
    assert tokenizer(["wooden ring", "A  Ring."]).tolist() == [[1, 3, 4, 5, 0, 0], [1, 2, 4, 5, 0, 0]]
    assert tokenizer("ring").argmax(-1).tolist() == [2]
    assert tokenizer.vocabulary_size == 6


def test_a_sentence_that_is_too_long_is_refused():
    with pytest.raises(OptionError, match="has 3 words; this tower reads 2 at most"):
        WordTokenizer(["ring"], 4)("ring ring ring")


def test_a_text_configuration_with_words_has_such_a_tokenizer():
    found = tokenizer_of("x", {"context_length": 5, "tokenizer_kwargs": {"words": ["ring"]}})
    assert found(["ring"]).tolist() == [[1, 3, 4, 0, 0]]
