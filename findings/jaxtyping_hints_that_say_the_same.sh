#!/usr/bin/env bash
# jaxtyping 0.3.11: two hints that are written alike are not the same, nor equal, nor is one a subclass of the other.
#
# Expected: as of list[int] or numpy's NDArray[float], so that what is kept by a function's annotations (a compiled check,
# a serializer, a union without doubles) is found again for the same annotations.
# Seen: each time that Float[np.ndarray, "row column"] is evaluated it is a new class; a union has both, a dictionary by
# hints never finds one, and a function inside another, whose annotations are evaluated in every call, gets a new check in
# every call from whoever keeps checks by hints. What is in common is to be compared by parts: dtype, array_type, dim_str.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet jaxtyping==0.3.11 numpy==2.4.6
venv/bin/python - <<'PY' | tee seen
from typing import Union, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

print("list[int] equal:", list[int] == list[int])
print("NDArray[np.float64] equal:", NDArray[np.float64] == NDArray[np.float64])
one, other = (Float[np.ndarray, "row column"] for _ in range(2))
print("written alike:", repr(one) == repr(other))
print("equal:", one == other)
print("same hash:", hash(one) == hash(other))
print("subclass:", issubclass(one, other))
print("members of their union:", len(get_args(Union[one, other])))
print("same parts:", (one.dtype, one.array_type, one.dim_str) == (other.dtype, other.array_type, other.dim_str))
PY
diff seen - <<'SEEN'
list[int] equal: True
NDArray[np.float64] equal: True
written alike: True
equal: False
same hash: False
subclass: False
members of their union: 2
same parts: True
SEEN
