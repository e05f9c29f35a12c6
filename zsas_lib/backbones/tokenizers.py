"""The tokenizers of text towers: CLIP's own, those of Hugging Face, which need `transformers` and files, and words."""

import json
from collections.abc import Mapping
from copy import copy
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer
from open_clip.tokenizer import _tokenizer as _tokenizer_of_open_clip

from ..base.errors import DataError, OptionError
from .hub import hub_file, why_no_downloads
from .words import WORDS, WordTokenizer

INSTALL = "pip install transformers sentencepiece (the extra zsas-lib[hf])"
FILES = ("tokenizer_config.json", "tokenizer.json", "vocab.txt", "spiece.model", "sentencepiece.bpe.model")
"""One of these is in every repository of a tokenizer."""


def tokenizer_of(name: str, text: Mapping[str, Any]) -> "SimpleTokenizer | HFTokenizer | WordTokenizer":
    """The tokenizer that open_clip takes for a model's `text_cfg`; of whole words, where its ``tokenizer_kwargs``
    have a list of "words".

    Raises OptionError, naming the backbone, where `transformers` is not installed, or where that list is empty: such a
    model has no text tower; DataError if its files are neither
    here nor to be had.
    """
    length = text.get("context_length", DEFAULT_CONTEXT_LENGTH)
    arguments = {**(text.get("tokenizer_kwargs") or {})}
    if (mode := text.get("tokenizer_mode")) is not None:
        arguments["tokenizer_mode"] = mode
    return _tokenizer(name, text.get("hf_tokenizer_name"), length, json.dumps(arguments, sort_keys=True))


def require_transformers(name: str, part: str) -> None:
    """Raises OptionError where the package that a backbone's ``part`` needs is missing."""
    if find_spec("transformers") is None:
        raise OptionError(
            f"Backbone {name!r} has {part}, which needs Hugging Face's transformers, and it is not installed: "
            f"{INSTALL}."
        )


@lru_cache(maxsize=8)
def _tokenizer(name: str, hugging_face: str | None, length: int, arguments_as_json: str):
    arguments = json.loads(arguments_as_json)
    if (words := arguments.get(WORDS)) is not None:
        if not words:
            raise OptionError(
                f"Backbone {name!r} reads no sentences: it was trained on labels and has no text tower. Take one that "
                "learnt from captions."
            )
        return WordTokenizer(words, length)
    if not hugging_face and not arguments:  # open_clip has made this one already, from a list of 48,894 merges
        tokenizer = copy(_tokenizer_of_open_clip)
        tokenizer.context_length, tokenizer.encode = length, _encoded
        return tokenizer
    if not hugging_face:
        return SimpleTokenizer(context_length=length, **arguments)
    require_transformers(name, f"the tokenizer {hugging_face} of Hugging Face")
    here = Path(hugging_face).is_dir()
    if not here:
        hub_file(hugging_face, *FILES)
        here = bool(why_no_downloads())  # else transformers asks in vain, and again
    try:
        return HFTokenizer(hugging_face, context_length=length, local_files_only=here, **arguments)
    except Exception as error:  # transformers raises nearly anything for files that are missing or damaged
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"Backbone {name!r}: transformers cannot read its tokenizer from the files of {hugging_face} that are "
            f"here ({reason}). Fetch all of them where there is a network, or install what they need: {INSTALL}."
        ) from error


@lru_cache(maxsize=4096)
def _encoded(sentence: str) -> list[int]:
    """The ids of a sentence by open_clip's own tokenizer, which puts them into new lists: models ask for the same few
    hundred sentences for every category, and looking for faulty characters in one takes 0.1 ms."""
    return _tokenizer_of_open_clip.encode(sentence)
