"""Request "analyze": drafts of the frames of a clip."""

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import InputError, UsageError
from .worker_clip import WorkerClip
from .worker_models import ModelChoice
from .worker_protocol import exchange_error, new_path, write_array

if TYPE_CHECKING:
    from ..birads.analysis import AnalysisSettings
    from .worker_requests import Attend, Progress, Worksite

LEXICON = "birads-us-2013"


def analyze(arguments: Mapping[str, Any], site: "Worksite", progress: "Progress", attend: "Attend") -> dict[str, Any]:
    """Draft, measure and assess every frame of a clip, as service.analyze does.

    Args:
        arguments: `clip` WorkerClip as JSON; `model` name of a shipped bundle or folder, or None: the one promoted in
            the label folder `store` (or None), else the shipped one; `backend` and `device`, or "auto"; `settings`
            AnalysisSettings as JSON, or None; `reader` True, False, or a bundle's name or folder; `lexicon` edition.
        site: of this process.
        progress: told after each frame.
        attend: called between frames.

    Returns:
        `analysis` path of its JSON, whose frame numbers are those of the whole clip; `labels` path, uint8 (frames,
        rows, columns) of the frames analysed; `probability` path, likewise, in 1/255; `model` that outlined: `name`,
        `version`, and whether it was `promoted` from labels; `ms`; `notes` sentences.
    """
    from datetime import UTC, datetime

    from ..birads.describe import new_uid
    from ..birads.lexicon import load_lexicon
    from ..model.predictor import LARGEST_BATCH
    from .analyze import analyze_clip
    from .frame_range import analysis_in_whole
    from .lesion_description import check_settings

    started = time.perf_counter()
    handed = WorkerClip.from_json(arguments.get("clip") or {})
    clip, notes = handed.clip_and_notes()
    said = list(notes)
    choice = ModelChoice.of(arguments)
    site.models.notice = said.append
    progress(0, len(clip), "loading the models")
    predictor, reader = site.models.predictor(choice), site.models.reader(choice)
    settings = settings_of(arguments.get("settings"))
    try:
        check_settings(settings, reader)
    except UsageError as error:
        # The library's own sentence names options of the command line.
        raise UsageError(
            "Prevalence and clinical parameters need a reader model that takes them; turn it on or clear them."
        ) from error
    progress(0, len(clip), "looking at the frames")
    result = analyze_clip(
        clip,
        predictor,
        load_lexicon(arguments.get("lexicon") or LEXICON),
        created=datetime.now(UTC).astimezone(),
        new_uid=new_uid,
        reader=reader,
        settings=settings,
        progress=lambda done, total: progress(done, total, f"frame {done} of {total}"),
        attend=attend,
        at_once=1 if predictor.backend.device == "cpu" else LARGEST_BATCH,
    )
    analysis = result.analysis
    if handed.is_part:
        whole = replace(clip, headers=handed.all_headers())
        analysis = analysis_in_whole(analysis, handed.first_frame, handed.whole_count, whole)
    path = new_path(site.exchange, "analysis", ".json")
    try:
        path.write_text(json.dumps(analysis.model_dump(mode="json")), "utf-8")
    except OSError as error:
        raise exchange_error(site.exchange, error) from error
    return {
        "analysis": str(path),
        "labels": str(write_array(site.exchange, "labels", result.labels)),
        "probability": str(write_array(site.exchange, "probability", result.probability)),
        "model": choice.told(predictor),
        "ms": round((time.perf_counter() - started) * 1000, 1),
        "notes": said,
    }


def settings_of(content: Any) -> "AnalysisSettings":
    """Settings from JSON. Raises InputError."""
    from pydantic import ValidationError

    from ..birads.analysis import AnalysisSettings

    try:
        return AnalysisSettings.model_validate(content or {})
    except ValidationError as error:
        wrong = ", ".join(sorted({".".join(map(str, one["loc"])) for one in error.errors()}))
        raise InputError(f"The settings do not fit ({wrong}); check prevalence and clinical parameters.") from error
