"""Ticks of a logarithmic axis at round numbers, as many as there is room for."""

import numpy as np
from matplotlib.ticker import Locator

LADDERS = ((1, 1.5, 2, 3, 4, 5, 6, 8), (1, 2, 3, 5), (1, 3), (1,))
"""Digits that ticks may have in each decade, the densest first."""
USUAL, FEWEST = (1, 3), 3
"""The densest ticks unless these are fewer than that."""
LETTER, GAP = 0.62, 1.2
"""The width of a letter and the room between two labels, as parts of the letters' size."""
LINE = 1.6
"""The height that a label takes, in the same."""


class RoundLogLocator(Locator):
    """Ticks at 0.1, 0.3, 1, 3 and so on; over less than two decades at more digits, and where labels would touch at
    powers of ten, at every second of these, every third, and so on."""

    def __call__(self):
        return self.tick_values(*self.axis.get_view_interval())

    def tick_values(self, vmin, vmax):
        low, high = sorted((vmin, vmax))
        if not 0 < low < high < np.inf:
            return np.array([])
        decades = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
        found = [np.sort(np.outer(10.0**decades, digits).ravel()) for digits in LADDERS]
        found += [10.0 ** decades[decades % stride == 0] for stride in range(2, len(decades))]
        seen = [ticks[(ticks >= low * (1 - 1e-9)) & (ticks <= high * (1 + 1e-9))] for ticks in found]
        usual = LADDERS.index(USUAL)
        begin = usual if len(seen[usual]) >= FEWEST else 0
        return next((ticks for ticks in seen[begin:] if self._fits(ticks)), seen[-1])

    def _fits(self, ticks) -> bool:
        """Whether labels have room beside each other, or above each other."""
        if len(ticks) < 2:
            return True
        size, along = self.axis._get_tick_label_size(self.axis.axis_name), self.axis.axis_name == "x"
        box = self.axis.axes.bbox
        length = (box.width if along else box.height) * 72 / self.axis.axes.figure.dpi / size
        places = self.axis.get_transform().transform(ticks)
        low, high = self.axis.get_transform().transform(np.asarray(self.axis.get_view_interval(), float))
        rooms = np.diff(places) / abs(high - low) * length
        widths = np.array([LETTER * len(f"{tick:g}") for tick in ticks])
        needed = (widths[1:] + widths[:-1]) / 2 + GAP if along else LINE
        return bool((rooms >= needed).all())
