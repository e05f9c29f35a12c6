"""A tokenizer of whole words, for text towers with a vocabulary of their own."""

import re
from collections.abc import Sequence

import torch
from jaxtyping import Int
from torch import Tensor

from ..base.errors import OptionError
from ..base.options import listed

WORDS = "words"
"""Under this key of `text_cfg`'s ``tokenizer_kwargs`` stands the vocabulary."""
_SPLIT = re.compile(r"[a-z]+|[^a-z\s]")


class WordTokenizer:
    """Sentences to token ids: 0 pads, 1 begins, 2 is any word that is not known, then the words; the last id ends, as
    in CLIP, where the highest is the end.

    Capital letters do not matter. Signs are words; those that are not known, such as a full stop, are left out.
    """

    def __init__(self, words: Sequence[str], context_length: int):
        self.ids = {word: number for number, word in enumerate(words, 3)}
        self.end = len(words) + 3
        self.context_length = context_length

    @property
    def vocabulary_size(self) -> int:
        return self.end + 1

    def __call__(self, sentences: str | Sequence[str]) -> Int[Tensor, "text token"]:
        """Raises OptionError for a sentence that is longer than the context."""
        sentences = listed(sentences)
        ids = torch.zeros(len(sentences), self.context_length, dtype=torch.long)
        for row, sentence in zip(ids, sentences):
            found = _SPLIT.findall(sentence.lower())
            read = [1, *(self.ids.get(word, 2) for word in found if word.isalpha() or word in self.ids), self.end]
            if len(read) > self.context_length:
                raise OptionError(
                    f"{sentence!r} has {len(read) - 2} words; this tower reads {self.context_length - 2} at most."
                )
            row[: len(read)] = torch.tensor(read)
        return ids
