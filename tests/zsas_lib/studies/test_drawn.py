"""Defects of which is known how they were drawn, beside how well they were found."""

import pandas as pd

from zsas_lib.studies.drawn import medians, with_drawn

PER_IMAGE = pd.DataFrame(
    {
        "path": ["a", "b", "c", "d"],
        "category": "ring",
        "is_anomalous": [True, True, True, False],
        "pixel_auroc": [0.9, 0.7, 0.5, float("nan")],
    }
)
DRAWN = pd.DataFrame(
    {
        "image": ["a", "b", "c", "left out"],
        "category": "ring",
        "kind": ["hole", "hole", "dent", "dent"],
        "contrast_level": ["high", "low", "low", "low"],
        "area": [0.003, 0.02, 0.2, 0.1],
    }
)


def test_damaged_pictures_get_how_they_were_drawn():
    table = with_drawn(PER_IMAGE, DRAWN)
    assert table.path.tolist() == ["a", "b", "c"] and table.kind.tolist() == ["hole", "hole", "dent"]
    assert table["size"].tolist() == ["< 0.3 %", "1-3 %", "> 3 %"]


def test_medians_are_by_kind_by_contrast_and_by_area():
    table = medians(with_drawn(PER_IMAGE, DRAWN)).set_index(["by", "group"])
    assert table["median"]["kind"].round(9).to_dict() == {"dent": 0.5, "hole": 0.8}
    assert table["size"]["contrast asked for"].to_dict() == {"high": 1, "low": 2}
    assert table["median"]["area"].to_dict() == {"< 0.3 %": 0.9, "1-3 %": 0.7, "> 3 %": 0.5}
