"""What a training from labels was started with, kept beside its state: one that was stopped goes on with the same."""

import hashlib
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import InputError
from ..files import write_text
from ..json_schema import published_schema

PLAN: Final = "plan.json"
VERSION: Final = "1.0"


class TrainingPlan(BaseModel):
    """Content of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal["1.0"] = VERSION
    parent: str
    """SHA-256 of the weights that it starts from."""
    head: str
    """Entry of the store's audit trail up to which labels count, also for a part that comes after a stop."""
    options: dict[str, Any]
    """FineTuningOptions."""
    manifest: str | None
    """SHA-256 of the table of the original data; None without."""
    step: int = Field(default=0, ge=0)
    """Of the last checkpoint."""
    steps: int = Field(ge=1)

    def is_of(self, other: "TrainingPlan") -> bool:
        """Whether the state of one goes on as the other: all the same but for labels that came since."""
        return self.model_copy(update={"head": other.head, "step": other.step}) == other


def kept_plan(folder: Path) -> TrainingPlan | None:
    """The plan of the training in a folder that is not finished; None where there is none, or it cannot be read."""
    try:
        return TrainingPlan.model_validate_json((folder / PLAN).read_bytes())
    except (OSError, ValidationError):
        return None


def keep_plan(folder: Path, plan: TrainingPlan) -> None:
    """Write the plan. Raises OutputError."""
    write_text(folder / PLAN, plan.model_dump_json(indent=1) + "\n")


def manifest_digest(path: Path | None) -> str | None:
    """SHA-256 of a table; None without one. Raises InputError: it cannot be read."""
    if path is None:
        return None
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(
            f"{path} could not be read ({error.strerror}); choose the folder of the data again."
        ) from error


def plan_schema() -> str:
    """Text of the schema in Resources/Schema."""
    return published_schema(
        TrainingPlan, f"training-plan-{VERSION}", f"BreastUSAssist training plan, version {VERSION}"
    )
