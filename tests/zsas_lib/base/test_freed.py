"""Freed memory is used again without the system: counted by the pages that it hands out."""

import os
import resource

import numpy as np
import pytest

from zsas_lib.base.freed import ASKED_OTHERWISE, keep_freed


@pytest.mark.skipif("CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}), reason="another C library")
def test_freed_memory_is_kept(monkeypatch):
    for name in [name for name in os.environ if name.startswith(ASKED_OTHERWISE)]:
        monkeypatch.delenv(name)
    keep_freed.cache_clear()
    assert keep_freed()

    def pages() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

    np.ones(2**21)  # 16 MB
    before = pages()
    for _ in range(4):
        np.ones(2**21)
    assert pages() - before < 1000  # of 4,096 pages each


@pytest.mark.parametrize("name", ["MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"])
def test_what_the_environment_asks_for_counts(monkeypatch, name):
    keep_freed.cache_clear()
    monkeypatch.setenv(name, "1")
    assert not keep_freed()
    keep_freed.cache_clear()
