"""``python -m zsas_lib.data.embedded``: draw the embedded data sets into the cache folder, unless they are there."""

from . import written
from .catalogue import SETS

for name in SETS:
    print(f"{name}: {written(name)}")
