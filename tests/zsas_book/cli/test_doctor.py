"""``zsas doctor``: what it finds in order, and what it calls amiss."""

import pytest
from mini_project import REPOSITORY

from zsas_book.cli import doctor
from zsas_lib.store.folder import results_folder


@pytest.mark.slow
def test_doctor_finds_the_environment_in_order(zsas):
    status, out, err = zsas("doctor")
    assert (status, err) == (0, "")
    found = dict(line.split("  ", 1) for line in out.splitlines())
    places = {"cache", "results", "data", "project"}
    assert found.keys() == {"python", "zsas-lib", "torch", "open_clip", "book tools", "devices", *places}
    assert found["results"].strip() == str(results_folder()) and "ZSAS_DATA" in found["data"]
    assert "torchvision" in found["torch"]
    assert str(REPOSITORY) in found["project"]


@pytest.mark.slow
def test_doctor_names_places_that_cannot_be(zsas, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    for variable in ("ZSAS_CACHE", "ZSAS_RESULTS", "ZSAS_DATA"):
        monkeypatch.setenv(variable, str(tmp_path / "file"))
    status, out, _ = zsas("doctor")
    amiss = [line.split(" ")[0] for line in out.splitlines() if "amiss" in line]
    assert status == 1 and amiss == ["cache", "results", "data"]


@pytest.mark.slow
def test_doctor_finds_a_torchvision_that_does_not_fit(zsas, monkeypatch):
    real = doctor.metadata.version
    monkeypatch.setattr(doctor.metadata, "version", lambda name: "2.13.0+cpu" if name == "torch" else real(name))
    status, out, _ = zsas("doctor")
    assert status == 1
    assert "amiss: that one is built for torch 2.12.1" in out
