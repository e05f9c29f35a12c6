"""Small models as transformers writes them, and what transformers makes of them: recorded, so that it is not needed.

`python tests/transformers_models.py` records anew, where transformers is installed. zsas_lib must not be imported here
(see conftest.py).
"""

import json
from pathlib import Path

import torch
from torch import Tensor

RECORD = Path(__file__).with_suffix(".json")
VISION = {
    "hidden_size": 32,
    "intermediate_size": 72,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 32,
    "patch_size": 8,
}
TEXT = {**VISION, "hidden_size": 24, "intermediate_size": 50, "vocab_size": 60, "max_position_embeddings": 10}
del TEXT["image_size"], TEXT["patch_size"]
CONFIGURATIONS = {
    "clip": {
        "model_type": "clip",
        "projection_dim": 12,
        "vision_config": VISION,
        "text_config": {**TEXT, "bos_token_id": 1, "eos_token_id": 40},
    },
    "siglip": {
        "model_type": "siglip",
        "vision_config": VISION,
        "text_config": {**TEXT, "projection_size": 32, "bos_token_id": 1, "eos_token_id": 2},
    },
}
IDS = [[1, 7, 40, 2, 2, 2, 2, 2, 2, 2], [1, 9, 55, 8, 40, 2, 2, 2, 2, 2]]


def drawn(name: str, shape: list[int]) -> Tensor:
    """Values that depend on the name alone, of the size of weights, in float16 as files have them."""
    start = sum(map(ord, name))
    values = torch.sin(torch.arange(start, start + max(1, torch.Size(shape).numel()), dtype=torch.float64) * 1.7)
    values = 0.3 * values + (1.0 if "norm" in name and name.endswith("weight") else 0.0)
    return values.reshape(shape).half()


def images() -> Tensor:
    """Two pictures, as the towers read them."""
    return drawn("images", [2, 3, 32, 32]).float() * 3


def recorded(kind: str) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """The parameters of a model, and transformers' embeddings of `images` and of `IDS`."""
    record = json.loads(RECORD.read_text())[kind]
    parameters = {name: drawn(name, shape) for name, shape in record["shapes"].items()}
    return parameters, torch.tensor(record["images"]), torch.tensor(record["texts"])


def record(kind: str) -> dict[str, object]:
    """Shapes and embeddings of transformers' own model of that kind."""
    import transformers

    model_class = {"clip": transformers.CLIPModel, "siglip": transformers.SiglipModel}[kind]
    model = model_class(model_class.config_class(**CONFIGURATIONS[kind])).eval()
    shapes = {name: list(value.shape) for name, value in model.state_dict().items()}
    model.load_state_dict({name: drawn(name, shape) for name, shape in shapes.items()})
    with torch.no_grad():
        found = model.get_image_features(images()), model.get_text_features(torch.tensor(IDS))
    embeddings = [getattr(one, "pooler_output", one).tolist() for one in found]
    return {"shapes": shapes, "images": embeddings[0], "texts": embeddings[1]}


if __name__ == "__main__":
    RECORD.write_text(json.dumps({kind: record(kind) for kind in CONFIGURATIONS}, indent=0, sort_keys=True) + "\n")
