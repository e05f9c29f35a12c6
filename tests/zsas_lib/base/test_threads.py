"""What is small takes one thread, and what comes after it as many as before."""

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits
from toy import Glow

from zsas_lib.base.threads import SMALL, enough_threads, one_blas_thread
from zsas_lib.robustness.search.objective import Objective


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("numbers", "threads"), [(0, 1), (SMALL - 1, 1), (SMALL, 2)])
def test_few_numbers_take_one_thread_and_more_as_many_as_there_are(two_threads, numbers, threads):
    with enough_threads(numbers):
        assert torch.get_num_threads() == threads
    assert torch.get_num_threads() == 2


def test_they_come_back_after_an_error(two_threads):
    with pytest.raises(ZeroDivisionError), enough_threads(1):
        _ = 1 / 0
    assert torch.get_num_threads() == 2


def test_a_model_that_is_searched_has_all_of_them(two_threads):
    seen = []

    class Counting(Glow):
        def forward(self, images, class_names):
            seen.append(torch.get_num_threads())
            return super().forward(images, class_names)

    masks = torch.zeros(2, 16, 16, dtype=torch.bool)
    masks[:, 4:8] = True
    objective = Objective(Counting(), torch.rand(2, 3, 16, 16), masks, "part")
    objective.outcome(torch.arange(2), torch.zeros(2, 3))
    assert seen == [2] and torch.get_num_threads() == 2


def test_products_of_matrices_take_one_thread_of_every_library_and_then_as_many_as_before():
    def threads():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        assert len(before) >= 2 and set(before) == {2}, "numpy and scipy each bring one"
        with one_blas_thread():
            assert threads() == [1] * len(before)
        assert threads() == before
