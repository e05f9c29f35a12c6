"""What decides that something is made again: here the weights files that lie outside the library."""

import os

import torch
from safetensors.torch import save_file

from zsas_book import provenance
from zsas_book.pages.certificate import abbreviated, changed_weights
from zsas_lib.backbones.weights import read_weights
from zsas_lib.base import digests, ledger


def test_another_weights_file_makes_stale_and_a_missing_one_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "weights_read", {})
    path = tmp_path / "tower.safetensors"
    save_file({"logit_scale": torch.zeros(1)}, path)
    read_weights(path)
    noted = {abbreviated(path, tmp_path): provenance.record().facts["weights"][str(path)]}
    assert list(noted) == ["tower.safetensors"]
    assert changed_weights(noted, tmp_path) == ""
    save_file({"logit_scale": torch.ones(2)}, path)
    os.utime(path, (1, 1))
    assert changed_weights(noted, tmp_path) == "the weights in tower.safetensors changed"
    path.unlink()
    assert changed_weights(noted, tmp_path) == ""


def test_the_embedded_weights_are_library_files_and_not_noted_twice(monkeypatch):
    monkeypatch.setattr(ledger, "weights_read", {})
    read_weights(digests.PACKAGE / "data" / "embedded" / "backbone.safetensors")
    assert provenance.record().facts["weights"] == {}
