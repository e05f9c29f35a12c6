#!/usr/bin/env bash
# pyarrow 26.0.1, Linux: importing it starts a thread, and choosing an allocator that has none does not stop that.
#
# Expected: an import starts no thread, so that a process may fork after it; or at least none of an allocator that is
# not used: the pool is mimalloc's, and ARROW_DEFAULT_MEMORY_POOL names another.
# Seen: the thread is that of jemalloc, which starts whichever pool is chosen. From Python 3.12 on every os.fork()
# after the import warns that the process is multi-threaded. JE_ARROW_MALLOC_CONF=background_thread:false, before the
# import, prevents it.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet pyarrow==26.0.1
cat > threads.py <<'PY'
import pathlib
import time
import pyarrow

time.sleep(0.5)  # until a new thread has given itself its name
names = sorted((task / "comm").read_text().strip() for task in pathlib.Path("/proc/self/task").iterdir())
others = [name for name in names if not name.startswith("python")]
print(f"pool {pyarrow.default_memory_pool().backend_name}, {len(names)} thread(s), not Python's: {others}")
PY
for setting in NOTHING= ARROW_DEFAULT_MEMORY_POOL=system JE_ARROW_MALLOC_CONF=background_thread:false; do
  echo "$setting | $(env "$setting" venv/bin/python threads.py)"
done | tee seen
diff seen - <<'SEEN'
NOTHING= | pool mimalloc, 2 thread(s), not Python's: ['jemalloc_bg_thd']
ARROW_DEFAULT_MEMORY_POOL=system | pool system, 2 thread(s), not Python's: ['jemalloc_bg_thd']
JE_ARROW_MALLOC_CONF=background_thread:false | pool mimalloc, 1 thread(s), not Python's: []
SEEN
