"""Tables, sentences and curves about the choice of an epoch."""

import pandas as pd
import pytest

from zsas_book import figures
from zsas_book.tables import kept_epochs as tables


def test_gains_are_said_in_points_with_what_stands_behind_them():
    row = {"model": "vcpclip+", "kept": "target", "beside": "last", "metric": "pixel_ap", "mean": 0.4}
    numbers = {"gap": 0.012, "se": 0.002, "low": 0.004, "high": 0.02, "agree": 0.99, "power": 0.006}
    rows = tables.in_percent(pd.DataFrame([row | numbers, row | numbers | {"metric": "aupro"}]))
    assert rows.loc[0, ["mean", "gap", "power", "agree"]].tolist() == pytest.approx([40, 1.2, 0.6, 0.99])
    short, said = tables.in_words(rows, "pixel_ap")
    gained = "The best on test data has +1.2 to +1.2 points of pixel AP beside the last epoch, beyond chance for"
    assert short == f"{gained} 1 of 1 model."
    assert said.startswith(
        "VCP-CLIP+, the best on test data beside the last epoch: pixel AP +1.2 points, better (95 % interval +0.4 to"
    )
    short, said = tables.in_words(rows.assign(low=-1.0), "pixel_ap")
    assert "within chance" in said and short == f"{gained} 0 of 1 model."


def test_curves_mark_the_epoch_of_each_choice():
    table = pd.DataFrame(
        {
            "model": "april-gan",
            "run": [0, 0, 1, 1],
            "epoch": [1, 2, 1, 2],
            "pixel_ap": [0.3, 0.2, 0.1, 0.4],
            "last": [False, True, False, True],
            "auxiliary": [False, True, True, False],
            "target": [True, False, False, True],
        }
    )
    (axes,) = figures.epoch_curves(table, "pixel_ap", tables.WORDS).axes
    lines, marks = axes.lines[:2], {line.get_label(): line.get_xydata().tolist() for line in axes.lines[2:]}
    assert [line.get_ydata().tolist() for line in lines] == [[30.0, 20.0], [10.0, 40.0]]
    assert marks == {
        "the last epoch": [[2.0, 20.0], [2.0, 40.0]],
        "the best on held-out auxiliary products": [[2.0, 20.0], [1.0, 10.0]],
        "the best on test data": [[1.0, 30.0], [2.0, 40.0]],
    }
