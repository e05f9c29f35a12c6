"""Paper K's tables under the names of computed ones."""

import pytest

from zsas_lib.papers.kakda import printed_auroc, printed_elsewhere, printed_gains, printed_groups


def test_printed_auroc_of_categories_is_shown_for_its_data_set_and_stand_ins_only():
    printed = printed_auroc("image_auroc", "mvtec")
    assert printed["winclip"]["tile"] == 0.149 and printed["anomalyclip"]["mean"] == 0.916
    assert printed_auroc("pixel_auroc", "mvtec")["winclip"]["mean"] == 0.726
    assert set(printed_auroc("image_auroc", "embedded-b")) == {"winclip", "anomalyclip"}
    assert printed_auroc("image_auroc", "visa") == printed_auroc("image_auroc", "folder") == {}


@pytest.mark.slow
def test_gains_are_those_of_the_recomputed_means():
    gains = printed_gains()
    assert set(gains.index) == {"all", "texture", "rigid", "flexible"}
    assert gains.loc["rigid", "image_auroc"] == pytest.approx(88.0 - 67.2, abs=0.1)
    assert gains.loc["all", "pixel_auroc"] == pytest.approx(91.1 - 72.7, abs=0.1)


def test_groups_have_their_auroc_and_deviation():
    contrast, types = printed_groups("contrast"), printed_groups("type")
    assert contrast.AUROC["low"] == 0.768 and contrast.AUROC_std["low"] == 0.09
    assert types.defect_types.sum() == 52 and len(types) == 10


def test_what_stands_elsewhere_in_percent():
    table = printed_elsewhere().set_index("number")
    assert table.loc["WinCLIP, mean pixel AUROC", ["K", "elsewhere", "where"]].tolist() == [72.6, 81.3, "V Table 5"]
    assert table.loc["WinCLIP, mean pixel AUPRO", ["K", "elsewhere"]].tolist() == [67.9, 60.8]
    released = table.loc["AnomalyCLIP, mean image AP"]
    assert released.K == pytest.approx(96.3) and released.elsewhere == pytest.approx(96.33, abs=0.01)
