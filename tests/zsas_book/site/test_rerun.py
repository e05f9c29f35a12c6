"""A run rendered beside the book's."""

from zsas_book.site.rerun import contents


def test_the_two_pages_can_be_told_apart_in_the_contents():
    assert contents(["run", "book"], "sweep")["chapters"] == [
        {"file": "run/sweep", "title": "This run"},
        {"file": "book/sweep", "title": "The book's run"},
        {"file": "references"},
    ]
    assert [one["file"] for one in contents(["run"], "sweep")["chapters"]] == ["run/sweep", "references"]
