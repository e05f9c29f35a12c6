"""The page of towers: every architecture of open_clip's, which models run on it, and what it takes here.

``benchmarks/towers.csv`` has a row for each, which ``python -m benchmarks towers`` writes: what is known without
weights, and what was measured with random ones, by whom and when, as far as it was.
"""

from pathlib import Path

import pandas as pd

from zsas_lib.models import MODELS

from ..escape import in_markdown
from ..labels import label
from .staging import MADE, WIDE

TOWERS = Path("benchmarks", "towers.csv")
FACTS = ["name", "family", "parameters_m", "weights_gb", "size", "grid", "runs", "why_not"]
FOUND = ["image_error", "text_error", "ms", "open_clip_ms", "ratio", "pooled_ratio", "winclip_ms", "winclip_mb", "note"]
BY = ["rounds", "date", "processor", "cores", "threads", "torch", "open_clip", "commit"]
COLUMNS = [*FACTS, *FOUND, *BY]
NUMBERS = ["parameters_m", "weights_gb", *FOUND[:-1]]
BETWEEN = " | "
"""Between a model's reason not to run and the next one's; a reason is "MODEL: sentence"."""

PAGE = (
    WIDE
    + """\
# Towers

Every architecture that open_clip can build, by family: the millions of parameters of its image tower, the size of its
pictures in pixels, its grid of patches, and which models run on it. What is measured is measured with random weights
and one picture at a time, for towers of less than 200 million parameters: the picture's embedding here and by
open_clip's own forward pass (with this library's faster products of matrices, so that it is no worse for its slower
ones), WinCLIP's map with all its windows (encoded one by one where the tower can, else pooled), and the most memory
that this map holds beside the weights. *Pooled* is how many of open_clip's forward passes the picture takes together
with all its windows, pooled. The page *One head, many towers* has what towers are worth.

{summary}

{table}

## Where a model does not run

{reasons}

{made}

`python -m benchmarks towers` measures what is missing, `--only NAME` one tower anew.
"""
)


class TowersTableError(ValueError):
    """A table of towers that cannot be read. The message names the file and what is wrong."""


def towers_table(root: Path) -> pd.DataFrame:
    """The table of the project at `root`, numbers as floats and all else as text; no rows where there is none. Raises
    TowersTableError."""
    path = root / TOWERS
    if not path.is_file():
        return pd.DataFrame(columns=COLUMNS, dtype=str).astype(dict.fromkeys(NUMBERS, float))
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if list(table) != COLUMNS:
        raise TowersTableError(f"{path}: expected the columns {', '.join(COLUMNS)}; got {', '.join(table)}.")
    try:
        numbers = {name: pd.to_numeric(table[name].replace("", None)).astype(float) for name in NUMBERS}
    except ValueError as error:
        raise TowersTableError(f"{path}: {error}") from None
    return table.assign(**numbers)


def write_towers(root: Path, source: Path) -> None:
    """Write the page of towers into the staged sources `source`. Raises TowersTableError."""
    table = towers_table(root)
    timed = table[table.ms.notna()]
    checked = table[table.image_error.notna()]
    summary = f"{len(table)} architectures; embeddings were compared with open_clip's for {len(checked)} of them"
    if len(checked):
        worst = max(checked.image_error.max(), checked.text_error.max())
        summary += f", which differ by at most {worst:.0e} (relative L2)"
    summary += f"; {len(timed)} were timed."
    made = [
        f"{len(rows)} on {in_markdown(machine)}, {cores} cores, {threads} threads, torch {torch}, open_clip {version}, "
        f"{rows.date.min()} to {rows.date.max()}"
        for (machine, cores, threads, torch, version), rows in checked.groupby(
            ["processor", "cores", "threads", "torch", "open_clip"]
        )
    ]
    folder = source / MADE
    folder.mkdir(exist_ok=True)
    text = PAGE.format(
        summary=summary,
        table=_markdown(table),
        reasons=_reasons(table),
        made="Measured: " + "; ".join(made) + "." if made else "Nothing was measured yet.",
    )
    (folder / "towers.md").write_text(text, encoding="utf-8")


def models_on_towers() -> list[str]:
    """The models of the library that look through a backbone."""
    return [name for name, record in MODELS.items() if record.place and not record.trivial]


def known_models(table: pd.DataFrame) -> list[str]:
    """Those that the table says something of; one that is newer than the table is none of them."""
    said = {name for runs in table.runs for name in runs.split()}
    said |= {reason.partition(": ")[0] for reasons in table.why_not for reason in reasons.split(BETWEEN)}
    return [name for name in models_on_towers() if name in said]


def _markdown(table: pd.DataFrame) -> str:
    heads = ["tower", "family", "parameters (M)", "pixels", "grid", "models", "picture (ms)", "open_clip (ms)"]
    heads += ["pooled", "WinCLIP (ms)", "WinCLIP (MB)"]
    lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    known = known_models(table)
    for row in table.sort_values(["family", "parameters_m", "name"], kind="stable").itertuples():
        missing = [name for name in known if name not in row.runs.split()]
        models = f"all but {', '.join(map(label, missing))}" if missing else "all"
        cells = [f"`{row.name}`", row.family, f"{row.parameters_m:.0f}", row.size, row.grid, models]
        cells += [_number(row.ms), _number(row.open_clip_ms), _number(1 / row.pooled_ratio)]
        cells += [_number(row.winclip_ms), _number(row.winclip_mb)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _reasons(table: pd.DataFrame) -> str:
    """A line for each reason of each model, with how many towers it is of."""
    reasons = table.why_not[table.why_not != ""].str.split(BETWEEN, regex=False).explode()
    lines = []
    for reason, count in reasons.value_counts(sort=False).items():
        model, _, sentence = str(reason).partition(": ")
        lines.append(f"- **{label(model)}** on {count} of them: {in_markdown(sentence)}")
    return "\n".join(lines) or "Every model runs on every tower."


def _number(value: float) -> str:
    """The number to two digits, and to all before its point."""
    return "" if pd.isna(value) else f"{value:,.0f}" if abs(float(f"{value:.2g}")) >= 100 else f"{value:.2g}"
