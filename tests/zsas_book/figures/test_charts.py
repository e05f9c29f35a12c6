"""Charts, by what matplotlib was given to draw."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.colors import to_rgb

from zsas_book import figures


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def widths(axes) -> list[float]:
    return [patch.get_width() for patch in axes.patches]


def labels(axes) -> list[str]:
    return axes.get_legend_handles_labels()[1]


VALUES = pd.DataFrame({"winclip": [80.0, 60.0], "vcpclip": [90.0, 70.0]}, index=["ceramic_ring", "star"])


def test_panels_have_the_book_s_style_and_one_legend_with_each_label_once():
    figure, axes = figures.panels(2, share="y")
    assert axes.shape == (2,) and axes[0].get_shared_y_axes().joined(*axes)
    for axis in axes:
        axis.plot([0, 1], label="here")
    axes[1].plot([1, 0], label="there")
    figures.legend(figure)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["here", "there"]
    assert plt.rcParams["svg.fonttype"] == "none"


def test_bars_stand_in_groups_with_their_errors_and_marks():
    _, axes = figures.panels()
    figures.bars(axes, VALUES, VALUES / 100, marks=VALUES[["winclip"]] + 1)
    assert widths(axes) == [80.0, 60.0, 90.0, 70.0] and labels(axes)[0] == "reported"
    assert [text.get_text() for text in axes.get_yticklabels()] == ["ceramic ring", "star"]
    upper, lower = axes.patches[0], axes.patches[2]
    assert upper.get_y() < lower.get_y()  # the axis points down
    (diamonds,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert diamonds.get_xdata().tolist() == [81.0, 61.0]
    face, edge = (sum(to_rgb(colour)) for colour in (diamonds.get_color(), diamonds.get_markeredgecolor()))
    assert face < 0.5 < 2.5 < edge  # seen on any bar, and on light and dark ground


def test_marks_are_named_once_whichever_column_has_them():
    _, axes = figures.panels()
    figures.bars(axes, VALUES, marks=VALUES[["vcpclip"]] + 1)
    assert labels(axes).count("reported") == 1


def test_bars_of_a_series_are_coloured_by_row_and_may_have_points():
    _, axes = figures.panels()
    drops = pd.DataFrame({"rotation": [1.0, 3.0], "hue": [0.0, 2.0]})
    figures.bars(axes, drops.mean(), drops.std(), points=drops)
    assert widths(axes) == [2.0, 1.0]
    colours = [plt.matplotlib.colors.to_hex(patch.get_facecolor()) for patch in axes.patches]
    assert colours == [figures.COLOURS["rotation"], figures.COLOURS["hue"]]
    dots = [line.get_xdata().tolist() for line in axes.lines if line.get_marker() == "."]
    assert dots == [[1.0, 3.0], [0.0, 2.0]]


def test_bars_of_models_have_their_means_and_printed_numbers():
    tables = {
        name: pd.DataFrame({"aupro": column / 100, "aupro_se": 0.01}).pipe(
            lambda table: pd.concat([table, table.mean().to_frame("mean").T])
        )
        for name, column in VALUES.items()
    }
    _, axes = figures.panels()
    figures.model_bars(axes, tables, "aupro", {"winclip": VALUES.winclip / 100})
    np.testing.assert_allclose(widths(axes), [80.0, 60.0, 90.0, 70.0])
    np.testing.assert_allclose([line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == "--"], [70, 80])
    assert axes.get_xlabel() == "AUPRO (%)" and set(labels(axes)) == {"WinCLIP", "VCP-CLIP", "reported"}


def test_bars_of_categories_are_ordered_best_first():
    table = pd.DataFrame({"aupro": [0.5, 0.9, 0.7]}, index=["ring", "star", "mean"])
    _, axes = figures.panels()
    figures.category_bars(axes, table, "aupro", pd.DataFrame({"aupro": [0.1, 0.2]}, index=["ring", "star"]))
    np.testing.assert_allclose(widths(axes), [90.0, 50.0])
    assert [text.get_text() for text in axes.get_yticklabels()] == ["star", "ring"]
    _, axes = figures.panels()
    figures.category_bars(axes, table, "aupro", best=pd.DataFrame({"aupro": [0.3]}, index=["mean"]))
    lines = {line.get_linestyle(): line.get_xdata()[0] for line in axes.lines}
    assert lines == {"--": pytest.approx(70), ":": pytest.approx(30)}


def test_dots_stand_in_rows_of_all_series_shifted_apart():
    reported = VALUES[["winclip"]].rename(index={"star": "disc"})
    figure = figures.dot_panels({"vcpclip+": VALUES[["winclip"]], "reported": reported}, line=50.0, unit="points")
    [axes] = figure.axes
    assert [text.get_text() for text in axes.get_yticklabels()] == ["ceramic ring", "star", "disc"]
    assert axes.get_xlabel() == "WinCLIP (points)"
    drawn = {tuple(np.round(line.get_xydata()[0], 2)) for line in axes.lines if line.get_marker() in ("o", "D")}
    assert {(80.0, -0.15), (60.0, 0.85), (80.0, 0.15), (60.0, 2.15)} <= drawn
    assert axes.lines[0].get_xdata() == [50.0, 50.0]


def test_dots_may_have_errors_and_single_values_beside_them():
    _, axes = figures.panels()
    small = pd.DataFrame({"ceramic_ring": [79.0, 81.0]})
    figures.dots(
        axes,
        VALUES.winclip,
        pd.Series({"ceramic_ring": 2.0}),
        points=small,
        colour={"ceramic_ring": "red", "star": "blue"},
    )
    bars = [container.lines[2] for container in axes.containers]
    assert [len(bar) for bar in bars] == [1, 0]
    np.testing.assert_allclose(bars[0][0].get_segments()[0][:, 0], [78.0, 82.0])
    assert [line.get_xdata().tolist() for line in axes.lines if len(line.get_xdata()) == 2] == [[79.0, 81.0]]


def test_lines_of_categories_have_bands_and_their_mean_is_grey():
    _, axes = figures.panels()
    wide = VALUES.assign(mean=VALUES.mean(axis=1))
    figures.category_lines(axes, wide, VALUES * 0 + 15, even=True)
    assert labels(axes) == ["WinCLIP", "VCP-CLIP", "mean"]
    assert axes.collections[1].get_paths()[0].vertices[:, 1].max() == 100.0  # 90 + 15, cut
    assert [text.get_text() for text in axes.get_xticklabels()] == ["ceramic ring", "star"]
    assert axes.containers[0].lines[0].get_color() == figures.INK


def test_a_sweep_s_lines_are_percent_against_the_value():
    rows = [
        {"category": category, "value": value, "pixel_auroc": 0.8, "pixel_auroc_se": 0.01}
        for category in ("star", "mean")
        for value in (-45.0, 0.0)
    ]
    _, axes = figures.panels()
    figures.sweep_lines(axes, pd.DataFrame(rows))
    np.testing.assert_allclose(axes.lines[0].get_xydata(), [[-45, 80], [0, 80]])
    assert labels(axes) == ["star", "mean"] and axes.get_ylabel() == "pixel AUROC (%)" and len(axes.collections) == 1


def test_a_training_is_a_line_for_each_seed_with_one_label():
    history = pd.DataFrame({"seed": [0, 0, 1, 1], "step": [0, 1, 0, 1], "loss": [3.0, 2.0, 4.0, 1.0]})
    _, axes = figures.panels()
    figures.training_lines(axes, history, "loss", "the loss")
    assert [line.get_xydata().tolist() for line in axes.lines] == [[[1, 3], [2, 2]], [[1, 4], [2, 1]]]
    assert labels(axes) == ["the loss"]


def test_points_have_their_names():
    _, axes = figures.panels()
    figures.named_points(axes, VALUES.winclip, VALUES.vcpclip, VALUES.winclip / 100)
    assert [text.get_text() for text in axes.texts] == ["ceramic ring", "star"]
    assert axes.lines[0].get_xydata().tolist() == [[80, 90], [60, 70]]


def test_a_name_that_would_touch_another_one_stands_below_its_point():
    across = pd.Series({"plastic_capsule": 0.50, "painted_star": 0.501, "far": 0.1})
    figure, axes = figures.panels()
    figures.named_points(axes, across, pd.Series({"plastic_capsule": 4.0, "painted_star": 4.01, "far": 1.0}), floor=0.0)
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(boxes[place].count_overlaps(boxes[:place]) for place in range(3))
    assert axes.get_ylim()[0] == 0 and [text.xyann[1] > 0 for text in axes.texts] == [True, False, True]


def test_curve_panels_have_a_line_for_each_category_and_the_means_of_others_beside():
    wide = pd.DataFrame({"star": [50.0, 60.0, 70.0], "mean": [55.0, 65.0, 75.0]}, index=[0, 1, 4])
    error = pd.DataFrame({"mean": [1.0, 2.0, 3.0]}, index=[0, 1, 4])
    alone = {"references alone": {"pixel_auroc": wide.loc[[1, 4]] - 10}}
    _, (axes,) = figures.curve_panels({"pixel_auroc": wide}, {"pixel_auroc": error}, "shots", alone)
    dotted = next(line for line in axes.lines if line.get_linestyle() == ":")
    assert dotted.get_xdata().tolist() == [1, 2] and dotted.get_ydata().tolist() == [55.0, 65.0]
    assert labels(axes) == ["star", "mean, references alone", "mean"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("shots", "pixel AUROC (%)")


def test_boxes_stand_in_the_order_of_their_medians_or_of_the_categorical():
    table = pd.DataFrame({"kind": ["hole", "dent", "dent"], "pixel_auroc": [0.9, 0.6, 0.8]})
    _, axes = figures.panels()
    figures.boxes(axes, table, "kind")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["dent", "hole"]
    medians = [float(line.get_ydata()[0]) for line in axes.lines if set(line.get_ydata()) in ({70.0}, {90.0}, {50.0})]
    assert {70.0, 90.0, 50.0} <= set(medians)
    _, axes = figures.panels()
    figures.boxes(axes, table.assign(kind=pd.Categorical(table.kind, ["hole", "dent"])), "kind")
    assert [text.get_text() for text in axes.get_xticklabels()] == ["hole", "dent"]


def test_hollow_points_are_not_filled():
    _, axes = figures.panels()
    figures.dots(axes, pd.Series({"star": 1.0, "ring": 2.0}), hollow=["ring"])
    assert [line.get_markerfacecolor() == "none" for line in axes.lines] == [False, True]


def test_log_axes_are_marked_at_ones_and_threes():
    _, axes = figures.panels()
    figures.log_axes(axes)
    axes.set(xlim=(0.05, 5), ylim=(0.05, 5))
    ticks = [text.get_text() for text in axes.get_xticklabels()]
    assert [tick for tick in ticks if 0.05 <= float(tick) <= 5] == ["0.1", "0.3", "1", "3"]


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ((0.05, 5), ["0.1", "0.3", "1", "3"]),
        ((0.8, 3.6), ["0.8", "1", "1.5", "2", "3"]),
        ((3e-5, 3e-2), ["0.0001", "0.001", "0.01"]),
        ((1e-21, 0.1), ["1e-18", "1e-12", "1e-06"]),
    ],
)
def test_marks_of_a_narrow_log_axis_do_not_touch_and_are_never_none(limits, wanted):
    figure, axes = figures.panels(width=2.6)
    figures.log_axes(axes)
    axes.set(xlim=limits, ylim=limits)
    figure.canvas.draw()
    low, high = limits
    for axis in (axes.xaxis, axes.yaxis):
        ticks = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        boxes = sorted(
            (box.x0, box.x1) if axis is axes.xaxis else (box.y0, box.y1)
            for box in (tick.label1.get_window_extent() for tick in ticks)
        )
        assert len(ticks) >= 2 and all(one[1] < two[0] for one, two in zip(boxes, boxes[1:]))
    ticks = [text.get_text().replace("\N{MINUS SIGN}", "-") for text in axes.get_xticklabels()]
    assert [tick for tick in ticks if low <= float(tick) <= high] == wanted


def test_heat_has_a_bar_of_its_own_or_given_limits():
    figure, axes = figures.panels(2)
    figures.heat(axes[0], torch.tensor([[0.0, 2.0]]), "scores", ticks=[0.0, 2.0])
    figures.heat(axes[1], torch.tensor([[0.0, 2.0]]), limits=(0.0, 4.0))
    assert [axis.images[0].get_clim() for axis in axes] == [(0.0, 2.0), (0.0, 4.0)]
    assert len(figure.axes) == 3 and axes[0].get_title() == "scores"


def test_settings_have_ours_and_the_printed_on_axes_of_the_same_span():
    own = pd.DataFrame({"pixel_ap": [50.0, 54.0], "pixel_auroc": [90.0, 90.1]}, index=["N=2", "N=3"])
    reported = pd.DataFrame({"pixel_ap": [40.0, 41.0], "pixel_auroc": [80.0, 80.2]}, index=["N=3", "N=10"])
    band = (pd.Series({"pixel_ap": 53.0, "pixel_auroc": 90.0}), pd.Series({"pixel_ap": 1.5, "pixel_auroc": np.nan}))
    options = {"axis": "prompt tokens N", "marked": 3, "band": band, "colour": "#123456", "columns": 2}
    figure = figures.setting_panels(own, reported, ["pixel_ap", "pixel_auroc"], **options)
    ours, other, theirs, theirs_other = figure.axes
    assert ours.lines[0].get_xdata().tolist() == [2, 3] and ours.lines[0].get_ydata().tolist() == [50, 54]
    assert theirs.lines[0].get_xdata().tolist() == [3, 10] and theirs.lines[0].get_ydata().tolist() == [40, 41]
    low, high = ours.get_ylim()
    assert (high - low, (high + low) / 2) == pytest.approx((1.15 * 6, 53))  # from 50 to the band's end at 56
    assert np.ptp(theirs.get_ylim()) == pytest.approx(1.15 * 6)
    assert np.ptp(other.get_ylim()) == pytest.approx(1.15)  # one point at least
    assert len(ours.patches) == 1 and not other.patches  # no band without a deviation
    assert ours.get_title() == "pixel AP (%)" and other.get_xlabel() == "prompt tokens N"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["reproduced", "reported (right axis)"] and theirs_other.lines[0].get_ydata().tolist() == [80, 80.2]


def test_printed_numbers_of_other_categories_are_no_marks():
    table = pd.DataFrame({"aupro": [0.8, 0.6, 0.7]}, index=["ceramic_ring", "star", "mean"])
    _, axes = figures.panels()
    figures.model_bars(axes, {"winclip": table}, "aupro", {"winclip": pd.Series({"bottle": 0.9, "mean": 0.9})})
    assert labels(axes) == ["WinCLIP"] and not [line for line in axes.lines if line.get_marker() == "D"]


def test_what_a_training_watches_has_a_panel_for_each_quantity():
    history = pd.DataFrame({"step": [0, 1, 2], "a": [1.0, 2.0, 3.0], "b": [0.5, 0.6, 0.7], "c": [0.1, 0.1, 0.2]})
    columns = {"temperature": {"a": "CLIP's", "b": "VCP's"}, "share": {"c": "focal"}}
    figure = figures.training_panels(history, columns, {"temperature": 0.07, "share": 0.5})
    left, right = figure.axes
    assert (left.get_ylabel(), right.get_ylabel()) == ("temperature", "share")
    assert labels(left) == ["CLIP's", "VCP's"] and left.lines[1].get_ydata().tolist() == [0.5, 0.6, 0.7]
    assert [axis.lines[-1].get_ydata()[0] for axis in (left, right)] == [0.07, 0.5]


def test_points_have_a_line_through_the_means_of_their_fifths():
    _, axes = figures.panels()
    across = pd.Series(range(10, 0, -1), dtype=float)
    figures.points_and_fifths(axes, across, 2 * across, "red")
    dots, line = axes.lines
    assert len(dots.get_xdata()) == 10
    assert line.get_xdata().tolist() == [1.5, 3.5, 5.5, 7.5, 9.5] and line.get_ydata()[0] == 3.0


@pytest.mark.slow
def test_groups_of_defects_are_points_beside_the_printed_ones():
    names = ["image_auroc", "pixel_auroc"]
    rows = [("ring", "contrast", "low", 0.5, 0.6), ("star", "contrast", "low", 0.7, 0.8)]
    rows += [("ring", "type", "multiple", 0.9, 0.9), ("mean", "contrast", "low", 0.6, 0.7)]
    metrics = pd.DataFrame(rows, columns=["category", "grouping", "group", *names])
    summaries = {}
    for by, group, value in (("contrast", "low", 0.6), ("type", "multiple", 0.9)):
        row = {name: value for name in names} | {f"{name}_se": 0.1 for name in names}
        summaries["winclip", by] = pd.DataFrame([row], index=[group])
    left, right = figures.group_dots(summaries, {"winclip": metrics}).axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["low contrast", "multiple"]
    small = [line.get_xdata().tolist() for line in left.lines if line.get_markersize() == 3]
    assert [sorted(np.round(points, 6)) for points in small] == [[50.0, 70.0], [90.0]]
    diamonds = [line.get_xdata()[0] for line in right.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(diamonds, [76.8, 86.6])
