"""``python -m zsas_lib.data.embedded``: draw the embedded data sets into the cache folder, unless they are there."""

from . import written

for name in ("embedded-a", "embedded-b"):
    print(f"{name}: {written(name)}")
