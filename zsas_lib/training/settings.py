"""What a training may be asked for, judged before the backbone is loaded or a picture is read."""

from collections.abc import Mapping, Sequence

from ..base.errors import OptionError
from ..base.options import number, switch, whole_number
from .perturbed import require_perturbed

LARGEST_SEED = 2**32 - 1
LARGEST_COUNT = 2**31 - 1
LARGEST_RATE = 1
"""Adam moves a parameter by about the rate in each step, and none of these is much larger than 1."""


def require_settings(
    *,
    seed: object,
    epochs: object = None,
    training_batch_size: object = None,
    rate: object = None,
    augment: object = None,
    zoom: object = 0.0,
    decay: object = False,
    loss_size: object = None,
    largest_size: int | None = None,
    rates: Mapping[str, object] | None = None,
    perturbed: Sequence[str] = (),
    looks: object = 1,
) -> None:
    """Raises OptionError, naming the setting, for what no training can be done with, and UnknownNameError for what is
    no perturbation; None is the paper's own.

    `loss_size` is at most ``largest_size``, the backbone's size of pictures, where that is known.
    """
    whole_number("fit", "seed", seed, 0, LARGEST_SEED)
    for name, value in (("epochs", epochs), ("training_batch_size", training_batch_size)):
        if value is not None:
            whole_number("fit", name, value, 1, LARGEST_COUNT)
    if rate is not None:
        number("fit", "rate", rate, 0, LARGEST_RATE, above=True, expected="a learning rate")
    for name, value in (rates or {}).items():
        number("fit", f"rates[{name!r}]", value, 0, above=True, expected="a learning rate")
    for name, value in (("augment", augment), ("decay", decay)):
        if value is not None:
            switch("fit", name, value)
    number("fit", "zoom", zoom, 0, 1, expected="a probability")
    if loss_size is not None:
        whole_number("fit", "loss_size", loss_size, 1, largest_size, expected="a side in pixels")
    require_perturbed(perturbed, looks)


def require_weights(weights: Sequence[float] | None, pictures: int) -> None:
    """Raises OptionError for weights that are not one for each picture, finite, at least 0 and not all 0."""
    if weights is None:
        return
    for place, weight in enumerate(weights):
        number("fit", f"weights[{place}]", weight, 0, expected="a weight")
    if len(weights) != pictures or not sum(weights) > 0:
        raise OptionError(
            f"fit got {len(weights)} weights that sum up to {sum(weights):g}; expected one for each of {pictures} "
            "pictures to train on, some of them above 0."
        )
