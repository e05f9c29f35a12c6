"""Figures in one style, with their data: what notebooks draw with."""

from ..parts import require

require("matplotlib", "seaborn")

from ..fractions import as_fractions as as_fractions
from ..labels import axis_label as axis_label
from ..labels import label as label
from .bars import bars as bars
from .bars import category_bars as category_bars
from .bars import model_bars as model_bars
from .boxes import boxes as boxes
from .cases import bound_dots as bound_dots
from .cases import case_tiles as case_tiles
from .conflicts import bias_lines as bias_lines
from .conflicts import cue_gallery as cue_gallery
from .costs import quality_and_cost as quality_and_cost
from .costs import quality_and_worst as quality_and_worst
from .depth import depth_gallery as depth_gallery
from .depth import view_gallery as view_gallery
from .dots import dot_panels as dot_panels
from .dots import dots as dots
from .dots import gap_panels as gap_panels
from .epochs import epoch_curves as epoch_curves
from .frames import tile_slider as tile_slider
from .frames import view_tiles as view_tiles
from .gallery import Tile as Tile
from .gallery import gallery as gallery
from .gallery import gallery_of_columns as gallery_of_columns
from .gallery import tile as tile
from .groups import group_dots as group_dots
from .groups import points_and_fifths as points_and_fifths
from .lines import bound_steps as bound_steps
from .lines import category_lines as category_lines
from .lines import curve_panels as curve_panels
from .lines import named_points as named_points
from .lines import sweep_lines as sweep_lines
from .lines import training_lines as training_lines
from .lines import training_panels as training_panels
from .maps import blended as blended
from .maps import heat as heat
from .maps import outlined as outlined
from .maps import picture as picture
from .panels import legend as legend
from .panels import log_axes as log_axes
from .panels import panels as panels
from .publish import publish as publish
from .publish import publish_replicates as publish_replicates
from .publish import publish_table as publish_table
from .reliability import reliability_panels as reliability_panels
from .settings import setting_panels as setting_panels
from .slider import frame_slider as frame_slider
from .steps import steps as steps
from .style import COLOURS as COLOURS
from .style import INK as INK
from .style import MAP_COLOURS as MAP_COLOURS
from .style import PALETTE as PALETTE
from .style import SERIES as SERIES
from .style import TRUTH_COLOUR as TRUTH_COLOUR
from .style import use_style as use_style
from .zoo import choice_dots as choice_dots
from .zoo import factor_lines as factor_lines
from .zoo import foretelling as foretelling
