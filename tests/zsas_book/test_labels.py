from zsas_book import figures, label
from zsas_lib.metrics import METRICS


def test_metrics_models_and_categories_have_their_labels():
    assert label("pixel_auroc") == METRICS["pixel_auroc"].label == "pixel AUROC"
    assert label("pixel_auroc_se") == "± pixel AUROC"
    assert label("april-gan") == "APRIL-GAN" and label("vcpclip+") == "VCP-CLIP+"
    assert label("ceramic_ring") == "ceramic ring"
    assert label("own file_name.png") == "own file_name.png" and label("own_file.png") == "own_file.png"


def test_axes_have_the_unit_where_one_is_known():
    assert figures.axis_label("pixel_auroc") == "pixel AUROC (%)"
    assert figures.axis_label("aupro_200") == "AUPRO (legacy, %)"
    assert figures.axis_label("loss") == "loss (x 100)"
    assert figures.axis_label("hue") == "hue shift (radians)"
    assert figures.axis_label("corner_error") == "corner error"
