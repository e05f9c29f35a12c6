"""Which family an image tower of open_clip is of."""

from typing import Any

from open_clip.modified_resnet import ModifiedResNet
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from torch import Tensor, nn

from ...base.errors import OptionError
from .attention_pooled import LatentPool, QueriesPool
from .averaged import Averaged
from .class_token import ClassToken
from .hierarchical import AttentionPooledResNet, FeatureMaps
from .open_clip_trunk import OpenClipTrunk
from .parts import Projection
from .timm_trunk import KINDS, TimmTrunk
from .tokens import TokenTower
from .tower import ImageTower


def image_tower(clip: Any, embed_dim: int, name: str) -> ImageTower:
    """The tower of a model that open_clip has built. Raises OptionError, naming the backbone, for one of no family."""
    visual = clip.visual
    _mend_gradients(visual)
    try:
        if isinstance(visual, VisionTransformer):
            return _open_clip(visual)
        if isinstance(visual, ModifiedResNet):
            return AttentionPooledResNet(visual)
        if isinstance(visual, TimmModel):
            return _timm(visual, embed_dim)
        raise OptionError(f"{type(visual).__name__}, of no family that this book knows; see register_backbone.")
    except OptionError as error:
        raise OptionError(f"Backbone {name!r}: its image tower has {error}") from None


def _mend_gradients(visual: nn.Module) -> None:
    """Of a single picture, torch 2.12's batch norm gives wrong gradients on a processor where the gradient that comes
    back is stored in another order (findings/batch_norm_gradient_of_one_picture.sh): here it is put in order first."""
    for module in visual.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(_in_order_on_the_way_back)


def _in_order_on_the_way_back(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
    if output.requires_grad:
        output.register_hook(lambda gradient: gradient.contiguous())


def _open_clip(visual: Any) -> TokenTower:
    trunk, project = OpenClipTrunk(visual), Projection(visual)
    if visual.attn_pool is not None:
        if visual.attn_pool_contrastive is not None or visual.pool_type != "tok":
            raise OptionError("attentional pooling other than CoCa's, which open_clip itself calls untested.")
        pool = QueriesPool(visual.attn_pool, visual.ln_post, project)
    elif visual.pool_type == "tok":
        pool = ClassToken(visual.ln_post, project, trunk.prefix)
    elif visual.pool_type == "avg":
        norms = (nn.Identity(), visual.ln_post) if visual.final_ln_after_pool else (visual.ln_post, nn.Identity())
        pool = Averaged(*norms, project, trunk.prefix)
    else:
        raise OptionError(f"pool_type={visual.pool_type!r}; expected tok, avg or CoCa's attentional pooling.")
    return TokenTower(trunk, pool, visual.output_dim)


def _timm(visual: Any, embed_dim: int) -> ImageTower:
    trunk = visual.trunk
    kind = type(trunk).__name__
    if hasattr(visual.head, "pool"):
        raise OptionError("an attention pool of open_clip's behind timm's trunk; expected the trunk's own pooling.")
    if not isinstance(trunk, KINDS):
        pooling = getattr(getattr(getattr(trunk, "head", None), "global_pool", None), "pool_type", None)
        if not hasattr(trunk, "forward_intermediates") or not hasattr(trunk, "feature_info") or pooling != "avg":
            raise OptionError(
                f"timm's {kind} with {pooling or 'unknown'} pooling; expected a transformer "
                f"({', '.join(known.__name__ for known in KINDS)}) or stages of maps that are averaged, such as "
                "ConvNeXt's."
            )
        return FeatureMaps(visual, embed_dim)

    blocks, project = TimmTrunk(trunk), nn.Sequential(trunk.fc_norm, trunk.head, visual.head)
    pooled = getattr(trunk, "attn_pool", None)
    if pooled is not None:
        if type(pooled).__name__ != "AttentionPoolLatent" or pooled.pos_embed is not None or pooled.mlp is None:
            raise OptionError(f"timm's {kind} with a {type(pooled).__name__}; expected an AttentionPoolLatent.")
        includes = getattr(trunk, "pool_include_prefix", True)
        return TokenTower(blocks, LatentPool(pooled, trunk.norm, project, blocks.prefix, includes), embed_dim)
    if trunk.global_pool == "token":
        return TokenTower(blocks, ClassToken(trunk.norm, project, blocks.prefix), embed_dim)
    if trunk.global_pool == "avg":
        includes = getattr(trunk, "pool_include_prefix", False)
        head = nn.Sequential(trunk.head, visual.head)
        pool = Averaged(trunk.norm, trunk.fc_norm, head, blocks.prefix, includes)
        return TokenTower(blocks, pool, embed_dim)
    raise OptionError(f"timm's {kind} with {trunk.global_pool!r} pooling; expected token, avg or map.")
