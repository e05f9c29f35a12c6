import numpy as np
import pytest
import torch
from torchmetrics.functional.retrieval import (
    retrieval_average_precision as reference_precision,
)
from torchmetrics.functional.retrieval import (
    retrieval_hit_rate,
    retrieval_r_precision,
)

import zsas_lib as zsas


def ranking(queries=6, items=20, share=0.2):
    generator = torch.Generator().manual_seed(3)
    scores = torch.rand(queries, items, generator=generator)
    relevant = torch.rand(queries, items, generator=generator) < share
    relevant[:, 0] = True
    return scores, relevant


def test_metrics_are_those_of_torchmetrics():
    scores, relevant = ranking()
    for own, reference in (
        (zsas.metrics.hit_rate(scores, relevant, k=3), lambda s, r: retrieval_hit_rate(s, r, top_k=3)),
        (zsas.metrics.r_precision(scores, relevant), retrieval_r_precision),
        (zsas.metrics.retrieval_average_precision(scores, relevant), reference_precision),
    ):
        assert own == pytest.approx([float(reference(s, r)) for s, r in zip(scores, relevant)])


def test_equal_scores_stand_in_the_order_of_the_items():
    """Of forty items, of which a sort that is not stable changes the order."""
    relevant = torch.arange(40) % 4 == 1
    scores = (torch.arange(40) % 2).float()  # all odd places first, and those of the query among them
    order = [*range(1, 40, 2), *range(0, 40, 2)]
    hits = np.cumsum([bool(relevant[place]) for place in order])
    precision = [hits[rank] / (rank + 1) for rank, place in enumerate(order) if relevant[place]]
    found = zsas.metrics.retrieval_average_precision(scores[None], relevant[None])
    assert found == pytest.approx([np.mean(precision)])
    assert zsas.metrics.r_precision(scores[None], relevant[None]) == pytest.approx([hits[9] / 10])


def test_five_items_are_looked_at_unless_told_otherwise():
    scores, relevant = -torch.arange(9.0)[None], torch.arange(9)[None] == 5
    assert zsas.metrics.hit_rate(scores, relevant) == 0 and zsas.metrics.hit_rate(scores, relevant, k=6) == 1
    assert zsas.metrics.chance_of_retrieval(relevant)["hit rate"] == pytest.approx(5 / 9)


@pytest.mark.slow
def test_chance_is_the_mean_over_random_orders():
    _, relevant = ranking(queries=3, items=9)
    scores = np.random.default_rng(0).random((40_000, 9))
    expected = zsas.metrics.chance_of_retrieval(relevant, k=2)
    for query, own in enumerate(relevant):
        same = own[None].expand(len(scores), -1)
        assert zsas.metrics.hit_rate(scores, same, k=2).mean() == pytest.approx(expected["hit rate"][query], abs=0.01)
        assert zsas.metrics.r_precision(scores, same).mean() == pytest.approx(expected["R-precision"][query], abs=0.01)
        found = zsas.metrics.retrieval_average_precision(scores, same).mean()
        assert found == pytest.approx(expected["average precision"][query], abs=0.01)


def test_a_query_without_items_has_no_number():
    scores, relevant = ranking(queries=2)
    relevant[1] = False
    for own in (
        zsas.metrics.hit_rate(scores, relevant),
        zsas.metrics.r_precision(scores, relevant),
        zsas.metrics.retrieval_average_precision(scores, relevant),
        zsas.metrics.chance_of_retrieval(relevant)["hit rate"],
    ):
        assert np.isnan(own).tolist() == [False, True]


def test_chance_of_all_items_is_certain():
    found = zsas.metrics.chance_of_retrieval(torch.ones(1, 4, dtype=torch.bool), k=2)
    assert [float(values[0]) for values in found.values()] == pytest.approx([1, 1, 1])


def test_bad_input_is_refused():
    scores, relevant = ranking()
    with pytest.raises(ValueError, match="k from 1 to 20"):
        zsas.metrics.hit_rate(scores, relevant, k=21)
    with pytest.raises(ValueError, match="finite scores, got nan for item 2 of query 1"):
        scores[1, 2] = torch.nan
        zsas.metrics.r_precision(scores, relevant)
