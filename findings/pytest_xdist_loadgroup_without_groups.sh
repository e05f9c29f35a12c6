#!/usr/bin/env bash
# pytest 9.2.0 with pytest-xdist 3.8.0: `--dist loadgroup` spreads the tests of one `xdist_group` over all workers, silently.
#
# Expected: tests that carry the same xdist_group run on one worker, as with pytest 8.4.2 and the same pytest-xdist.
# Seen: with pytest 9.2.0 they run on both of two workers; nothing warns. Tests that share something dear to make, or
# something that only one may hold, are made twice or meet.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
cat > test_one_group.py <<'PY'
import time
import pytest

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(8))
def test(number, worker_id):
    time.sleep(0.2)
    print("ran on", worker_id)
PY
for version in 8.4.2 9.2.0; do
  python3 -m venv "$version"
  "$version/bin/python" -m pip install --quiet "pytest==$version" pytest-xdist==3.8.0
  workers=$("$version/bin/python" -m pytest -n 2 --dist loadgroup -rP -q -p no:cacheprovider test_one_group.py | grep -oE 'ran on gw[0-9]+' | sort -u | wc -l)
  echo "pytest $version: one group ran on $workers worker(s)"
done | tee seen
diff seen - <<'SEEN'
pytest 8.4.2: one group ran on 1 worker(s)
pytest 9.2.0: one group ran on 2 worker(s)
SEEN
