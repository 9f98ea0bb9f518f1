"""State of a training on disk, from which it goes on exactly as if it had never stopped."""

from pathlib import Path

import torch
from pydantic import BaseModel

from ..errors import UsageError
from ..files import written_whole


def keep_checkpoint(path: Path, parts: object, options: BaseModel, epoch: int) -> None:
    """Write what a training consists of after `epoch` epochs.

    Args:
        path: of the file, which is replaced in one step.
        parts: an object whose attributes are modules, optimizers, schedules and generators.
        options: of the training.
        epoch: how many epochs are done.
    """
    states = {
        name: part.get_state() if isinstance(part, torch.Generator) else part.state_dict()
        for name, part in vars(parts).items()
    }
    with written_whole(path) as beside:
        # Dropout draws from PyTorch's own generator, so its state belongs to the training too.
        kept = {"options": options.model_dump_json(), "epoch": epoch, "random": torch.get_rng_state(), **states}
        torch.save(kept, beside)


def resume_checkpoint(path: Path, parts: object, options: BaseModel) -> int:
    """Load what `keep_checkpoint` wrote into `parts`; epochs done, 0 where there is no file.

    Raises:
        UsageError: the file is of a training with other options.
    """
    if not path.exists():
        return 0
    kept = torch.load(path, map_location="cpu", weights_only=True)
    if kept["options"] != options.model_dump_json():
        raise UsageError(f"{path} is of a training with other options; choose another folder with --out.")
    for name, part in vars(parts).items():
        if isinstance(part, torch.Generator):
            part.set_state(kept[name])
        else:
            part.load_state_dict(kept[name])
    torch.set_rng_state(kept["random"])
    return int(kept["epoch"])
