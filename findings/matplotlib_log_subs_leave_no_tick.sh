#!/usr/bin/env bash
# matplotlib 3.11.2: LogLocator(subs=(1, 3)), for ticks at 1, 3, 10, 30 and so on, gives none at all where an axis of the
# usual height spans nine decades or more.
#
# Expected: fewer ticks over more decades, as with the default subs, whose ticks then stand at every second decade.
# Seen: 17 ticks over eight decades and 0 over nine: where the locator would skip decades, it drops all ticks of an axis
# with several subs, so that no value can be read; nothing warns.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet matplotlib==3.11.2
MPLBACKEND=agg MPLCONFIGDIR="$place" venv/bin/python - <<'PY' | tee seen
import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator

for decades in (3, 8, 9, 12):
    counts = []
    for locator in (LogLocator(subs=(1, 3)), LogLocator()):
        figure, axes = plt.subplots()
        axes.set_yscale("log")
        axes.set_ylim(10.0**-decades, 1)
        axes.yaxis.set_major_locator(locator)
        figure.canvas.draw()
        counts.append(sum(10.0**-decades <= tick <= 1 for tick in locator()))
    print(f"{decades} decades: {counts[0]} ticks with subs 1 and 3, {counts[1]} with the default")
PY
diff seen - <<'SEEN'
3 decades: 7 ticks with subs 1 and 3, 4 with the default
8 decades: 17 ticks with subs 1 and 3, 9 with the default
9 decades: 0 ticks with subs 1 and 3, 5 with the default
12 decades: 0 ticks with subs 1 and 3, 7 with the default
SEEN
