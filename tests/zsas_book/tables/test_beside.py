import numpy as np
import pandas as pd
import pytest
from tiny_clip import tiny_backbone
from toy import toy_dataset

from zsas_book.tables.beside import beside_printed, beside_reported, changed_settings, notes_of, printed_mean


@pytest.mark.parametrize(
    ("reported", "reproduced", "note", "verdict"),
    [
        (80.0, 81.0, "", "within 1 point"),
        (80.0, 81.1, "", "off by +1.1"),
        (80.0, 70.0, "", "off by -10.0"),
        (80.0, 81.0, "embedded-b, embedded", "not comparable: embedded-b, embedded"),
        (np.nan, 81.0, "embedded-b, embedded", "not reported"),
        (80.0, np.nan, "", "not measured"),
    ],
)
def test_a_cell_has_a_verdict(reported, reproduced, note, verdict):
    table = beside_reported([{"claim": "c", "reported": reported, "reproduced": reproduced, "±": 1.0}], note)
    assert table.columns.tolist() == ["claim", "reported", "reproduced", "±", "verdict"]
    assert table.verdict.tolist() == [verdict]


def test_a_row_may_have_a_note_of_its_own_and_the_tolerance_another_width():
    rows = [
        {"claim": "a", "reported": 1.0, "reproduced": 4.0, "note": "other data"},
        {"claim": "b", "reported": 1.0, "reproduced": 4.0},
    ]
    assert beside_reported(rows, tolerance=3.0).verdict.tolist() == ["not comparable: other data", "within 3 points"]


def test_tables_are_compared_cell_by_cell():
    printed = pd.DataFrame({"pixel_auroc": [90.0, 80.0], "image_auroc": [70.0, 60.0]}, index=["A", "B"])
    ours = pd.DataFrame({"pixel_auroc": [90.5], "aupro": [50.0]}, index=["A"])
    table = beside_printed(printed, ours, where="V Table 1")
    assert table.claim.tolist() == [
        "V Table 1, A, pixel AUROC",
        "V Table 1, A, image AUROC",
        "V Table 1, B, pixel AUROC",
        "V Table 1, B, image AUROC",
    ]
    assert table.verdict.tolist() == ["within 1 point", "not measured", "not measured", "not measured"]


def test_a_row_without_its_numbers_is_refused():
    with pytest.raises(ValueError, match="reproduced is missing"):
        beside_reported([{"claim": "c", "reported": 1.0}])


def test_a_printed_mean_stands_beside_ours_with_the_reason_why_not_to_compare(tmp_path):
    pictures = toy_dataset(tmp_path, {"ring": 1})
    row = printed_mean("V, Table 5", ("V", 5, "pixel_auroc"), 90.0, pictures, tiny_backbone(), "winclip")
    assert row == {"claim": "V, Table 5", "reported": 81.3, "reproduced": 90.0, "note": "toy, tiny"}


def test_printed_rows_may_have_notes_of_their_own():
    printed = pd.DataFrame({"pixel_auroc": [80.0, 90.0]}, index=["WinCLIP", "VCP-CLIP"])
    table = beside_printed(printed, printed + 0.5, {"WinCLIP": "other tower"})
    assert table.verdict.tolist() == ["not comparable: other tower", "within 1 point"]


def test_what_differs_from_the_paper_is_the_recipe_s_and_the_chapter_s():
    training = {"epochs": None, "training_batch_size": 4}
    assert changed_settings("anomalyclip", None, "vit-l-14-336", training) == {"training_batch_size": 4}
    changed = changed_settings("anomalyclip", None, "embedded", training)
    assert changed == {"epochs": 3, "decay": True, "training_batch_size": 4}


def test_every_model_has_its_own_note(tmp_path):
    tower = tiny_backbone()
    notes = notes_of("V", 5, toy_dataset(tmp_path, {"ring": 1}), {"winclip": tower, "vcpclip": tower}, "short", {})
    assert notes == {"winclip": "toy, tiny", "vcpclip": "vcpclip, toy, tiny"}
