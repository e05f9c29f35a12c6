from zsas_book.jobs.estimates import _pictures


def test_towers_are_asked_about_so_many_pictures_of_each_category_of_all_data_sets():
    asked = {"towers": ["ViT-B-32:openai"], "datasets": ["mvtec", "visa"], "per_name": 20}
    assert _pictures(asked) == 20 * (15 + 12)
    assert _pictures(asked | {"datasets": ["mvtec"], "strangers": "visa", "per_name": 3}) == 3 * 27
    assert _pictures({"datasets": ["mvtec"], "towers": None, "dataset": "mvtec"}) == 1725, "no tower is asked"
