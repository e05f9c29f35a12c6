#!/usr/bin/env bash
# matplotlib 3.11.2: with rcParams["text.parse_math"] = False the ticks of an axis in logarithms read
# $\mathdefault{10^{0}}$.
#
# Expected: who says that dollar signs are dollar signs gets ticks that are readable all the same, as on a linear
# axis.
# Seen: the formatter of logarithms writes mathematics whatever the setting, and the text that shows it does not read it
# as such: the figure shows the markup, and nothing warns.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet matplotlib==3.11.2
MPLBACKEND=agg MPLCONFIGDIR="$place" venv/bin/python - <<'PY' | tee seen
import matplotlib.pyplot as plt

for parse_math in (True, False):
    plt.rcParams["text.parse_math"] = parse_math
    figure, axes = plt.subplots()
    axes.plot([1, 10, 100], [1, 10, 100])
    axes.set_yscale("log")
    figure.canvas.draw()
    tick = axes.get_yticklabels()[1]
    print(f"text.parse_math {parse_math}: tick {tick.get_text()}, read as mathematics: {tick.get_parse_math()}")
PY
diff seen - <<'SEEN'
text.parse_math True: tick $\mathdefault{10^{0}}$, read as mathematics: True
text.parse_math False: tick $\mathdefault{10^{0}}$, read as mathematics: False
SEEN
