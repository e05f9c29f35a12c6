"""Claims judged by paired differences, where pages publish the replicates of their tables."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from flats import flat_of
from mini_project import REPOSITORY

from zsas_book import figures
from zsas_book.project.chapters import Page
from zsas_book.site.claims import _in_sentences, what_decides
from zsas_book.site.judging import CHANCE, FAILS, HOLDS, NO_NUMBER, Verdict, judge
from zsas_lib.evaluation.paired import flat_models
from zsas_lib.evaluation.replicates import REPLICATE, flat
from zsas_lib.evaluation.sampled import Difference
from zsas_lib.evaluation.tables import MEAN, Replicated, with_means

CATEGORIES = ["bolt", "cap", "disc", "edge", "foil", "gear"]
HARD = np.array([0.05, 0.2, 0.1, 0.3, 0.15, 0.25])
NOISE = np.array([0.0, 0.01, -0.01, 0.02, -0.02, 0.0])


def table(values: dict[str, np.ndarray], pictures: int = 1) -> pd.DataFrame:
    """Rows of categories and combinations; the replicates of each are 40 draws around its number."""
    rows, replicates = [], []
    for combination, own in values.items():
        for number, (category, value) in enumerate(zip(CATEGORIES, own)):
            setting = {"category": category, "combination": combination}
            rows.append(setting | {"pixel_auroc": value, "pixel_auroc_se": 0.02})
            drawn = value + 0.02 * np.random.default_rng(number).normal(size=40)
            columns = setting | {"replicate": range(40), "draw": range(40), "pictures": pictures + number}
            replicates.append(pd.DataFrame(columns | {"units": 8, "freedom": 3, "pixel_auroc": drawn}))
    return with_means(pd.DataFrame(rows), replicates, by=["combination"])


@pytest.fixture
def publish(tmp_path, monkeypatch):
    def published(page: str, own: pd.DataFrame, name: str, replicates: pd.DataFrame | None) -> None:
        folder = tmp_path / f"{page}_files"
        folder.mkdir(exist_ok=True)
        monkeypatch.setenv("ZSAS_PAGE_FILES", str(folder))
        figures.publish_table(own, name, replicates)

    return published


def side(page: str, combination: str, category: str = "mean") -> str:
    return f"{page}:bounds[category={category}; combination={combination}][pixel_auroc]"


@pytest.mark.slow
def test_what_is_hard_for_both_is_taken_out_of_a_difference(publish, tmp_path):
    """0.03 between two means that spread by 0.1 over the categories: hidden by independent errors, clear pair by pair.
    A difference that only one category makes is within chance."""
    own = table({"none": 0.9 - HARD, "worst": 0.87 - HARD + NOISE, "one": 0.9 - HARD - 0.1 * (HARD > 0.29)})
    publish("page", own, "bounds", None)
    test = f"{side('page', 'none')} - {side('page', 'worst')} > 0"
    assert judge(f"{side('page', 'none')} > 0.9", tmp_path).word == FAILS  # by ± alone
    publish("page", own, "bounds", flat(own))
    found = judge(test, tmp_path)
    assert found.word == HOLDS
    gap, se = 0.03, np.std(NOISE, ddof=1) / 6**0.5
    assert "0.0300 > 0? paired difference 0.0300, 95 % interval" in found.evidence
    assert "100 % of resamples agree in sign, power 0.0" in found.evidence
    low = float(found.evidence.split("interval ")[1].split(" to")[0])
    assert low == pytest.approx(gap - 2.571 * se, abs=0.002)
    assert judge(f"{side('page', 'worst')} > {side('page', 'none')}", tmp_path).word == FAILS
    assert judge(f"{side('page', 'none')} > {side('page', 'one')}", tmp_path).word == CHANCE
    assert judge(f"0.01 < {side('page', 'none')} - {side('page', 'worst')}", tmp_path).word == HOLDS
    single = judge(f"{side('page', 'none', 'cap')} > {side('page', 'worst', 'cap')}", tmp_path)
    assert single.word == HOLDS and "paired difference" in single.evidence


@pytest.mark.slow
def test_a_printed_size_that_would_have_shown_does_not_hold(publish, tmp_path):
    own = table({"none": 0.9 - HARD, "one": 0.9 - HARD - 0.1 * (HARD > 0.29)})
    publish("page", own, "bounds", flat(own))
    test = f"{side('page', 'none')} > {side('page', 'one')}"
    assert judge(test, tmp_path).word == CHANCE and "the paper's own" not in judge(test, tmp_path).evidence
    gap = judge(test, tmp_path).gap
    assert gap.low < 0 < gap.high < 0.07
    inside, outside = judge(test, tmp_path, 0.02), judge(test, tmp_path, 0.07)
    assert inside.word == CHANCE and inside.evidence.endswith("the paper's own, 0.02, is inside of the interval")
    assert outside.word == FAILS and outside.evidence.endswith("the paper's own, 0.07, is outside of the interval")
    assert judge(f"0.05 > {side('page', 'none')}", tmp_path, 0.9).word == FAILS  # decided by its sign alone
    assert judge(f"0.05 < {side('page', 'none')}", tmp_path, -0.9).word == HOLDS


@pytest.mark.slow
def test_sides_about_other_pictures_are_not_paired(publish, tmp_path):
    first = table({"none": 0.9 - HARD, "worst": 0.87 - HARD + NOISE})
    other = table({"none": 0.85 - HARD, "worst": 0.83 - HARD + NOISE}, pictures=50)
    for page, own in (("one", first), ("two", other)):
        publish(page, own, "bounds", flat(own))
    apart = judge(f"{side('one', 'none')} > {side('two', 'none')}", tmp_path)
    assert apart.word == CHANCE and "not paired: difference 0.05" in apart.evidence
    drops = " > ".join(f"{side(page, 'none')} - {side(page, 'worst')}" for page in ("one", "two"))
    found = judge(drops, tmp_path)  # each drop is paired, and both are about other pictures
    assert found.word == CHANCE and "not paired: difference 0.010" in found.evidence
    mixed = f"{side('one', 'none')} - {side('two', 'none')} > 0"
    assert judge(mixed, tmp_path).evidence.endswith("± 0.012")  # independent errors, as without replicates


@pytest.mark.slow
def test_trainings_are_in_the_interval(publish, tmp_path):
    def run(value):
        whole = table({"x": value}).drop(columns="combination")
        own = Replicated(whole)
        own.replicates = whole.replicates.drop(columns="combination")
        own.attrs = {"settings": []}
        return own

    runs = {"a": [run(0.9 - HARD)], "b": [run(0.87 + step - HARD) for step in (-0.02, 0.0, 0.02)]}
    means = pd.concat([run(0.9 - HARD).assign(model="a"), run(0.87 - HARD).assign(model="b")], ignore_index=True)
    publish("page", pd.DataFrame(means), "categories", flat_models(runs))
    test = " > ".join(f"page:categories[model={name}; category=mean][pixel_auroc]" for name in "ab")
    assert judge(test, tmp_path).word == CHANCE
    runs["b"] = [run(0.87 + step - HARD) for step in (-0.001, 0.0, 0.001)]
    each = [own.assign(model=name) for name, tables in runs.items() for own in tables]  # a row for each training
    publish("page", pd.concat([pd.DataFrame(own) for own in each]), "categories", flat_models(runs))
    assert judge(test, tmp_path).word == HOLDS


@pytest.mark.slow
@pytest.mark.parametrize("with_replicates", [True, False])
def test_the_best_rival_is_the_one_with_the_highest_mean_over_its_trainings(publish, tmp_path, with_replicates):
    """ "lucky" has the best single training, "steady" the best mean: the number shown is of whom the verdict is."""
    trainings = {"ours": [0.9, 0.9], "steady": [0.88, 0.88], "lucky": [0.79, 0.89]}
    rows = [
        {"variant": name, "seed": seed, "score": "own", "pixel_auroc": value}
        for name, values in trainings.items()
        for seed, value in enumerate(values)
    ]
    numbers = {(name, "own"): float(np.mean(values)) for name, values in trainings.items()}
    apart = flat_of(numbers, ["variant", "score"], ["pixel_auroc"], runs=2)
    moved = apart.assign(
        pixel_auroc=apart.pixel_auroc
        + [trainings[name][run] - np.mean(trainings[name]) for name, run in zip(apart.variant, apart.run)]
    )
    publish("page", pd.DataFrame(rows), "means", moved if with_replicates else None)
    found = judge("page:means[variant=ours][pixel_auroc] > max page:means[variant!=ours][pixel_auroc]", tmp_path)
    assert found.word == HOLDS
    one, other = (float(number) for number in found.evidence.split("?")[0].split(" > "))
    assert (one, other) == (0.9, 0.88)
    assert not with_replicates or found.gap.gap == pytest.approx(0.02)


def test_what_was_measured_in_whole_numbers_tells_no_trainings_apart(publish, tmp_path):
    """An index, epochs that differ from training to training: still one model. Steps recur: they are settings."""
    trainings = {"ours": [(0.9, 11), (0.9, 14)], "lucky": [(0.79, 12), (0.89, 15)]}
    rows = [
        {"variant": name, "seed": seed, "epochs": epochs, "step": step, "x": value - step}
        for name, own in trainings.items()
        for seed, (value, epochs) in enumerate(own)
        for step in (0, 1)
    ]
    publish("page", pd.DataFrame(rows), "means", None)
    publish("page", pd.DataFrame(rows, index=[*range(7, 15)]), "indexed", None)
    for name in ("means", "indexed"):
        highest = judge(f"max page:{name}[variant=lucky][x] < 0.85", tmp_path)
        assert highest.word == HOLDS and highest.evidence.startswith("0.84 < ")
        assert judge(f"min page:{name}[variant=lucky][x] > -0.17", tmp_path).word == HOLDS
        assert judge(f"min page:{name}[variant=lucky][x] < -0.15", tmp_path).word == HOLDS


def test_the_highest_and_lowest_row_keep_their_own_error(publish, tmp_path):
    rows = pd.DataFrame({"name": ["a", "b"], "x": [0.5, 0.8], "x_se": [0.3, 0.01], "flag": [True, False]})
    publish("page", rows, "t", None)
    assert judge("max page:t[][x] > 0.79", tmp_path).evidence == "0.800 > 0.790? ± 0.01"
    lowest = judge("min page:t[][x] > 0", tmp_path)
    assert lowest.word == CHANCE and lowest.evidence.endswith("± 0.3")
    assert judge("page:t[flag=True][x] < 0.6", tmp_path).evidence.endswith("± 0.3")
    assert judge("page:t[flag!=True][x] > 0.6", tmp_path).word == HOLDS


def test_rows_that_tie_are_not_compared_with_themselves(publish, tmp_path):
    flat = flat_of({("a",): 0.8, ("b",): 0.8}, ["name"], ["x"], own=0.02)
    publish("page", pd.DataFrame({"name": ["a", "b"], "x": [0.8, 0.8]}), "t", flat)
    found = judge("max page:t[][x] - min page:t[][x] > 0", tmp_path)
    assert found.word == CHANCE and found.gap.se > 0


def test_whole_numbers_are_equal_where_they_are_the_same(publish, tmp_path):
    rows = pd.DataFrame({"name": ["a", "b", "c"], "count": [437626887, 437626885, 437626885], "x": [0.1, 0.3, 0.3]})
    publish("page", rows, "t", None)
    count = "page:t[name={}][count]".format
    found = judge(f"{count('a')} = {count('b')}", tmp_path)
    assert (found.word, found.evidence) == (FAILS, "437,626,887 = 437,626,885?")
    assert judge(f"{count('c')} = {count('b')}", tmp_path).word == HOLDS
    assert judge("page:t[name=b][x] - page:t[name=a][x] = 0.2", tmp_path).word == HOLDS
    chain = judge(f"{count('b')} = {count('c')} < {count('a')}", tmp_path)
    assert chain.word == HOLDS and chain.evidence.count("?") == 2
    assert judge(f"{count('b')} = {count('c')} > {count('a')}", tmp_path).word == FAILS
    assert judge(f"{count('b')} = {count('c')} > {count('gone')}", tmp_path).word == NO_NUMBER


@pytest.mark.slow
def test_of_one_category_the_mean_has_no_interval(publish, tmp_path):
    own = table({"none": 0.9 - HARD, "worst": 0.5 - HARD})
    one = with_means(
        pd.DataFrame(own[own.category == "bolt"]), [own.replicates.query("category == 'bolt'")], by=["combination"]
    )
    publish("page", one, "bounds", flat(one))
    found = judge(f"{side('page', 'none')} > {side('page', 'worst')}", tmp_path)
    assert found.word == HOLDS and "paired" not in found.evidence and "±" in found.evidence


EFFECTS = pd.DataFrame(
    [
        ("four, not one", "AUPRO", -0.2, 0.05, -0.31, -0.09, 0.99, 0.15),
        ("other score", "AUPRO", 0.01, 0.02, -0.03, 0.05, 0.7, 0.06),
        ("alone", "AUPRO", 0.1, *[float("nan")] * 5),
    ],
    columns=["change", "metric", "gain", "gain_se", "low", "high", "agree", "power"],
)


@pytest.mark.slow
def test_a_table_of_differences_may_have_their_chance_beside_them(publish, tmp_path):
    publish("page", EFFECTS, "effects", None)
    clear = judge("page:effects[change=four, not one; metric=AUPRO][gain] < 0", tmp_path)
    assert clear.word == HOLDS and clear.gap.power == 0.15
    assert clear.evidence.endswith("interval -0.310 to -0.090, 99 % of resamples agree in sign, power 0.150")
    found = judge("page:effects[change=other score; metric=AUPRO][gain] > 0", tmp_path)
    assert found.word == CHANCE and "paired difference 0.010, 95 % interval -0.030 to 0.050" in found.evidence
    assert found.times == pytest.approx(36)
    alone = judge("page:effects[change=alone; metric=AUPRO][gain] > 0", tmp_path)
    assert alone.word == HOLDS and alone.gap is None
    assert judge("page:effects[change=other score; metric=AUPRO][gain] > -0.04", tmp_path).gap is None  # of 0 alone


@pytest.mark.slow
def test_the_highest_of_such_differences_has_its_own_chance(publish, tmp_path):
    publish("page", EFFECTS, "effects", None)
    lowest = judge("min page:effects[change!=alone][gain] > 0", tmp_path)
    assert lowest.word == FAILS and lowest.gap.gap == -0.2 and "-0.200 > 0? paired difference -0.200" in lowest.evidence
    highest = judge("max page:effects[change!=alone][gain] > 0", tmp_path)
    assert highest.word == CHANCE and highest.gap.gap == 0.01


@pytest.mark.slow
def test_a_quotation_has_the_differences_behind_it(publish, tmp_path):
    publish("page", EFFECTS, "effects", None)
    said = pd.DataFrame({"claim": ["A is balanced by B and C"], "verdict": [CHANCE]})
    publish("page", said, "claims", None)
    quote = "page:claims[claim=A is balanced by B and C][verdict]"
    assert judge(quote, tmp_path) == Verdict(CHANCE)
    other, four, alone = (f"page:effects[change={name}][gain]" for name in ("other score", "four, not one", "alone"))
    found = judge(f"{quote} by {other} and {four}", tmp_path)
    assert found.word == CHANCE and found.gap.gap == 0.01 and found.times == pytest.approx(36)
    first, second = found.evidence.split("; ")
    assert first.startswith("other score: paired difference 0.010, 95 % interval") and first.endswith("power 0.060")
    assert second.startswith("four, not one: paired difference -0.200")
    assert judge(f"{quote} by {alone}", tmp_path) == Verdict(CHANCE)


@pytest.mark.slow
def test_replicates_of_other_numbers_are_not_published(publish):
    own = table({"none": 0.9 - HARD})
    others = pd.DataFrame(own).assign(pixel_auroc=own.pixel_auroc - 0.1)
    with pytest.raises(ValueError, match="table's own numbers, got others of column 'pixel_auroc' of 'bounds'"):
        publish("page", others, "bounds", flat(own))
    percent = pd.DataFrame(own).assign(pixel_auroc=100 * own.pixel_auroc)
    with pytest.raises(ValueError, match="column 'pixel_auroc' of 'bounds' as it is computed, of at most 1"):
        publish("page", percent, "bounds", flat(own))
    assert MEAN in set(flat(own).category) and set(REPLICATE) < set(flat(own))


@pytest.mark.slow
def test_the_highest_of_several_rows_is_judged_with_its_replicates(publish, tmp_path):
    """ "best" is ahead of "near" by 0.01 in all categories, "near" of "far"; "noisy" is ahead of none beyond chance."""
    own = table({"best": 0.9 - HARD, "near": 0.89 - HARD, "far": 0.8 - HARD, "noisy": 0.892 - HARD + 2 * NOISE})
    publish("page", own, "bounds", flat(own))
    others = "page:bounds[category=mean; combination!={}][pixel_auroc]"
    found = judge(f"{side('page', 'best')} > max {others.format('best')}", tmp_path)
    assert found.word == CHANCE and "paired difference 0.008" in found.evidence  # "noisy" is the highest of the others
    assert judge(f"{side('page', 'far')} > max {others.format('far')}", tmp_path).word == FAILS
    assert judge(f"{side('page', 'near')} > min {others.format('near')}", tmp_path).word == HOLDS
    spread = judge(f"max page:bounds[category=mean][pixel_auroc] - {side('page', 'far')} > 0.05", tmp_path)
    assert spread.word == HOLDS and spread.gap.gap == pytest.approx(0.05, abs=1e-9)


@pytest.mark.slow
def test_what_would_decide_is_said_from_the_power_and_the_paper_profile(publish, tmp_path):
    own = table({"none": 0.9 - HARD, "one": 0.9 - HARD - 0.1 * (HARD > 0.29)})
    publish("page", own, "bounds", flat(own))
    found = judge(f"{side('page', 'none')} > {side('page', 'one')}", tmp_path)
    assert found.word == CHANCE and found.times > 1
    assert found.times == pytest.approx((found.gap.power / found.gap.gap) ** 2)
    claim = pd.Series({"pages": "elsewhere page"})
    paper = Page(
        "page", Path("page.ipynb"), "paper", {"dataset": "mvtec", "backbone": "vit-l-14", "categories": ["bottle"]}
    )
    said = what_decides(claim, found, {"page": paper})
    assert said.startswith(f"To decide it: about {found.times:.2g} times as many pictures, categories and trainings")
    assert said.endswith("is decided by 1 category (83 pictures) of mvtec with vit-l-14.")
    assert what_decides(claim, Verdict(CHANCE), {}) == ""


@pytest.mark.parametrize(
    "gap, power, size",
    [(0.5, 1.0, "about 4"), (0.1, 1.53, "about 230"), (0.1, 3.5, "more than 1,000"), (1e-16, 0.04, "more than 1,000")],
)
def test_how_many_times_as_many_is_said_with_two_digits_and_no_more_than_a_thousand(gap, power, size):
    found = Verdict(CHANCE, gap=Difference(gap, 1.0, -1.0, 1.0, 0.5, power))
    said = what_decides(pd.Series({"pages": ""}), found, {})
    assert said.startswith(f"To decide it: {size} times as many pictures, categories and trainings like these would")


@pytest.mark.parametrize(
    "test, word, evidence, decides, said",
    [
        ("page:t[rule=a][let in] = none", HOLDS, "none", "", "**holds here** let in: none"),
        ("", CHANCE, "", "To decide it: more.", "**within chance here**. To decide it: more."),
        (
            "a > 0",
            CHANCE,
            "1, inside of the interval",
            "More.",
            "**within chance here** 1, inside of the interval. More.",
        ),
    ],
)
def test_a_verdict_is_in_sentences_and_a_quotation_of_nothing_is_named(test, word, evidence, decides, said):
    assert _in_sentences(pd.Series({"test": test}), word, evidence, decides) == said


@pytest.mark.slow
def test_judging_needs_no_torch():
    """A book is rendered in seconds."""
    code = "import sys, zsas_book.site.judging; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


@pytest.mark.slow
def test_a_flat_table_is_published_with_its_own_numbers(tmp_path, monkeypatch):
    (tmp_path / "page_files").mkdir()
    monkeypatch.setenv("ZSAS_PAGE_FILES", str(tmp_path / "page_files"))
    whole = flat_of({("b",): 0.9, ("a",): 0.8}, ["model"], ["x"], own=0.001, runs=2, apart=0.02)
    figures.publish_replicates(whole, "t")
    assert (tmp_path / "page_files" / "t.csv").read_text() == "model,x\nb,0.9\na,0.8\n"
    found = judge("page:t[model=b][x] > page:t[model=a][x]", tmp_path)
    assert found.word == HOLDS and found.gap.gap == pytest.approx(0.1)
