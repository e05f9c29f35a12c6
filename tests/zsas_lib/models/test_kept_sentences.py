"""What an ensemble of sentences comes to is encoded once, and known to the processes that follow."""

import os
from collections.abc import Callable

import pytest
import torch
from tiny_clip import tiny_backbone

import zsas_lib as zsas
from zsas_lib.models import kept_sentences, prompts
from zsas_lib.models.prompts import april_gan_prompts, mean_embeddings, winclip_prompts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_CACHE", str(tmp_path))
    return tmp_path / "sentences"


@pytest.fixture
def another() -> Callable:
    """A backbone with weights, as another process has it."""
    return lambda: zsas.load_backbone("embedded", image_size=48)


@pytest.fixture
def encoded(monkeypatch) -> list:
    seen, encode = [], prompts._mean_embeddings

    def encoding(backbone, ensemble, unit):
        seen.append(ensemble)
        return encode(backbone, ensemble, unit)

    encoding.__module__, encoding.__qualname__ = encode.__module__, encode.__qualname__
    monkeypatch.setattr(prompts, "_mean_embeddings", encoding)
    return seen


@pytest.mark.slow
def test_another_process_encodes_nothing_again_and_has_the_same(folder, another, encoded):
    first = mean_embeddings(another(), winclip_prompts("nut"))
    parts = winclip_prompts("nut").normal, winclip_prompts("nut").abnormal
    means = torch.stack([another().encode_text(list(own)).mean(0) for own in parts])
    torch.testing.assert_close(first, torch.nn.functional.normalize(means, dim=-1), atol=1e-6, rtol=0)
    assert torch.equal(mean_embeddings(another(), winclip_prompts("nut")), first) and len(encoded) == 1
    others = [
        mean_embeddings(another(), winclip_prompts("nut"), unit=False),
        mean_embeddings(another(), winclip_prompts("ring")),
        mean_embeddings(another(), april_gan_prompts("nut")),
        mean_embeddings(zsas.load_backbone("embedded", image_size=60), winclip_prompts("nut")),
        mean_embeddings(another().double(), winclip_prompts("nut")),
    ]
    assert len(encoded) == 6 and others[-1].dtype == torch.float64
    assert not any(torch.equal(other, first) for other in others[:3])


def test_other_code_encodes_again(folder, another, encoded, monkeypatch):
    mean_embeddings(another(), winclip_prompts("nut"))
    monkeypatch.setattr(kept_sentences, "source_digest", lambda *subjects: "other")
    kept_sentences._code.cache_clear()
    mean_embeddings(another(), winclip_prompts("nut"))
    kept_sentences._code.cache_clear()
    assert len(encoded) == 2 and len(list(folder.iterdir())) == 2


@pytest.mark.slow
@pytest.mark.parametrize("content", [b"", b"\xff" * 40])
def test_a_damaged_file_is_as_good_as_none(content, folder, another, encoded):
    before = mean_embeddings(another(), winclip_prompts("nut"))
    (file,) = folder.glob("*/*")
    file.write_bytes(content)
    assert torch.equal(mean_embeddings(another(), winclip_prompts("nut")), before) and len(encoded) == 2
    assert file.stat().st_size > len(content)


@pytest.mark.slow
def test_random_weights_few_sentences_autocast_and_a_place_that_cannot_be_written_leave_nothing(
    folder, another, encoded
):
    mean_embeddings(tiny_backbone(), winclip_prompts("nut"))
    mean_embeddings(another(), prompts.plain_prompts("nut"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mean_embeddings(another(), winclip_prompts("nut"))
    assert not folder.exists() and len(encoded) == 3
    folder.touch()
    for _ in range(2):
        mean_embeddings(another(), winclip_prompts("nut"))
    assert len(encoded) == 5 and folder.is_file()


@pytest.mark.slow
def test_only_the_last_backbones_are_kept(folder, monkeypatch):
    monkeypatch.setattr(kept_sentences, "KEPT_BACKBONES", 2)
    for number, size in enumerate((48, 60, 72)):
        mean_embeddings(zsas.load_backbone("embedded", image_size=size), winclip_prompts("nut"))
        newest = max(folder.iterdir(), key=lambda each: each.stat().st_mtime_ns)
        os.utime(newest, (number, number))
    assert len(list(folder.iterdir())) == 2
