"""Where models fail, in words, and paper K's claims beside it."""

from dataclasses import replace

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


def claims_of(toys, dataset, defects):
    """Paper K's claims beside three damaged pictures of a data set, with these defects."""
    damaged = iter(defects)
    records = [replace(record, defect=next(damaged)) if record.is_anomalous else record for record in toys.records]
    pictures = AnomalyDataset(dataset, toys.root, records)
    paths = [record.name(toys.root) for record in records if record.is_anomalous]
    own = pd.DataFrame({"WinCLIP": [0.5, 0.7, 0.9], "AnomalyCLIP": [0.4, 0.6, 0.8]}, index=paths)
    return beside_k_failures(own, pictures)


def test_paper_k_s_claims_stand_beside_deformations_textures_and_missing_parts(tmp_path):
    toys = toy_dataset(tmp_path, {"woven_sheet": 2, "ceramic_ring": 1})
    table = claims_of(toys, "embedded-b", ["deformation", "crack", "missing_piece"])
    assert table.reported.tolist() == [  # K, "Failure Case Analysis"
        "cable: image AUROC WinCLIP 50.7 % and AnomalyCLIP 70.3 %",
        "tile: image AUROC WinCLIP 14.9 %",
        "transistor: pixel AUROC AnomalyCLIP 70.8 %",
    ]
    bent, textures, missing = table.reproduced
    assert missing.startswith("where a part or material is missing: WinCLIP 90 % and AnomalyCLIP 80 %; ")
    assert missing.endswith("; under other defects: WinCLIP 60 % and AnomalyCLIP 50 %")
    assert bent.startswith("under deformation: WinCLIP 50 % and AnomalyCLIP 40 %; ")
    assert bent.endswith("; under other defects: WinCLIP 80 % and AnomalyCLIP 70 %")
    assert textures.startswith("on textures: WinCLIP 60 % and AnomalyCLIP 50 %; ")
    assert textures.endswith("; on objects: WinCLIP 90 % and AnomalyCLIP 80 %")
    assert claims_of(toys, "embedded-b", ["crack"] * 3).reproduced[0].startswith("under deformation: none here; under")


def test_the_claims_stand_beside_the_defects_that_mvtec_names(tmp_path):
    toys = toy_dataset(tmp_path, {"cable": 2, "carpet": 1})
    bent, textures, missing = claims_of(toys, "mvtec", ["bent_wire", "missing_cable", "cut"]).reproduced
    assert bent.startswith("under deformation: WinCLIP 50 % and")
    assert textures.startswith("on textures: WinCLIP 90 % and AnomalyCLIP 80 %; on objects: WinCLIP 60 %")
    assert missing.startswith("where a part or material is missing: WinCLIP 70 % and AnomalyCLIP 60 %; under other")


def test_nothing_is_said_of_kinds_that_nobody_knows(tmp_path):
    toys = toy_dataset(tmp_path, {"nut": 2, "cloth": 1})
    bent, textures, missing = claims_of(toys, "folder", ["deformation", "crack", "tear"]).reproduced
    assert bent == missing == "the kinds of defects are not known here" and textures == "textures are not known here"
