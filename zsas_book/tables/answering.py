"""Multiple choice in a table and in words: what an answerer adds, and what the choice of questions adds by itself."""

import pandas as pd

from zsas_lib.evaluation.sampled import Sampled
from zsas_lib.robustness.answering import ANSWERERS, FAILURES, HEAD, MASTERED, NEUTRAL, OTHER, SECOND, TOWER

from ..words import gain
from .zoo import intervals


def answers_table(answered: pd.DataFrame) -> pd.DataFrame:
    """A row for each member and kind of questions, in percent: its share of the pictures, who is right in how many, and
    what the answerer has more than the tower, with its 95 % interval."""
    itself = answered[answered["replicate"] == -1]
    means = itself.groupby(["member", "questions"], sort=False)[["share", "chance", *ANSWERERS]].mean()
    sure = intervals(answered, "over_tower").set_index(["member", "questions"])[["gap", "low", "high"]]
    sure.columns = ["more than tower", "low", "high"]
    return (100 * means.join(sure)).reset_index()


def answers_in_words(answered: pd.DataFrame, member: str) -> list[str]:
    """What one member's answers say, with what was to be expected by the choice of questions alone."""
    own = answered[answered["member"] == member]
    kinds = {str(kind): rows for kind, rows in own.groupby("questions", sort=False)}

    def percent(kind: str, who: str) -> str:
        return f"{100 * Sampled.of(kinds[kind], who).values[0]:.1f} %"

    said = _of_failures(kinds[FAILURES], member)
    if kinds[MASTERED]["share"].any():
        said.append(f"Of what the tower masters, the answerer can only lose: it has {percent(MASTERED, HEAD)}.")
    return [
        *said,
        f"Where the wrong names were drawn at random, the tower has {percent(NEUTRAL, TOWER)} and the answerer "
        f"{percent(NEUTRAL, HEAD)}: {gain(Sampled.of(kinds[NEUTRAL], 'over_tower'))}.",
    ]


def _of_failures(failures: pd.DataFrame, member: str) -> list[str]:
    if not failures["share"].any():
        return [f"The {member}'s own naming gets nothing wrong, so that there is no failure to ask about."]
    right = {who: f"{100 * Sampled.of(failures, who).values[0]:.1f} %" for who in ANSWERERS}
    said = [
        f"Of what the {member}'s own naming gets wrong, the answerer has {right[HEAD]} right, which is "
        f"{gain(Sampled.of(failures, 'over_tower'))} more than the tower, whose {right[TOWER]} is no measurement.",
        f"Told that its first answer is wrong, the tower alone has {right[SECOND]} right.",
    ]
    if not failures[OTHER].isna().all():
        said.append(f"The same network from another seed, no better, has {right[OTHER]}.")
    return said
