import pandas as pd

from zsas_book.site.results_index import units


def numbers(column: str, *values: float) -> pd.DataFrame:
    place = {"page": "p", "table": f"of {column} {values}", "row": [str(row) for row in range(len(values))]}
    return pd.DataFrame(place | {"column": column, "value": values, "spread": float("nan")})


def test_a_unit_is_told_by_the_column_s_name_or_by_the_range_of_a_metric_and_else_left_out():
    asked = {
        "percent": numbers("pixel_auroc", 2.0, 97.5),
        "fraction": numbers("pixel_auroc", 0.02, 0.975),
        "points": numbers("more missed (points)", 3.0),
        "ms": numbers("ms per picture", 30.0),
    }
    unknown = [numbers("gap", 0.5), numbers("aupro", -1.0, 25.0), numbers("pixel_ap", 0.1), numbers("aupro", 1.5)]
    said = units(pd.concat([*asked.values(), *unknown], ignore_index=True))
    assert [*said] == ["percent"] * 2 + ["fraction"] * 2 + ["points", "ms"] + [""] * 5
    assert units(numbers("gap").iloc[:0]).empty
