"""The networks of the zoo (`backbones.zoo`): recipes, captions, and how they learn; ``python -m zsas_lib.training.zoo``
trains those that are not there."""
