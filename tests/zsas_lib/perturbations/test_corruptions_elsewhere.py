"""Corruptions on other devices, in sweeps, and in the search for the worst case."""

import pytest
import torch
from devices import DEVICES, close
from toy import Speckled, toy_dataset

import zsas_lib as zsas

CORRUPTIONS = zsas.CORRUPTIONS


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return toy_dataset(tmp_path_factory.mktemp("toy"), {"lamp": 2})


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_same_seed_gives_the_same_picture_on_a_device(name, device):
    """Where values are rounded, a few may lie at the edge between two."""
    generator = torch.Generator().manual_seed(1)
    images, depth = torch.rand(2, 3, 24, 32, generator=generator), 3 + torch.rand(2, 24, 32, generator=generator)
    record, severities = CORRUPTIONS[name], torch.tensor([2.0, 3.5])
    for amount in (3, severities, severities.to(device)):
        more = {"depth": depth} if record.takes_depth else {}
        here = record.apply(images, amount.cpu() if isinstance(amount, torch.Tensor) else amount, seed=5, **more)
        there = record.apply(images.to(device), amount, seed=5, **more)
        assert there.device.type == torch.device(device).type
        if record.rounds:
            assert (there.cpu() - here).abs().mean() < 1e-3
        else:
            close(there, here)


@pytest.mark.slow
def test_a_sweep_takes_a_corruption_by_its_name(pictures):
    table = zsas.uniform_sweep(Speckled(), pictures, "defocus", resamples=5)
    own = table[table.category == "lamp"].set_index("value").pixel_auroc
    assert own.index.tolist() == [0, 1, 2, 3, 4, 5] and set(table.unit) == {"severity"}
    assert own[0] == zsas.evaluate(Speckled(), pictures, resamples=5).pixel_auroc["lamp"]
    images, masks = (torch.stack([getattr(one, part) for one in pictures]) for part in ("image", "mask"))
    found = Speckled()(zsas.corrupt(images, "defocus(4)"), "lamp").anomaly_map
    assert own[4] == pytest.approx(zsas.metrics.pixel_auroc(found.detach(), masks))
    with pytest.raises(ValueError, match=r"Expected a defocus in \[0, 5\] severity, got 6"):
        zsas.uniform_sweep(Speckled(), pictures, "defocus", [6.0])
    with pytest.raises(ValueError, match="Expected the depth of every pixel"):
        zsas.uniform_sweep(Speckled(), pictures, "near_focus", [2.0])


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("search", ["adam", "grid"])
def test_a_search_takes_one_that_is_entered(pictures, monkeypatch, search):
    monkeypatch.setitem(zsas.PERTURBATIONS, "fog", CORRUPTIONS["fog"])
    images, masks = (torch.stack([getattr(one, part) for one in pictures]) for part in ("image", "mask"))
    found = zsas.worst_case(
        Speckled(), images, masks, ["lamp"] * len(images), over=("fog",), search=search, steps=6, restarts=1
    )
    assert ((found.severity >= 0) & (found.severity <= 5)).all() and found.loss.isfinite().all()
    again = zsas.perturb(images, severity=torch.as_tensor(found.severity, dtype=images.dtype))
    assert torch.allclose(again, CORRUPTIONS["fog"].apply(images, torch.as_tensor(found.severity, dtype=images.dtype)))
