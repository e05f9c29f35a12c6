"""CLIP-based zero-shot anomaly segmentation: models, perturbations, metrics, and the book's machinery.

Every public name is listed, with the module it lives in, in ``__init__.pyi``; a module is imported when one of
its names is first used.
"""

import lazy_loader

from .base.places import name_user

name_user()
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
