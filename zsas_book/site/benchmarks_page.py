"""The table of benchmarks: what was measured on which machine, the bars, and the page of the book that shows both.

``benchmarks/bars.csv`` lists what is to be measured: benchmark, device ("cpu" or "cuda"), what, and the bar, such as
``ratio >= 1.7`` or ``ours <= 5``, empty where there is none. ``benchmarks/measured.csv`` has what ``python -m
benchmarks`` found, a row for each measurement on each machine. Verdicts are not stored: they follow from both.
``benchmarks/learned.csv`` has a row for each training that ``python -m benchmarks learned`` has done.
"""

import operator
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from ..labels import label
from .staging import MADE, WIDE

BARS = Path("benchmarks", "bars.csv")
MEASURED = Path("benchmarks", "measured.csv")
LEARNED = Path("benchmarks", "learned.csv")
QUALITIES = ["pixel_auroc", "aupro", "pixel_ap", "image_auroc"]
LEARNED_COLUMNS = ["tested", "model", "seed", "training", *QUALITIES, "cpu_seconds", "date", "processor", "threads"]
KEY = ["benchmark", "device", "what"]
NUMBERS = ["ours", "peer", "ratio"]
FOUND = [*KEY, "unit", "ours", "against", "peer", "ratio", "rounds", "note"]
MACHINE = ["processor", "cores", "memory_gb", "gpu"]
COLUMNS = [*FOUND, "date", *MACHINE, "threads", "torch", "commit"]
MET, MISSED, NO_BAR, NOT_MEASURED = "met", "not met", "no bar", "not measured"
RELATIONS = {"<=": operator.le, ">=": operator.ge}
UNKNOWN = ", standard error nan"
"""What older rows end in whose error is not known."""
BAR = re.compile(r"(ours|ratio) (<=|>=) ([\d.]+)$")

PAGE = (
    WIDE
    + """\
# Benchmarks

The library against others, and against the bars that it is to meet. Ours and the other run in turn, in one run; a
number is the median over rounds, a ratio the median of how many times better ours was in a round, above 1 where it was.

```bash
make benchmarks                                      # all of them; NAMES="aupro rotation" for some
.venv/bin/python -m benchmarks winclip --device cuda # on a GPU
```

{summary}

{machines}
"""
)


class BenchmarkTableError(ValueError):
    """A table of benchmarks or bars that cannot be read. The message names the file and what is wrong."""


def measured(root: Path) -> pd.DataFrame:
    """What was measured in the project at `root`, with `COLUMNS`; no rows where nothing was.

    Raises BenchmarkTableError.
    """
    return _read(root / MEASURED, COLUMNS)


def judged(root: Path) -> pd.DataFrame:
    """Every measurement with its `bar` and `verdict`, and a row without numbers for every bar without measurement.

    The verdict is "met", "not met", "no bar" or "not measured". Rows stand in the order of the bars, then of the
    machines. Raises BenchmarkTableError for a bar or a table that cannot be read.
    """
    bars, table = _read(root / BARS, [*KEY, "bar"]), measured(root)
    for bar in bars.bar[bars.bar != ""]:
        if not BAR.match(bar):
            raise BenchmarkTableError(f"{BARS}: {bar!r} is no bar; expected such as 'ratio >= 1.7' or 'ours <= 5'.")
    joined = (
        bars.reset_index().merge(table, on=KEY, how="outer").sort_values("index", kind="stable").drop(columns="index")
    )
    joined = joined.fillna({name: "" for name in joined if name not in NUMBERS}).reset_index(drop=True)
    return joined.assign(verdict=[_verdict(row) for row in joined.itertuples()])


def write_benchmarks(root: Path, source: Path) -> None:
    """Write the page of benchmarks into the staged sources `source`. Raises BenchmarkTableError."""
    table = judged(root)
    counts = table.verdict.value_counts()
    summary = ", ".join(f"{count} {word}" for word, count in counts.items())
    summary = f"{len(table)} rows: {summary}." if len(table) else "Nothing was measured yet, and there are no bars."
    parts = []
    for machine, rows in table[table.verdict != NOT_MEASURED].groupby(MACHINE, sort=False):
        parts += [f"## {_machine_in_words(machine)}", "", _markdown(rows), ""]
    parts += _of_learned(learned(root))
    absent = table[table.verdict == NOT_MEASURED]
    if len(absent):
        parts += ["## Not measured", "", "No machine's run is in the table for these.", ""]
        parts += ["| benchmark | device | what | bar |", "|---|---|---|---|"]
        parts += [f"| {row.benchmark} | {row.device} | {row.what} | {row.bar} |" for row in absent.itertuples()]
    folder = source / MADE
    folder.mkdir(exist_ok=True)
    (folder / "benchmarks.md").write_text(PAGE.format(summary=summary, machines="\n".join(parts)), encoding="utf-8")


def learned(root: Path) -> pd.DataFrame:
    """The trainings that were measured in the project at `root`, with `LEARNED_COLUMNS`, numbers as such; no rows where
    there is no table. Raises BenchmarkTableError."""
    table = _read(root / LEARNED, LEARNED_COLUMNS)
    numbers = [*QUALITIES, "cpu_seconds"]
    try:
        return table.astype({**dict.fromkeys(numbers, float), "seed": int})
    except ValueError as error:
        raise BenchmarkTableError(f"{LEARNED}: {error}") from None


def _of_learned(table: pd.DataFrame) -> list[str]:
    """The models' qualities in percent, by the data that they were tested on."""
    if table.empty:
        return []
    lines = ["## Learned models", "", "Each model by its short recipe, trained on the other embedded set; means over"]
    lines += ["categories and seeds in percent, ± one standard deviation over seeds; CPU seconds of a training.", ""]
    lines += [f"| tested on | model | seeds | {' | '.join(label(name) for name in QUALITIES)} | CPU s |"]
    lines += ["|" + "---|" * (4 + len(QUALITIES))]
    for (tested, model), rows in table.groupby(["tested", "model"], sort=True):
        cells = [_with_spread(100 * rows[name]) for name in QUALITIES]
        seconds = _number(rows.cpu_seconds.median()) if rows.cpu_seconds.any() else ""
        lines.append(f"| {tested} | {label(str(model))} | {len(rows)} | {' | '.join(cells)} | {seconds} |")
    days = sorted({*table.date})
    made = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return [*lines, "", f"Made with `python -m benchmarks learned`, {made}.", ""]


def _with_spread(values: pd.Series) -> str:
    return f"{values.mean():.1f}" + (f" ± {values.std():.1f}" if len(values) > 1 else "")


def _markdown(rows: pd.DataFrame) -> str:
    lines = ["| what | ours | other | ratio | bar | verdict |", "|---|---|---|---|---|---|"]
    for row in rows.itertuples():
        other = f"{_number(row.peer)} {row.unit} ({row.against})" if row.against else ""
        verdict = f"**{row.verdict}**" if row.bar else row.verdict
        cells = (
            f"*{row.benchmark}*: {row.what}" + (f"; {row.note.removesuffix(UNKNOWN)}" if row.note else ""),
            f"{_number(row.ours)} {row.unit}".strip(),
            other,
            _number(row.ratio),
            row.bar.replace("<=", "at most").replace(">=", "at least"),
            verdict,
        )
        lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |")
    runs = rows.groupby(["date", "threads", "torch", "commit"], sort=False).benchmark.unique()
    made = [
        f"{', '.join(names)}: {day}, {threads} threads, torch {torch}, `{commit}`"
        for (day, threads, torch, commit), names in runs.items()
    ]
    return "\n".join([*lines, "", "Made with: " + "; ".join(made) + "."])


def _machine_in_words(machine: Sequence[object]) -> str:
    processor, cores, memory, gpu = machine
    return f"{processor}, {cores} cores, {memory} GB, {gpu or 'no GPU'}"


def _verdict(row) -> str:
    if pd.isna(row.ours):
        return NOT_MEASURED
    if not row.bar:
        return NO_BAR
    side, relation, limit = BAR.match(row.bar).groups()
    return MET if RELATIONS[relation](getattr(row, side), float(limit)) else MISSED


def _number(value: float) -> str:
    return "" if pd.isna(value) else f"{value:,.0f}" if abs(float(f"{value:.3g}")) >= 1000 else f"{value:.3g}"


def _read(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The table, its numbers as floats and all else as text."""
    if not path.is_file():
        table = pd.DataFrame(columns=list(columns), dtype=str)
    else:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table) != list(columns):
        raise BenchmarkTableError(f"{path}: expected the columns {', '.join(columns)}; got {', '.join(table)}.")
    numbers = [name for name in NUMBERS if name in table]
    try:
        return table.assign(**{name: pd.to_numeric(table[name].replace("", None)).astype(float) for name in numbers})
    except ValueError as error:
        raise BenchmarkTableError(f"{path}: {error}") from None
