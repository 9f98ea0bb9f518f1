"""What the section Learn says of models, labels and figures."""

from datetime import datetime
from typing import Any

from slicer.i18n import tr as _


def model_words(state: dict[str, Any]) -> str:
    """Which model is in use."""
    model = state.get("model")
    if model is None:
        return _("The model in use cannot be loaded.") if state else ""
    text = _("In use: {name} {version}, promoted from your labels.")
    if not model["promoted"]:
        text = _("In use: {name} {version}, as it was shipped.")
    return text.format(name=model["name"], version=model["version"])


def label_words(state: dict[str, Any]) -> str:
    """How much there is to learn from."""
    if not state:
        return ""
    if not state["labels"]:
        return _("No label yet: accept some cases in section 5.")
    promoted = state.get("model") is not None and state["model"]["promoted"]
    words = _("{labels} labels; the shipped model knows none of them.")
    if promoted:
        words = _("{labels} labels, {new} of them since the training of the model in use.")
    words = words.format(labels=state["labels"], new=state["new"])
    if state["held_back"] is not None:
        held_back = _("{held} of {patients} patients are held back to judge by; {needed} are needed.")
        numbers = {"held": state["held_back"], "patients": state["patients"], "needed": state["needed"]}
        words = f"{words} {held_back.format(**numbers)}"
    if state["disputed"]:
        left_out = _("{count} more are in dispute and left out.")
        words = f"{words} {left_out.format(count=state['disputed'])}"
    if state["stopped"]:
        stopped = _("A training was stopped at step {step} of {steps}; Train goes on with it.")
        words = f"{words} {stopped.format(**state['stopped'])}"
    return words


def verdict_words(candidate: dict[str, Any]) -> str:
    """Whether the candidate is offered, and why not."""
    text = "✔ " + _("{version} is better on your labels and not worse on the original data: you can promote it.")
    if candidate["figures"]["old"] is None:
        text = "⚠ " + _("{version} is better on your labels; nothing tells what it forgot of other images.")
    if not candidate["offered"]:
        text = "✖ " + _("{version} is not offered. {reasons}")
    return text.format(version=candidate["version"], reasons=" ".join(candidate["refused"]))


def progress_words(words: str, left_s: float | None) -> str:
    """How far a training is, and about how long this part of it still takes."""
    said = words[:1].upper() + words[1:]
    if left_s is None:
        return said
    if left_s < 60:
        return _("{said}; less than a minute left of this.").format(said=said)
    return _("{said}; about {minutes} min left of this.").format(said=said, minutes=round(left_s / 60))


def figure_rows(figures: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """What was measured, before, after, and the change with its 95 % interval, a row each."""
    rows = []
    named = (
        ("new", _("Dice, your labels"), _("False outlines, your labels"), _("AUC, your labels")),
        ("old", _("Dice, original data"), _("False outlines, original data"), _("AUC, original data")),
    )
    for part, dice, free, auc in named:
        found = figures[part]
        if found is None:
            rows.append((dice, "–", "–", _("not at hand")))
            continue
        if found["gain"] is not None:
            text = _("{what}\n{images} images, {patients} patients")
            what = text.format(what=dice, images=found["images"], patients=found["patients"])
            rows.append((what, *_numbers(found["dice_before"], found["dice_after"]), _change(found)))
        if found["lesion_free"]:
            counts = [str(found[key]) for key in ("false_before", "false_after")]
            change = f"{found['false_after'] - found['false_before']:+d}"
            text = _("{what}\nin {images} without a lesion")
            rows.append((text.format(what=free, images=found["lesion_free"]), *counts, change))
        if found["auc_before"] is not None and found["auc_after"] is not None:
            before, after = found["auc_before"], found["auc_after"]
            rows.append((auc, *_numbers(before, after), f"{after - before:+.3f}"))
    return rows


def line_rows(line: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """Model, state, when it was promoted, and its gain on the labels held back then; the latest first."""
    states = {"in use": _("✔ in use"), "before": _("before it"), "left": _("left again")}
    rows = []
    for one in reversed(line):
        gain = one["figures"]["new"]["gain"] if one["figures"] is not None else None
        change = "–" if gain is None else _("Dice {gain:+.3f}").format(gain=gain)
        rows.append((one["version"], states[one["state"]], _when(one["promoted"]), change))
    return rows


def picture_words(shown: dict[str, Any], number: int, count: int) -> str:
    """Which picture, and how the outline changed."""
    if shown["dice_before"] is None or shown["dice_after"] is None:
        words = {True: _("outlined"), False: _("nothing outlined")}
        change = _("no lesion: {before} → {after}").format(
            before=words[shown["outlined_before"]], after=words[shown["outlined_after"]]
        )
    else:
        change = _("Dice {before:.2f} → {after:.2f}").format(before=shown["dice_before"], after=shown["dice_after"])
    return _("{number} of {count}: {change}").format(number=number, count=count, change=change)


def _change(found: dict[str, Any]) -> str:
    if found["interval"] is None:
        return f"{found['gain']:+.3f}"
    low, high = found["interval"]
    return _("{gain:+.3f}\n{low:+.3f} to {high:+.3f}").format(gain=found["gain"], low=low, high=high)


def _numbers(before: float, after: float) -> tuple[str, str]:
    return f"{before:.3f}", f"{after:.3f}"


def _when(time: str | None) -> str:
    """Day and minute on this computer's clock."""
    return _("shipped") if time is None else datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M")
