"""Models in double precision, in which gradients can be held against differences."""

import pytest
import torch
from tiny_clip import tiny, tiny_backbone
from trained import trained

import zsas_lib as zsas
from zsas_lib.models import MODELS

LOOK = [name for name, record in MODELS.items() if record.place and not record.trivial]
NEAR = {"anovl": 0.02}
"""What is drawn from random numbers of a type is another number in double precision."""


@pytest.mark.slow
@pytest.mark.parametrize("name", LOOK)
def test_maps_and_gradients_in_double_precision(name):
    options = {"clustering": "off"} if name == "adaclip" else {"views": "off"} if name == "anovl" else {}
    backbone = tiny_backbone(tiny(layers=4))
    make = trained if MODELS[name].learns else zsas.load_model
    model = make(name, backbone, **options)
    images = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        single = model(images, "pill").anomaly_map
    model.double()
    images = images.double().requires_grad_()
    found = model(images, "pill")
    assert found.anomaly_map.dtype == found.image_score.dtype == torch.float64
    torch.testing.assert_close(found.anomaly_map.float(), single, atol=NEAR.get(name, 1e-4), rtol=1e-3)
    if name == "anovl":  # its adapter is given where the map is differentiated
        return
    (slope,) = torch.autograd.grad(found.anomaly_map.mean() + found.image_score.sum(), images)
    along = torch.randn(images.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def value(step):
        moved = (images.detach() + step * along).clamp(0, 1)
        with torch.no_grad():
            predicted = model(moved, "pill")
        return float(predicted.anomaly_map.mean() + predicted.image_score.sum())

    inside = (images > 1e-3) & (images < 1 - 1e-3)
    along = along * inside
    wanted = (value(1e-6) - value(-1e-6)) / 2e-6
    assert float((slope * along).sum()) == pytest.approx(wanted, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("name", [name for name in LOOK if MODELS[name].learns])
def test_on_a_backbone_in_double_precision_what_is_learned_is_so_too(name, tmp_path):
    """As drawn from the same seed in single precision, also where it is read from a file."""
    options = {"clustering": "off"} if name == "adaclip" else {}
    single = zsas.load_model(name, tiny_backbone(tiny(layers=4)), **options)
    model = zsas.load_model(name, tiny_backbone(tiny(layers=4)).double(), **options)
    for seed in (0, 1):  # the second time from parameters that are in double precision already
        single.initialise(seed)
        model.initialise(seed)
        for own, value in model.learnable().items():
            assert torch.equal(value, single.learnable()[own].double())
    for value in model.learnable().values():
        value.data.add_(1e-9)  # which single precision does not know
    model.trained = {"seed": 1}
    model.save(tmp_path / "learned.safetensors")
    found = zsas.load_model(name, model.backbone, checkpoint=tmp_path / "learned.safetensors", **options)
    images = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        predicted, expected = found(images, "pill"), model(images, "pill")
    assert predicted.anomaly_map.dtype == predicted.image_score.dtype == torch.float64
    assert all(torch.equal(value, found.learnable()[own]) for own, value in model.learnable().items())
    torch.testing.assert_close(predicted.anomaly_map, expected.anomaly_map, atol=1e-13, rtol=0)
