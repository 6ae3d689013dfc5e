"""Weak-to-strong generalization: how much of a strong model's ability do a weak model's labels bring out?

Burns et al. (2312.09390) tune a strong model on the labels of a weak one; Shi et al. (2503.04249) first drop uncertain
labels (Stage I), then give the dropped questions back with labels of the model tuned so (Stage II).
"""

from lit_reason.weak_to_strong.losses import kl_loss, logconf_loss, product_loss, xent_loss
from lit_reason.weak_to_strong.metrics import performance_gap_recovered

__all__ = ["kl_loss", "logconf_loss", "performance_gap_recovered", "product_loss", "xent_loss"]
