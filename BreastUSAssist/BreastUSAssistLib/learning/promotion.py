"""Whether a fine-tuned model is offered in place of the one in use: a rule, and the figures it was judged by."""

import json
import random
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError, ModelError
from ..files import write_text
from ..json_schema import published_schema
from ..labels.store import LabelStore
from ..model.bundle import Bundle, write_sums
from .model_comparison import Comparison, FrameScore, compare, score_labels, score_rows

if TYPE_CHECKING:
    from .label_data import LabelledFrame
    from .manifest import ManifestRow

JUDGEMENT: Final = "configs/promotion.json"
"""In the candidate's bundle."""
JUDGEMENT_VERSION: Final = "1.0"
Progress = Callable[[str, int, int], None]
"""Called with what is being scored, images done and their number."""
Scored = Callable[[Sequence[FrameScore], Sequence[FrameScore]], None]
"""Called with the scores of the model in use and of the candidate on the labels held back, in their order."""


class PromotionRule(BaseModel):
    """When a candidate is better on the reader's own labels and not worse on the original validation set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least_patients_new: int = Field(default=5, ge=2)
    """Patients with a lesion among the labels held back; fewer say nothing."""
    least_gain_new: float = 0.005
    """Mean Dice on the labels held back must rise by at least so much."""
    least_chance_new: float = Field(default=0.9, ge=0, le=1)
    """Share of the patient bootstrap in which Dice on them rises at all."""
    most_loss_old: float = Field(default=0.005, ge=0)
    """Mean Dice on the original validation set may fall by at most so much."""
    least_chance_old: float = Field(default=0.8, ge=0, le=1)
    """Share of the patient bootstrap in which it falls by no more than that."""
    most_auc_loss_old: float = Field(default=0.02, ge=0)
    """AUC of malignant against benign may fall there by at most so much."""
    old_needed: bool = True
    """Whether a candidate that was not judged on the original validation set is refused."""
    old_images: int = Field(default=150, ge=1)
    """Most images of the original validation set, drawn at random by the seed."""
    replicates: int = Field(default=2000, ge=100)
    seed: int = 0


class Judgement(BaseModel):
    """A candidate judged against the model in use, as stored in its bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = JUDGEMENT_VERSION
    candidate: str
    """SHA-256 of its weights."""
    current: str
    """SHA-256 of the weights that it was compared with."""
    store: str
    """Id of the label store whose labels were held back."""
    head: str
    """Entry of the store's audit trail up to which labels counted."""
    rule: PromotionRule
    new: Comparison
    """On the labels held back; `chance` is that of any gain."""
    old: Comparison | None
    """On the original validation set; `chance` is that of no greater loss than the rule allows. None: not at hand."""
    refused: tuple[str, ...]
    """Why it is not offered, a sentence each; empty where it is."""

    @property
    def offered(self) -> bool:
        """Whether the rule is met."""
        return not self.refused


def judge(
    candidate: Bundle,
    current: Bundle,
    store: LabelStore,
    held_back: "Sequence[LabelledFrame]",
    head: str,
    old_rows: "Sequence[ManifestRow]",
    rule: PromotionRule,
    *,
    progress: Progress = lambda what, done, total: None,
    scored: Scored = lambda before, after: None,
) -> Judgement:
    """Run both models on the labels held back and on the original validation set, and apply the rule.

    Args:
        candidate: fine-tuned bundle.
        current: bundle in use.
        store: of the labels.
        held_back: labels that nothing was learnt from.
        head: entry of the audit trail up to which labels counted.
        old_rows: rows of the validation folds that share no patient with the labels; none where not at hand.
        rule: what is asked.
        progress: see `Progress`.
        scored: see `Scored`.

    Raises:
        InputError: an image cannot be read.
        ModelError: a bundle cannot be run.
    """
    from ..model.predictor import open_predictor

    drawn = random.Random(rule.seed).sample(list(old_rows), min(rule.old_images, len(old_rows)))
    scores = []
    for name, bundle in (("current", current), ("candidate", candidate)):
        predictor = open_predictor(bundle)
        new = score_labels(store, held_back, predictor, partial(progress, f"{name}, new"))
        old = score_rows(drawn, predictor, partial(progress, f"{name}, old"))
        scores.append((new, old))
    (new_before, old_before), (new_after, old_after) = scores
    scored(new_before, new_after)
    said = {"seed": rule.seed, "replicates": rule.replicates}
    new_result = compare(new_before, new_after, margin=0.0, **said)
    old_result = compare(old_before, old_after, margin=-rule.most_loss_old, **said) if drawn else None
    return Judgement(
        candidate=candidate.sha256,
        current=current.sha256,
        store=store.header.id,
        head=head,
        rule=rule,
        new=new_result,
        old=old_result,
        refused=refusals(rule, new_result, old_result),
    )


def refusals(rule: PromotionRule, new: Comparison, old: Comparison | None) -> tuple[str, ...]:
    """Why the rule is not met, a sentence each; empty where it is."""
    return (*_refusals_new(rule, new), *_refusals_old(rule, old))


def _refusals_new(rule: PromotionRule, new: Comparison) -> list[str]:
    if new.patients < rule.least_patients_new or new.gain is None or new.chance is None:
        return [
            f"Only {new.patients} patients with a lesion are held back where {rule.least_patients_new} are needed; "
            "accept more cases."
        ]
    if new.gain < rule.least_gain_new:
        return [f"On the new labels Dice changes by {new.gain:+.4f}, not by {rule.least_gain_new:+.4f} or more."]
    if new.chance < rule.least_chance_new:
        return [
            f"The gain of {new.gain:+.4f} on the new labels may be chance: it is one in {new.chance:.0%} of the "
            f"resampled patients where {rule.least_chance_new:.0%} are asked for; accept more cases."
        ]
    return []


def _refusals_old(rule: PromotionRule, old: Comparison | None) -> list[str]:
    if old is None or old.gain is None or old.chance is None:
        return ["The original validation set was not at hand, so that nothing tells what was forgotten."] * (
            rule.old_needed
        )
    found = []
    if old.gain < -rule.most_loss_old:
        found.append(
            f"On the original validation set Dice falls by {-old.gain:.4f} where {rule.most_loss_old:.4f} is allowed."
        )
    elif old.chance < rule.least_chance_old:
        found.append(
            f"On the original validation set a loss of more than {rule.most_loss_old:.4f} cannot be ruled out "
            f"({old.chance:.0%} of the resampled patients where {rule.least_chance_old:.0%} are asked for)."
        )
    if old.auc_before is not None and old.auc_after is not None:
        loss = old.auc_before - old.auc_after
        if loss > rule.most_auc_loss_old:
            found.append(
                f"On the original validation set the AUC falls by {loss:.4f} where {rule.most_auc_loss_old:.4f} is "
                "allowed."
            )
    return found


def keep_judgement(folder: Path, judgement: Judgement) -> None:
    """Write a judgement into the bundle in `folder`. Raises OutputError."""
    write_text(folder / JUDGEMENT, judgement.model_dump_json(indent=2) + "\n")
    write_sums(folder)


def kept_judgement(bundle: Bundle) -> Judgement | None:
    """The judgement in a bundle; None where there is none.

    Raises:
        ModelError: it is damaged, of a newer version, or of another model.
    """
    if JUDGEMENT not in bundle.files:
        return None
    try:
        found = Judgement.model_validate_json(bundle.read(JUDGEMENT))
    except ValidationError as error:
        raise ModelError(
            f"{bundle.folder / JUDGEMENT} does not fit this version; train again from the labels."
        ) from error
    if found.candidate != bundle.sha256:
        raise ModelError(f"{bundle.folder / JUDGEMENT} is of another model; train again from the labels.")
    return found


def read_rule(path: Path | None) -> PromotionRule:
    """A rule from a JSON file; the usual one without a file.

    Raises:
        InputError: the file cannot be read, or has unknown or impossible numbers.
    """
    if path is None:
        return PromotionRule()
    try:
        return PromotionRule.model_validate(json.loads(path.read_text("utf-8-sig")))
    except OSError as error:
        raise InputError(f"{path} could not be read ({error.strerror}); check --rule.") from error
    except (ValueError, RecursionError, ValidationError) as error:
        known = ", ".join(PromotionRule.model_fields)
        raise InputError(f"{path} is no promotion rule; it may hold {known}.") from error


def judgement_schema() -> str:
    """Text of the schema in Resources/Schema."""
    return published_schema(
        Judgement, f"promotion-{JUDGEMENT_VERSION}", f"BreastUSAssist promotion, version {JUDGEMENT_VERSION}"
    )
