"""The pretended device refuses and counts what CUDA does, and the library's tests on it find what is planted."""

import io

import numpy as np
import pytest
import torch
from pretended_device import DEVICE, NAME, PretendedTensor, host_waits
from tiny_clip import tiny_backbone
from trained import trained

THERE = torch.linspace(0, 1, 12).reshape(3, 4)
HERE = THERE.to(NAME)
MIXED = {
    "sum": lambda: HERE + THERE,
    "sum of a number on the device": lambda: THERE + HERE.sum(),
    "product of matrices": lambda: HERE @ THERE.T,
    "linear layer left on the CPU": lambda: torch.nn.Linear(4, 2)(HERE),
    "cat": lambda: torch.cat([HERE, THERE]),
    "stack of single numbers": lambda: torch.stack([HERE.sum(), THERE.sum()]),
    "where": lambda: torch.where(HERE > 0, HERE, THERE),
    "written into the CPU": lambda: THERE.clone().add_(HERE),
    "index of the device into the CPU": lambda: THERE[HERE.argmax(0)],
    "gather by the CPU": lambda: HERE.gather(0, THERE.argmax(0, keepdim=True)),
    "index_select by the CPU": lambda: HERE.index_select(0, torch.tensor([1])),
    "embedding by the CPU": lambda: torch.nn.functional.embedding(torch.tensor([1]), HERE),
}


@pytest.mark.parametrize("mixed", MIXED.values(), ids=MIXED)
def test_tensors_of_two_devices_do_not_meet(mixed):
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        mixed()


def test_what_cuda_lets_meet():
    assert torch.equal((HERE + torch.tensor(2.0)).cpu(), THERE + 2)
    assert torch.equal(HERE[torch.tensor([2, 0])].cpu(), THERE[[2, 0]])
    with pytest.raises(RuntimeError, match="same device"):
        HERE + torch.tensor([2.0])


def test_generators_of_the_cpu_draw_nothing_on_the_device_whose_numbers_are_others():
    for drawing in (
        lambda own: torch.rand(2, device=NAME, generator=own),
        lambda own: torch.randperm(5, device=NAME, generator=own),
        lambda own: HERE.clone().normal_(generator=own),
    ):
        with pytest.raises(RuntimeError, match="device type for generator but found 'cpu'"):
            drawing(torch.Generator())
    drawn = []
    for _ in range(2):
        torch.manual_seed(0)
        before = torch.get_rng_state()
        drawn.append(torch.rand(8, device=NAME).cpu())
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(*drawn) and not torch.equal(drawn[0], torch.rand(8))


def test_numpy_refuses():
    for read in (HERE.numpy, lambda: np.asarray(HERE), lambda: np.add(HERE, 1)):
        with pytest.raises(TypeError, match="can't convert pretended:0 device type tensor to numpy"):
            read()
    assert (HERE.numpy(force=True) == THERE.numpy()).all()


WAITS = {
    "item": lambda: HERE.sum().item(),
    "truth": lambda: bool((HERE > 0).any()),
    "int": lambda: int(HERE.sum()),
    "tolist": lambda: HERE.tolist(),
    "print": lambda: str(HERE),
    "format": lambda: f"{HERE.sum():.3g}",
    "cpu": lambda: HERE.cpu(),
    "equal": lambda: torch.equal(HERE, HERE),
    "nonzero": lambda: HERE.nonzero(),
    "mask": lambda: HERE[HERE > 0.5],
    "mask of the CPU": lambda: HERE[THERE > 0.5],
    "values into a mask": lambda: HERE.clone().__setitem__(HERE >= 0, HERE.flatten()),
    "masked_select": lambda: HERE.masked_select(HERE > 0.5),
    "unique": lambda: HERE.unique(),
    "new tensor": lambda: torch.tensor([1.0, 2.0], device=NAME),
    "number as a tensor": lambda: torch.as_tensor(3.0, device=NAME),
    "to the device": lambda: THERE.to(NAME),
    "index of the CPU": lambda: HERE[torch.tensor([0])],
    "synchronize": lambda: torch.get_device_module(NAME).synchronize(),
}
NO_WAITS = {
    "arithmetic": lambda: (HERE.exp() @ HERE.T).softmax(-1).topk(2).values,
    "made there": lambda: torch.arange(5.0, device=NAME) + torch.full((5,), 2.0, device=NAME),
    "number into a mask": lambda: HERE.clone().__setitem__(HERE > 0.5, 0.0),
    "shape": lambda: (HERE.shape, len(HERE), HERE.dtype, HERE.device),
    "to the device, not waited for": lambda: THERE.to(NAME, non_blocking=True),
    "already there": lambda: HERE.to(NAME),
}


@pytest.mark.parametrize("act", WAITS.values(), ids=WAITS)
def test_each_wait_is_counted_with_its_place(act):
    with host_waits() as found:
        act()
    assert len(found) >= 1 and "test_pretended_device.py" in found[0]


@pytest.mark.parametrize("act", NO_WAITS.values(), ids=NO_WAITS)
def test_what_is_left_to_the_device_is_not_counted(act):
    with host_waits() as found:
        act()
    assert found == []


def test_gradients_come_back_and_their_wait_is_counted():
    number = torch.tensor([2.0], requires_grad=True)
    loss = (number.to(NAME, non_blocking=True) * HERE).square().sum()
    with host_waits() as found:
        loss.backward()
    assert torch.allclose(number.grad, 4 * THERE.square().sum()) and len(found) == 1


def test_a_copy_to_the_cpu_that_nobody_waits_for_is_refused():
    with pytest.raises(RuntimeError, match="read before it is written"):
        HERE.to("cpu", non_blocking=True)


def test_complex_numbers_views_and_files():
    waves = torch.randn(2, 5, dtype=torch.complex64)
    assert torch.allclose(torch.linalg.vecdot(waves.to(NAME), waves.to(NAME)).cpu(), torch.linalg.vecdot(waves, waves))
    changed = HERE.clone()
    changed[1:, ::2] += 5
    expected = THERE.clone()
    expected[1:, ::2] += 5
    assert torch.equal(changed.cpu(), expected) and isinstance(changed, PretendedTensor) and changed.device == DEVICE
    torch.save({"a": HERE}, file := io.BytesIO())
    file.seek(0)
    assert torch.equal(torch.load(file, weights_only=True)["a"], THERE)


@pytest.mark.slow
def test_what_is_planted_in_the_library_is_found(monkeypatch):
    from zsas_lib.models.learned import LearnedModel
    from zsas_lib.perturbations import colour
    from zsas_lib.robustness.search.objective import Objective

    images, masks = torch.rand(2, 3, 32, 32), torch.zeros(2, 32, 32, dtype=torch.bool)
    tower = tiny_backbone(device=NAME)
    with monkeypatch.context() as patch:  # learned parameters stay where they were drawn
        patch.setattr(LearnedModel, "_move_learned", lambda self, device, dtype: None)
        with pytest.raises(RuntimeError, match="same device"):
            trained("april-gan", tower)(images, "nut")
    model = trained("april-gan", tower)
    with monkeypatch.context() as patch:  # the pictures' masks are not moved
        patch.setattr("zsas_lib.robustness.search.objective.to_device", lambda values, device: values)
        with pytest.raises(RuntimeError, match="same device"):
            Objective(model, images.to(NAME), masks, "nut").outcome(torch.arange(2), torch.zeros(2, 3))
    with monkeypatch.context() as patch:  # an amount is read on the way
        plain = colour.per_image
        patch.setattr(colour, "per_image", lambda amount, images: plain(amount, images) + 0 * images.amax().item())
        there = images.to(NAME)
        with host_waits() as found:
            colour.shift_hue(there, 0.5)
    assert len(found) == 2 and all("zsas_lib/perturbations/colour.py" in line for line in found)
