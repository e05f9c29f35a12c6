"""``zsas train``: what it writes, what it hands on, and what it refuses in one sentence."""

import pandas as pd
import pytest

import zsas_lib


@pytest.mark.training
def test_train_writes_what_load_model_reads(zsas, mvtec_root, tmp_path):
    path = tmp_path / "april.safetensors"
    given = ("--dataset", "mvtec", "--root", mvtec_root, "--epochs", "2", "--activation", "quick_gelu")
    status, out, err = zsas("train", "april-gan", path, *given)
    assert status == 0 and "april-gan is trained: 2 steps" in out
    assert [entry.name for entry in tmp_path.glob("april*")] == ["april.safetensors"]
    loading = f"'embedded', image_size=144, activation='quick_gelu'), checkpoint={str(path)!r})"
    assert out.strip().endswith(f"zsas.load_model('april-gan', zsas.load_backbone({loading}")
    backbone = zsas_lib.load_backbone("embedded", image_size=144, activation="quick_gelu")
    model = zsas_lib.load_model("april-gan", backbone, checkpoint=path)
    assert model.trained["epochs"] == 2 and len(model.history) == 2 and model.trained["decay"]  # of the short recipe


@pytest.mark.slow
def test_train_hands_on_what_chooses_the_epoch_and_says_if_it_was_the_test_data(
    zsas, mvtec_root, tmp_path, monkeypatch
):
    asked = []

    def fit(model, dataset, **options):
        asked.append(options)
        return pd.DataFrame({"loss": [2.0, 1.0]})

    monkeypatch.setattr(zsas_lib, "fit", fit)
    data = ("--dataset", "mvtec", "--root", mvtec_root)
    judging = ("--target", "mvtec", "--target-root", mvtec_root, "--select-by", "pixel_f1_max")
    warning = "Its epoch was chosen on mvtec: what it scores there is no estimate for other pictures."
    status, out, err = zsas("train", "april-gan", tmp_path / "a", *data, "--select", "target", *judging)
    assert status == 0 and warning in out, err
    status, out, err = zsas("train", "april-gan", tmp_path / "b", *data, "--held-out", "bottle")
    assert status == 0 and "chosen on" not in out, err
    published, clean = asked
    assert (published["select"], published["select_by"], published["target"].name) == (
        "target",
        "pixel_f1_max",
        "mvtec",
    )
    assert (clean["select"], clean["target"], clean["held_out"]) == (None, None, ["bottle"])


def test_a_model_that_learns_nothing_is_one_sentence(zsas, mvtec_root, tmp_path):
    status, _, err = zsas("train", "winclip", tmp_path / "w", "--dataset", "mvtec", "--root", mvtec_root)
    assert status == 2 and err == "zsas: winclip learns nothing; expected a model such as vcpclip+.\n"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["--epochs", "0"], "fit got epochs=0; expected a whole number in 1..2147483647."),
        (["--epochs", "-3"], "fit got epochs=-3"),
        (["--training-batch-size", "0"], "fit got training_batch_size=0"),
        (["--rate", "0"], "fit got rate=0.0; expected a learning rate above 0 and at most 1."),
        (["--rate", "nan"], "fit got rate=nan"),
        (["--rate", "inf"], "fit got rate=inf"),
        (["--zoom", "nan"], "fit got zoom=nan; expected a probability in 0..1."),
        (["--loss-size", "0"], "fit got loss_size=0; expected a side in pixels of at least 1."),
        (["--seed", "-1"], "fit got seed=-1; expected a whole number in 0..4294967295."),
        (["--select", "best"], "Unknown selection of an epoch 'best'"),
        (["--select", "target"], "fit got select='target' and no target; expected the test data that choose"),
        (["--target", "embedded-b"], "fit got a target and select=None; test data choose an epoch with select"),
        (["--select-by", "loss"], "Unknown metric that chooses an epoch 'loss'"),
    ],
)
def test_what_no_training_can_be_done_with_is_one_sentence_before_anything_is_read(
    zsas, tmp_path, monkeypatch, given, sentence
):
    monkeypatch.setattr(zsas_lib, "load_backbone", lambda *_, **__: pytest.fail("the backbone was loaded"))
    status, out, err = zsas("train", "april-gan", tmp_path / "new" / "april", *given)
    assert (status, out) == (2, "") and err.startswith(f"zsas: {sentence}") and err.count("\n") == 1
    assert not (tmp_path / "new").exists()


def test_where_a_training_cannot_be_written_is_one_sentence_before_anything_is_read(zsas, tmp_path, monkeypatch):
    monkeypatch.setattr(zsas_lib, "load_backbone", lambda *_, **__: pytest.fail("the backbone was loaded"))
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "folder.checkpoint").mkdir()
    for place, sentence in (
        (tmp_path, f"{tmp_path} is a folder; expected the name of a file to write."),
        (tmp_path / "notes.txt", f"{tmp_path}/notes.txt is there already; remove it first, or name another file."),
        (tmp_path / "notes.txt" / "x", f"{tmp_path}/notes.txt is no folder, so that x cannot be written into it."),
        (tmp_path / "folder", f"{tmp_path}/folder.checkpoint is a folder; expected the name of a file to write."),
        (".", ". is a folder; expected the name of a file to write."),
    ):
        assert zsas("train", "april-gan", place) == (2, "", f"zsas: {sentence}\n")
    assert (tmp_path / "notes.txt").read_text() == "mine" and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("ended", [True, False])
def test_a_training_that_is_stopped_says_whether_it_goes_on(zsas, mvtec_root, tmp_path, monkeypatch, ended):
    def stopped(model, dataset, *, checkpoint, **_):
        if ended:
            checkpoint.touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(zsas_lib, "fit", stopped)
    output = tmp_path / "april"
    said = f"the same command goes on from {output}.checkpoint" if ended else "no epoch had ended"
    found = zsas("train", "april-gan", output, "--dataset", "mvtec", "--root", mvtec_root)
    assert found == (130, "", f"stopped; {said}.\n")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["winclip"], "winclip learns nothing; expected a model such as vcpclip+."),
        (["anovl"], "anovl learns nothing; expected a model such as vcpclip+."),
        (["gpt-clip"], "Unknown model 'gpt-clip'; known: "),
        (
            ["april-gan", "--image-size", "0"],
            "Backbone 'embedded' got image_size=0; expected pixels, a whole number of",
        ),
        (["april-gan", "--image-size", "-12"], "Backbone 'embedded' got image_size=-12"),
        (["april-gan", "--image-size", "100"], "Backbone 'embedded': image_size 100 is not a multiple of the patch"),
        (["april-gan", "--image-size", "1200000"], "Backbone 'embedded': image_size 1200000 makes 100000 patches"),
        (["april-gan", "--activation", "relu"], "Unknown activation 'relu'"),
        (["april-gan", "--backbone", "ViT-B-32"], "Backbone 'ViT-B-32' has no weights of its own"),
        (["anomalyclip", "--backbone", "RN50:openai"], "AnomalyCLIP cannot run on backbone 'RN50:openai' (ResNet): "),
        pytest.param(
            ["vcpclip+", "--backbone", "convnext_base:laion400m_s13b_b51k"],
            "VCPCLIP cannot run on backbone 'convnext_",
            marks=pytest.mark.slow,
        ),
        (["april-gan", "--backbone", "ViT-B-32:openai", "--image-size", "230"], "Backbone 'ViT-B-32:openai': image_"),
        (["april-gan", "--loss-size", "145"], "fit got loss_size=145; expected a side in pixels in 1..144."),
        (["april-gan", "--recipe", "shrt"], "Unknown recipe of a training 'shrt'"),
    ],
)
def test_other_words_that_no_training_can_be_done_with(zsas, mvtec_root, tmp_path, given, sentence, monkeypatch):
    monkeypatch.setattr("zsas_lib.backbones.registry.tag_file", lambda tag: pytest.fail("weights were fetched"))
    model, *options = given
    data = ("--dataset", "mvtec", "--root", mvtec_root)
    status, out, err = zsas("train", model, tmp_path / "april", *data, *options)
    assert (status, out) == (2, "") and err.startswith(f"zsas: {sentence}") and err.count("\n") == 1
    assert not list(tmp_path.glob("*april*"))
