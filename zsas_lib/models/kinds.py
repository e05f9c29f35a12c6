"""What is no model, no data set or no backbone is refused in one sentence, and what cannot be asked of a model."""

from ..backbones.backbone import Backbone
from ..base.errors import OptionError
from ..data.dataset import AnomalyDataset
from .prediction import AnomalyModel

MADE_BY = {
    AnomalyModel: "a model (zsas.load_model)",
    AnomalyDataset: "a data set (zsas.load_dataset)",
    Backbone: "a backbone (zsas.load_backbone)",
}


def require_independent(model: AnomalyModel, what: str) -> None:
    """Raises OptionError for a model whose maps hang on the pictures before, of which ``what`` would tell the order."""
    if model.hangs_on_order:
        raise OptionError(
            f"{what} of {model.name} would tell the order of its pictures: with options {model.options} a map hangs on "
            "those before."
        )


def require_kinds(*given: tuple[object, type]) -> None:
    """Raises TypeError, naming all that was expected and all that came, unless each is of the kind beside it, one of
    `MADE_BY`."""
    if not all(isinstance(value, kind) for value, kind in given):
        expected = " and ".join(MADE_BY[kind] for _, kind in given)
        got = " and ".join(
            repr(value) if isinstance(value, str) and len(value) < 80 else type(value).__name__ for value, _ in given
        )
        raise TypeError(f"Expected {expected}, got {got}.")
