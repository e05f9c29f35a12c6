"""``zsas export``: what it writes, and what it refuses in one sentence."""

from importlib.util import find_spec

import pytest

from zsas_lib.backbones import registry


@pytest.mark.slow
def test_folder_runs_by_itself(zsas, tmp_path):
    folder = tmp_path / "a page"
    code, out, err = zsas("export", "embedded", folder, "--name", "bottle", "--name", "pcb1")
    assert (code, err) == (0, "")
    assert out.startswith(f"written: {folder / 'index.html'}; ") and "MB are loaded at most" in out
    about = (folder / "about.js").read_text()
    assert '"names": {"bottle"' in about and '"pcb1"' in about and '"metal_nut"' not in about
    assert 'data-scripts=""' in (folder / "index.html").read_text()


@pytest.mark.slow
def test_folder_that_is_not_empty_and_too_large_a_page_are_refused(zsas, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = zsas("export", "embedded", tmp_path)
    assert code == 2 and err.startswith(f"zsas: {tmp_path} is not an empty folder")
    code, _, err = zsas("export", "embedded", tmp_path / "new", "--name", "bottle", "--megabytes", "1")
    assert code == 2 and "would take at least 10 MB, more than the 1 that a page may load" in err
    assert not (tmp_path / "new").exists()


def test_nothing_is_fetched_for_what_cannot_be(zsas, tmp_path, monkeypatch):
    load = registry.load_backbone

    def shapes_alone(name, weights=None, **options):
        assert weights == "random", "weights were asked for"
        return load(name, weights, **options)

    monkeypatch.setattr(registry, "load_backbone", shapes_alone)
    (tmp_path / "mine.txt").write_text("mine")
    code, _, err = zsas("export", "ViT-L-14:openai", tmp_path)
    assert code == 2 and "is not an empty folder" in err
    code, _, err = zsas("export", "ViT-L-14:openai", tmp_path / "new")
    assert code == 2 and "would take at least 1090 MB" in err
    code, _, err = zsas("export", "RN50:openai", tmp_path / "new")
    assert code == 2 and "cannot run in a page" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("name", ["", " "])
def test_a_class_without_a_name_is_refused(zsas, name, tmp_path):
    code, _, err = zsas("export", "embedded", tmp_path / "new", "--name", "bottle", "--name", name)
    assert code == 2 and "expected a text in each, such as hazelnut" in err
    assert not (tmp_path / "new").exists()


@pytest.mark.skipif(find_spec("onnxscript") is not None, reason="zsas-lib[onnx] is installed")
def test_graph_needs_its_extra(zsas, tmp_path):
    code, _, err = zsas("export", "embedded", tmp_path / "graph.onnx", "--onnx")
    assert code == 2 and 'pip install "zsas-lib[onnx]"' in err


@pytest.mark.slow
@pytest.mark.skipif(find_spec("onnxscript") is None, reason="needs zsas-lib[onnx]")
def test_graph_gives_the_librarys_embeddings(zsas, tmp_path):
    path = tmp_path / "graph.onnx"
    code, out, err = zsas("export", "embedded", path, "--onnx")
    assert code == 0, err
    assert "differ from the library's by at most" in out
    assert path.stat().st_size > 3e6
    code, _, err = zsas("export", "embedded", path, "--onnx")
    assert code == 2 and str(path) in err
