"""Downloads of a page's figures: the same bytes whenever they are drawn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from zsas_book import figures


def drawn(folder):
    figure, axes = figures.panels(1, 2)
    axes[0].imshow(np.arange(12.0).reshape(3, 4))
    axes[1].plot([1, 2, 3], "o-", label="a")
    axes[1].fill_between([0, 1], [0, 1], alpha=0.3)
    figures.legend(figure)
    figures.publish(figure, "drawn")
    plt.close(figure)
    return (folder / "drawn.svg").read_bytes()


@pytest.mark.slow
def test_the_same_figure_gives_the_same_bytes(tmp_path, monkeypatch):
    monkeypatch.setenv("ZSAS_PAGE_FILES", str(tmp_path))
    first, second = drawn(tmp_path), drawn(tmp_path)
    assert first == second and b"<dc:date>" not in first and b"clip-path" in first


def test_a_table_lies_beside_its_figure_and_nowhere_else(tmp_path, monkeypatch):
    figure, _ = plt.subplots()
    table = pd.DataFrame({"value": [np.pi]})
    figures.publish(figure, "alone", table)
    monkeypatch.setenv("ZSAS_PAGE_FILES", str(tmp_path))
    figures.publish(figure, "drawn", table)
    plt.close(figure)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["drawn.csv", "drawn.svg"]
    assert (tmp_path / "drawn.csv").read_text() == "value\n3.14159\n"
