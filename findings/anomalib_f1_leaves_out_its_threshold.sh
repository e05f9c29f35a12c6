#!/usr/bin/env bash
# anomalib 2.7.0: where the scores separate damaged from normal pictures perfectly, its `F1Score` is not 1: the picture whose
# score became the threshold, always a damaged one, is called normal.
#
# Expected: the threshold is the one with the best F1 on the validation pictures, and these are the test pictures here, as
# they are by default for MVTec AD; so `F1Score`, of labels at that threshold, is `F1Max`, of the scores.
# Seen: the threshold is chosen for scores that are at least as high, and applied to scores that are higher. One damaged
# picture is missed each time; the fewer there are, the lower `F1Score` gets: two thirds for two. Nothing warns.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 anomalib==2.7.0 \
  torchmetrics==1.9.0 lightning==2.6.6
venv/bin/python - <<'PY' 2>/dev/null | tee seen
import torch
from anomalib.data import ImageBatch
from anomalib.metrics import F1Max, F1Score
from anomalib.post_processing import PostProcessor

NORMAL = [0.0, 0.0625, 0.125, 0.25]


def pictures(damaged):
    scores = torch.tensor(NORMAL + damaged)
    labels = torch.arange(len(scores)) >= len(NORMAL)
    return ImageBatch(image=torch.zeros(len(scores), 3, 8, 8), pred_score=scores, gt_label=labels)


for damaged in ([0.5, 0.75], [0.5, 0.75, 1.0], [0.5 + i / 32 for i in range(10)]):
    processor = PostProcessor()
    processor.on_validation_batch_end(None, None, pictures(damaged))
    processor.on_validation_epoch_end(None, None)
    batch = pictures(damaged)
    processor.on_test_batch_end(None, None, batch)
    best, reported = F1Max(["pred_score", "gt_label"]), F1Score(["pred_label", "gt_label"])
    best.update(batch)
    reported.update(batch)
    called = int(batch.pred_label.sum())
    print(f"threshold {float(processor.image_threshold)}: {called} of {len(damaged)} damaged ones are called damaged")
    print(f"F1Max {float(best.compute()):.3f}, F1Score {float(reported.compute()):.3f}")
PY
diff seen - <<'SEEN'
threshold 0.5: 1 of 2 damaged ones are called damaged
F1Max 1.000, F1Score 0.667
threshold 0.5: 2 of 3 damaged ones are called damaged
F1Max 1.000, F1Score 0.800
threshold 0.5: 9 of 10 damaged ones are called damaged
F1Max 1.000, F1Score 0.947
SEEN
