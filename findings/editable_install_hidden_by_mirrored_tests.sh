#!/usr/bin/env bash
# setuptools 80.9.0, pip 25.3: a tree of tests that mirrors a package (tests/thing/room/test_x.py, no __init__.py anywhere)
# takes the place of an *editable* install of that package as soon as `tests` is on PYTHONPATH.
#
# Expected: a folder without __init__.py is at best a namespace package, and a regular package that is found anywhere on
# sys.path wins over it, as for an ordinary install.
# Seen: the hook of an editable install comes after the search of sys.path in sys.meta_path, so the namespace package wins:
# the package's own __init__.py is not run, its modules at the top are found by the hook all the same (so that much seems to
# work), and those of a mirrored sub-package are not found.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
mkdir -p "$place/project/thing/room" "$place/project/tests/thing/room"
cd "$place/project"
echo 'version = 1' > thing/__init__.py
echo 'answer = 42' > thing/core.py
echo > thing/room/__init__.py
echo 'answer = 43' > thing/room/inner.py
echo 'def test(): pass' > tests/thing/room/test_inner.py
cat > pyproject.toml <<'TOML'
[build-system]
requires = ["setuptools==80.9.0"]
build-backend = "setuptools.build_meta"
[project]
name = "thing"
version = "1"
[tool.setuptools.packages.find]
include = ["thing*"]
TOML

try() {
  cd "$place"
  PYTHONPATH="$place/project/tests" "$place/$1/bin/python" -c "$2" 2>&1 | tail -1
}
for kind in ordinary editable; do
  python3 -m venv "$place/$kind"
  "$place/$kind/bin/python" -m pip install --quiet pip==25.3 setuptools==80.9.0
done
"$place/ordinary/bin/python" -m pip install --quiet --no-build-isolation .
"$place/editable/bin/python" -m pip install --quiet --no-build-isolation --editable .
for kind in ordinary editable; do
  for code in 'import thing; print(thing.version)' 'import thing.core; print(thing.core.answer)' \
              'import thing.room.inner; print(thing.room.inner.answer)'; do
    echo "$kind | $code | $(try "$kind" "$code")"
  done
done | tee "$place/seen"
diff "$place/seen" - <<'SEEN'
ordinary | import thing; print(thing.version) | 1
ordinary | import thing.core; print(thing.core.answer) | 42
ordinary | import thing.room.inner; print(thing.room.inner.answer) | 43
editable | import thing; print(thing.version) | AttributeError: module 'thing' has no attribute 'version'
editable | import thing.core; print(thing.core.answer) | 42
editable | import thing.room.inner; print(thing.room.inner.answer) | ModuleNotFoundError: No module named 'thing.room.inner'
SEEN
