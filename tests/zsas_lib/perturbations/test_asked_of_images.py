"""What is no batch of images in [0, 1] is refused in one sentence; half precision and empty batches are none of it."""

import pytest
import torch

import zsas_lib as zsas

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
PERTURBED = {
    "rotate": lambda images: zsas.rotate(images, 20.0),
    "shift_hue": lambda images: zsas.shift_hue(images, 0.5),
    "shift_saturation": lambda images: zsas.shift_saturation(images, -0.2),
    "perturb": lambda images: zsas.perturb(images, degrees=20.0, hue=0.5),
    "nothing": zsas.perturb,
    **{name: lambda images, name=name: zsas.corrupt(images, f"{name}(2)") for name in ("defocus", "jpeg", "fog")},
}
REFUSED = {
    "bytes": ((255 * IMAGES).byte(), "images of floats .batch, .*, height, width., got torch.uint8 .2, 3, 32, 32."),
    "up to 255": (255 * IMAGES, r"image values in \[0, 1\], got .*\.\.255; divide by 255"),
    "nan": (torch.full_like(IMAGES, torch.nan), "got NaN among them"),
    "one picture": (IMAGES[0], "images of floats .* got torch.float32 .3, 32, 32."),
    "an array": (IMAGES.numpy(), "images as a torch.Tensor .* got <class 'numpy.ndarray'>"),
}


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", PERTURBED)
@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_batch_of_images_is_refused(name, kind):
    images, message = REFUSED[kind]
    with pytest.raises(ValueError, match=f"Expected .*{message}"):
        PERTURBED[name](images)


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize("name", [name for name in PERTURBED if name != "rotate"])
def test_colours_need_three_channels(name):
    with pytest.raises(ValueError, match="RGB images of floats .batch, 3, height, width., got torch.float32 .2, 1"):
        PERTURBED[name](IMAGES[:, :1])


@pytest.mark.usefixtures("unchecked_types")
def test_maps_that_are_none_are_refused():
    for maps, got in ((IMAGES, "torch.float32 .2, 3, 32, 32."), ((9 * IMAGES[0]).byte(), "torch.uint8"), ([], "list")):
        with pytest.raises(ValueError, match=f"Expected maps of floats .batch, height, width. .*{got}"):
            zsas.derotate(maps, 5.0)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", PERTURBED)
def test_half_precision_is_perturbed_in_single(name, kind):
    images = IMAGES.to(kind)
    found, expected = PERTURBED[name](images), PERTURBED[name](images.float())
    assert found.dtype == kind
    torch.testing.assert_close(found, expected.to(kind))
    maps = images[:, 0]
    torch.testing.assert_close(zsas.derotate(maps, 20.0), zsas.derotate(maps.float(), 20.0).to(kind))


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_colours_of_half_precision_have_the_gradients_of_single(kind):
    """Of almost grey pictures, too, whose hue has a gradient beyond what float16 holds."""
    images = torch.cat([IMAGES, 0.5 + 0.002 * IMAGES]).to(kind)
    found, expected = images.clone().requires_grad_(), images.float().requires_grad_()
    for own in (found, expected):
        zsas.shift_hue(own, 1.0).float().square().sum().backward()
    assert found.grad is not None and expected.grad is not None and found.grad.isfinite().all()
    torch.testing.assert_close(found.grad, expected.grad.to(kind), rtol=0.02, atol=0.02)


@pytest.mark.parametrize("name", PERTURBED)
def test_an_empty_batch_stays_empty(name):
    assert PERTURBED[name](IMAGES[:0]).shape == (0, 3, 32, 32)
