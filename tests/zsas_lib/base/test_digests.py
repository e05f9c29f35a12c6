"""Digests of files and of configurations."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from zsas_lib.base.digests import configuration_digest, file_digest


def test_file_digest_is_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert file_digest(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_equal_configurations_have_equal_digests():
    first = {"values": (0, 45.0), "seed": 1, "path": Path("a/b"), "none": None, "flag": True}
    second = {"flag": True, "none": None, "path": "a/b", "seed": np.int64(1), "values": np.array([0.0, 45.0])}
    assert configuration_digest(first) == configuration_digest(second)


@pytest.mark.parametrize("change", [{"seed": 2}, {"values": [45, 0]}, {"flag": 1}, {"none": "None"}, {"more": 0}])
def test_other_configurations_have_other_digests(change):
    first = {"values": [0, 45], "seed": 1, "none": None, "flag": True}
    assert configuration_digest(first) != configuration_digest(first | change)


@pytest.mark.parametrize("value, error", [(float("nan"), ValueError), (Fraction(1, 2), TypeError), ({1, 2}, TypeError)])
def test_what_has_no_canonical_form_is_refused(value, error):
    with pytest.raises(error, match="Expected"):
        configuration_digest({"a": [{"b": value}]})
