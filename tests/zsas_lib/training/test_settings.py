"""Settings and data that no training can be done with are told, most of them before a picture is read."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import zsas_lib as zsas
from zsas_lib.base.errors import DataError, OptionError, UnknownNameError
from zsas_lib.data.dataset import AnomalyDataset
from zsas_lib.models.learned import NothingToLearnError
from zsas_lib.training.fit import fit


@pytest.mark.parametrize("zoom", [-0.1, 1.5])
def test_zoom_is_a_probability(backbone, pictures, zoom):
    with pytest.raises(ValueError, match=rf"zoom={zoom}; expected a probability in 0..1"):
        fit(zsas.load_model("april-gan", backbone), pictures, epochs=1, zoom=zoom)


@pytest.mark.parametrize("size", [0, 33])
def test_the_loss_compares_no_larger_maps_than_there_are(backbone, pictures, size):
    with pytest.raises(ValueError, match=rf"loss_size={size}; expected a side in pixels in 1..32"):
        fit(zsas.load_model("april-gan", backbone), pictures, epochs=1, loss_size=size)


def test_bad_input(backbone, pictures):
    model = zsas.load_model("april-gan", backbone)
    with pytest.raises(DataError, match="has 0 anomalous pictures of 6"):
        fit(model, pictures.select(anomalous=False))
    with pytest.raises(DataError, match="6 anomalous pictures of 6"):
        fit(model, pictures.select(anomalous=True))
    with pytest.raises(UnknownNameError, match="'rign'.*'ring'"):
        fit(model, pictures, held_out=["rign"])
    with pytest.raises(UnknownNameError, match="'nutt'.*'nut'"):
        fit(model, pictures, held_out="nutt")
    with pytest.raises(NothingToLearnError, match="winclip learns nothing"):
        fit(zsas.load_model("winclip", backbone), pictures)
    pictures.records[-1].mask_path.write_bytes(b"no picture")
    with pytest.raises(DataError, match="mask.png"):
        fit(model, pictures, epochs=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"epochs": 0}, "fit got epochs=0; expected a whole number in 1"),
        ({"training_batch_size": -2}, "training_batch_size=-2; expected a whole number in 1"),
        ({"training_batch_size": 10**30}, "training_batch_size=1000.*; expected a whole number in 1..2147483647"),
        ({"seed": -1}, "seed=-1; expected a whole number in 0"),
        ({"seed": 2**64}, "seed=18446744073709551616; expected a whole number in 0..4294967295"),
        ({"rate": 0.0}, "rate=0.0; expected a learning rate above 0 and at most 1"),
        ({"rate": math.nan}, "rate=nan"),
        ({"rate": math.inf}, "rate=inf"),
        ({"rate": 1e30}, "rate=1e[+]30"),
        ({"rates": {"projections.0.bias": math.nan}}, r"rates\['projections.0.bias'\]=nan; expected a learning rate"),
        ({"rates": {"projections.0.bias": 0.0}}, r"rates\['projections.0.bias'\]=0.0"),
        ({"zoom": math.nan}, "zoom=nan; expected a probability in 0..1"),
        ({"loss_size": -1}, "loss_size=-1; expected a side in pixels in 1..32"),
        ({"augment": "false"}, "augment='false'; expected True or False"),
        ({"decay": "no"}, "decay='no'; expected True or False"),
        ({"perturbed": ["hue", "rotation", "hue"]}, r"\['hue', 'rotation', 'hue'\]; expected each perturbation once"),
        ({"select_by": "aupro"}, "select_by='aupro', and the last epoch is kept"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_settings_that_cannot_be_are_told_before_a_picture_is_read(backbone, pictures, settings, message, monkeypatch):
    monkeypatch.setattr("zsas_lib.training.fit.Examples", lambda *_: pytest.fail("pictures were read"))
    with pytest.raises(OptionError, match=message):
        fit(zsas.load_model("april-gan", backbone), pictures, **settings)


def test_a_data_set_without_masks_teaches_nothing(backbone, pictures):
    bare = [replace(record, mask_path=None) for record in pictures.records]
    dataset = AnomalyDataset("bare", pictures.root, bare, 32)
    with pytest.raises(DataError, match="has no mask of 6 anomalous pictures, such as nut/3.png"):
        fit(zsas.load_model("april-gan", backbone), dataset, epochs=1)


@pytest.mark.parametrize("which", ["output", "checkpoint"])
def test_where_nothing_can_be_written_is_told_before_a_picture_is_read(
    backbone, pictures, tmp_path, which, monkeypatch
):
    monkeypatch.setattr("zsas_lib.training.fit.Examples", lambda *_: pytest.fail("pictures were read"))
    model = zsas.load_model("april-gan", backbone)
    (tmp_path / "file").write_text("kept")
    for place, message in (
        (tmp_path, "is a folder; expected the name of a file"),
        (tmp_path / "file" / "x", "file is no folder"),
        (tmp_path / ("x" * 240), "No file can be written at .*name too long"),
    ):
        with pytest.raises(OptionError, match=message):
            fit(model, pictures, epochs=1, **{which: place})
    with pytest.raises(OptionError, match="expected two files"):
        fit(model, pictures, epochs=1, output=tmp_path / "same", checkpoint=tmp_path / "same")
    assert (tmp_path / "file").read_text() == "kept" and sorted(path.name for path in tmp_path.iterdir()) == [
        "file",
        "toy",
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("unchecked_types")
def test_numbers_of_numpys_kind_are_numbers(backbone, pictures, tmp_path):
    def trained(kind, name):
        model = zsas.load_model("coop", backbone, context=kind(4))
        settings = {"epochs": kind(1), "training_batch_size": kind(4), "seed": kind(3), "loss_size": kind(8)}
        log = fit(model, pictures, output=tmp_path / name, augment=False, **settings)
        return log, zsas.load_model("coop", backbone, checkpoint=tmp_path / name, context=4)

    (log, model), (expected, other) = trained(np.int64, "one.safetensors"), trained(int, "other.safetensors")
    pd.testing.assert_frame_equal(log, expected)
    assert model.options == other.options and type(model.options["context"]) is int
