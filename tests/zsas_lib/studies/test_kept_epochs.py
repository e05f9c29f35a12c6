"""What the choice of an epoch is worth, against trainings that choose for themselves."""

import pytest
import torch
from toy import toy_dataset

import zsas_lib as zsas
from zsas_lib.studies.kept_epochs import after_each_epoch, gains, judging_categories, kept, kept_table
from zsas_lib.training.fit import fit

SETTINGS = {"epochs": 3, "training_batch_size": 4, "rate": 0.05, "augment": False}


@pytest.fixture
def auxiliary(tmp_path):
    return toy_dataset(tmp_path / "auxiliary", {"nut": 3, "ring": 3})


@pytest.fixture
def pictures(tmp_path):
    return toy_dataset(tmp_path / "target", {"bolt": 3, "wing": 3}).squashed(32)


@pytest.mark.slow
def test_one_training_has_the_epochs_that_others_keep(backbone, auxiliary, pictures):
    model = zsas.load_model("april-gan", backbone)
    (epochs,) = after_each_epoch(model, auxiliary, pictures, ["ring"], resamples=5, **SETTINGS)
    assert [own.epoch for own in epochs] == [1, 2, 3]
    plain = zsas.evaluate(model, pictures, resamples=5)
    assert torch.allclose(torch.tensor(plain.to_numpy()), torch.tensor(epochs[-1].table.to_numpy()), atol=1e-9)
    assert "features" not in vars(model), "it reads the towers by itself again"
    for select in ("last", "auxiliary", "target"):
        given = {"target": pictures} if select == "target" else {}
        fit(model, auxiliary, held_out=["ring"], select=select, **given, **SETTINGS)
        assert model.trained["kept_epoch"] == kept(epochs, select).epoch


@pytest.mark.slow
def test_gains_are_paired_over_trainings(backbone, auxiliary, pictures):
    asked = (auxiliary, pictures, ["ring"])
    runs = after_each_epoch(zsas.load_model("april-gan", backbone), *asked, resamples=5, seeds=[0, 1], **SETTINGS)
    assert not runs[0][0].table.equals(runs[1][0].table)
    rows = gains({"april-gan": runs}, ["pixel_ap", "aupro"]).set_index(["kept", "beside", "metric"])
    assert len(rows) == 6
    means = {
        select: sum(kept(epochs, select).table.loc["mean", "pixel_ap"] for epochs in runs) / 2
        for select in ("last", "auxiliary", "target")
    }
    for one, other in [("auxiliary", "last"), ("target", "last"), ("target", "auxiliary")]:
        row = rows.loc[(one, other, "pixel_ap")]
        assert row.gap == pytest.approx(means[one] - means[other]) and row["mean"] == pytest.approx(means[one])
    assert rows.loc[("target", "last", "pixel_ap"), "gap"] >= 0, "by what it chooses it cannot lose"
    curves = kept_table({"april-gan": runs}, "pixel_ap")
    assert len(curves) == 6 and (curves.groupby("run")[["last", "auxiliary", "target"]].sum() == 1).all(axis=None)
    best = curves.loc[curves.groupby("run").pixel_ap.idxmax()]
    assert best.target.all()


def test_every_fourth_category_judges(auxiliary):
    assert judging_categories(auxiliary) == ["ring"]
    assert len(judging_categories(zsas.load_dataset("embedded-a"))) == 3
