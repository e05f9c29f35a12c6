"""Files of tensors: read by what they hold, refused in words of ours."""

import argparse
import os
import pickle

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file

from zsas_lib.base.errors import DataError
from zsas_lib.base.tensors import UnreadableError, finite_floats, saved_content

TENSORS = {"weight": torch.arange(600.0)}


class Anything:
    """Something that a pickle could run."""

    def __reduce__(self):
        return os.mkdir, ("/nonexistent/the pickle was run",)


def test_the_content_decides_and_not_the_name(tmp_path):
    save_file(TENSORS, tmp_path / "named.pt")
    torch.save(TENSORS, tmp_path / "named.safetensors")
    torch.save(TENSORS, tmp_path / "old.bin", _use_new_zipfile_serialization=False)
    for path in tmp_path.iterdir():
        content, archived = saved_content(path)
        assert torch.equal(content["weight"], TENSORS["weight"]) and not archived


def written(content: object, **options: object):
    return lambda path: torch.save(content, path, **options)


def cut(whole: bytes):
    return lambda path: path.write_bytes(whole[: len(whole) // 2])


def saved_whole(tmp_path):
    torch.save(TENSORS, tmp_path / "whole")
    return (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (written({"a": argparse.Namespace(rate=1)}), "it holds argparse.Namespace, and nothing in a file is run"),
        (written({"a": Anything()}), "it holds posix.mkdir"),
        (written({"a": Anything()}, _use_new_zipfile_serialization=False), "it holds posix.mkdir"),
        (written(torch.nn.Linear(1, 1)), "it holds torch.nn.modules.linear.Linear"),
        (written({"a": np.float64(1)}), "it holds numpy.*scalar, numpy.dtype"),
        (lambda path: path.write_bytes(pickle.dumps([argparse.Namespace()])), "it holds argparse.Namespace"),
        (lambda path: path.write_bytes(pickle.dumps([argparse.Namespace()], 2)), "it holds argparse.Namespace"),
        (lambda path: path.write_bytes(pickle.dumps([1, 2])), "no file of torch.save"),
        (cut(save(TENSORS)), "its safetensors are damaged or cut short"),
        (lambda path: cut(saved_whole(path.parent))(path), "it is damaged, cut short"),
        (lambda path: path.write_bytes(b""), "it is empty"),
        (lambda path: path.write_text("weights"), "it is neither safetensors nor a file of torch.save"),
        (lambda path: path.write_text("\n<!DOCTYPE html><html>"), "it is a web page"),
        (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\noid"), "git lfs pull"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: None, "there is no such file"),
    ],
)
def test_what_cannot_be_read_is_told_in_our_words(tmp_path, write, said):
    path = tmp_path / "some.pt"
    write(path)
    with pytest.raises(UnreadableError, match=said) as caught:
        saved_content(path)
    told = str(caught.value)
    assert "\x1b" not in told and "weights_only" not in told and "safe_globals" not in told
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "torch's words stay out of tracebacks"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (torch.tensor([1.0, torch.nan]), "w has NaN or infinite values"),
        (torch.tensor([1.0, -torch.inf]).half(), "w has NaN or infinite values"),
        (torch.tensor([1e300], dtype=torch.float64), "w has NaN or infinite values"),
        (torch.ones(2, dtype=torch.int8), "w is int8, expected floats"),
        (torch.ones(2, dtype=torch.bool), "w is bool, expected floats"),
        (torch.ones(2, dtype=torch.complex64), "w is complex64, expected floats"),
        (torch.ones(2).to(torch.float8_e4m3fn), "w is float8_e4m3fn, expected floats"),
    ],
)
def test_what_cannot_be_weights(tmp_path, value, said):
    with pytest.raises(DataError, match=f"some.pt holds what cannot be weights: {said}. Expected finite floats"):
        finite_floats(tmp_path / "some.pt", {"fine": torch.ones(1), "w": value})


def test_weights_come_in_float32(tmp_path):
    kinds = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
    read = finite_floats(
        tmp_path, {str(kind): torch.tensor([0.5]).to(kind) for kind in kinds} | {"none": torch.ones(0)}
    )
    assert {value.dtype for value in read.values()} == {torch.float32} and read["torch.float16"].item() == 0.5
    with pytest.raises(DataError, match="c has NaN or infinite values; and 2 more"):
        finite_floats(tmp_path, {name: torch.tensor([torch.nan]) for name in "abcde"})
