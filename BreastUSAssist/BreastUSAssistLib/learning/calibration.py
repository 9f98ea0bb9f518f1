"""Temperature scaling of the class logits (Guo et al., On calibration of modern neural networks, ICML 2017)."""

import numpy as np
from scipy.optimize import minimize_scalar

from ..errors import UsageError


def fit_temperature(log_odds: np.ndarray, malignant: np.ndarray) -> float:
    """Temperature with the least negative log-likelihood of malignant against benign.

    Args:
        log_odds: float (images,), of malignant against benign, not yet divided by a temperature.
        malignant: bool (images,).

    Raises:
        UsageError: there are not both benign and malignant images.
    """
    malignant = np.asarray(malignant, bool)
    if malignant.all() or not malignant.any():
        raise UsageError("Calibration needs benign and malignant images; add rows with a pathology to the manifest.")
    margin = np.where(malignant, 1.0, -1.0) * log_odds

    def loss(log_temperature: float) -> float:
        return float(np.logaddexp(0, -margin / np.exp(log_temperature)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 3), method="bounded").x))
