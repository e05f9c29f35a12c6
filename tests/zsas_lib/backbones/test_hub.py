"""The Hugging Face hub through its own client: a server of the test's own answers."""

import json
import shutil
from pathlib import Path

import huggingface_hub
import pytest
import torch
from hub_server import COMMIT, TOKEN, serving, use
from safetensors.torch import save
from tiny_clip import TINY, tiny_backbone

from zsas_lib.backbones import hub as fetching
from zsas_lib.backbones.registry import load_backbone, weights_at_hand
from zsas_lib.base.errors import DataError

MODEL, CONFIGURATION = "open_clip_model.safetensors", "open_clip_config.json"
NAME = "hf-hub:me/tiny"


@pytest.fixture(scope="module")
def state():
    return dict(tiny_backbone(seed=3).clip.state_dict())


@pytest.fixture(scope="module")
def content(state):
    """The weights as a file."""
    return save({name: value.half() for name, value in state.items()})


@pytest.fixture(scope="module")
def server():
    with serving() as started:
        yield started


@pytest.fixture
def hub(server, content, tmp_path, monkeypatch):
    """A hub with one repository, and an empty cache."""
    served, address = server
    use(address, str(tmp_path / "cache"), monkeypatch)
    configuration = {"model_cfg": TINY, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.25] * 3}}
    served.__init__(files={("me/tiny", CONFIGURATION): json.dumps(configuration).encode(), ("me/tiny", MODEL): content})
    return served


def own(hub, *files: tuple[str, bytes]) -> None:
    """The repository has these weights and no others."""
    hub.files = {key: value for key, value in hub.files.items() if key[1] == CONFIGURATION}
    hub.files |= {("me/tiny", name): value for name, value in files}


def offline(patch) -> None:
    patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)


@pytest.mark.slow
def test_downloaded_once_and_read_from_the_cache_without_asking(hub, state, monkeypatch):
    assert weights_at_hand(NAME) is None
    backbone = load_backbone(NAME)
    torch.testing.assert_close(
        dict(backbone.clip.state_dict()), {name: value.half().float() for name, value in state.items()}
    )
    assert backbone.mean.flatten().tolist() == [0.5] * 3
    assert hub.fetched() == [CONFIGURATION, MODEL]
    hub.seen.clear()
    assert load_backbone(NAME).digest == backbone.digest and weights_at_hand(NAME).name == MODEL
    offline(monkeypatch)
    assert load_backbone(NAME).digest == backbone.digest
    assert hub.seen == []


@pytest.mark.slow
def test_a_cache_that_was_copied_by_hand_is_read_offline(hub, tmp_path, monkeypatch):
    expected = load_backbone(NAME).digest
    shutil.copytree(tmp_path / "cache", tmp_path / "elsewhere", symlinks=True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    offline(monkeypatch)
    assert load_backbone(NAME).digest == expected
    with pytest.raises(
        DataError, match=r"Cannot fetch open_clip_config.json of hf-hub:me/other \(HF_HUB_OFFLINE is set"
    ):
        load_backbone("hf-hub:me/other")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["snapshot", "files"])
def test_a_folder_that_was_fetched_by_hand(hub, tmp_path, kind):
    expected = load_backbone(NAME).clip.state_dict()
    if kind == "snapshot":
        folder = Path(huggingface_hub.snapshot_download("me/tiny", revision=COMMIT, local_files_only=True))
    else:
        folder = tmp_path / "by hand"
        for name in (CONFIGURATION, MODEL):
            huggingface_hub.hf_hub_download("me/tiny", name, local_dir=folder)
    backbone = load_backbone(f"local-dir:{folder}")
    assert torch.equal(backbone.clip.visual.proj, expected["visual.proj"]) and backbone.std.flatten()[0] == 0.25
    assert weights_at_hand(f"local-dir:{folder}") == folder / MODEL


@pytest.mark.slow
def test_a_download_that_breaks_off_goes_on_where_it_was(hub, content, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1024)  # 10 MB, of which the last part is lost
    hub.cut.add(MODEL)
    assert load_backbone(NAME).embed_dim == TINY["embed_dim"]
    starts = [first for method, name, first in hub.seen if (method, name) == ("GET", MODEL)]
    assert starts == [0, len(content) // 2 // 1024 * 1024]


@pytest.mark.slow
def test_a_download_that_was_stopped_leaves_nothing_that_is_taken_for_weights(hub, tmp_path, monkeypatch):
    def stopped(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(huggingface_hub.file_download, "http_get", stopped)
        with pytest.raises(KeyboardInterrupt):
            load_backbone(NAME)
    assert weights_at_hand(NAME) is None
    assert load_backbone(NAME).embed_dim == TINY["embed_dim"]


@pytest.mark.slow
def test_a_file_with_another_digest_is_told_and_not_kept(hub, monkeypatch):
    hub.damaged.add(MODEL)
    for _ in range(2):  # the second time it is no cached file that is read
        with pytest.raises(DataError, match=rf"{MODEL} of {NAME} arrived with the sha256 .*It is not kept"):
            load_backbone(NAME)
        assert weights_at_hand(NAME) is None
    hub.damaged.clear()
    assert load_backbone(NAME).embed_dim == TINY["embed_dim"]


@pytest.mark.slow
def test_a_repository_without_weights_or_configuration(hub):
    own(hub)
    expected = (
        r"Cannot fetch open_clip_model.safetensors of hf-hub:me/tiny \(the repository has none of open_clip_model"
    )
    with pytest.raises(fetching.NotInRepositoryError, match=expected):
        load_backbone(NAME)
    hub.files["me/words", "README.md"] = b"nothing else"
    with pytest.raises(
        fetching.NotInRepositoryError, match=r"config.json of hf-hub:me/words \(the repository has none"
    ):
        load_backbone("hf-hub:me/words")
    assert hub.fetched() == [CONFIGURATION]


@pytest.mark.slow
def test_a_file_that_was_missing_is_found_when_it_is_there(hub, content, monkeypatch):
    own(hub)
    with pytest.raises(fetching.NotInRepositoryError):
        load_backbone(NAME)
    with monkeypatch.context() as patch:
        offline(patch)
        with pytest.raises(fetching.NotInRepositoryError):
            load_backbone(NAME)
    own(hub, (MODEL, content))
    assert load_backbone(NAME).embed_dim == TINY["embed_dim"]


@pytest.mark.slow
def test_private_and_gated_repositories_say_what_to_give(hub, monkeypatch):
    hub.private.add("me/tiny")
    token = "give a token that may read it, in HF_TOKEN or by `hf auth login`"
    with pytest.raises(DataError, match=rf"no such repository, or it is private: then {token}\)"):
        load_backbone(NAME)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    assert load_backbone(NAME).embed_dim == TINY["embed_dim"]
    hub.files["me/gated", CONFIGURATION] = b"{}"
    hub.gated.add("me/gated")
    with pytest.raises(DataError, match=rf"it is gated: ask for access at http://127.0.0.1:\d+/me/gated and {token}\)"):
        load_backbone("hf-hub:me/gated")


def test_a_server_that_is_down_has_not_said_that_the_file_is_missing(hub, monkeypatch):
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    hub.down = True
    with pytest.raises(DataError, match=r"Cannot fetch open_clip_config.json of hf-hub:me/tiny \(.*503") as caught:
        load_backbone(NAME)
    assert not isinstance(caught.value, fetching.NotInRepositoryError)
    assert {name for _, name, _ in hub.seen} == {CONFIGURATION}


@pytest.mark.slow_after(1)
@pytest.mark.parametrize("name", ["open_clip_pytorch_model.safetensors", "open_clip_pytorch_model.bin"])
def test_the_other_names_of_weights(name, hub, content, state, tmp_path):
    if name.endswith(".bin"):
        torch.save(state, tmp_path / name)
        content = (tmp_path / name).read_bytes()
    own(hub, (name, content))
    assert load_backbone(NAME).embed_dim == TINY["embed_dim"] and weights_at_hand(NAME).name == name
    assert hub.fetched() == [CONFIGURATION, name]


class Payload:
    def __reduce__(self):
        return pytest.fail, ("the pickle was run",)


@pytest.mark.slow
def test_what_pickled_code_a_repository_has_is_not_run(hub, tmp_path):
    torch.save({"state_dict": Payload()}, tmp_path / "evil.bin")
    own(hub, ("open_clip_pytorch_model.bin", (tmp_path / "evil.bin").read_bytes()))
    with pytest.raises(DataError, match="open_clip_pytorch_model.bin as CLIP weights .* nothing in a file is run"):
        load_backbone(NAME)


def in_shards(state, count: int = 3) -> dict[str, bytes]:
    """The files of weights in shards, with their index."""
    names = sorted(state)
    files = {f"model-{part + 1:05}-of-{count:05}.safetensors": names[part::count] for part in range(count)}
    index = {"metadata": {}, "weight_map": {name: file for file, own in files.items() for name in own}}
    written = {file: save({name: state[name] for name in own}) for file, own in files.items()}
    return {**written, "model.safetensors.index.json": json.dumps(index).encode()}


@pytest.mark.slow
def test_weights_in_shards(hub, state, tmp_path, monkeypatch):
    files = in_shards(state)
    own(hub, *files.items())
    backbone = load_backbone(NAME)
    torch.testing.assert_close(dict(backbone.clip.state_dict()), state)
    assert sorted(hub.fetched()) == sorted([CONFIGURATION, *files])
    for name, written in {**files, CONFIGURATION: hub.files["me/tiny", CONFIGURATION]}.items():
        (tmp_path / name).write_bytes(written)
    again = [
        load_backbone(f"local-dir:{tmp_path}"),
        tiny_from(tmp_path / "model.safetensors.index.json"),
    ]
    assert {other.digest for other in again} == {backbone.digest}
    offline(monkeypatch)
    assert weights_at_hand(NAME).name == "model.safetensors.index.json"
    blob = weights_at_hand(NAME).with_name("model-00002-of-00003.safetensors")
    blob.unlink()
    assert weights_at_hand(NAME) is None
    with pytest.raises(DataError, match=r"model-00002-of-00003.safetensors of hf-hub:me/tiny \(HF_HUB_OFFLINE is set"):
        load_backbone(NAME)


def tiny_from(path: Path):
    """The small architecture with weights of a file, whose configuration lies beside it."""
    return load_backbone(f"local-dir:{path.parent}", path)


def test_shards_that_are_not_whole(state, tmp_path):
    for name, written in {**in_shards(state), CONFIGURATION: json.dumps({"model_cfg": TINY}).encode()}.items():
        (tmp_path / name).write_bytes(written)
    shard, index = tmp_path / "model-00002-of-00003.safetensors", tmp_path / "model.safetensors.index.json"
    with pytest.raises(
        DataError, match="00002-of-00003.safetensors does not fit .* one shard of several, and weights=FILE"
    ):
        tiny_from(shard)
    shard.unlink()
    with pytest.raises(DataError, match="model-00002-of-00003.safetensors is missing, one of the shards of"):
        load_backbone(f"local-dir:{tmp_path}")
    for wrong, said in (
        ("[]", "Cannot read .* as the index"),
        ('{"weight_map": {"a": "../x.bin"}}', "in its own folder"),
    ):
        index.write_text(wrong)
        with pytest.raises(DataError, match=said):
            load_backbone(f"local-dir:{tmp_path}")
    index.unlink()
    with pytest.raises(DataError, match="has only the shard model-00001-of-00003.safetensors and no index"):
        load_backbone(f"local-dir:{tmp_path}")


@pytest.mark.slow
def test_what_no_weights_can_mend_is_said_before_they_are_fetched(hub, monkeypatch):
    pooled = {**TINY, "vision_cfg": TINY["vision_cfg"] | {"attentional_pool": True, "pool_type": "none"}}
    texts = {**TINY, "text_cfg": TINY["text_cfg"] | {"hf_model_name": "roberta-base"}}
    alone = {name: TINY[name] for name in ("embed_dim", "vision_cfg")}
    monkeypatch.setattr("zsas_lib.backbones.tokenizers.find_spec", lambda name: None)
    for model, options, said in (
        (TINY, {"image_size": 33}, "image_size 33 is not a multiple of the patch size 8; use 32 or 40"),
        (TINY, {"image_size": (32, 33)}, "image_size 33 is not a multiple of the patch size 8"),
        (pooled, {}, "its image tower has attentional pooling other than CoCa's"),
        (texts, {}, "the text tower roberta-base of Hugging Face, which needs Hugging Face's transformers"),
        (alone, {}, "lacks text_cfg: it is an image tower without a text tower, and pictures are compared with"),
    ):
        hub.files["me/other", CONFIGURATION] = json.dumps({"model_cfg": model}).encode()
        hub.files["me/other", MODEL] = hub.files["me/tiny", MODEL]
        with pytest.raises(ValueError, match=said.replace("(", r"\(")):
            load_backbone("hf-hub:me/other", **options)
        shutil.rmtree(huggingface_hub.constants.HF_HUB_CACHE)
    assert set(hub.fetched()) == {CONFIGURATION}


def test_nothing_is_asked_where_nothing_is_to_be_fetched(hub):
    with fetching.nothing_fetched(), pytest.raises(DataError, match="nothing is to be fetched now"):
        load_backbone(NAME)
    assert hub.seen == [] and fetching.why_no_downloads() == ""


def test_a_hub_that_is_nowhere_is_told_at_once(hub, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(DataError, match=r"Cannot fetch open_clip_config.json .*127.0.0.1 cannot be reached: .*refused"):
        load_backbone(NAME)
