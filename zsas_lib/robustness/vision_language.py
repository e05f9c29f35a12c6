"""A vision-language model of transformers as an answerer: which letter of a multiple choice it puts first.

The model is a folder on this machine, in the format of `transformers` (the extra zsas-lib[hf]); nothing is fetched, and
no code that lies in it is run. Models like some letters better than others, whatever stands behind them: every question
is asked with the choices turned round once for each place, and a choice has the mean of its probabilities over all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torchvision.transforms.functional import to_pil_image

from ..backbones.tokenizers import INSTALL
from ..base.errors import DataError, OptionError
from ..base.unit_range import require_unit_range

QUESTION = "What does the picture show?"
ANSWER = "Answer with the letter of the right choice."


@dataclass(frozen=True)
class VisionLanguageModel:
    """A model and its processor; made by `load_vision_language`."""

    model: Any
    processor: Any

    @torch.inference_mode()
    def answers(
        self,
        images: Float[Tensor, "picture 3 height width"],
        choices: Sequence[Sequence[str]],
        question: str = QUESTION,
    ) -> Float[Tensor, "picture choice"]:
        """The probability of each choice: the softmax over the letters alone of what the model says next, the mean over
        all rotations of the choices. ``images`` in [0, 1]. Raises ValueError for others, OptionError for as many
        questions as there are not pictures, or fewer than two choices or of different numbers."""
        require_unit_range(images)
        counts = {len(own) for own in choices}
        if len(choices) != len(images) or len(counts) != 1 or not 2 <= min(counts) <= len(ascii_uppercase):
            raise OptionError(
                f"Expected one question for each of {len(images)} pictures, with equally many choices, at least 2, got "
                f"{len(choices)} with {', '.join(map(str, sorted(counts))) or 'no'} choices."
            )
        return torch.stack([self._about(image, own, question) for image, own in zip(images, choices)])

    def _about(
        self, image: Float[Tensor, "3 height width"], choices: Sequence[str], question: str
    ) -> Float[Tensor, " choice"]:
        count = len(choices)
        letters, picture = self._letters(count), to_pil_image(image.cpu().float())
        total = torch.zeros(count)
        for turn in range(count):
            order = [(turn + place) % count for place in range(count)]
            told = [f"{ascii_uppercase[place]}. {choices[own]}" for place, own in enumerate(order)]
            text = self._prompt("\n".join([question, *told, ANSWER]))
            inputs = self.processor(images=[picture], text=[text], return_tensors="pt").to(self.model.device)
            last = self.model(**inputs).logits[0, -1].float().cpu()
            said = torch.stack([last[own].logsumexp(0) for own in letters]).softmax(0)
            total[order] += said / count
        return total

    def _prompt(self, text: str) -> str:
        if getattr(self.processor, "chat_template", None):
            said = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
            return self.processor.apply_chat_template(said, add_generation_prompt=True, tokenize=False)
        image = getattr(self.processor, "image_token", "<image>")
        return f"USER: {image}\n{text}\nASSISTANT:"

    def _letters(self, count: int) -> list[list[int]]:
        """The numbers of the words that stand for each letter, at the beginning of a line and behind a space."""
        tokenizer = self.processor.tokenizer
        found = []
        for letter in ascii_uppercase[:count]:
            ids = {tuple(tokenizer.encode(form, add_special_tokens=False)) for form in (letter, f" {letter}")}
            single = sorted({own[-1] for own in ids if own and own[-1] != tokenizer.unk_token_id})
            if not single:
                raise DataError(f"Expected a tokenizer with a word for the letter {letter}, got one without.")
            found.append(single)
        return found


def load_vision_language(folder: str | Path, device: str | torch.device | None = None) -> VisionLanguageModel:
    """A model that answers questions about pictures, from a folder that transformers wrote or that was fetched before.

    Raises OptionError where transformers is not installed, DataError where there is no such folder or it holds no model
    that takes pictures and text.
    """
    if find_spec("transformers") is None:
        raise OptionError(
            f"A vision-language model needs Hugging Face's transformers, and it is not installed: {INSTALL}, or leave "
            "the model out."
        )
    if not Path(folder).is_dir():
        raise DataError(f"Expected a folder with a vision-language model of transformers, got {folder}, which is none.")
    transformers: Any = import_module("transformers")
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        processor = transformers.AutoProcessor.from_pretrained(str(folder), local_files_only=True)
        model = transformers.AutoModelForImageTextToText.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise DataError(
            f"Expected a folder with a model of transformers that takes pictures and text, and its processor, got "
            f"{folder}: {error}"
        ) from error
    return VisionLanguageModel(model.eval().to(place), processor)
