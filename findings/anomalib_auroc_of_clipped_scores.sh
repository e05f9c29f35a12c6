#!/usr/bin/env bash
# anomalib 2.7.0: the AUROC that its engine reports is not that of the model's scores: before metrics read them, they are
# normalised and clipped to [0, 1] around the threshold, so that many become ties.
#
# Expected: a normalisation to [0, 1] by the lowest and highest validation score keeps the order, so that AUROC (and AUPRO,
# and average precision) is the same with and without it; surely where the test pictures are the validation pictures.
# Seen: the threshold comes to lie at 0.5, whatever the range is, and what is then above 1 or below 0 is cut. With a low
# threshold a normal picture that scores above every damaged one counts as half a mistake with each of them; with a high
# one a damaged picture below every normal one does. AUROC is .75 by the scores, .84 and .88 by the engine.
# `PostProcessor(enable_normalization=False)` gives that of the scores.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
python3 -m venv venv
venv/bin/python -m pip install --quiet uv==0.13.9  # takes torch, of several GB, from its cache once it is there
venv/bin/python -m uv pip install --quiet --python venv/bin/python torch==2.12.1 torchvision==0.27.1 anomalib==2.7.0 \
  torchmetrics==1.9.0 lightning==2.6.6 scikit-learn==1.9.1
cat >evaluate.py <<'PY'
from pathlib import Path

from anomalib import LearningType
from anomalib.data import Folder
from anomalib.engine import Engine
from anomalib.metrics import AUROC, Evaluator
from anomalib.models import AnomalibModule
from anomalib.post_processing import PostProcessor
from PIL import Image
from sklearn.metrics import roc_auc_score


class Brightness(AnomalibModule):
    """The brighter a picture, the higher its score."""

    learning_type = LearningType.ZERO_SHOT
    trainer_arguments = {}

    def validation_step(self, batch, *_):
        return batch.update(pred_score=batch.image.mean((1, 2, 3)))

    test_step = validation_step

    def training_step(self, batch):
        """Nothing is learned."""

    def configure_optimizers(self):
        """Nothing is learned."""


def evaluated(root, normal, damaged, **options):
    for folder, values in {"train": [0], "good": normal, "bad": damaged}.items():
        Path(root, folder).mkdir(parents=True)
        for i, value in enumerate(values):
            Image.new("RGB", (8, 8), (value,) * 3).save(Path(root, folder, f"{i}.png"))
    folders = {"normal_dir": "train", "abnormal_dir": "bad", "normal_test_dir": "good"}
    data = Folder(root, root=root, **folders, val_split_mode="same_as_test", num_workers=0)
    evaluator = Evaluator(test_metrics=[AUROC(["pred_score", "gt_label"])])
    model = Brightness(
        pre_processor=False, post_processor=PostProcessor(**options), evaluator=evaluator, visualizer=False
    )
    engine = Engine(accelerator="cpu", logger=False, enable_progress_bar=False, max_epochs=1)
    engine.validate(model=model, datamodule=data, verbose=False)
    return engine.test(model=model, datamodule=data, verbose=False)[0]


cases = {"low": ([0, 2, 4, 200], [20, 150, 160, 180]), "high": ([50, 55, 60, 65], [0, 192, 196, 200])}
for name, (normal, damaged) in cases.items():
    rows = {"scores": roc_auc_score([0] * len(normal) + [1] * len(damaged), normal + damaged)}
    rows["engine"] = evaluated(name, normal, damaged)["AUROC"]
    rows["not normalised"] = evaluated(f"{name}-raw", normal, damaged, enable_normalization=False)["AUROC"]
    print(f"{name} threshold:", {row: round(float(value), 4) for row, value in rows.items()})
PY
venv/bin/python evaluate.py 2>/dev/null | grep "threshold:" | tee seen
diff seen - <<'SEEN'
low threshold: {'scores': 0.75, 'engine': 0.8438, 'not normalised': 0.75}
high threshold: {'scores': 0.75, 'engine': 0.875, 'not normalised': 0.75}
SEEN
