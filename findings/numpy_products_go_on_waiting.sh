#!/usr/bin/env bash
# numpy 2.4.6 (wheels with OpenBLAS): after a product of matrices on two threads the second goes on waiting for work, at
# full load, for about a tenth of a second.
#
# Expected: a product of 7 ms takes at most 14 ms of two processors, and nothing once it has returned; so a bootstrap of
# thirty small products, each followed by sums on one thread, costs little more than on one thread alone.
# Seen: the processor is as busy after the product as during it, while this program sleeps. A job with as many workers as
# processors loses a second of each worker's time to every ten products; what is measured in processor's time, such as
# `time.process_time`, doubles. On one thread (OPENBLAS_NUM_THREADS=1, or threadpoolctl around the products) there is none
# of it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet numpy==2.4.6
cat > waiting.py <<'PY'
import sys
import time

import numpy as np

drawn, counts = np.ones((500, 60)), np.ones((60, 4096))
drawn @ counts
after = []
for _ in range(5):
    time.sleep(0.5)
    drawn @ counts
    start = time.process_time()
    time.sleep(0.5)
    after.append(time.process_time() - start)
print(f"{1e3 * min(after):.1f} to {1e3 * max(after):.1f} ms of the processor in half a second of sleep", file=sys.stderr)
print(f"{sys.argv[1]}: more than 20 ms of the processor's time after each product: {min(after) > 0.02}")
PY
for threads in 1 2; do
  OPENBLAS_NUM_THREADS=$threads venv/bin/python waiting.py "threads $threads" | tee -a seen
done
diff seen - <<'SEEN'
threads 1: more than 20 ms of the processor's time after each product: False
threads 2: more than 20 ms of the processor's time after each product: True
SEEN
