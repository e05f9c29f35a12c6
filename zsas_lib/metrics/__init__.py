"""Metrics of anomaly segmentation, for one category at a time.

All pixels of all images of a category, normal images included, are pooled into one ranking; a data set's number is
the unweighted mean over its categories. All metrics are fractions in [0, 1], and nan where only one class is present.

`METRICS` has the record of each. A new metric is a file here that ends with `register(Metric(...))`, and its line
below: `evaluate` and the sweeps then compute it, tables average it, and figures and tables call it by its label.
"""

from .aupro import aupro as aupro
from .aupro import legacy_reach as legacy_reach
from .bootstrap import bootstrap_std as bootstrap_std
from .calibration import (
    brier_score as brier_score,
)
from .calibration import (
    calibration_error as calibration_error,
)
from .calibration import (
    fitted_temperature as fitted_temperature,
)
from .calibration import (
    negative_log_likelihood as negative_log_likelihood,
)
from .detection import (
    false_positive_rate as false_positive_rate,
)
from .detection import (
    known_auroc as known_auroc,
)
from .image import (
    image_auroc as image_auroc,
)
from .image import (
    image_average_precision as image_average_precision,
)
from .image import (
    image_f1_max as image_f1_max,
)
from .image import (
    image_metrics as image_metrics,
)
from .image import (
    image_rates as image_rates,
)
from .metric import METRICS as METRICS
from .metric import Metric as Metric
from .metric import further as further
from .metric import list_metrics as list_metrics
from .pixel import (
    average_precision as average_precision,
)
from .pixel import (
    f1_max as f1_max,
)
from .pixel import (
    iou_at_f1_max as iou_at_f1_max,
)
from .pixel import (
    pixel_auroc as pixel_auroc,
)
from .pixel import (
    pixel_metrics as pixel_metrics,
)
from .retrieval import (
    chance_of_retrieval as chance_of_retrieval,
)
from .retrieval import (
    hit_rate as hit_rate,
)
from .retrieval import (
    r_precision as r_precision,
)
from .retrieval import (
    retrieval_average_precision as retrieval_average_precision,
)
