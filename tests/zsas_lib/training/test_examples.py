"""What a training has read of pictures is kept, and read anew where it must be."""

from weakref import WeakKeyDictionary

import pytest
import torch
from trained import learned

import zsas_lib as zsas
from zsas_lib.training.fit import fit


def forget(monkeypatch):
    """Nothing that another training has read is at hand."""
    monkeypatch.setattr("zsas_lib.training.examples._kept", WeakKeyDictionary())


@pytest.mark.slow
def test_features_are_computed_once_without_augmentation_and_every_time_with_it(backbone, pictures, monkeypatch):
    counted = []
    model = zsas.load_model("april-gan", backbone)
    forget(monkeypatch)
    features = type(model).features
    monkeypatch.setattr(
        type(model),
        "features",
        lambda self, images, names: (counted.append(len(images)), features(self, images, names))[1],
    )
    fit(model, pictures, epochs=3, training_batch_size=4)
    assert sum(counted) == len(pictures)
    counted.clear()
    for changed in ({"augment": True}, {"zoom": 0.5}):
        fit(model, pictures, epochs=3, training_batch_size=4, **changed)
        assert sum(counted) == 3 * len(pictures)
        counted.clear()


@pytest.mark.slow
def test_what_does_not_fit_in_the_cache_is_computed_anew_with_the_same_result(backbone, pictures, monkeypatch):
    model, other = (zsas.load_model("april-gan", backbone) for _ in range(2))
    fit(model, pictures, epochs=2, training_batch_size=4)
    forget(monkeypatch)
    monkeypatch.setattr("zsas_lib.training.examples.CACHED_BYTES", 50_000)
    fit(other, pictures, epochs=2, training_batch_size=4)
    torch.testing.assert_close(learned(other), learned(model))


@pytest.mark.slow
def test_what_was_read_for_one_variant_serves_the_next_and_no_other_model(backbone, pictures, monkeypatch):
    forget(monkeypatch)
    counted = []
    for kind in ("vcpclip", "april-gan"):
        owner = type(zsas.load_model(kind, backbone))
        features = owner.features
        monkeypatch.setattr(
            owner, "features", lambda self, *given, own=features: (counted.append(self.name), own(self, *given))[1]
        )
    first, alone = (zsas.load_model("vcpclip+", backbone) for _ in range(2))
    fit(first, pictures, epochs=1, training_batch_size=4, augment=False)
    fit(zsas.load_model("vcpclip", backbone), pictures, epochs=1, training_batch_size=4, augment=False)
    assert counted == ["vcpclip+"]
    fit(zsas.load_model("april-gan", backbone), pictures, epochs=1, training_batch_size=4)
    fit(alone, pictures, epochs=1, training_batch_size=4, augment=False)
    assert counted == ["vcpclip+", "april-gan", "vcpclip+"]
    assert torch.equal(learned(alone), learned(first))
