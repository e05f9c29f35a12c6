"""The claims that a page tests."""

from zsas_book.tables.claims import claims_of


def test_a_page_has_its_claims_of_a_paper():
    assert len(claims_of("calibration")) == 3 and claims_of("uniform_sweep").empty
    assert list(claims_of("hybrid", "K")) == ["claim", "place", "note"] and len(claims_of("hybrid", "K")) > 0
    assert claims_of("hybrid").empty and len(claims_of("branches", "V")) > 0
