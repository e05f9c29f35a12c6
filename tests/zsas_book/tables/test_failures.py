"""Where models fail, in words, and paper K's claims beside it."""

import pandas as pd
import pytest
from toy import toy_dataset

from zsas_book.tables.failures import beside_k_failures, failure_table, failures_in_words, overlap_in_words
from zsas_lib.data.dataset import AnomalyDataset


@pytest.fixture
def own():
    paths = [f"p{place:02}" for place in range(20)]
    first = [0.45 + place / 50 for place in range(20)]
    second = [0.9, 0.5, 0.6, *[0.91 + place / 1000 for place in range(17)]]
    return pd.DataFrame({"WinCLIP": first, "AnomalyCLIP": second}, index=paths)


def test_two_models_overlap(own):
    said = " ".join(overlap_in_words(own))
    assert "Over 20 damaged pictures the rank correlation" in said
    assert "1 are the same ones, where chance gives 0.2: the models share some of their failures." in said
    assert said.endswith("Pictures below chance: 3 for WinCLIP, 0 for AnomalyCLIP.")
    apart = own.assign(AnomalyCLIP=own.WinCLIP.to_numpy()[::-1])
    assert (
        "0 are the same ones, where chance gives 0.2: each fails on pictures of its own." in overlap_in_words(apart)[1]
    )
    same = own.assign(AnomalyCLIP=own.WinCLIP)
    assert "2 are the same ones, where chance gives 0.2: the models mostly fail" in overlap_in_words(same)[1]


def test_many_models_in_words(own):
    hard, ranks, below = failures_in_words(own.assign(Third=own.WinCLIP))
    assert hard == "The hardest tenth of a model is 2 of 20 pictures; 1 of them are in the tenth of all 3 models."
    assert ranks.endswith("to 1.00, highest between WinCLIP and Third.")
    assert below == "Pictures below 50 %: 0, the fewest, for AnomalyCLIP; 3, the most, for WinCLIP and Third."


def test_of_one_picture_no_rank_correlation_is_told(own):
    one = own.head(1).assign(Third=0.6)
    assert "AUROC cannot be told where there is one picture" in overlap_in_words(one.iloc[:, :2])[0]
    hard, ranks, below = failures_in_words(one)
    assert hard.startswith("The hardest tenth of a model is 1 of 1 picture;")
    assert ranks == (
        "Rank correlations of two models' own pixel AUROC cannot be told where there is one picture or a model has the "
        "same for all."
    )
    assert "nan" not in ranks + below


def test_the_table_of_failures_is_in_percent(own):
    table = failure_table(own, pd.Series("crack", index=own.index), "WinCLIP")
    assert table.columns.tolist() == ["lowest", "median", "below 50 %", "shared with WinCLIP", "hardest defect"]
    assert table.lowest.tolist() == pytest.approx([45.0, 50.0])
    assert table["shared with WinCLIP"].tolist() == [2, 1]


def test_paper_k_s_claims_stand_beside_deformations_and_textures(tmp_path):
    toys = toy_dataset(tmp_path, {"woven_sheet": 2, "ceramic_ring": 1})
    pictures = AnomalyDataset("embedded-b", toys.root, toys.records)
    paths = [record.name(toys.root) for record in toys.records if record.is_anomalous]
    own = pd.DataFrame({"WinCLIP": [0.5, 0.7, 0.9], "AnomalyCLIP": [0.4, 0.6, 0.8]}, index=paths)
    defects = pd.Series(["deformation", "crack", "crack"], index=paths)
    table = beside_k_failures(own, defects, pictures)
    assert table.reported.tolist() == [  # K, "Failure Case Analysis"
        "cable: image AUROC WinCLIP 50.7 % and AnomalyCLIP 70.3 %",
        "tile: image AUROC WinCLIP 14.9 %",
        "transistor: pixel AUROC AnomalyCLIP 70.8 %",
    ]
    bent, textures, missing = table.reproduced
    assert missing.startswith("under missing pieces: none here; under other defects: WinCLIP 70 %")
    assert bent.startswith("under deformation: WinCLIP 50 % and AnomalyCLIP 40 %; ")
    assert bent.endswith("; under other defects: WinCLIP 80 % and AnomalyCLIP 70 %")
    assert textures.startswith("on textures: WinCLIP 60 % and AnomalyCLIP 50 %; ")
    assert textures.endswith("; on objects: WinCLIP 90 % and AnomalyCLIP 80 %")
    unbent = beside_k_failures(own, pd.Series("crack", index=paths), pictures).reproduced[0]
    assert unbent.startswith("under deformation: none here;")
