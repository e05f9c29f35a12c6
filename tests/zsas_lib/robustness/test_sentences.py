"""Fewer sentences for WinCLIP, counted and against its own."""

import pytest
import torch

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models.load import load_model
from zsas_lib.models.prompts import winclip_prompts
from zsas_lib.robustness.sentences import SETS, FewerSentences, fewer_prompts, sentences_of

COUNTS = {"all": 242, "one article": 121, "one template": 11, "no template": 11, "one pair": 2}


def test_the_sets_are_parts_of_the_papers_ensemble():
    whole = winclip_prompts("metal_nut")
    assert fewer_prompts("metal_nut", "all") == whole and {name: sentences_of(name) for name in SETS} == COUNTS
    for name in ("one article", "one template", "one pair"):
        part = fewer_prompts("metal_nut", name)
        assert {*part.normal} <= {*whole.normal} and {*part.abnormal} <= {*whole.abnormal}
    pair = fewer_prompts("metal_nut", "one pair")
    assert (*pair.normal, *pair.abnormal) == ("a photo of a flawless metal nut.", "a photo of a damaged metal nut.")
    assert fewer_prompts("metal_nut", "no template").abnormal[0] == "damaged metal nut."
    assert not any(" the " in sentence for sentence in fewer_prompts("metal_nut", "one article").normal)
    with pytest.raises(UnknownNameError, match="set of sentences 'none'.*one pair"):
        fewer_prompts("metal_nut", "none")


@pytest.mark.slow
@torch.no_grad()
def test_all_of_them_are_winclip_and_one_pair_is_two_embeddings(backbone):
    images = torch.rand(2, 3, *backbone.size, generator=torch.Generator().manual_seed(0))
    own, all_of_them = load_model("winclip", backbone, scales=(2,)), FewerSentences(backbone, "all", scales=(2,))
    torch.testing.assert_close(all_of_them(images, "ring").anomaly_map, own(images, "ring").anomaly_map)
    pair = FewerSentences(backbone, "one pair", scales=(2,))
    expected = backbone.encode_text(["a photo of a flawless ring.", "a photo of a damaged ring."])
    torch.testing.assert_close(pair.text_features("ring"), expected)
    assert pair.options["sentences"] == "one pair" and pair.name == "winclip"
    with pytest.raises(UnknownNameError, match="set of sentences"):
        FewerSentences(backbone, "few")
