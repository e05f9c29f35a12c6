from pathlib import Path

import pytest

from zsas_book.project.plain_yaml import YamlError, read_yaml


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "chapters.yaml"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[01, no, on, 2024-01-01, 12:30, 0x1, 1_000, <M8>]", "01 no on 2024-01-01 12:30 0x1 1_000 <M8>".split()),
        ("[0, 7, -3, +2, 1e-4, .5, 1., -2.5E3]", [0, 7, -3, 2, 1e-4, 0.5, 1.0, -2500.0]),
        ("[true, False, null, ~, 'null', \"\"]", [True, False, None, None, "null", ""]),
        ("{a: &x {k: 1}, b: {<<: *x, k: 2}, 'on': 3}", {"a": {"k": 1}, "b": {"k": 2}, "on": 3}),
    ],
)
def test_words_stay_words_and_numbers_are_decimal(text, value, tmp_path):
    read = read_yaml(written(tmp_path, text))
    assert read == value and list(map(type, read)) == list(map(type, value))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_that_say_what_they_are_can_be_read(encoding, tmp_path):
    assert read_yaml(written(tmp_path, "title: Ähre", encoding)) == {"title": "Ähre"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("pages:\n  a: 1\n  b: 2\n  a: 3\n", r"chapters.yaml, line 4: 'a' stands twice, first in line 2"),
        ("1: a", r"chapters.yaml, line 1: a key that is no text"),
        ("? [a]\n: b", r"chapters.yaml, line 1: a key that is no text"),
        ("a: [", r"chapters.yaml is not YAML, line 2: "),
        ("a: !!python/name:os.system", r"chapters.yaml is not YAML, line 1: could not determine a constructor"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_line(text, message, tmp_path):
    with pytest.raises(YamlError, match=message):
        read_yaml(written(tmp_path, text))


def test_another_encoding_is_refused(tmp_path):
    with pytest.raises(YamlError, match=r"chapters.yaml is not YAML in UTF-8"):
        read_yaml(written(tmp_path, "title: Ähre", "latin-1"))
