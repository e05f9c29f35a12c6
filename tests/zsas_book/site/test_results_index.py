import pandas as pd

from zsas_book.site.results_index import units


def numbers(column: str, *values: float) -> pd.DataFrame:
    place = {"page": "p", "table": f"of {column} {values}", "row": [str(row) for row in range(len(values))]}
    return pd.DataFrame(place | {"column": column, "value": values, "spread": float("nan")})


def test_a_unit_is_told_by_the_column_s_name_and_else_left_out():
    asked = {
        "fraction": numbers("pixel_auroc", 0.02, 0.975),
        "percent": numbers("left (%)", 2.0, 97.5),
        "points": numbers("more missed (points)", 3.0),
        "ms": numbers("ms per picture", 30.0),
    }
    beside = [numbers("pixel_ap_reported", 0.1), numbers("aupro_se", 0.01)]
    unknown = [numbers("gap", 0.5), numbers("worst category", 0.5)]
    said = units(pd.concat([*asked.values(), *beside, *unknown], ignore_index=True))
    assert [*said] == ["fraction"] * 2 + ["percent"] * 2 + ["points", "ms"] + ["fraction"] * 2 + [""] * 2
    assert units(numbers("gap").iloc[:0]).empty
