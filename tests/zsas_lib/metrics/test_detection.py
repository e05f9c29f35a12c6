import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score, roc_curve

import zsas_lib as zsas


def sides(known=40, strangers=70):
    rng = np.random.default_rng(1)
    return rng.normal(1, 1, known).round(2), rng.normal(0, 1, strangers).round(2)


def test_rates_are_those_of_scikit_learns_curve():
    known, strangers = sides()
    labels, scores = np.repeat([1, 0], [len(known), len(strangers)]), np.concatenate([known, strangers])
    assert zsas.metrics.known_auroc(known, strangers) == pytest.approx(roc_auc_score(labels, scores))
    false, true, _ = roc_curve(labels, scores, drop_intermediate=False)
    for kept in (0.5, 0.95, 1.0):
        expected = false[np.argmax(true >= kept - 1e-12)]
        assert zsas.metrics.false_positive_rate(known, strangers, kept) == pytest.approx(expected)


def test_pytorch_ood_gives_the_same_with_strangers_as_the_positive_class():
    """`OODMetrics` of pytorch-ood 0.4.0 for the negative scores, which gave AUROC 0.81982... and FPR95TPR 0.5."""
    known, strangers = sides()
    assert zsas.metrics.known_auroc(known, strangers) == pytest.approx(0.8198214285714286, abs=1e-12)
    assert zsas.metrics.false_positive_rate(-strangers, -known) == 0.5
    assert zsas.metrics.false_positive_rate(known, strangers) == pytest.approx(53 / 70), "ours is another number"


def test_known_pictures_are_the_positive_class():
    known, strangers = torch.tensor([0.9, 0.8, 0.7, 0.1]), torch.tensor([0.75, 0.2])
    assert zsas.metrics.false_positive_rate(known, strangers, 0.75) == 0.5  # 0.75 is above 0.7
    assert zsas.metrics.false_positive_rate(strangers, known, 0.75) == 0.75  # the other way about


def test_bad_input_is_refused():
    known, strangers = sides()
    with pytest.raises(ValueError, match=r"in \(0, 1\], got 0.0"):
        zsas.metrics.false_positive_rate(known, strangers, 0.0)
    with pytest.raises(ValueError, match="at least one picture"):
        zsas.metrics.false_positive_rate(known, strangers[:0])
    with pytest.raises(ValueError, match="finite"):
        zsas.metrics.known_auroc(known, np.append(strangers, np.nan))
