"""Asked of a tiny LLaVA with random weights; what needs transformers is skipped where it is not installed."""

import re
import sys
from types import SimpleNamespace

import pytest
import torch

from zsas_lib.base.errors import DataError, OptionError
from zsas_lib.robustness import vision_language
from zsas_lib.robustness.vision_language import ANSWER, QUESTION, VisionLanguageModel, load_vision_language

WORDS = ["<unk>", "<pad>", "<image>", "USER:", "ASSISTANT:", "A.", "B.", "C.", "D.", "A", "B", "C", "D"]
WORDS += [*QUESTION.replace("?", " ?").split(), *ANSWER.split(), "wooden", "cork", "ring", "star", "."]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A LLaVA of a few thousand parameters as transformers writes it."""
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
        PreTrainedTokenizerFast,
    )

    words = {word: number for number, word in enumerate(dict.fromkeys(WORDS))}
    made = Tokenizer(WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=made, unk_token="<unk>", pad_token="<pad>", additional_special_tokens=["<image>"]
    )
    size = {"height": 16, "width": 16}
    pictures = CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=size)
    processor = LlavaProcessor(
        pictures, tokenizer, patch_size=8, vision_feature_select_strategy="default", num_additional_image_tokens=1
    )
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(**small, image_size=16, patch_size=8),
            text_config=LlamaConfig(**small, vocab_size=len(tokenizer), num_key_value_heads=2, pad_token_id=1),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
            image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
            vision_feature_layer=-1,
        )
    )
    with torch.no_grad():  # else all letters are as likely
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter *= 15
    place = tmp_path_factory.mktemp("llava")
    model.save_pretrained(place)
    processor.save_pretrained(place)
    return place


CHOICES = ["cork ring", "wooden ring", "cork star", "wooden star"]


def test_a_choice_has_the_mean_probability_of_its_letters(folder):
    model = load_vision_language(folder, "cpu")
    images = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(0))
    found = model.answers(images, [CHOICES, CHOICES[::-1]])
    assert found.shape == (2, 4) and found.sum(1).tolist() == pytest.approx([1, 1])

    ids = [model.processor.tokenizer.convert_tokens_to_ids(letter) for letter in "ABCD"]
    expected = torch.zeros(4)
    for turn in range(4):
        order = CHOICES[turn:] + CHOICES[:turn]
        told = [f"{letter}. {name}" for letter, name in zip("ABCD", order)]
        text = "USER: <image>\n" + "\n".join([QUESTION, *told, ANSWER]) + "\nASSISTANT:"
        pixels = (images[0] * 255).byte().permute(1, 2, 0).numpy()
        inputs = model.processor(images=[pixels], text=[text], return_tensors="pt")
        with torch.inference_mode():
            letters = model.model(**inputs).logits[0, -1, ids].softmax(0)
        expected += torch.stack([letters[order.index(name)] for name in CHOICES]) / 4
    assert found[0].tolist() == pytest.approx(expected.tolist(), abs=2e-3)
    other = model.answers(images[:1].flip(-1), [CHOICES])
    assert (other - found[:1]).abs().max() > 1e-3, "the picture is looked at"
    assert found.std(1).min() > 0.01


def test_what_is_no_such_folder_is_refused(folder, tmp_path):
    with pytest.raises(DataError, match="Expected a folder with a vision-language model"):
        load_vision_language(tmp_path / "nothing")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match="takes pictures and text"):
        load_vision_language(tmp_path)


def pretended(likes: dict[str, float]):
    """A model that says letters by how much it likes them, and a processor of plain words."""
    words = {letter: number for number, letter in enumerate("ABCDE?")}

    def encode(text, add_special_tokens):
        return [words.get(text.strip(), words["?"])]

    class Processor:
        tokenizer = SimpleNamespace(encode=encode, unk_token_id=words["?"])
        asked: list[str] = []

        def __call__(self, images, text, return_tensors):
            assert images[0].size == (8, 4), "width and height"
            self.asked += text
            return SimpleNamespace(to=lambda device: {"text": text[0]})

    class Model:
        device = "cpu"

        def __call__(self, text):
            logits = torch.zeros(1, 2, len(words))
            for letter, name in re.findall(r"^([A-E])\. (.*)$", text, re.MULTILINE):
                logits[0, -1, words[letter]] = likes.get(letter, 0) + likes.get(name, 0)
            return SimpleNamespace(logits=logits)

    return VisionLanguageModel(Model(), Processor())


IMAGE = torch.rand(1, 3, 4, 8)


def test_who_likes_a_letter_whatever_it_stands_for_prefers_nothing():
    assert pretended({"B": 4.0}).answers(IMAGE, [CHOICES])[0].tolist() == pytest.approx([0.25] * 4)


def test_who_knows_the_answer_says_so_wherever_it_stands():
    model = pretended({"B": 1.0, "cork star": 9.0})
    found = model.answers(IMAGE, [CHOICES])
    assert found.argmax() == 2 and found[0, 2] > 0.99
    assert len(model.processor.asked) == 4 and all(QUESTION in text for text in model.processor.asked)
    assert model.answers(IMAGE, [CHOICES[1:]]).argmax() == 1


def test_bad_questions_are_refused():
    model = pretended({})
    for choices in ([], [CHOICES, CHOICES], [["one"]]):
        with pytest.raises(OptionError, match="Expected one question for each of 1 pictures"):
            model.answers(IMAGE, choices)
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        model.answers(IMAGE * 9, [CHOICES])
    model.processor.tokenizer.encode = lambda text, add_special_tokens: []
    with pytest.raises(DataError, match="a word for the letter A"):
        model.answers(IMAGE, [CHOICES])


def test_without_transformers_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(vision_language, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(OptionError, match=r"pip install transformers sentencepiece \(the extra zsas-lib\[hf\]\)"):
        load_vision_language(tmp_path)
