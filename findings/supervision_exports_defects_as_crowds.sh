#!/usr/bin/env bash
# supervision 0.31.2: defects in two pieces, or with a hole, are exported to COCO as crowds, which COCO's evaluation does not
# count: whether they are found makes no difference.
#
# Expected: run lengths instead of polygons, which the documentation says, are another way to write the same annotation; the
# pixels are exact, so the mask itself has precision 1 and a mask elsewhere has 0.
# Seen: run lengths go with `iscrowd` 1, and pycocotools leaves crowds out of both precision and recall. Of a scratch that
# breaks off, a ring, or two spots that touch at a corner, precision is -1, "nothing to find", for the mask itself as for
# one elsewhere; in a data set with other defects they silently are not there. Nothing warns. `iscrowd` 0 in the file, with
# the same run lengths, gives 1 and 0.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9
venv/bin/python -m uv pip install --quiet --python venv/bin/python supervision==0.31.2 pycocotools==2.0.11 numpy==2.4.6 \
  Pillow==13.0.0 opencv-python==5.0.0.93
cat >evaluate.py <<'PY'
import contextlib
import io
import json
from pathlib import Path

import numpy as np
import supervision
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def precisions(file, masks):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(file)
        for mask in masks:
            found = {"image_id": 1, "category_id": 1, "score": 1.0, "segmentation": rle.encode(np.asfortranarray(mask))}
            evaluation = COCOeval(truth, truth.loadRes([found]), "segm")
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
            yield round(float(evaluation.stats[0]), 2)


Image.new("RGB", (100, 100)).save("part.png")
shapes = {name: np.zeros((100, 100), np.uint8) for name in ("square", "broken scratch", "ring", "corner to corner")}
shapes["square"][10:50, 10:50] = 1
shapes["broken scratch"][20:24, 10:80] = 1
shapes["broken scratch"][:, 40:44] = 0
shapes["ring"][10:50, 10:50] = 1
shapes["ring"][20:40, 20:40] = 0
shapes["corner to corner"][10:30, 10:30] = 1
shapes["corner to corner"][30:50, 30:50] = 1
elsewhere = np.zeros((100, 100), np.uint8)
elsewhere[60:95, 60:95] = 1
for name, mask in shapes.items():
    boxes = supervision.mask_to_xyxy(mask[None] > 0).astype(float)
    defects = supervision.Detections(xyxy=boxes, mask=mask[None] > 0, class_id=np.array([0]))
    data = supervision.DetectionDataset(["damage"], ["part.png"], {"part.png": defects})
    data.as_coco(annotations_path="coco.json")
    content = json.loads(Path("coco.json").read_text())
    crowd = content["annotations"][0]["iscrowd"]
    print(f"{name}: iscrowd {crowd}; precision of the mask itself, and of one elsewhere: ", end="")
    print(*precisions("coco.json", [mask, elsewhere]), end="")
    if crowd:
        content["annotations"][0]["iscrowd"] = 0
        Path("coco.json").write_text(json.dumps(content))
        print("; with iscrowd 0:", *precisions("coco.json", [mask, elsewhere]), end="")
    print()
PY
venv/bin/python evaluate.py 2>/dev/null | tee seen
diff seen - <<'SEEN'
square: iscrowd 0; precision of the mask itself, and of one elsewhere: 1.0 0.0
broken scratch: iscrowd 1; precision of the mask itself, and of one elsewhere: -1.0 -1.0; with iscrowd 0: 1.0 0.0
ring: iscrowd 1; precision of the mask itself, and of one elsewhere: -1.0 -1.0; with iscrowd 0: 1.0 0.0
corner to corner: iscrowd 1; precision of the mask itself, and of one elsewhere: -1.0 -1.0; with iscrowd 0: 1.0 0.0
SEEN
