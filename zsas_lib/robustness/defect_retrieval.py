"""Whether words find defects: a sentence for each kind of defect among all pictures of a product, and the other way.

*Text to defect*: a product's pictures are ranked by their cosine to a sentence about one kind of defect; those that
have it are the ones to find. *Defect to text*: of each damaged picture the sentences about all kinds of the product's
defects, and the one about none, are ranked; its own is to come first. All is set against chance, which is high where
kinds are few: a random order of the same pictures or sentences.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from ..backbones.backbone import Backbone
from ..base.devices import to_device
from ..base.errors import OptionError
from ..data.dataset import AnomalyDataset
from ..data.record import row_name
from ..metrics.retrieval import chance_of_retrieval, hit_rate, r_precision, retrieval_average_precision
from ..models.prompts import class_phrase

SOUND = "good"
TO_DEFECT, TO_TEXT = "text to defect", "defect to text"
CHANCE = "_chance"  # ends the name of a column with what a random order has
NAMELESS = ("anomaly", "bad", "defective", "ko", "anomalous", "defect")
"""What folders are called that do not say which kind of defect they hold."""


def defect_sentence(product: str, defect: str) -> str:
    """ "a photo of a ceramic ring with a missing piece.", or of a flawless one for `SOUND`."""
    phrase = class_phrase(product)
    if defect == SOUND:
        return f"a photo of a flawless {phrase}."
    return f"a photo of a {phrase} with a {class_phrase(defect)}."


@torch.no_grad()
def defect_retrieval(backbone: Backbone, dataset: AnomalyDataset, *, batch_size: int = 32) -> pd.DataFrame:
    """How well words find defects: a row for each category and direction (`TO_DEFECT`, `TO_TEXT`).

    Columns: category, direction, queries, items, and the means over queries of hit@1, R-precision and AP, each with
    what a random order has (``_chance``). Categories with fewer than two kinds of defects are left out. Raises
    OptionError where none is left, as where folders do not name kinds (`NAMELESS`).
    """
    rows = []
    for category in dataset.categories:
        part = dataset.select([category])
        defects = [SOUND if not record.is_anomalous else record.defect for record in part.records]
        kinds = [kind for kind in dict.fromkeys(defects) if kind != SOUND and kind not in NAMELESS]
        if len(kinds) < 2:
            continue
        batches = part.batches(batch_size, needs_masks=False)
        embedded = torch.cat([backbone.encode_image(to_device(batch.images, backbone.device)) for batch in batches])
        text = backbone.encode_text([defect_sentence(category, kind) for kind in [*kinds, SOUND]])
        cosines = (F.normalize(embedded, dim=-1) @ text.mT).double().cpu().numpy()
        own = np.array(defects)[:, None] == np.array([*kinds, SOUND])[None]
        damaged = own[:, :-1].any(axis=1)
        to_defect = _measured(cosines.T[:-1], own.T[:-1])
        to_text = _measured(cosines[damaged], own[damaged])
        for direction, values in ((TO_DEFECT, to_defect), (TO_TEXT, to_text)):
            rows.append({"category": row_name(category), "direction": direction} | values)
    if not rows:
        raise OptionError(
            f"No category of {dataset.name!r} has two named kinds of defects, so there is nothing to retrieve; take a "
            "data set whose folders name them, such as mvtec or embedded-b."
        )
    return pd.DataFrame(rows)


def _measured(scores: np.ndarray, relevant: np.ndarray) -> dict[str, float]:
    chance = chance_of_retrieval(relevant, k=1)
    values = {
        "hit@1": (hit_rate(scores, relevant, k=1), chance["hit rate"]),
        "R-precision": (r_precision(scores, relevant), chance["R-precision"]),
        "AP": (retrieval_average_precision(scores, relevant), chance["average precision"]),
    }
    found: dict[str, float] = {"queries": float(len(scores)), "items": float(scores.shape[1])}
    for name, (own, random) in values.items():
        found |= {name: float(np.nanmean(own)), f"{name}{CHANCE}": float(np.nanmean(random))}
    return found


def above_chance(table: pd.DataFrame, measures: Sequence[str] = ("hit@1", "R-precision", "AP")) -> pd.DataFrame:
    """What `defect_retrieval` has above chance in each category: columns category, direction and the measures."""
    gaps = {name: table[name] - table[f"{name}{CHANCE}"] for name in measures}
    return table[["category", "direction"]].assign(**gaps)
