"""Lines through points some of which are far off: Huber's regression with the scale of the residuals, of many sets of
points at once.

Slope, intercept and scale s minimise together (Huber 1981, section 7.8; scikit-learn's `HuberRegressor` with alpha=0)

    sum over points of s + s H((y - slope x - intercept) / s),   H(z) = z^2 to |z| = epsilon, linear from there,

which is convex. Newton's steps, damped where they would climb, find the minimum of all sets side by side.
"""

import numpy as np
from jaxtyping import Bool, Float

EPSILON = 1.35
"""From how many scales on a residual counts linearly: 95 % efficient for normal ones (Huber, 1981)."""
ROUNDS = 300
"""At most. A dozen or two are enough, and some sixty where most points lie on a line and the scale falls towards 0."""
CLOSE = 1e-10
"""What is left of the slope of the sum, of residuals of size 1."""
ON_A_LINE = 1e-9
"""Points nearer to their line than this share of their height, or places nearer to each other than this, are one."""
ROUNDING = 1e-14
"""Within which two sums are alike."""
DAMPING = 1e-9
"""Of second derivatives, at least: of few points near the line they are singular."""


def huber_lines(
    across: Float[np.ndarray, "line point"], up: Float[np.ndarray, "line point"]
) -> tuple[Float[np.ndarray, " line"], Float[np.ndarray, " line"]]:
    """The slope and the intercept of each row's points; of points that all lie at one place across, no slope and their
    median."""
    across, up = np.asarray(across, dtype=float), np.asarray(up, dtype=float)
    slopes, intercepts = np.zeros(len(across)), np.median(up, axis=1)
    apart = np.ptp(across, axis=1) >= ON_A_LINE
    if apart.any():
        middle, spread = (of(across[apart], axis=1, keepdims=True) for of in (np.mean, np.std))
        slope, intercept = _fitted((across[apart] - middle) / spread, up[apart])
        slopes[apart] = slope / spread[:, 0]
        intercepts[apart] = intercept - slopes[apart] * middle[:, 0]
    return slopes, intercepts


def _fitted(places: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For places of mean 0 and variance 1, from the line of least squares on, heights in units of its residuals."""
    slope, intercept = (places * up).mean(axis=1), up.mean(axis=1)
    residuals = up - slope[:, None] * places - intercept[:, None]
    unit = np.sqrt((residuals**2).mean(axis=1))
    off = unit > ON_A_LINE * np.abs(up).max(axis=1)
    if off.any():
        found = _minimum(places[off], residuals[off] / unit[off, None])
        slope[off] += unit[off] * found[:, 0]
        intercept[off] += unit[off] * found[:, 1]
    return slope, intercept


def _minimum(places: np.ndarray, heights: np.ndarray) -> Float[np.ndarray, "line 3"]:
    """Slope, intercept and scale, from a level line and scale 1 on."""
    count = len(places)
    at = np.tile([0.0, 0.0, 1.0], (count, 1))
    damping, going = np.full(count, DAMPING), np.arange(count)
    value, slope, bend = _loss(places, heights, at)
    for _ in range(ROUNDS):
        going = going[(np.abs(slope[going]).max(axis=1) > CLOSE) & (at[going, 2] > ON_A_LINE)]
        if not len(going):
            break
        sizes = 1 + np.trace(bend[going], axis1=1, axis2=2)
        damped = bend[going] + (damping[going] * sizes)[:, None, None] * np.eye(3)
        step = -np.linalg.solve(damped, slope[going, :, None])
        step[:, 2, 0] = np.maximum(step[:, 2, 0], -at[going, 2] / 3)  # by half, it may end on a wrong line
        aside = slope[going, :2, None] + damped[:, :2, 2:] * step[:, 2:]
        step[:, :2] = -np.linalg.solve(damped[:, :2, :2], aside)
        tried = at[going] + step[..., 0]
        values, slopes, bends = _loss(places[going], heights[going], tried)
        better = values <= value[going] * (1 + ROUNDING)
        taken, left = going[better], going[~better]
        at[taken], value[taken] = tried[better], values[better]
        slope[taken], bend[taken] = slopes[better], bends[better]
        damping[taken] = np.maximum(damping[taken] / 10, DAMPING)
        damping[left] = np.maximum(damping[left] * 100, 1e-6)
    return at


def _loss(
    places: np.ndarray, heights: np.ndarray, at: Float[np.ndarray, "line 3"]
) -> tuple[Float[np.ndarray, " line"], Float[np.ndarray, "line 3"], Float[np.ndarray, "line 3 3"]]:
    """The sum, its gradient in slope, intercept and scale, and its second derivatives."""
    scale = at[:, 2:]
    in_scales = (heights - at[:, :1] * places - at[:, 1:2]) / scale
    near: Bool[np.ndarray, "line point"] = np.abs(in_scales) <= EPSILON
    pull = np.clip(in_scales, -EPSILON, EPSILON)
    value = (scale * (1 + pull * (2 * in_scales - pull))).sum(axis=1)
    sides = np.stack([places, np.ones_like(places), in_scales], axis=-1)
    slope = np.stack([-2 * (pull * places).sum(axis=1), -2 * pull.sum(axis=1), (1 - pull**2).sum(axis=1)], axis=-1)
    bend = 2 * np.einsum("lp,lpi,lpj->lij", near / scale, sides, sides)
    return value, slope, bend
