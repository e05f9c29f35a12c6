#!/usr/bin/env bash
# papermill 2.7.0: values given on the command line change their kind, whatever kind the cell of parameters gives or
# declares.
#
# Expected: a parameter that is a string in the cell of parameters, and declared as one there, is still a string; at
# the least `-p` and `-y` agree on what a value is.
# Seen: `-p` takes for a number whatever Python's int() or float() takes: 01 becomes 1 (a category of BTAD, so
# called), a short hash of a commit such as 1234e56 a float, the word infinity too; a time stays one. `-y` reads YAML
# 1.1, where 12:30 is a number to the base of sixty, 750, and 010 an octal one, while 1234e56 stays a string. `-r`
# alone passes what was written, always.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet papermill==2.7.0 nbformat==5.11.1 nbclient==0.11.0
venv/bin/python - <<'PY'
import nbformat

cell = nbformat.v4.new_code_cell('value: str = "a string"', metadata={"tags": ["parameters"]})
kernel = {"kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}}
nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=kernel), "page.ipynb")
PY
for value in 01 010 1234e56 infinity 12:30; do
  for option in -p -y -r; do
    given=(value "$value")
    if [ "$option" = -y ]; then given=("value: $value"); fi
    venv/bin/papermill --prepare-only --log-level ERROR --no-progress-bar page.ipynb out.ipynb "$option" "${given[@]}"
    venv/bin/python -c 'import nbformat; print(nbformat.read("out.ipynb", 4).cells[1].source.splitlines()[-1])' > line
    echo "$option ${given[*]} | $(cat line)"
  done
done | tee seen
diff seen - <<'SEEN'
-p value 01 | value = 1
-y value: 01 | value = 1
-r value 01 | value = "01"
-p value 010 | value = 10
-y value: 010 | value = 8
-r value 010 | value = "010"
-p value 1234e56 | value = 1.234e+59
-y value: 1234e56 | value = "1234e56"
-r value 1234e56 | value = "1234e56"
-p value infinity | value = float('inf')
-y value: infinity | value = "infinity"
-r value infinity | value = "infinity"
-p value 12:30 | value = "12:30"
-y value: 12:30 | value = 750
-r value 12:30 | value = "12:30"
SEEN
