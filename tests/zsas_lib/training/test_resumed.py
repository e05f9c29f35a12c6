"""Trainings that are stopped go on, and what one leaves behind: checkpoints, the finished file, models in the store."""

import pandas as pd
import pytest
import torch
from trained import learned

import zsas_lib as zsas
from zsas_lib.base.errors import DataError
from zsas_lib.training.fit import fit


@pytest.mark.slow
@pytest.mark.parametrize("killed_in", [1, 2])
def test_a_training_killed_in_any_epoch_resumes_to_the_same_end(backbone, pictures, tmp_path, monkeypatch, killed_in):
    whole = zsas.load_model("vcpclip", backbone)
    log = fit(whole, pictures, epochs=3, training_batch_size=4, checkpoint=tmp_path / "whole.pt")

    killed = zsas.load_model("vcpclip", backbone)
    steps, loss = iter(range(100)), type(killed).loss

    def dies(self, *arguments):
        if next(steps) == 3 * killed_in + 1:
            raise KeyboardInterrupt
        return loss(self, *arguments)

    monkeypatch.setattr(type(killed), "loss", dies)
    with pytest.raises(KeyboardInterrupt):
        fit(killed, pictures, epochs=3, training_batch_size=4, checkpoint=tmp_path / "killed.pt")
    monkeypatch.undo()
    resumed = zsas.load_model("vcpclip", backbone)
    again = fit(resumed, pictures, epochs=3, training_batch_size=4, checkpoint=tmp_path / "killed.pt")
    assert torch.equal(learned(resumed), learned(whole))
    pd.testing.assert_frame_equal(again, log)
    assert not list(tmp_path.glob("*.pt"))


@pytest.mark.slow
def test_a_checkpoint_of_another_training_is_refused(backbone, pictures, tmp_path, monkeypatch):
    model = zsas.load_model("april-gan", backbone)
    monkeypatch.setattr("pathlib.Path.unlink", lambda *_, **__: None)
    fit(model, pictures, epochs=1, checkpoint=tmp_path / "c.pt")
    monkeypatch.undo()
    with pytest.raises(DataError, match="with seed 0, not 1"):
        fit(model, pictures, seed=1, epochs=1, checkpoint=tmp_path / "c.pt")
    (tmp_path / "c.pt").write_bytes(b"nothing")
    with pytest.raises(DataError, match="no checkpoint"):
        fit(model, pictures, epochs=1, checkpoint=tmp_path / "c.pt")
    torch.save({"settings": "{}"}, tmp_path / "c.pt")
    with pytest.raises(DataError, match="no checkpoint of a training .it lacks what one holds"):
        fit(model, pictures, epochs=1, checkpoint=tmp_path / "c.pt")


@pytest.mark.slow
def test_the_checkpoint_goes_when_the_output_stands(backbone, pictures, tmp_path, monkeypatch):
    model, output, checkpoint = zsas.load_model("april-gan", backbone), tmp_path / "new" / "april", tmp_path / "c.pt"

    def full(*_):
        assert checkpoint.exists(), "while it is written"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(type(model), "save", full)
    with pytest.raises(OSError, match="No space"):
        fit(model, pictures, epochs=2, checkpoint=checkpoint, output=output)
    monkeypatch.undo()
    assert checkpoint.exists() and not output.exists()
    monkeypatch.setattr(type(model), "loss", lambda *_: pytest.fail("trained again"))
    again = zsas.load_model("april-gan", backbone)
    log = fit(again, pictures, epochs=2, checkpoint=checkpoint, output=output)
    assert not checkpoint.exists() and len(log) == 4 and torch.equal(learned(again), learned(model))
    assert torch.equal(learned(zsas.load_model("april-gan", backbone, checkpoint=output)), learned(again))


@pytest.mark.slow
def test_trained_models_come_from_the_store(backbone, pictures, tmp_path, monkeypatch):
    first = zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epochs=1, seed=3)
    monkeypatch.setattr(type(first), "loss", lambda *_: pytest.fail("trained again"))
    again = zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epochs=1, seed=3)
    assert torch.equal(learned(again), learned(first))
    pd.testing.assert_frame_equal(again.history, first.history)
    monkeypatch.undo()
    zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epochs=1, seed=4)
    assert len(list(tmp_path.glob("trained/*.safetensors"))) == 2
    path = next(tmp_path.glob("trained/*.safetensors"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(UserWarning, match="trained again"):
        for seed in (3, 4):
            zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epochs=1, seed=seed)
    with pytest.raises(TypeError, match="epoch"):
        zsas.trained(zsas.load_model("vcpclip+", backbone), pictures, store=tmp_path, epoch=1)
