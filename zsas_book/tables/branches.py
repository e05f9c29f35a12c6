"""What the chapter on the branches of VCP-CLIP and its temperatures shows and says (`studies.branches`)."""

import pandas as pd

from zsas_lib.evaluation.paired import samples
from zsas_lib.evaluation.sampled import Sampled, in_points
from zsas_lib.studies.branches import FIXED, FUSED, MAPS, UNIOP

from ..labels import label
from ..words import beyond, gain, span

METRICS = ("pixel_auroc", "aupro", "pixel_f1_max", "image_auroc")
CALLED = {"clip": "CLIP's branch", "vcp": "VCP's branch", FUSED: "both, fused"}


def maps_table(means: pd.DataFrame) -> pd.DataFrame:
    """Every variant's maps, a row each, in percent; the mean over seeds."""
    itself = means[means["replicate"] < 0]
    table = 100 * itself.groupby(["variant", "map"], sort=False)[[*METRICS]].mean()
    table.index = pd.Index([f"{variant}: {CALLED[map_]}" for variant, map_ in table.index], name="map")
    return table


def gaps_table(means: pd.DataFrame) -> pd.DataFrame:
    """What UniOp changes in each map, and what fusion adds to either branch, before and after: a row each, in points,
    with the columns what, metric and those of `evaluation.sampled.Difference` (agree a fraction)."""
    rows = []
    for metric in METRICS:
        of = samples(means, metric, "of")
        for without, with_it in UNIOP.items():
            for map_ in MAPS:
                what = f"UniOp on {without}: {CALLED[map_]}"
                rows.append(_row(what, metric, of[f"{with_it}: {map_}"] - of[f"{without}: {map_}"]))
            for name in (without, with_it):
                for map_ in MAPS[:-1]:
                    what = f"{name}: both above {CALLED[map_]} alone"
                    rows.append(_row(what, metric, of[f"{name}: {FUSED}"] - of[f"{name}: {map_}"]))
    return pd.DataFrame(rows)


def branches_in_words(means: pd.DataFrame, metric: str = "aupro") -> list[str]:
    """What UniOp changes in each branch and in both, and whether both are better than one, by a metric."""
    of, said = samples(means, metric, "of"), []
    for without, with_it in UNIOP.items():
        changed = []
        for map_ in MAPS:
            gap = of[f"{with_it}: {map_}"] - of[f"{without}: {map_}"]
            changed.append(f"{CALLED[map_]} by {gain(gap)}{_judged(gap, '', '', ', within chance')}")
        said.append(f"On {without}, UniOp changes {label(metric)} of {'; of '.join(changed)}.")
    for name in (name for pair in UNIOP.items() for name in pair):
        best = max(MAPS[:-1], key=lambda map_: of[f"{name}: {map_}"].values[0])
        lead = of[f"{name}: {FUSED}"] - of[f"{name}: {best}"]
        judged = _judged(lead, "above", "below", "within chance of")
        said.append(f"{name}: both fused are {judged} the better branch alone, {CALLED[best]}, by {gain(lead)}.")
    return said


def ends_table(histories: pd.DataFrame) -> pd.DataFrame:
    """Where learned temperatures end, a row for each variant: the lowest and the highest over seeds, of either
    branch."""
    last = histories.dropna(subset=["clip_temperature"]).groupby(["variant", "seed"], sort=False).last()
    columns = ["clip_temperature", "vcp_temperature"]
    ends = last.groupby(level="variant", sort=False)[columns].agg(["min", "max"])
    ends.columns = [f"{name.split('_')[0].upper()}'s branch, {which}" for name, which in ends.columns]
    return ends.rename_axis("temperature")


def temperatures_in_words(means: pd.DataFrame, ends: pd.DataFrame, metric: str = "aupro") -> list[str]:
    """How each learned temperature does beside the fixed one, and where it ends."""
    of, said = samples(means, metric, "variant"), []
    for name, own in of.items():
        if name == FIXED:
            continue
        gap = own - of[FIXED]
        judged = _judged(gap, "better than", "worse than", "within chance of")
        low, high = ends.loc[name].min(), ends.loc[name].max()
        said.append(
            f"{name[0].upper()}{name[1:]}: temperatures end between {low:.2g} and {high:.2g}, and {label(metric)} is "
            f"{judged} the fixed one's, by {gain(gap)}."
        )
    return [*said, f"From the worst to the best of the {len(of)}, {label(metric)} spans {span(of)}."]


def _row(what: str, metric: str, gap: Sampled) -> dict[str, object]:
    return {"what": what, "metric": metric} | in_points(vars(gap.difference_or_nan()))


def _judged(gap: Sampled, above: str, below: str, within: str) -> str:
    known = gap.difference_or_nan()
    return beyond(known.low, known.high, above, below, within)
