"""Which parameters of a test are quick: `make test FAST=1` runs these, and the others are marked ``slow``. zsas_lib
must not be imported here (see conftest.py)."""

from collections import defaultdict
from math import ceil

import pytest

LONG = ("workflow", "kernel", "browser", "training")
"""Marks of tests that take seconds."""
FEW = 4
"""Of at most how many of its parameters a test is quick, evenly apart: the others say the same of other cases."""
WIDE = ("mobileclip-b", "vitamin", "fastvit")
"""Kinds of `small_towers` that their stems keep from being as small as the others: no test of one is quick."""


def mark_slow_parameters(items: list[pytest.Item]) -> None:
    """Of each test all but `FEW` of its parameters are slow, or all but its first n where it is marked
    ``slow_after(n)``, and those of a `WIDE` kind. Left as they are: tests marked ``every_parameter``, those that are
    marked as long or slow themselves, and those of a GPU."""
    cases = defaultdict(list)
    for item in items:
        if not any(map(item.get_closest_marker, (*LONG, "slow", "gpu", "every_parameter"))):
            cases[item.nodeid.partition("[")[0]].append(item)
    for own in cases.values():
        after = own[0].get_closest_marker("slow_after")
        narrow = [item for item in own if _parameters(item).get("kind") not in WIDE]
        quick = narrow[: after.args[0]] if after else narrow[:: max(1, ceil(len(narrow) / FEW))]
        for item in own:
            if item not in quick:
                item.add_marker("slow")


def _parameters(item: pytest.Item) -> dict[str, object]:
    return item.callspec.params if hasattr(item, "callspec") else {}
