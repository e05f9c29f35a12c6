"""The printed size of a claim is that of the paper's own tables, in the unit of the page that tests it."""

import pandas as pd
import pytest

from zsas_lib.papers import claims, reported
from zsas_lib.studies.variants import BASELINE, FULL, effects_and_errors

KAKDA = {"winclip": reported("K", 1), "anomalyclip": reported("K", 3)}


def printed(paper: str, number: int | str, metric: str, level: str = "pixel") -> pd.Series:
    """A column of a printed table, by method or, where the method is one, by its setting."""
    table = reported(paper, number)
    own = table[(table.metric == metric) & (table.level == level)]
    return own.set_index("setting" if own.method.nunique() == 1 else "method").value


def gap(paper: str, number: int | str, metric: str, one: str, other: str) -> float:
    column = printed(paper, number, metric)
    return column[one] - column[other]


def lead(number: int, metric: str) -> float:
    """By how much VCP-CLIP+ is above the best of the others, as a fraction."""
    column = printed("V", number, metric)
    return (column["VCP-CLIP+"] - column.drop("VCP-CLIP+").max()) / 100


def effects() -> pd.DataFrame:
    """V's main effects in V's own Table 1, in points."""
    columns = {"pixel_ap": printed("V", 1, "AP"), "image_auroc": printed("V", 1, "AUROC", "image")}
    table = pd.DataFrame(columns).rename_axis("variant").reset_index()
    return effects_and_errors(table, list(columns), pd.Series(1.0, index=list(columns)))[0]


def mean(method: str, metric: str, level: str) -> float:
    table = reported("K", {"winclip": 2, "anomalyclip": 4}[method])
    return float(table[(table.metric == metric) & (table.level == level)].value.iloc[0])


def above(metric: str, level: str) -> float:
    return mean("anomalyclip", metric, level) - mean("winclip", metric, level)


def span(method: str) -> float:
    own = KAKDA[method][(KAKDA[method].metric == "AUROC") & (KAKDA[method].level == "image")].value
    return own.max() - own.min()


def in_text(group: str) -> float:
    table = reported("K", "text")
    rows = table[(table.method == "WinCLIP") & (table.level == "image") & (table.category == f"group:{group}")]
    return float(rows[rows.metric == "AUROC"].value.iloc[0])


def harder() -> float:
    table = reported("S", 1)
    own = table[(table.metric == "AUROC") & (table.setting == "backbone=ViT-B/16+;eval=original")]
    column = own.set_index("dataset").value
    return (column["VisA"] - column["MVTec-AD"]) / 100


def spread(dataset: str, perturbation: str, of: str = "widest") -> float:
    """How far one object's pixel AUROC moves, in points."""
    table = reported("S", "text")
    rows = table[(table.metric == "AUROC_range") & (table.dataset == dataset)]
    return float(rows.set_index("setting").value[f"perturbation={perturbation};of={of}"])


SIZES = {
    "Pixel AUROC of one object varies by up to 10 points with the angle": lambda: spread("MVTec-AD", "rotation") - 3,
    "Hue varies pixel AUROC of one object by up to 15 points": lambda: spread("MVTec-AD", "hue"),
    "The screw, grey, is completely unaffected by hue": lambda: spread("MVTec-AD", "hue", "flattest") - 1,
    "Ranges are much larger on VisA": lambda: spread("VisA", "rotation") - spread("MVTec-AD", "rotation"),
    "One object varies by up to 40 points with rotation (pcb1)": lambda: spread("VisA", "rotation") - 10,
    "One object varies by up to 40 points with hue (macaroni1)": lambda: spread("VisA", "hue") - 15,
    "VisA is the harder data set before any perturbation": harder,
    "AnomalyCLIP's image AUROC is far above WinCLIP's (0.916 against 0.612)": lambda: above("AUROC", "image"),
    "So is its pixel AUROC (0.907 against 0.726)": lambda: above("AUROC", "pixel"),
    "So is its AUPRO (0.814 against 0.679)": lambda: above("AUPRO", "pixel"),
    "AnomalyCLIP varies less between categories": lambda: span("anomalyclip") - span("winclip"),
    "The gap is smaller in segmentation than in classification": lambda: (
        above("AUROC", "pixel") - above("AUROC", "image")
    ),
    "WinCLIP is weaker on textures (0.565) than on rigid objects (0.684)": lambda: (
        in_text("texture") - in_text("rigid")
    ),
    "One normal picture raises WinCLIP's image AUROC by about 15 points": lambda: float(
        reported("K", "text").set_index("metric").value["AUROC_gain"]
    ),
    "A fixed temperature raises AUPRO dramatically (49.5 to 83.4)": lambda: (
        gap("V", 1, "AUPRO", "Fixed", BASELINE) / 100
    ),
    "UniOp raises pixel AP": lambda: effects().pixel_ap["UniOp"] / 100,
    "LoReb raises pixel AP": lambda: effects().pixel_ap["LoReb"] / 100,
    "IDP raises image AUROC": lambda: effects().image_auroc["IDP"] / 100,
    "The full model is best overall": lambda: gap("V", 1, "AP", FULL, "Fixed") / 100,
    "Three prompt tokens are best": lambda: (
        (printed("V", 3, "AUROC")["N=3"] - printed("V", 3, "AUROC").drop("N=3").max()) / 100
    ),
    "0.07 is the best temperature": lambda: (
        (printed("V", 4, "AUROC")["tau=0.07"] - printed("V", 4, "AUROC").drop("tau=0.07").max()) / 100
    ),
    "Too low a temperature segments too little": lambda: gap("V", 4, "AUROC", "tau=0.01", "tau=0.07") / 100,
    "VCP-CLIP+ leads all rivals in pixel AUROC": lambda: lead(5, "AUROC"),
    "... in pixel AP": lambda: lead(5, "AP"),
    "... in AUPRO": lambda: lead(5, "AUPRO"),
    "VCP-CLIP+ leads on VisA": lambda: lead(11, "AUROC"),
    "VCP-CLIP+ leads on BTAD": lambda: lead(9, "AUROC"),
    "VCP-CLIP+ leads on MPDD": lambda: lead(10, "AUROC"),
}


@pytest.mark.slow
def test_printed_sizes_are_those_of_the_papers_tables():
    known = {row.claim: float(row.printed) for row in claims().itertuples() if row.printed}
    assert known == {claim: pytest.approx(size(), abs=6e-4) for claim, size in SIZES.items()}


def test_only_a_test_of_two_sides_has_a_printed_size():
    rows = [row for row in claims().itertuples() if row.printed]
    assert rows and all(len({">", "<"} & set(row.test.split())) == 1 for row in rows)
