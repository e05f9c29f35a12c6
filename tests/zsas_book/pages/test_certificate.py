"""What decides that something is made again: certificates, whole and broken, and weights files outside the library."""

import json
import os
from dataclasses import replace

import pytest
import torch
from mini_project import make, run_in, write_notebook
from safetensors.torch import save_file

from zsas_book import provenance
from zsas_book.jobs.receipts import Receipt
from zsas_book.pages.certificate import CertificateError, PageCertificate, abbreviated, stale_reason
from zsas_book.pages.states import page_state
from zsas_book.project.chapters import load_pages
from zsas_lib.backbones.weights import read_weights
from zsas_lib.base import digests, ledger

RECORD = {"commit": "abc", "device": "cpu", "versions": {"python": "3.11"}, "duration": "3 s"}
CERTIFICATE = PageCertificate(
    page="one",
    profile="embedded",
    given={"rows": 2},
    library={},
    data={},
    record=RECORD,
    notebook={"path": "notebooks/one.ipynb", "digest": "0"},
    digest="1",
)


def test_it_is_read_as_it_was_written(tmp_path):
    CERTIFICATE.write(tmp_path / "one.json")
    assert PageCertificate.read(tmp_path / "one.json") == CERTIFICATE
    assert CERTIFICATE.duration == "3 s"
    text = json.loads((tmp_path / "one.json").read_text())
    assert (text["given"], text["notebook"]["digest"], text["weights"]) == ({"rows": 2}, "0", {})


def test_entries_of_other_versions_are_taken_as_they_are(tmp_path):
    CERTIFICATE.write(tmp_path / "one.json")
    text = json.loads((tmp_path / "one.json").read_text()) | {"colour": "blue"}
    for name in ("weights", "title", "parameters"):
        del text[name]
    (tmp_path / "one.json").write_text(json.dumps(text))
    assert PageCertificate.read(tmp_path / "one.json") == CERTIFICATE


def broken(**changed) -> str:
    return json.dumps({**vars(CERTIFICATE), **changed})


BROKEN = {
    "{}": "it lacks page, profile, given, library, data, record, notebook, digest",
    "[]": "expected a JSON object, got list",
    "{": "is no certificate: ",
    "null": "got NoneType",
    broken(digest=3): "of another type than expected: digest",
    broken(library=["a"]): "of another type than expected: library",
    broken(library={"a": None}): "of another type than expected: library",
    broken(data="here"): "of another type than expected: data",
    broken(weights=[]): "of another type than expected: weights",
    broken(record={}): "it lacks record.commit, record.device, record.versions",
    broken(record={**RECORD, "versions": "3.11"}): "of another type than expected: record.versions",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_certificate_is_named_with_what_is_wrong(text, tmp_path):
    path = tmp_path / "one.json"
    path.write_text(text)
    with pytest.raises(CertificateError) as raised:
        PageCertificate.read(path)
    assert str(raised.value).startswith(f"{path} is no certificate: ") and BROKEN[text] in str(raised.value)


def test_a_folder_or_bytes_in_place_of_a_certificate_are_none(tmp_path):
    (tmp_path / "one.json").mkdir()
    (tmp_path / "two.json").write_bytes(b"\xff\xfe")
    for name in ("one", "two"):
        with pytest.raises(CertificateError, match="is no certificate"):
            PageCertificate.read(tmp_path / f"{name}.json")
    with pytest.raises(FileNotFoundError):
        PageCertificate.read(tmp_path / "absent.json")


@pytest.mark.kernel
def test_an_unreadable_certificate_makes_its_page_stale_and_stops_nothing(tmp_path):
    project = make(tmp_path / "book", sharded=True)
    computed = project / "book" / "_computed"
    computed.mkdir()
    write_notebook(computed / "first.ipynb", "1")
    (computed / "first.json").write_text("{}")
    receipt = project / "results" / "shards" / "embedded" / "squares" / "numbers_1.json"
    receipt.parent.mkdir(parents=True)
    receipt.write_text("{}")
    page = load_pages(project, "embedded")["first"]
    why = "certificate unreadable: book/_computed/first.json"
    assert stale_reason(page, project) == why
    state = page_state(page, project)
    assert (state.word, state.reason, state.certificate) == ("stale", why, None)
    (computed / "second.json").write_text("[]")
    second = page_state(load_pages(project, "embedded")["second"], project)
    assert (second.word, second.reason) == ("stale", "certificate unreadable: book/_computed/second.json")
    for command in ("status", "plan"):
        outcome = run_in(project, "-m", "zsas_book.cli", command, *["--shards"] * (command == "plan"))
        assert (outcome.returncode, outcome.stderr) == (0, "")
        (line,) = [line for line in outcome.stdout.splitlines() if why in line]
        assert "first" in line
        (line,) = [line for line in outcome.stdout.splitlines() if "squares/numbers_1" in line]
        assert f"certificate unreadable: {receipt.relative_to(project)}" in line
    rendered = run_in(project, "-m", "zsas_book.site.render")
    assert "first.json is no certificate: it lacks page" in rendered.stderr
    page = (project / "book" / "_build" / "html" / "_computed" / "first.html").read_text()
    assert "This page cannot be shown as it is: certificate unreadable" in page


def test_a_receipt_is_a_certificate_too(tmp_path):
    common = {name: vars(CERTIFICATE)[name] for name in ("page", "profile", "given", "library", "data", "record")}
    receipt = Receipt(**common, shard="nut", script="s", results=["a.parquet"], computed=1, seconds=2.4)
    receipt.write(tmp_path / "nut.json")
    assert Receipt.read(tmp_path / "nut.json") == receipt and receipt.duration == "2 s"
    CERTIFICATE.write(tmp_path / "one.json")
    with pytest.raises(CertificateError, match="it lacks shard, script, results, computed, seconds"):
        Receipt.read(tmp_path / "one.json")


def changed_weights(noted: dict[str, str], root) -> str:
    return replace(CERTIFICATE, weights=noted).changed_source(root)


@pytest.mark.slow
def test_another_weights_file_makes_stale_and_a_missing_one_does_not(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "weights_read", {})
    path = tmp_path / "tower.safetensors"
    save_file({"logit_scale": torch.zeros(1)}, path)
    read_weights(path)
    noted = {abbreviated(path, tmp_path): provenance.record().facts["weights"][str(path)]}
    assert list(noted) == ["tower.safetensors"]
    assert changed_weights(noted, tmp_path) == ""
    save_file({"logit_scale": torch.ones(2)}, path)
    os.utime(path, (1, 1))
    assert changed_weights(noted, tmp_path) == "the weights in tower.safetensors changed"
    path.unlink()
    assert changed_weights(noted, tmp_path) == ""


@pytest.mark.slow
def test_the_embedded_weights_are_library_files_and_not_noted_twice(monkeypatch):
    monkeypatch.setattr(ledger, "weights_read", {})
    read_weights(digests.PACKAGE / "data" / "embedded" / "backbone.safetensors")
    assert provenance.record().facts["weights"] == {}
