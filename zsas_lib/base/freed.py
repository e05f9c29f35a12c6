"""Memory that was freed, kept for what asks for some next.

The C library of GNU gives large arrays back to the system as soon as they are freed, and gets the same pages again one
by one, each filled with zeros: a fifth of what a search does beside its model.
"""

import ctypes
import os
from functools import cache

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""What ``mallopt`` calls the two numbers below."""
KEPT, LARGEST = 2**28, (2**26 - 1, 2**25)
"""How many bytes at the end of the process's memory stay with it, and how large an array may be to be part of it: the
second is what older versions of the library allow."""
ASKED_OTHERWISE = ("MALLOC_", "GLIBC_TUNABLES")
"""How variables of the environment begin by which somebody has asked for something else."""


@cache
def keep_freed() -> bool:
    """Have this process keep freed memory; whether it does. It does not with another C library, and not where the
    environment already says what becomes of memory."""
    if not _of_gnu() or any(name.startswith(ASKED_OTHERWISE) for name in os.environ):
        return False
    library = ctypes.CDLL(None)
    allowed = any(library.mallopt(MMAP_THRESHOLD, size) for size in LARGEST)
    return bool(allowed and library.mallopt(TRIM_THRESHOLD, KEPT))


def give_back() -> None:
    """Have the system take back what lies between other memory of this process: before much is asked for at once."""
    if _of_gnu():
        ctypes.CDLL(None).malloc_trim(0)


def _of_gnu() -> bool:
    return "CS_GNU_LIBC_VERSION" in getattr(os, "confstr_names", {})
