"""The landing page's findings: what a reader should take away, computed from the numbers that pages publish."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from zsas_lib.evaluation.sampled import agreeing

from ..escape import in_markdown
from ..pages.states import PageState
from ..project.chapters import COMPUTED
from .judging import CHANCE, HOLDS, NO_NUMBER, judge, measured

LANDING, MARK = "intro.md", "% findings"
"""The page, and the line in it that the findings take the place of."""


@dataclass(frozen=True)
class Finding:
    """Two numbers, fractions, on a page, and what to say where the first is beyond chance higher, lower, or neither.

    ``one`` and ``other`` are sides of a test (`judging`). Sentences have {one}, {other} (percent) and {gap}, by how
    many points the higher one is above the other.
    """

    page: str
    one: str
    other: str
    higher: str
    lower: str
    within: str


def _bounds(combination: str) -> str:
    return f"worst_case:bounds[category=mean; combination={combination}][pixel_auroc]"


def _of_model(model: str, metric: str) -> str:
    return f"winclip_vs_anomalyclip:categories[model={model}; category=mean][{metric}]"


FINDINGS = (
    Finding(
        "worst_case",
        _bounds("none"),
        _bounds("rotation + hue + saturation"),
        "The worst rotation, hue and saturation of each picture cost WinCLIP {gap} points of pixel AUROC: {one} % "
        "become {other} %.",
        "The worst rotation, hue and saturation of each picture raise WinCLIP's pooled pixel AUROC from {one} to "
        "{other} %, although each picture's own falls.",
        "The worst rotation, hue and saturation of each picture move WinCLIP's pixel AUROC from {one} to {other} %, "
        "which is within chance.",
    ),
    Finding(
        "trivial_maps",
        _of_model("winclip", "aupro"),
        _of_model("best_trivial_map", "aupro"),
        "A map that no model made has {other} % of AUPRO where WinCLIP has {one} %: only what is above it, {gap} "
        "points, is the model's.",
        "A map that no model made, with {other} % of AUPRO, is better than WinCLIP with {one} %.",
        "A map that no model made has {other} % of AUPRO, WinCLIP {one} %: by chance alone either could be ahead.",
    ),
    Finding(
        "winclip_vs_anomalyclip",
        _of_model("anomalyclip", "pixel_auroc"),
        _of_model("winclip", "pixel_auroc"),
        "Sentences learned on other products find defects better than written ones: AnomalyCLIP has {one} % of pixel "
        "AUROC, WinCLIP {other} %.",
        "Written sentences find defects better than those learned on other products: WinCLIP has {other} % of pixel "
        "AUROC, AnomalyCLIP {one} %.",
        "Sentences learned on other products are neither better nor worse than written ones: AnomalyCLIP has {one} % "
        "of pixel AUROC, WinCLIP {other} %, which is within chance.",
    ),
    Finding(
        "vcp_comparison",
        "vcp_comparison:means[variant=VCP-CLIP+][pixel_ap]",
        "max vcp_comparison:means[variant!=VCP-CLIP+][pixel_ap]",
        "VCP-CLIP+ leads its rivals in pixel AP, {one} % to {other} % of the second.",
        "VCP-CLIP+ does not lead in pixel AP: it has {one} %, the best of its rivals {other} %.",
        "VCP-CLIP+ and the best of its rivals are level in pixel AP: {one} and {other} %, which is within chance.",
    ),
    Finding(
        "few_shot",
        "few_shot:shots[category=mean; shots=1; weight=0.5][image_auroc]",
        "few_shot:shots[category=mean; shots=0][image_auroc]",
        "A single normal picture as a reference adds {gap} points to WinCLIP's image AUROC ({other} to {one} %).",
        "A single normal picture as a reference takes {gap} points from WinCLIP's image AUROC ({other} to {one} %).",
        "A single normal picture as a reference changes WinCLIP's image AUROC within chance only ({other} to {one} %).",
    ),
)


def finding_in_words(finding: Finding, computed: Path) -> str:
    """What came out, with its interval; "" where its numbers are not computed."""
    found = judge(f"{finding.one} > {finding.other}", computed)
    if found.word == NO_NUMBER:
        return ""
    one, other = (100 * measured(side, computed)[0] for side in (finding.one, finding.other))
    said = {CHANCE: finding.within, HOLDS: finding.higher}.get(found.word, finding.lower)
    sentence = said.format(one=f"{one:.1f}", other=f"{other:.1f}", gap=f"{abs(one - other):.1f}")
    gap = found.gap
    interval = (
        f" (Difference {100 * gap.gap:+.1f}, 95 % interval {100 * gap.low:+.1f} to {100 * gap.high:+.1f}"
        f"{agreeing(gap.agree)}.)"
        if gap
        else ""
    )
    return sentence + interval


def write_findings(root: Path, source: Path, states: Sequence[PageState]) -> None:
    """Put the findings into the staged landing page, each with a link to its page; one whose page is not computed is
    left out. A landing page without the mark stays as it is."""
    page = source / LANDING
    text = page.read_text(encoding="utf-8") if page.is_file() else ""
    if MARK not in text.splitlines():
        return
    titles = {state.page.name: state.title for state in states if state.certificate}
    said = [
        f"1. {in_markdown(sentence)} [{titles[finding.page]}](_computed/{finding.page})"
        for finding in FINDINGS
        if finding.page in titles and (sentence := finding_in_words(finding, root / COMPUTED))
    ]
    page.write_text(text.replace(f"{MARK}\n", "\n".join(said) + "\n"), encoding="utf-8")
