import pytest
import torch

import zsas_lib as zsas
from zsas_lib.backbones.zoo import ZOO, zoo_card, zoo_cards, zoo_names
from zsas_lib.base.errors import OptionError, UnknownNameError
from zsas_lib.data.embedded.naming import NAMES
from zsas_lib.training.zoo.recipes import RECIPES


def test_weights_are_small():
    sizes = [file.stat().st_size for file in ZOO.glob("*.safetensors")]
    assert len(sizes) > 14 and max(sizes) <= 2e6 and sum(sizes) <= 20e6


def test_cards_say_what_members_are():
    cards = zoo_cards()
    assert [card.name for card in cards if card.seed == 0][0] == "reference"
    assert all(card.pictures_seen and card.core_seconds > 0 and card.weights.is_file() for card in cards)
    assert zoo_card("prompt").weights == zoo_card("reference").weights


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("name", "family"), [("reference", "ResNet"), ("vit", "class token"), ("convnext", "hierarchical")]
)
def test_members_are_backbones_of_their_families(name, family):
    backbone = zsas.load_backbone(f"zoo:{name}:0")
    assert (backbone.family, backbone.embed_dim, backbone.size) == (family, 64, (64, 64))
    text = backbone.encode_text(["wooden ring", "a photo of the wooden ring", "rubber gear"])
    assert text[0] @ text[1] > text[0] @ text[2]
    assert backbone.encode_image(torch.rand(2, 3, 64, 64)).norm(dim=-1).tolist() == pytest.approx([1, 1], abs=1e-5)


def test_rows_of_names_are_there_where_names_are_no_sentences():
    assert zoo_names(zoo_card("reference")) is None
    rows = zoo_names(zoo_card("prompt"))
    assert rows.shape == (len(NAMES), 64)
    assert rows.norm(dim=-1).mean().item() == pytest.approx(1, abs=1e-2)
    material, shape = [NAMES.index(name) for name in ("wooden ring", "wooden disc")], None
    labels = zoo_names(zoo_card("labels"))
    others = [NAMES.index(name) for name in ("rubber ring", "rubber disc")]
    difference = labels[material[0]] - labels[material[1]] - labels[others[0]] + labels[others[1]]
    assert shape is None and difference.abs().max() < 2e-2  # a material's and a shape's row, added


@pytest.mark.parametrize("name", ["labels", "tuned"])
def test_who_learnt_from_labels_has_no_text_tower_and_says_so(name):
    backbone = zsas.load_backbone(f"zoo:{name}:1")
    assert backbone.encode_image(torch.rand(1, 3, 64, 64)).norm().item() == pytest.approx(1, abs=1e-5)
    with pytest.raises(OptionError, match=f"'zoo:{name}:1' reads no sentences: it was trained on labels"):
        backbone.encode_text("wooden ring")
    with pytest.raises(OptionError, match="has no text tower"):
        zsas.load_model("winclip", backbone)(torch.rand(1, 3, 64, 64), ["ring"])


def test_every_member_is_there_from_three_seeds():
    assert {card.name for card in zoo_cards()} == {*RECIPES}
    assert all({card.seed for card in zoo_cards() if card.name == name} == {0, 1, 2} for name in RECIPES)


def test_a_member_that_is_not_there_is_named_with_the_closest():
    with pytest.raises(UnknownNameError, match="member of the zoo 'referenc:0'.*Did you mean 'reference:0'"):
        zsas.load_backbone("zoo:referenc:0")
