"""Words that are to find defects, with towers that know them all or nothing."""

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score
from tiny_clip import tiny_backbone

import zsas_lib as zsas
from zsas_lib.base.errors import OptionError
from zsas_lib.robustness import defect_retrieval as module


@pytest.fixture(scope="module")
def pictures():
    names = ["ceramic_ring", "woven_sheet"]
    return zsas.load_dataset("embedded-b", categories=names, image_size=24).select(per_category=12)


class Knowing:
    """A tower whose pictures lie with the sentence about their defect."""

    device = torch.device("cpu")

    def __init__(self, pictures):
        self.sentences: list[str] = []
        self.said = [
            module.defect_sentence(r.category, r.defect if r.is_anomalous else module.SOUND) for r in pictures.records
        ]
        self.place = 0

    def _vector(self, sentence):
        if sentence not in self.sentences:
            self.sentences.append(sentence)
        return torch.eye(64)[self.sentences.index(sentence)]

    def encode_text(self, sentences):
        return torch.stack([self._vector(sentence) for sentence in sentences])

    def encode_image(self, images):
        found = torch.stack([self._vector(own) for own in self.said[self.place : self.place + len(images)]])
        self.place += len(images)
        return found


@pytest.mark.slow
def test_a_tower_that_knows_all_finds_all(pictures, unchecked_types):
    table = module.defect_retrieval(Knowing(pictures), pictures)
    assert list(table.direction) == [module.TO_DEFECT, module.TO_TEXT] * 2
    assert (table[["hit@1", "R-precision", "AP"]] == 1).all(axis=None)
    damaged = [r for r in pictures.select(["ceramic_ring"], anomalous=True).records]
    kinds = {record.defect for record in damaged}
    first, second = table.iloc[0], table.iloc[1]
    assert (first.queries, first["items"]) == (len(kinds), 12) and (second.queries, second["items"]) == (
        6,
        len(kinds) + 1,
    )
    assert first["hit@1_chance"] == pytest.approx(np.mean([sum(r.defect == k for r in damaged) / 12 for k in kinds]))
    assert second["hit@1_chance"] == pytest.approx(1 / (len(kinds) + 1))
    above = module.above_chance(table)
    assert above["AP"].to_numpy() == pytest.approx(1 - table["AP_chance"].to_numpy())


@pytest.mark.slow
def test_the_numbers_are_scikit_learns_for_any_tower(pictures):
    backbone = tiny_backbone()
    part = pictures.select(["ceramic_ring"])
    table = module.defect_retrieval(backbone, part)
    defects = [record.defect for record in part.records]
    kinds = [kind for kind in dict.fromkeys(defects) if kind != "good"]
    images = torch.stack([part[n].image for n in range(len(part))])
    with torch.no_grad():
        embedded = torch.nn.functional.normalize(backbone.encode_image(images), dim=-1)
        text = backbone.encode_text([module.defect_sentence("ceramic_ring", kind) for kind in kinds])
    cosines = (embedded @ text.mT).numpy()
    expected = [average_precision_score(np.array(defects) == kind, cosines[:, n]) for n, kind in enumerate(kinds)]
    assert table.loc[0, "AP"] == pytest.approx(np.mean(expected), abs=1e-5)


def test_sentences_and_nameless_defects(pictures):
    assert module.defect_sentence("metal_nut", "bent_lip") == "a photo of a metal nut with a bent lip."
    assert module.defect_sentence("pcb1", module.SOUND) == "a photo of a flawless printed circuit board."
    nameless = zsas.load_dataset("embedded-a", image_size=16).select(per_category=2)
    with pytest.raises(OptionError, match="No category of 'embedded-a' has two named kinds"):
        module.defect_retrieval(tiny_backbone(), nameless)
