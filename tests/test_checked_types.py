"""What the tests check of types and shapes is found wrong where it is, and not where it is right."""

from collections.abc import Iterator
from dataclasses import dataclass

import jaxtyping
import numpy as np
import pytest
from beartype import beartype
from checked_types import jaxtyped
from jaxtyping import Float

import zsas_lib as zsas

Row = Float[np.ndarray, " size"]
check = jaxtyped(typechecker=beartype)


@check
def added(first: Row, second: Row, *, twice: bool = False) -> Row:
    return np.concatenate([first, second]) if twice else first + second


@check
def counted(count: int) -> Float[np.ndarray, " {count}"]:
    return np.zeros(3)


@check
def halves(rows: list[Row]) -> Iterator[int]:
    yield from [1, 2]


@check
def named(name: str, later: "NotYet | None" = None, nowhere: "NoSuchThing" = None) -> str:  # noqa: F821
    return name * 2 if name else None


@check
class Bare:
    @check
    def method(self, value: int) -> "Bare":
        return self if value else None


@check
@dataclass(frozen=True)
class Held:
    row: Float[np.ndarray, "3"]
    name: str = "x"


class NotYet:
    pass


def test_what_is_right_passes():
    assert added(np.ones(2), second=np.ones(2)).tolist() == [2, 2]
    assert counted(3).shape == (3,) and list(halves([np.ones(2)])) == [1, 2]
    assert named("a", NotYet(), nowhere=5) == "aa" and isinstance(Bare().method(1), Bare)
    assert Held(np.ones(3)).name == "x"
    assert (added.__name__, added.__module__) == ("added", __name__)


@pytest.mark.parametrize(
    "call",
    [
        lambda: added(np.ones(2), [1.0, 2.0]),
        lambda: added(np.ones(2), np.ones(3)),
        lambda: added(np.ones(2), np.ones(2), twice=True),
        lambda: added(np.ones(2), np.ones(2), twice=1),
        lambda: added(np.ones(2, dtype=int), np.ones(2, dtype=int)),
        lambda: counted("3"),
        lambda: counted(2),
        lambda: halves([1]),
        lambda: named(3),
        lambda: named(""),
        lambda: named("a", later=3),
        lambda: Bare().method("1"),
        lambda: Bare().method(0),
        lambda: Held(np.ones(2)),
        lambda: Held(np.ones(3), 3),
    ],
)
def test_what_is_wrong_is_refused(call):
    with pytest.raises(Exception) as raised:
        call()
    assert raised.type.__module__.partition(".")[0] in ("beartype", "jaxtyping")


def adder(first: int, kind: type):
    @check
    def inside(second: kind, *, times: int = 1) -> int:
        return (first + second) * times

    return inside


def test_functions_that_are_defined_again_are_checked_each_with_what_is_its_own():
    ones = [adder(first, int) for first in (1, 2, 3)]
    assert [one(10, times=2) for one in ones] == [22, 24, 26]
    for one in ones:
        with pytest.raises(Exception, match="violates type hint"):
            one("10")
    with pytest.raises(Exception, match="violates type hint"):
        adder(1, str)(10)
    with pytest.raises(Exception, match="violates type hint"):
        adder(1, float)(0.5)


def grower(rows: int, size: str):
    @check
    def inside(values: Float[np.ndarray, size]) -> Float[np.ndarray, size]:
        return np.concatenate([values] * rows)

    return inside


def test_sizes_of_a_function_that_is_defined_again_are_those_of_each():
    for _ in range(2):
        assert grower(1, "a")(np.ones(2)).shape == (2,) and grower(1, "3")(np.ones(3)).shape == (3,)
        for grow, values in ((grower(2, "a"), 2), (grower(1, "3"), 2), (grower(1, "a b"), 2)):
            with pytest.raises(Exception, match="violates type hint"):
                grow(np.ones(values))


def test_the_library_is_checked(request):
    if not request.config.getoption("jaxtyping_packages"):
        pytest.skip("nothing is checked in this run")
    with pytest.raises(Exception, match="violates type hint"):
        zsas.metrics.pixel_auroc([1.0], [True])


def test_nothing_is_checked_where_that_is_asked_for(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    assert added(np.ones(2), np.ones(2), twice=True).shape == (4,)
