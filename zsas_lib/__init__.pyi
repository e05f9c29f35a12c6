from . import metrics as metrics
from .backbones import Backbone as Backbone, list_backbones as list_backbones, load_backbone as load_backbone, register_backbone as register_backbone
from .data import list_datasets as list_datasets, load_dataset as load_dataset
from .evaluation import evaluate as evaluate
from .models import list_models as list_models, load_model as load_model
from .models.prediction import Prediction as Prediction
from .official_checkpoints import load_official_checkpoint as load_official_checkpoint
from .models.references import remember_normal as remember_normal
from .papers import reported as reported
from .perturbations import RANGES as RANGES, derotate as derotate, perturb as perturb, rotate as rotate, shift_hue as shift_hue, shift_saturation as shift_saturation, valid_region as valid_region
from .results import stored as stored
from .search.worst_case import WorstCase as WorstCase, worst_case as worst_case
from .selection import corner_error as corner_error
from .sweeps import uniform_sweep as uniform_sweep
from .training import fit as fit
from .store import results_folder as results_folder
from .ready import auxiliary_name as auxiliary_name, model_for as model_for, ready_model as ready_model, trained as trained
