"""The records of perturbations, and what is made of several of them at once."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from more_perturbations import BRIGHTNESS, MOVE, brighten, moved

import zsas_lib as zsas
from zsas_lib.base.errors import UnknownNameError
from zsas_lib.perturbations import OF_PAPER_S, PERTURBATIONS, RANGES, perturb, shown, upright
from zsas_lib.perturbations.colour import shift_hsv
from zsas_lib.perturbations.rotation import derotate, rotate, valid_region
from zsas_lib.robustness.search.history import Recorder


@pytest.fixture
def images():
    return torch.rand((2, 3, 12, 12), generator=torch.Generator().manual_seed(0))


@pytest.fixture
def more(monkeypatch):
    for perturbation in (BRIGHTNESS, MOVE):
        monkeypatch.setitem(PERTURBATIONS, perturbation.name, perturbation)


def test_records_are_named_as_they_are_registered_and_no_two_share_a_column():
    assert [perturbation.name for perturbation in PERTURBATIONS.values()] == list(PERTURBATIONS)
    recorder = Recorder(1, OF_PAPER_S[:1])
    points = recorder.add([0], [[1.0]], [0.0], [0.5], start=0, step=0, cost=1)
    columns = [perturbation.column for perturbation in PERTURBATIONS.values()]
    assert sorted(points) == sorted({"image", "start", "step", "passes", "loss", "pixel_auroc", *columns})
    assert len(set(columns)) == len(columns)


def test_the_units_ranges_and_rates_of_paper_s():
    records = [PERTURBATIONS[name] for name in OF_PAPER_S]
    assert [record.column for record in records] == ["degrees", "hue", "saturation"]
    assert [record.rate for record in records] == [5.0, 0.1, 0.1]
    assert [record.range for record in records] == [
        (-90, 90, "degrees"),
        (-np.pi, np.pi, "radians"),
        (-0.5, 0.5, "fraction"),
    ]
    assert [record.wraps for record in records] == [False, True, False]
    assert [record.moves_pixels for record in records] == [True, False, False]


def test_ranges_are_a_view_of_the_records(more):
    assert list(zsas.RANGES) == [*OF_PAPER_S, "brightness", "move"] and len(RANGES) == 5
    assert RANGES["brightness"] == (0.5, 1.75, "fraction") and RANGES["rotation"].unit == "degrees"


def test_a_grid_goes_evenly_from_one_end_to_the_other():
    assert BRIGHTNESS.grid() == [0.5, 0.75, 1.0, 1.25, 1.5, 1.75]
    assert PERTURBATIONS["hue"].grid() == np.linspace(-np.pi, np.pi, 13).round(6).tolist()
    assert [len(PERTURBATIONS[name].grid()) for name in OF_PAPER_S] == [13, 13, 11]


@pytest.mark.parametrize("name, amount", [("rotation", 30.0), ("hue", 1.0), ("saturation", 0.2), ("brightness", 1.3)])
def test_a_record_applies_what_perturb_applies(images, more, name, amount):
    record = PERTURBATIONS[name]
    assert torch.equal(record.apply(images, amount), perturb(images, **{record.column: amount}))


@pytest.mark.parametrize("changes", [{"low": 2.0}, {"neutral": 0.0}, {"high": 0.5}])
def test_a_range_must_hold_the_neutral_amount(changes):
    with pytest.raises(
        ValueError, match="low < high and the neutral amount between them for perturbation 'brightness'"
    ):
        replace(BRIGHTNESS, **changes)


def test_a_column_is_an_argument_of_the_function():
    with pytest.raises(ValueError, match=re.escape("'brightness' to take the images and 'brightness'") + ".*factor"):
        replace(BRIGHTNESS, column="brightness")


def test_further_perturbations_follow_in_the_order_of_the_registry(images, more):
    expected = moved(brighten(shift_hsv(rotate(images, 20.0), 1.0, 0.2), 1.3), 3)
    assert torch.equal(perturb(images, 20.0, 1.0, 0.2, pixels=3, factor=1.3), expected)
    assert torch.equal(perturb(images, factor=1.0, pixels=0), images)
    assert perturb(images, factor=1.0) is images
    one_each = torch.tensor([0.5, 1.5])
    assert torch.equal(perturb(images, factor=one_each), brighten(images, one_each))


def test_those_that_share_a_function_are_applied_by_one_call(images, monkeypatch):
    calls = []

    def listening(images, **amounts):
        calls.append(amounts)
        return shift_hsv(images, **amounts)

    for name in ("hue", "saturation"):
        monkeypatch.setitem(PERTURBATIONS, name, replace(PERTURBATIONS[name], function=listening))
    perturb(images, 0, 1.0, 0.2)
    perturb(images, 0, 0, 0.2)
    assert calls == [{"hue": 1.0, "saturation": 0.2}, {"saturation": 0.2}]


def test_an_unknown_amount_is_named(images, more):
    with pytest.raises(UnknownNameError, match="amount 'factr'.*Did you mean 'factor'"):
        perturb(images, factr=1.2)


@pytest.mark.parametrize("fill", ["zero", "replicate"])
def test_maps_are_turned_back_as_by_derotate_and_colours_move_nothing(fill):
    maps, degrees = torch.rand(3, 14, 11), torch.tensor([30.0, -80.0, 45.0])
    amounts = {"degrees": degrees, "hue": torch.ones(3), "saturation": torch.zeros(3)}
    assert torch.equal(upright(maps, amounts, fill), derotate(maps, degrees, fill))
    assert torch.equal(shown(maps, amounts), valid_region(-degrees, 14, 11))
    colours = {"hue": torch.ones(3)}
    assert upright(maps, colours, fill) is maps and shown(maps, colours).all()


def test_what_was_moved_last_is_moved_back_first(images, more):
    """After a quarter turn and a move to the right by 3 pixels, the picture's last three columns, which are its first
    three rows as they were, are lost."""
    amounts = {"degrees": torch.tensor([90.0, 90.0]), "pixels": torch.tensor([3.0, 0.0])}
    back = upright(perturb(images, **amounts)[:, 0], amounts)
    region = shown(back, amounts)
    assert not region[0, :3].any() and region[0, 3:].all() and region[1].all()
    torch.testing.assert_close(back, torch.where(region, images[:, 0], 0.0), atol=1e-5, rtol=0)
