"""How far probabilities can be believed: calibration errors, proper scores, and what mends a probability.

Of two kinds of probabilities, which are told apart by their shape:

* *binary, of the positive class*: (image,) probabilities that an image is anomalous, and bool labels. A calibration
  error compares the probability with the share of anomalous images: the error **of the positive class**.
* *several classes*: (image, class) probabilities and the numbers of the true classes. A calibration error compares the
  highest probability with the share of images whose class it names: the error **of the top label** (Guo et al., ICML
  2017). On two classes that is another number than the first: it takes a confident "sound" for as good as a confident
  "damaged".

Bins are open below and closed above, but for the first, which is closed. "equal width" bins are as wide as each other,
in [0, 1]; "equal mass" ones end at the quantiles of the probabilities (numpy's linear ones), so that each holds about
as many images, equal probabilities together. An error in bins is biased upward on few images: `chance_error` says what
a perfect probability would show.

Probabilities are what they are: none is passed through a sigmoid or a softmax, and one outside [0, 1] is refused.
Everything is computed in float64.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, logit
from torch import Tensor

from ..base.errors import UnknownNameError

Probabilities: TypeAlias = (
    Float[Tensor, " image"]
    | Float[np.ndarray, " image"]
    | Float[Tensor, "image klass"]
    | Float[np.ndarray, "image klass"]
)
Truth: TypeAlias = (
    Bool[Tensor, " image"] | Bool[np.ndarray, " image"] | Int[Tensor, " image"] | Int[np.ndarray, " image"]
)
KINDS = ("equal width", "equal mass")
BINS = 15
SMALLEST = 1e-7
"""What a probability counts as at least, and one less this at most, where its logarithm is taken: about what float32
can tell from 1."""
TEMPERATURES = (1e-3, 1e3)
"""The range in which a temperature is looked for; its ends are what probabilities without any error, or without any
use, get."""


def calibration_error(
    probabilities: Probabilities, truth: Truth, *, bins: int = BINS, kind: str = "equal width"
) -> float:
    """The expected calibration error, in [0, 1]: the mean over images of how far the mean probability of an image's bin
    is from the share in it that came true.

    Binary probabilities: of the positive class; those of several classes: of the top label (see the module). Raises
    ValueError for probabilities outside [0, 1] or not finite, for truth that does not fit them, for no image and for
    fewer than one bin, and UnknownNameError for another kind of bins. All functions here raise the same.

    >>> probabilities = torch.tensor([0.1, 0.3, 0.8, 0.9])
    >>> labels = torch.tensor([False, True, True, True])
    >>> round(zsas.metrics.calibration_error(probabilities, labels), 3)
    0.275
    """
    _, counts, believed, found = _in_bins(probabilities, truth, bins, kind)
    return float(np.abs(found - believed).sum() / counts.sum())


def reliability(
    probabilities: Probabilities, truth: Truth, *, bins: int = BINS, kind: str = "equal width"
) -> pd.DataFrame:
    """What a reliability diagram shows: a row for each bin that has images.

    Columns: low and high (its ends), images (how many), probability (their mean) and share (of those that are
    anomalous; of several classes: that are named right).
    """
    edges, counts, believed, found = _in_bins(probabilities, truth, bins, kind)
    some = counts > 0
    columns = {"low": edges[:-1][some], "high": edges[1:][some], "images": counts[some]}
    columns |= {"probability": believed[some] / counts[some], "share": found[some] / counts[some]}
    return pd.DataFrame(columns)


def _in_bins(
    probabilities: Probabilities, truth: Truth, bins: int, kind: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The ends of bins, and of each how many images it has, the sum of their probabilities, and how many came true."""
    confidence, right = _believed(probabilities, truth)
    edges = bin_edges(confidence, bins, kind)
    places = np.searchsorted(edges[1:-1], confidence)
    counts, believed, found = (np.bincount(places, own, minlength=bins) for own in (None, confidence, right))
    return edges, counts, believed, found


def bin_edges(confidence: Float[np.ndarray, " image"], bins: int, kind: str) -> Float[np.ndarray, " edge"]:
    """Where bins end, ``bins`` + 1 numbers; several are equal where equal probabilities fill more than one."""
    if bins < 1:
        raise ValueError(f"Expected at least one bin, got {bins}.")
    if kind not in KINDS:
        raise UnknownNameError("kind of bins", kind, KINDS)
    shares = np.linspace(0, 1, bins + 1)
    return shares if kind == "equal width" else np.quantile(confidence, shares)


def chance_error(
    probabilities: Probabilities, *, bins: int = BINS, kind: str = "equal width", draws: int = 200, seed: int = 0
) -> float:
    """The mean `calibration_error` that these probabilities would have if each were true: what of an error is chance.

    In each of ``draws`` draws every image is anomalous (named right) with its own probability.
    """
    confidence, _ = _believed(probabilities)
    edges = bin_edges(confidence, bins, kind)
    member = np.eye(bins)[np.searchsorted(edges[1:-1], confidence)]
    right = np.random.default_rng(seed).random((draws, len(confidence))) < confidence
    return float(np.abs((right - confidence) @ member).sum(axis=1).mean() / len(confidence))


def negative_log_likelihood(probabilities: Probabilities, truth: Truth) -> float:
    """The mean of -log p of what is true, in nats; p counts as at least `SMALLEST`.

    >>> probabilities = torch.tensor([0.5, 0.5])
    >>> round(zsas.metrics.negative_log_likelihood(probabilities, torch.tensor([True, False])), 4)
    0.6931
    """
    return float(-np.log(np.clip(_of_truth(probabilities, truth), SMALLEST, 1 - SMALLEST)).mean())


def brier_score(probabilities: Probabilities, truth: Truth) -> float:
    """The mean squared error of probabilities: binary (p - y)^2, in [0, 1]; of several classes the sum over classes, in
    [0, 2], which for two is twice the binary one.

    >>> zsas.metrics.brier_score(torch.tensor([0.5, 1.0]), torch.tensor([True, True]))
    0.125
    """
    values, classes = _checked(probabilities, truth)
    if values.ndim == 1:
        return float(np.square(values - classes).mean())
    return float(np.square(values - np.eye(values.shape[1])[classes]).sum(axis=1).mean())


@dataclass(frozen=True)
class Calibrator:
    """What makes a probability of a binary score: sigmoid(``slope`` * score + ``intercept``)."""

    slope: float = 1.0
    intercept: float = 0.0

    def __call__(self, scores: Float[Tensor, " image"] | Float[np.ndarray, " image"]) -> Float[np.ndarray, " image"]:
        """Probabilities in float64."""
        return expit(self.slope * _array(scores) + self.intercept)


def logits(probabilities: Probabilities) -> Float[np.ndarray, " image"]:
    """The logits of binary probabilities, which count as at least `SMALLEST` and at most 1 less that."""
    return logit(np.clip(_checked(probabilities)[0], SMALLEST, 1 - SMALLEST))


def fitted_temperature(
    scores: Float[Tensor, " image"]
    | Float[np.ndarray, " image"]
    | Float[Tensor, "image klass"]
    | Float[np.ndarray, "image klass"],
    truth: Truth,
) -> float:
    """The temperature T whose probabilities have the least negative log-likelihood, in `TEMPERATURES`.

    ``scores`` are logits: of one number an image p = sigmoid(score / T), of one a class p = softmax(scores / T). The
    likelihood is concave in 1 / T, so there is one T. Raises as `calibration_error`, but takes any finite scores.

    >>> labels = torch.tensor([True, True, True, False])
    >>> round(zsas.metrics.fitted_temperature(torch.full((4,), 2.0), labels), 2)
    1.82
    """
    values, classes = _checked(scores, truth, probabilities=False)
    true = 0.0
    if values.ndim == 1:
        values = np.where(classes, -values, values)
    else:  # so that no exponential is above 1
        values = values - values.max(axis=1, keepdims=True)
        true = values[np.arange(len(values)), classes].mean()

    def loss(log_temperature: float) -> float:
        temperature = np.exp(log_temperature)
        if values.ndim == 1:
            return float(np.logaddexp(0, values / temperature).mean())
        return float(np.log(np.exp(values / temperature).sum(axis=1)).mean() - true / temperature)

    found = minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded", options={"xatol": 1e-8})
    # Of temperatures that float64 cannot tell apart, as where the loss is 0, those at the ends come first.
    places = [*TEMPERATURES[::-1], float(np.exp(found.x))]
    return min(places, key=lambda temperature: loss(float(np.log(temperature))))


def fitted_platt(
    scores: Float[Tensor, " image"] | Float[np.ndarray, " image"],
    labels: Bool[Tensor, " image"] | Bool[np.ndarray, " image"],
) -> Calibrator:
    """Slope and intercept of the most likely sigmoid of finite binary scores (Platt, 1999), with his targets: of n
    images of a class 1 of n + 2 counts as the other's, so that there is a finite slope where a score separates them."""
    values, classes = _checked(scores, labels, probabilities=False)
    positives = int(classes.sum())
    targets = np.where(classes, (positives + 1) / (positives + 2), 1 / (len(values) - positives + 2))
    middle, spread = values.mean(), values.std() or 1.0
    standard = (values - middle) / spread

    def loss(both: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = both[0] * standard + both[1]
        error = expit(scaled) - targets
        value = np.logaddexp(0, scaled) - targets * scaled
        return float(value.mean()), np.array([error @ standard, error.sum()]) / len(values)

    start = np.array([0.0, logit(targets.mean())])
    slope, intercept = minimize(loss, start, jac=True, method="BFGS", options={"gtol": 1e-9}).x
    return Calibrator(float(slope / spread), float(intercept - slope * middle / spread))


def shifted_prior(probabilities: Probabilities, before: float, after: float) -> Float[np.ndarray, " image"]:
    """Binary probabilities that were true where a share ``before`` is anomalous, for where it is ``after``: the odds
    times the ratio of the shares' odds. Raises ValueError for a share that is not in (0, 1)."""
    for share in (before, after):
        if not 0 < share < 1:
            raise ValueError(f"Expected shares of anomalous images in (0, 1), got {before} and {after}.")
    return expit(logits(probabilities) + logit(after) - logit(before))


def estimated_prior(probabilities: Probabilities, before: float, *, steps: int = 1000) -> float:
    """The share of anomalous images among some without labels, from probabilities that were true where it is
    ``before``: the most likely one (Saerens et al., Neural Computation 2002), to 1e-9 or after so many steps, in
    [1e-7, 1 - 1e-7]."""
    share = before
    for _ in range(steps):
        last, share = share, float(np.clip(shifted_prior(probabilities, before, share).mean(), SMALLEST, 1 - SMALLEST))
        if abs(share - last) < 1e-9:
            break
    return share


def _believed(probabilities: Probabilities, truth: Truth | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The probability that counts of each image, and whether it came true; without truth all did."""
    values, classes = _checked(probabilities, truth)
    if values.ndim == 1:
        return values, classes
    return values.max(axis=1), values.argmax(axis=1) == classes


def _of_truth(probabilities: Probabilities, truth: Truth) -> Float[np.ndarray, " image"]:
    """The probability of what is true of each image."""
    values, classes = _checked(probabilities, truth)
    if values.ndim == 1:
        return np.where(classes, values, 1 - values)
    return values[np.arange(len(values)), classes]


def _checked(
    values: Probabilities, truth: Truth | None = None, *, probabilities: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    numbers = _array(values)
    classes = np.ones(len(numbers), dtype=bool) if truth is None else _as_numpy(truth)
    if numbers.ndim not in (1, 2) or not numbers.size or classes.shape != numbers.shape[:1]:
        raise ValueError(
            f"Expected (image,) or (image, class) probabilities of at least one image and as many truths, got shapes "
            f"{numbers.shape} and {classes.shape}."
        )
    if not np.isfinite(numbers).all():
        raise ValueError(f"Expected finite numbers, got nan or infinity in image {_first(~np.isfinite(numbers))}.")
    if probabilities and (outside := (numbers < 0) | (numbers > 1)).any():
        raise ValueError(
            f"Expected probabilities in [0, 1], got {numbers[outside][0]:.4g} in image {_first(outside)}; make them of "
            "unbounded scores first (Calibrator)."
        )
    if truth is not None and numbers.ndim == 1 and classes.dtype != bool:
        raise ValueError(f"Expected bool labels of binary probabilities, got {classes.dtype}.")
    if truth is not None and numbers.ndim == 2:
        if classes.dtype.kind not in "iu" or classes.min() < 0 or classes.max() >= numbers.shape[1]:
            raise ValueError(f"Expected numbers of {numbers.shape[1]} classes, from 0, got others.")
    return numbers, classes


def _first(bad: np.ndarray) -> int:
    return int(np.argwhere(bad)[0][0])


def _as_numpy(values: Probabilities | Truth) -> np.ndarray:
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _array(values: Probabilities) -> Float[np.ndarray, "..."]:
    return (values.detach().double().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)).astype(float)
