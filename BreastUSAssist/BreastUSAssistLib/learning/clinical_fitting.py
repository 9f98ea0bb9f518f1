"""The clinical model: ridge-regularised logistic regression with the image's log-odds as a fixed offset.

    logit P(malignant) = image log-odds + nuisance intercept + sum of weight * standardised parameter

The intercept takes up that these patients are another mix than those the image was calibrated on; it is not kept, so
that with every parameter unknown the answer is that of the image alone. Parameters are centred on their mean among the
patients in whom they are known: an unknown one counts as average and adds nothing.

What is known to raise the risk cannot get a negative weight: where it would, that says who was sent to the clinic, not
who had cancer, and the parameter is left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from ..birads.clinical import OLDEST, PARAMETERS, ClinicalParameters
from ..errors import UsageError
from ..model.calibration import ClinicalModel, ClinicalTerm
from .bootstrap import patient_keys

FEWEST = 10
"""Patients with "yes", and with "no", below which a parameter gets no weight."""
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""Ridge penalties tried: times half the sum of the squared standardised weights, against the summed log-loss."""
_EITHER_WAY = {"breast_scar", "breast_injury"}
"""Parameters that may lower the odds: a scar or an injury can be why a benign lesion looks suspicious."""
_SIGNS = {
    "palpable": ("palpable",),
    "skin_changes": ("skin retraction", "peau d`orange", "redness", "warmth"),
    "nipple_retraction": ("nipple retraction",),
    "breast_scar": ("breast scar",),
}
_SYMPTOMS = {
    "nipple_discharge": ("nipple discharge",),
    "breast_injury": ("breast injury",),
    "personal_history": ("personal history of breast cancer",),
    "family_history": ("family history of breast/ovarian cancer",),
    "hormone_therapy": ("HRT/hormonal contraception",),
}
_NOT_KNOWN = {"", "not available", "not applicable"}


@dataclass(frozen=True, eq=False)
class ClinicalCases:
    """Patients with clinical parameters and the image's out-of-fold answer, one row an image."""

    parameters: tuple[ClinicalParameters, ...]
    image_log_odds: np.ndarray
    """float (n,), calibrated."""
    malignant: np.ndarray
    """bool (n,)."""
    patients: tuple[str | None, ...]
    folds: np.ndarray
    """int (n,)."""

    def __post_init__(self) -> None:
        sizes = {len(x) for x in (self.parameters, self.image_log_odds, self.malignant, self.patients, self.folds)}
        if len(sizes) != 1:
            raise UsageError("Clinical parameters, log-odds, pathology, patients and folds have to be equally many.")


def parameters_of_row(cells: Mapping[str, str]) -> ClinicalParameters:
    """Clinical parameters of a manifest row, from its columns `age`, `signs` and `symptoms` (as in BrEaST).

    Several signs are joined by "&"; "no" says that none is there; "not available", or an empty cell, is unknown.
    """
    age = cells.get("age", "").strip()
    known = age.isdecimal() and int(age) <= OLDEST
    answers = {**_answers(cells.get("signs", ""), _SIGNS), **_answers(cells.get("symptoms", ""), _SYMPTOMS)}
    return ClinicalParameters.model_validate({"age_years": int(age) if known else None, **answers})


def fit_clinical(cases: ClinicalCases, *, provenance: str = "") -> ClinicalModel | None:
    """Fit the model; its penalty has the least cross-validated log-loss over the folds given.

    None where no penalty beats the image alone under cross-validation by one standard error of the paired difference
    (Breiman et al., Classification and Regression Trees, 1984), or no parameter is common enough: parameters that do
    not help are not shown as if they did.

    Raises:
        UsageError: there are not both benign and malignant patients, or fewer than two folds.
    """
    malignant = np.asarray(cases.malignant, bool)
    if malignant.all() or not malignant.any() or len(np.unique(cases.folds)) < 2:
        raise UsageError("The clinical model needs benign and malignant patients in at least two folds.")
    table = _table(cases.parameters)
    chosen = [name for name in PARAMETERS if _common(table[name], name, cases.patients)]
    alone = cross_validated_losses(cases, chosen, None)
    losses = {penalty: cross_validated_losses(cases, chosen, penalty) for penalty in PENALTIES}
    penalty = min(losses, key=lambda key: float(losses[key].mean()))
    gain = alone - losses[penalty]
    if not chosen or gain.mean() <= gain.std() / np.sqrt(len(gain)):
        return None
    terms, covariance = _fit(table, chosen, np.asarray(cases.image_log_odds, float), malignant, penalty)
    words = provenance or "patients"
    return ClinicalModel(
        terms=terms,
        covariance=tuple(tuple(round(float(x), 6) for x in row) for row in covariance),
        left_out=tuple(name for name in PARAMETERS if name not in {term.parameter for term in terms}),
        provenance=(
            f"{len(set(patient_keys(cases.patients)))} {words}; ridge penalty {penalty:g}; cross-validated log-loss"
            f" {losses[penalty].mean():.4f}, image alone {alone.mean():.4f}"
        ),
    )


def cross_validated_losses(cases: ClinicalCases, names: Sequence[str], penalty: float | None) -> np.ndarray:
    """Log-loss of each image, float (n,), with the model of the other folds; with `penalty` None of the image alone.

    The nuisance intercept of the other folds is used in both, so that only the parameters are compared.
    """
    table, malignant = _table(cases.parameters), np.asarray(cases.malignant, bool)
    offset = np.asarray(cases.image_log_odds, float)
    losses = np.zeros(len(offset))
    for fold in np.unique(cases.folds):
        test = cases.folds == fold
        train = ~test
        part = {name: values[train] for name, values in table.items()}
        used = [name for name in names if penalty is not None and np.ptp(_known(part[name])) > 0]
        x, columns = _standardised(part, used)
        weights = _solve(x, used, offset[train], malignant[train], penalty or 1.0)
        held_out = np.column_stack(
            [np.ones(test.sum()), *([t.standardised(_none(v)) for v in table[t.parameter][test]] for t in columns)]
        )
        margin = np.where(malignant[test], 1.0, -1.0) * (offset[test] + held_out @ weights)
        losses[test] = np.logaddexp(0, -margin)
    return losses


def _answers(cell: str, known: Mapping[str, Sequence[str]]) -> dict[str, bool | None]:
    text = cell.strip()
    if text.lower() in _NOT_KNOWN:
        return dict.fromkeys(known)
    named = {part.strip() for part in text.split("&")}
    return {name: bool(named.intersection(words)) for name, words in known.items()}


def _table(parameters: Sequence[ClinicalParameters]) -> dict[str, np.ndarray]:
    """Each parameter over the patients, float (n,), NaN where unknown."""
    rows = [one.values() for one in parameters]
    return {name: np.array([np.nan if row[name] is None else row[name] for row in rows]) for name in PARAMETERS}


def _common(values: np.ndarray, name: str, patients: Sequence[str | None]) -> bool:
    keys = patient_keys(patients)
    if name == "age_years":
        return len(np.unique(keys[~np.isnan(values)])) >= 2 * FEWEST and float(np.ptp(_known(values))) > 0
    return all(len(np.unique(keys[values == answer])) >= FEWEST for answer in (0, 1))


def _known(values: np.ndarray) -> np.ndarray:
    known = values[~np.isnan(values)]
    return known if len(known) else np.zeros(1)


def _none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _standardised(table: Mapping[str, np.ndarray], names: Sequence[str]) -> tuple[np.ndarray, list[ClinicalTerm]]:
    """Design matrix (n, 1 + names), ones first, and how each column is made (weights still 0)."""
    terms = []
    for name in names:
        known = _known(table[name])
        terms.append(
            ClinicalTerm(
                parameter=name,
                weight=0.0,
                centre=round(float(known.mean()), 4),
                scale=round(float(known.std()), 4) or 1.0,
                lowest=float(known.min()),
                highest=float(known.max()),
            )
        )
    count = len(next(iter(table.values())))
    columns = [[term.standardised(_none(value)) for value in table[term.parameter]] for term in terms]
    return np.column_stack([np.ones(count), *columns]), terms


def _solve(
    x: np.ndarray, names: Sequence[str], offset: np.ndarray, malignant: np.ndarray, penalty: float
) -> np.ndarray:
    """Weights with the least penalised log-loss, none below 0 for a known risk; the intercept is first and free."""
    sign = np.where(malignant, 1.0, -1.0)
    penalised = np.r_[0.0, np.full(x.shape[1] - 1, penalty)]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (offset + x @ weights)
        pull = sign / (1 + np.exp(np.clip(margin, -500, 500)))
        value = np.logaddexp(0, -margin).sum() + (penalised * weights**2).sum() / 2
        return float(value), penalised * weights - x.T @ pull

    bounds = [(None, None), *((None if name in _EITHER_WAY else 0.0, None) for name in names)]
    return np.asarray(minimize(loss, np.zeros(x.shape[1]), jac=True, method="L-BFGS-B", bounds=bounds).x)


def _fit(
    table: Mapping[str, np.ndarray], names: Sequence[str], offset: np.ndarray, malignant: np.ndarray, penalty: float
) -> tuple[tuple[ClinicalTerm, ...], np.ndarray]:
    """Terms with weights, and the weights' covariance: inverse of the penalised information (Laplace approximation)."""
    x, terms = _standardised(table, names)
    weights = _solve(x, names, offset, malignant, penalty)
    kept = np.abs(weights) > 1e-6
    kept[0] = True
    if not kept.all():
        return _fit(table, [n for n, one in zip(names, kept[1:], strict=True) if one], offset, malignant, penalty)
    probability = 1 / (1 + np.exp(-np.clip(offset + x @ weights, -500, 500)))
    information = (x * (probability * (1 - probability))[:, None]).T @ x
    information += np.diag(np.r_[1e-9, np.full(len(names), penalty)])
    covariance = np.linalg.inv(information)[1:, 1:]
    fitted = [t.model_copy(update={"weight": round(float(w), 5)}) for t, w in zip(terms, weights[1:], strict=True)]
    return tuple(fitted), covariance
