"""How the authors' files of `released` are asked for, by model. zsas_lib must not be imported here."""

SETUPS = {
    "aa-clip": {"activation": "gelu"},
    "adaclip": {"activation": "gelu", "positions": "bicubic_plain"},
    "af-clip": {"activation": "quick_gelu", "positions": "bilinear"},
    "anomalyclip": {"activation": "quick_gelu", "positions": "bilinear"},
    "april-gan": {"activation": "gelu"},
    "vcpclip": {"activation": "gelu"},
    "vcpclip+": {"activation": "gelu"},
}
OPTIONS = {"aa-clip": {"image_score": "pooled"}}
"""Released, its score is of all that are tested: test_scores_of_aa_clip_range_over_what_is_tested."""
FILES = {"af-clip": "af-clip_adaptor"}


def changed(content, change):
    """A copy of a checkpoint after `change`, parts copied, tensors not."""
    copy = {key: dict(value) if isinstance(value, dict) else value for key, value in content.items()}
    change(copy)
    return copy


def drop(part, key):
    return lambda content: content[part].pop(key)


def put(key, value, part=None):
    return lambda content: (content[part] if part else content).update({key: value})
