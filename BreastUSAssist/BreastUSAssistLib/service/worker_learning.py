"""Requests "learning_state", "train", "promote" and "rollback": from the labels of a store to the model in use.

Everything lies beside the labels, in the folder `models` of the store: the training that is not finished, the candidate
it ends with, and what was promoted. So it is there again after a restart, on whatever computer the labels are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BreastUSAssistError, ModelError, UsageError
from .worker_protocol import exchange_error, new_path
from .worker_stores import has_store, store_folder

if TYPE_CHECKING:
    from ..labels.counted_labels import Disputes
    from ..labels.record import RecordKind
    from ..labels.store import LabelStore
    from ..learning.model_comparison import Comparison
    from ..learning.promoted_models import PromotedModels
    from ..learning.promotion import Judgement
    from ..model.bundle import Bundle
    from .worker_requests import Attend, Progress, Worksite

TRAINING, CANDIDATE = "training", "candidate"
"""Folders beside the promoted models: of a training's state, and of the bundle that the last one ended with."""
RULE, OPTIONS = "rule.json", "fine_tuning.json"
"""Files there that a user may write: what is asked of a candidate, and how it is trained."""
KINDS: "tuple[RecordKind, ...]" = ("accepted", "imported")
MOST_COUNTED = 3000
"""Labels whose patients are counted; with more, enough are held back."""


def learning_state(
    arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend"
) -> dict[str, Any]:
    """What is in use, what there is to learn from, and what waits for a decision. Needs no PyTorch.

    Args:
        arguments: `store` folder, which need not be there yet.
        site: of this process.
        progress: not used.
        attend: not used.

    Returns:
        `model` name, version, promoted, figures or None, of the model in use; `labels` cases with a result of a reader
        or an import; `new` of these, those that came since the training of the model in use; `patients` and
        `held_back` of these, None where they are too many to be counted; `disputed` cases that are left out, likewise;
        `needed` patients held back that the rule asks for; `candidate` or None, see `_candidate`, and `pictures` of it;
        `stopped` step and steps of a training that was stopped, or None; `line` models that were in use, the shipped
        one first; `can_roll_back`; `problem` a sentence, or None.
    """
    from ..learning.promoted_models import promoted_models

    folder = store_folder(arguments.get("store"))
    state: dict[str, Any] = {
        "labels": 0,
        "new": 0,
        "patients": 0,
        "held_back": 0,
        "disputed": 0,
        "needed": read_rule_of(folder, None).least_patients_new,
        "candidate": None,
        "pictures": [],
        "stopped": None,
        "problem": None,
    }
    promoted = promoted_models(folder)
    state |= {"line": _line(folder, promoted), "can_roll_back": bool(promoted.line)}
    try:
        bundle = _in_use(folder)
        state["model"] = {
            "name": bundle.name,
            "version": bundle.version,
            "sha256": bundle.sha256,
            "promoted": promoted.current is not None,
            "figures": next((one["figures"] for one in state["line"] if one["state"] == "in use"), None),
        }
    except ModelError as error:
        state |= {"model": None, "problem": str(error)}
        bundle = None
    if not has_store(folder):
        return state
    with site.stores.use(folder) as store:
        after = 0 if promoted.current is None else int(promoted.current.head.partition(":")[0])
        state |= _counts(store, after)
        plan = _stopped(folder, bundle)
        state["stopped"] = None if plan is None else {"step": plan.step, "steps": plan.steps}
        found = _candidate(folder, bundle)
        if found is not None and found["sha256"] not in {one.sha256 for one in promoted.models}:
            state |= {"candidate": found, "pictures": _pictures(store, found["sha256"], site)}
    return state


def train(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Fine-tune the model in use on the labels, judge the candidate and keep it; nothing is promoted.

    One that was cancelled, or whose process ended, goes on from its last checkpoint where it is asked for the same with
    the same model in use; labels that came since then count the next time.

    Args:
        arguments: `store` folder; `data` folder of the original data with its manifest.csv, or `manifest` and `root`,
            or None: replay and the check on what was forgotten need it; `alone` True where a candidate may be offered
            without that check; `options` FineTuningOptions as JSON, or None; `rule` path of a promotion rule, or None;
            `out` folder of the state, or None; `device` auto, cpu or cuda.
        site: of this process.
        progress: told after each step.
        attend: called between steps.

    Returns:
        `candidate`, see `_candidate`; `pictures` of images held back, see `_pictures`; `notes` sentences.

    Raises:
        UsageError: too little to learn from, or no patient is held back.
        InputError: labels or data cannot be read.
        OutputError: the folder of the labels cannot be written.
    """
    from .worker_training import trained

    folder = store_folder(arguments.get("store"))
    candidate = trained(arguments, folder, site, progress, attend)
    found = _candidate(folder, _in_use(folder))
    with site.stores.use(folder) as store:
        shown = [] if found is None else _pictures(store, found["sha256"], site)
    return {"candidate": found, "pictures": shown, "notes": list(candidate.notes)}


def promote(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Make a candidate the model in use; running clients take it for their next request.

    Args:
        arguments: `store` folder; `bundle` folder, or None: the candidate beside the labels.
        site: of this process.
        progress: not used.
        attend: not used.

    Returns:
        `model` name, version, promoted.

    Raises:
        UsageError: it was not judged against the model in use, or the rule is not met.
    """
    from ..learning import promoted_models
    from ..model.bundle import load_bundle

    folder = store_folder(arguments.get("store"))
    bundle = load_bundle(Path(arguments.get("bundle") or candidate_folder(folder)))
    with site.stores.use(folder) as store:
        model = promoted_models.promote(store, bundle, _in_use(folder))
    return {"model": {"name": model.name, "version": model.version, "promoted": True}}


def rollback(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Go back to the model that the one in use took the place of.

    Args:
        arguments: `store` folder.
        site: of this process.
        progress: not used.
        attend: not used.

    Returns:
        `model` name, version, promoted.

    Raises:
        UsageError: nothing is promoted.
    """
    from ..learning import promoted_models

    folder = store_folder(arguments.get("store"))
    with site.stores.use(folder) as store:
        model = promoted_models.rollback(store)
    bundle = _in_use(folder)
    return {"model": {"name": bundle.name, "version": bundle.version, "promoted": model is not None}}


def models_folder(store: Path) -> Path:
    """Folder of what was learnt from a store."""
    from ..learning.promoted_models import FOLDER

    return store / FOLDER


def candidate_folder(store: Path) -> Path:
    """Folder of the bundle that the last training ended with."""
    return models_folder(store) / CANDIDATE


def _in_use(folder: Path) -> "Bundle":
    from ..learning.promoted_models import bundle_in_use

    return bundle_in_use(folder)


def read_rule_of(folder: Path, named: str | None) -> Any:
    """The rule that a request names, else the one beside the labels, else the usual one. Raises InputError."""
    from ..learning.promotion import read_rule

    beside = models_folder(folder) / RULE
    return read_rule(Path(named) if named else beside if beside.is_file() else None)


def _counts(store: "LabelStore", after: int) -> dict[str, Any]:
    """Labels, those behind an entry of the audit trail, patients, those of them that are held back, disputes."""
    from ..labels.counted_labels import Disputes
    from ..labels.export_query import ExportQuery
    from ..labels.export_split import parts_of

    found = store.list(KINDS)
    counts: dict[str, Any] = {"labels": len(found), "new": sum(one.entry > after for one in found)}
    if len(found) > MOST_COUNTED:
        return {**counts, "patients": None, "held_back": None, "disputed": None}
    disputes = Disputes(store, int(store.head().partition(":")[0]))
    agreed = [one for one in found if not _is_disputed(disputes, one.case)]
    counts = {"labels": len(agreed), "new": sum(one.entry > after for one in agreed)}
    counts["disputed"], found = len(found) - len(agreed), tuple(agreed)
    patients: dict[str, str] = {}
    for one in found:
        try:
            patients[one.case] = store.get(one.case, one.version).patient or one.case
        except BreastUSAssistError:
            # The training names it and leaves it out.
            continue
    # The share and seed of label_data.LabelQuery, which cannot be asked without PyTorch.
    parts = parts_of(patients, ExportQuery(format="datalist", split=0.2, seed=0))
    held_back = {patient for case, patient in patients.items() if parts[case][0] == "test"}
    return {**counts, "patients": len(set(patients.values())), "held_back": len(held_back)}


def _is_disputed(disputes: "Disputes", case: str) -> bool:
    try:
        return disputes.holds(case)
    except BreastUSAssistError:
        # As with a record that cannot be read: the training names it and leaves it out.
        return False


def _stopped(folder: Path, bundle: "Bundle | None") -> Any:
    """Plan of a training that can go on; None where there is none, or it started from another model."""
    from ..learning.training_plan import kept_plan

    plan = kept_plan(models_folder(folder) / TRAINING)
    return plan if plan is not None and bundle is not None and plan.parent == bundle.sha256 and plan.step else None


def _candidate(folder: Path, current: "Bundle | None") -> dict[str, Any] | None:
    """The candidate beside the labels, as JSON: `folder`, `name`, `version`, `sha256`, `judgement`, `figures` (`new`
    and `old`), `offered`, `refused` sentences; None where there is none that can be used."""
    from ..learning.promotion import kept_judgement
    from ..model.bundle import load_bundle

    if not candidate_folder(folder).is_dir():
        return None
    try:
        bundle = load_bundle(candidate_folder(folder))
        judgement = kept_judgement(bundle)
    except ModelError:
        # Damaged, or of another version: the next training takes its place.
        return None
    if judgement is None:
        return None
    refused = list(judgement.refused)
    if current is None or judgement.current != current.sha256:
        refused.append("It was compared with another model than the one in use now; train again.")
    return {
        "folder": str(bundle.folder),
        "name": bundle.name,
        "version": bundle.version,
        "sha256": bundle.sha256,
        "judgement": judgement.model_dump(mode="json"),
        "figures": _figures(judgement),
        "offered": not refused,
        "refused": refused,
    }


def _figures(judgement: "Judgement") -> dict[str, Any]:
    def told(found: "Comparison | None") -> dict[str, Any] | None:
        return None if found is None else found.model_dump(mode="json")

    return {"new": told(judgement.new), "old": told(judgement.old)}


def _line(folder: Path, promoted: "PromotedModels") -> list[dict[str, Any]]:
    """Every model that was in use, the shipped one first: name, version, promoted (time), figures, state."""
    from ..learning.promotion import kept_judgement
    from ..model.bundle import load_bundle

    current = promoted.current
    rows: list[dict[str, Any]] = []
    try:
        shipped = load_bundle(None)
        rows.append({"name": shipped.name, "version": shipped.version, "sha256": shipped.sha256})
    except ModelError:
        rows.append({"name": "shipped", "version": "", "sha256": ""})
    rows[0] |= {"promoted": None, "figures": None, "state": "in use" if current is None else "before"}
    times = {one.current: one.time for one in promoted.changes if one.what == "promote"}
    for model in promoted.models:
        try:
            judgement = kept_judgement(load_bundle(models_folder(folder) / model.folder))
        except ModelError:
            judgement = None
        state = "in use" if model == current else "before" if model.folder in promoted.line else "left"
        rows.append(
            {
                "name": model.name,
                "version": model.version,
                "sha256": model.sha256,
                "promoted": times.get(model.folder),
                "figures": None if judgement is None else _figures(judgement),
                "state": state,
            }
        )
    return rows


def _pictures(store: "LabelStore", candidate: str, site: "Worksite") -> list[dict[str, Any]]:
    """The candidate's kept pictures, written open for the client: `path` of a PNG, and what CandidatePicture tells."""
    from ..learning.candidate_pictures import kept_pictures

    shown = []
    for one in kept_pictures(store, candidate):
        path = new_path(site.exchange, "picture", ".png")
        try:
            path.write_bytes(one.png)
        except OSError as error:
            raise exchange_error(site.exchange, error) from error
        shown.append({"path": str(path), **one.model_dump(mode="json", exclude={"png"})})
    return shown


def options_of(folder: Path, given: Any) -> dict[str, Any]:
    """Options of the fine-tuning that a request gives, else those beside the labels, else none.

    Raises:
        UsageError: the file cannot be read.
    """
    import json

    if given:
        return dict(given)
    path = models_folder(folder) / OPTIONS
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} could not be read; correct it or take it away.") from error
    if not isinstance(content, dict):
        raise UsageError(f"{path} holds no options of a fine-tuning; correct it or take it away.")
    return content
