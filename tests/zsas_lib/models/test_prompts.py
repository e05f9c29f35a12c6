import pytest

from zsas_lib.base.errors import UnknownNameError
from zsas_lib.models.prompts import ABNORMAL_STATES, NORMAL_STATES, TEMPLATES, class_phrase, winclip_prompts


@pytest.mark.parametrize("templates, normal, abnormal, distinct", [(22, 154, 88, 154), (21, 147, 84, 140)])
def test_counts(templates, normal, abnormal, distinct):
    prompts = winclip_prompts("pill", templates=templates)
    assert (len(prompts.normal), len(prompts.abnormal), len(set(prompts.normal))) == (normal, abnormal, distinct)
    assert not set(prompts.normal) & set(prompts.abnormal)


def test_the_two_lists_differ_by_anomalibs_slips():
    paper, anomalib = list(TEMPLATES[22]), list(TEMPLATES[21])
    assert set(paper) - set(anomalib) == {"a cropped photo of a {}", "a jpeg corrupted photo of a {}"}
    assert anomalib.count("a jpeg corrupted photo of the {}") == 2
    assert len(set(paper)) == 22 and set(anomalib) < set(paper)


@pytest.mark.parametrize(
    "sentence",
    [
        "a cropped photo of the metal nut.",
        "a close-up photo of a flawless metal nut.",
        "a bright photo of the perfect metal nut.",
        "a dark photo of a unblemished metal nut.",
        "a photo of a small metal nut without flaw.",
        "a photo of the large metal nut without defect.",
        "a photo of a metal nut without damage for visual inspection.",
        "a photo of the metal nut for anomaly detection.",
    ],
)
def test_normal_sentences(sentence):
    assert sentence in winclip_prompts("metal_nut").normal


@pytest.mark.parametrize(
    "sentence",
    [
        "a blurry photo of the damaged pill",
        "a jpeg corrupted photo of a pill with flaw",
        "a photo of the pill with damage",
    ],
)
def test_abnormal_sentences_without_the_full_stop(sentence):
    assert sentence in winclip_prompts("pill", full_stop=False).abnormal
    assert sentence + "." in winclip_prompts("pill").abnormal


def test_states():
    assert len(NORMAL_STATES) == 7 and len(ABNORMAL_STATES) == 4
    assert not any("broken" in state for state in ABNORMAL_STATES)


@pytest.mark.parametrize(
    "name, phrase",
    [
        ("metal_nut", "metal nut"),
        ("pipe_fryum", "pipe fryum"),
        ("macaroni1", "macaroni"),
        ("pcb4", "printed circuit board"),
        ("chewinggum", "chewing gum"),
        ("brushed_hexagon", "brushed hexagon"),
        ("01", "object"),
        ("part_2", "part"),
        ("", "object"),
        ("screw.v2", "screw v"),
        ("usb3.0", "usb"),
        ("m2.5_screw", "m2.5 screw"),
        ("M8.8 bolt", "M8.8 bolt"),
        (".hidden.part.", "hidden part"),
        ("1.2.3", "object"),
        ("screw-2.0", "screw"),
        ("part.A", "part A"),
    ],
)
def test_how_a_class_is_said(name, phrase):
    assert class_phrase(name) == phrase
    assert class_phrase(name, raw=True) == (name or "object")


def test_raw_names_stay_in_the_sentences():
    assert "a photo of a macaroni1." in winclip_prompts("macaroni1", raw_names=True).normal
    assert not any("macaroni1" in sentence for sentence in winclip_prompts("macaroni1").normal)


def test_another_number_of_templates():
    with pytest.raises(UnknownNameError, match="templates 20; known: 21, 22"):
        winclip_prompts("pill", templates=20)
