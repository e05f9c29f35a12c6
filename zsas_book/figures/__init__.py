"""Figures in one style, with their data: what notebooks draw with."""

from ..labels import MODEL_LABELS as MODEL_LABELS
from ..labels import axis_label as axis_label
from ..labels import label as label
from ..parts import require

require("matplotlib", "seaborn")

from .charts import category_bars as category_bars
from .charts import model_bars as model_bars
from .charts import sweep_lines as sweep_lines
from .maps import blended as blended
from .maps import outlined as outlined
from .maps import overlay as overlay
from .maps import picture as picture
from .publish import publish as publish
from .publish import publish_table as publish_table
from .slider import frame_slider as frame_slider
from .style import COLOURS as COLOURS
from .style import INK as INK
from .style import MAP_COLOURS as MAP_COLOURS
from .style import METRIC_LABELS as METRIC_LABELS
from .style import PALETTE as PALETTE
from .style import SERIES as SERIES
from .style import TRUTH_COLOUR as TRUTH_COLOUR
from .style import use_style as use_style
