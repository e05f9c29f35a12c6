"""What the papers say that a page tests: the table at its end."""

import pandas as pd

from zsas_lib.papers import claims


def claims_of(page: str, paper: str = "T") -> pd.DataFrame:
    """What a paper says that this page tests, with our note; the verdicts are on the page of claims."""
    table = claims()
    own = table[(table["paper"] == paper) & table["pages"].str.split().apply(lambda names: page in names)]
    return own[["claim", "place", "note"]].reset_index(drop=True)
