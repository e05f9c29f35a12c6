"""The types of zsas_lib, checked beside the other tests, so that no core waits meanwhile."""

import sys
from subprocess import CalledProcessError

import pytest
from making import make


@pytest.mark.slow
def test_the_types_of_the_science_are_right():
    try:
        said = make("types", f"PYTHON={sys.executable}")
    except CalledProcessError as failed:
        pytest.fail(failed.stdout + failed.stderr)
    assert said.startswith("0 errors")
