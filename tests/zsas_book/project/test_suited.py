"""Models that cannot run on a backbone are told before its weights are fetched."""

import pytest

from zsas_book.project.given import settle
from zsas_book.project.parameters import Parameter, ParameterError, declarations
from zsas_book.project.suited import unsuited
from zsas_book.project.together import misfits, require_together
from zsas_lib.backbones import hub, registry, tokenizers
from zsas_lib.models.load import require_runs

BACKBONE = Parameter("backbone", "str", False, "embedded", kind="backbone")
OWN = Parameter("winclip_backbone", "str", False, None, kind="backbone")
MODEL = Parameter("model", "str", False, "winclip", kind="model")
MODELS = Parameter("models", "str", True, ["winclip"], kind="model with a backbone")
STAGES = "AnomalyCLIP cannot run on backbone 'RN50:openai' (ResNet): it compares patches of a value-value path"


@pytest.fixture(autouse=True)
def nothing_is_read(monkeypatch):
    def refuse(*arguments, **options):
        pytest.fail("weights or files of the hub were asked for")

    for place, name in ((registry, "tag_file"), (registry, "read_weights"), (hub.socket, "create_connection")):
        monkeypatch.setattr(place, name, refuse)


def told(*declared, **values):
    known = {parameter.name: parameter.default for parameter in declared}
    return list(unsuited(declared, known | values, fetch=False))


@pytest.mark.slow_after(1)
@pytest.mark.parametrize(
    ("declared", "values", "expected"),
    [
        ((BACKBONE, MODEL), {"backbone": "RN50:openai", "model": "anomalyclip"}, [STAGES]),
        ((BACKBONE, MODEL), {"backbone": "RN50:openai"}, []),
        ((BACKBONE, MODEL), {"backbone": "ViT-B-32:openai", "model": "anomalyclip"}, []),
        ((BACKBONE, MODELS), {"backbone": "RN50:openai", "models": ["winclip", "anomalyclip"]}, [STAGES]),
        ((BACKBONE,), {"backbone": "RN50:openai"}, []),
        (
            (Parameter("backbone", "str", False, "embedded", kind="backbone", models=("anomalyclip",)),),
            {"backbone": "RN50:openai"},
            [STAGES],
        ),
        ((OWN, MODEL), {"winclip_backbone": "RN50:openai"}, []),
        ((BACKBONE, MODEL), {"backbone": "mine", "model": "anomalyclip"}, []),  # which the notebook may register
        ((BACKBONE, MODEL), {"backbone": "hf-hub:me/none", "model": "anomalyclip"}, []),  # of which nothing is here
        (
            (BACKBONE, MODEL, Parameter("image_size", "int", False, None)),
            {"backbone": "ViT-B-32:openai", "image_size": 230},
            ["Backbone 'ViT-B-32:openai': image_size 230 is not a multiple of the patch size 32; use 224 or 256."],
        ),
        (
            (BACKBONE, MODEL, Parameter("image_size", "int", False, None)),
            {"image_size": 145},
            ["Backbone 'embedded': image_size 145 is not a multiple of the patch size 12; use 144 or 156."],
        ),
        ((BACKBONE, MODEL, Parameter("image_size", "int", False, None)), {"image_size": 156}, []),
    ],
)
def test_what_cannot_run_is_one_sentence(declared, values, expected):
    found = told(*declared, **values)
    assert [sentence[: len(start)] for sentence, start in zip(found, expected, strict=True)] == expected


@pytest.mark.slow
def test_winclips_own_backbone_is_not_the_others():
    given = {"backbone": "ViT-B-16-SigLIP:webli", "winclip_backbone": "ViT-B-32:openai", "models": ["winclip"]}
    assert told(BACKBONE, OWN, MODELS, **given) == []


@pytest.mark.slow
def test_a_missing_package_is_told_too(monkeypatch):
    monkeypatch.setattr(tokenizers, "find_spec", lambda name: None)
    (found,) = told(BACKBONE, MODEL, backbone="ViT-B-16-SigLIP:webli")
    assert "needs Hugging Face's transformers, and it is not installed" in found


@pytest.mark.slow
def test_zsas_run_papermill_and_train_refuse_it(tmp_path):
    values = {"backbone": "RN50:openai", "model": "anomalyclip"}
    assert [problem[: len(STAGES)] for problem in misfits((BACKBONE, MODEL), values, tmp_path)] == [STAGES]
    with pytest.raises(ParameterError, match="AnomalyCLIP cannot run on"):
        require_together((BACKBONE, MODEL), values, tmp_path)
    cell = 'backbone: str = "RN50:openai"  # one (a backbone)\nmodel: str = "anomalyclip"  # its name (a model)'
    with pytest.raises(ParameterError, match="AnomalyCLIP cannot run on"):
        settle({"In": ["", cell], **values})
    with pytest.raises(ValueError, match="AnomalyCLIP cannot run on"):
        require_runs("anomalyclip", "RN50:openai")


def test_a_notebook_names_the_models_behind_its_backbone():
    (found,) = declarations('backbone: str = "embedded"  # alias or pair (a backbone for anomalyclip, vcpclip+)')
    assert found.kind == "backbone" and found.models == ("anomalyclip", "vcpclip+")
    assert found.allowed == "str, a backbone for anomalyclip, vcpclip+"
    with pytest.raises(ParameterError, match="names models behind a folder; expected a backbone"):
        declarations("place: str = None  # where (a folder for winclip)")
