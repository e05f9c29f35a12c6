"""The table of towers and the page made of it."""

import numpy as np
import pandas as pd
import pytest
from mini_project import REPOSITORY

from zsas_book.site.towers_page import (
    COLUMNS,
    TOWERS,
    TowersTableError,
    known_models,
    models_on_towers,
    towers_table,
    write_towers,
)

KNOWN = {"name": "ViT-B-32", "family": "class token", "parameters_m": 87.8, "weights_gb": 0.6, "size": "224"}
KNOWN |= {"grid": "7 x 7", "runs": " ".join(models_on_towers()), "why_not": ""}
MEASURED = {"image_error": 2e-7, "text_error": 3e-7, "ms": 40.0, "open_clip_ms": 38.0, "ratio": 0.95}
MEASURED |= {
    "pooled_ratio": 0.8,
    "winclip_ms": 350.0,
    "winclip_mb": 12.5,
    "note": "",
    "rounds": 7,
    "date": "2026-11-28",
}
MEASURED |= {"processor": "Some CPU", "cores": 2, "threads": 2, "torch": "2.12", "open_clip": "3.3.0", "commit": "abc"}
STAGES = {
    "name": "RN50",
    "family": "ResNet",
    "runs": "winclip april-gan clip coop",
    "why_not": "vcpclip: one width. | vcpclip+: one width.",
}


@pytest.fixture
def root(tmp_path):
    (tmp_path / "benchmarks").mkdir()
    return tmp_path


def store(root, *rows) -> None:
    pd.DataFrame(rows, columns=COLUMNS, dtype=object).to_csv(root / TOWERS, index=False)


def page(root) -> str:
    write_towers(root, root)
    return (root / "_made" / "towers.md").read_text()


def test_a_row_says_what_runs_and_what_it_takes(root):
    store(root, KNOWN | MEASURED, KNOWN | STAGES)
    lines = [line for line in page(root).splitlines() if line.startswith("| `")]
    assert lines[1] == "| `ViT-B-32` | class token | 88 | 224 | 7 x 7 | all | 40 | 38 | 1.2 | 350 | 12 |"
    assert lines[0].startswith(
        "| `RN50` | ResNet | 88 | 224 | 7 x 7 | all but AnomalyCLIP, VCP-CLIP, VCP-CLIP+, AnoVL, AdaCLIP, AA-CLIP, "
        "AF-CLIP |  |  |"
    )


def test_a_time_that_rounds_to_three_digits_is_written_out(root):
    store(root, KNOWN | MEASURED | {"ms": 99.6, "open_clip_ms": 99.4})
    assert " all | 100 | 99 |" in page(root)


def test_why_a_model_does_not_run_and_where_it_was_measured(root):
    store(root, KNOWN | MEASURED, KNOWN | STAGES, KNOWN | STAGES | {"name": "RN101"})
    text = page(root)
    assert "- **VCP-CLIP** on 2 of them: one width." in text and "- **VCP-CLIP+** on 2 of them: one width." in text
    assert "3 architectures; embeddings were compared with open_clip's for 1 of them" in text
    assert "by at most 3e-07 (relative L2); 1 were timed." in text
    assert "1 on Some CPU, 2 cores, 2 threads, torch 2.12, open_clip 3.3.0, 2026-11-28 to 2026-11-28" in text


def test_nothing_was_measured(root):
    assert "0 architectures" in page(root) and "Nothing was measured yet." in page(root)


def test_a_table_that_cannot_be_read(root):
    (root / TOWERS).write_text("name,family\n")
    with pytest.raises(TowersTableError, match="expected the columns name, family, parameters_m"):
        towers_table(root)
    store(root, KNOWN | MEASURED | {"ms": "fast"})
    with pytest.raises(TowersTableError, match="towers.csv: .*fast"):
        towers_table(root)


def test_the_books_own_table_has_every_architecture_and_says_what_runs_on_each():
    table = towers_table(REPOSITORY)
    assert len(table) == 144 and table.name.is_unique and np.isfinite(table.parameters_m).all()
    stages = table.family.isin(["hierarchical", "ResNet"])
    assert (table[stages].runs == "winclip april-gan clip coop").all()
    text = table.why_not.str.contains("Hugging Face's")
    assert text.sum() == 10 and set(table[~stages & ~text].runs) == {" ".join(known_models(table))}
    assert {"winclip", "april-gan", "anomalyclip", "vcpclip", "vcpclip+"} <= {*known_models(table)}
