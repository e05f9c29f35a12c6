"""Paper S's Table 1 and what it says of its text."""

from zsas_lib.papers.bounds import MAIN, ORIGINAL, WORST, bound_claims, printed_bounds


def test_the_table_has_both_evaluations_of_three_towers_on_two_data_sets():
    printed = printed_bounds()
    assert printed.shape == (12, 4) and not printed.isna().any().any()
    assert printed.loc[("MVTec-AD", MAIN, ORIGINAL), "AUROC"] == 80.1
    assert printed.loc[("MVTec-AD", MAIN, WORST), ["AUROC", "AUPRO", "loss"]].tolist() == [59.8, 23.6, 0.085]


def test_its_claims_are_judged_by_its_own_numbers():
    said = bound_claims().set_index("claim")["its Table 1"]
    assert said["up to 20 % AUROC, 40 % AUPRO (abstract)"] == (
        "percentage points: 20.3 and 40.6, MVTec AD, ViT-B/16+; largest drops of all rows 39.4 and 40.6"
    )
    assert said["the two backbones without FARE drop more on VisA"] == "AUROC: 2 of 2; AUPRO: 1 of 2; F1-max: 0 of 2"
    assert said["the loss is inversely correlated with the metrics"] == (
        "rank correlation with AUROC -0.93 and -0.89 (MVTec AD, VisA; 6 rows each)"
    )
    assert said["ViT-L/14-FARE ² drops less, and starts lower"] == (
        "AUROC 37.7 and 30.6 before any perturbation, where chance is 50; drops 13.5 and 14.1"
    )
