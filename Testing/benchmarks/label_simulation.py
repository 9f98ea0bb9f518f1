"""How much a model gains from a new hospital's labels: one data set is left out of its training and read in rounds.

    python Testing/benchmarks/label_simulation.py --manifest CSV --root DIR --left-out breast --model BUNDLE --out DIR

BUNDLE must not have seen the left-out set (train it on a manifest without those rows). For each seed the set's patients
are split into a pool and a test part. In each round the model in use drafts cases of the pool, the simulated reader
corrects and accepts 25 of them, drawn at random or the most uncertain ones as the worklist gives them, and the model in
use is fine-tuned on all labels so far, as `breastusassist train --from-labels` does. The candidate is scored on the
test part and on the old sets' validation fold; it takes the place of the model in use only where the rule offers it.
Everything goes through the label store. A simulation that was stopped goes on with the rounds that are missing.
"""

import argparse
import random
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

TESTING = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(TESTING.parent / "BreastUSAssist"), str(TESTING), str(TESTING / "benchmarks")]

import numpy as np  # noqa: E402
from BreastUSAssistLib.labels.store import LabelStore  # noqa: E402
from BreastUSAssistLib.labels.worklist import Worklist  # noqa: E402
from BreastUSAssistLib.learning.fine_tuning import FineTuningOptions, replay_of  # noqa: E402
from BreastUSAssistLib.learning.label_data import LabelQuery  # noqa: E402
from BreastUSAssistLib.learning.label_training import Candidate, train_from_labels  # noqa: E402
from BreastUSAssistLib.learning.manifest import ManifestRow, read_manifest  # noqa: E402
from BreastUSAssistLib.learning.model_comparison import FrameScore, compare, score_rows  # noqa: E402
from BreastUSAssistLib.learning.promotion import PromotionRule  # noqa: E402
from BreastUSAssistLib.model.bundle import Bundle, load_bundle  # noqa: E402
from BreastUSAssistLib.model.predictor import open_predictor  # noqa: E402
from BreastUSAssistLib.model.refiner import Refiner  # noqa: E402
from label_samples import fixed_salt  # noqa: E402
from simulated_reader import accept, clicks_needed, put_draft  # noqa: E402
from simulation_result import RoundResult, Simulation, read_simulation, table, write_plot, write_simulation  # noqa: E402

STRATEGIES = ("random", "most-uncertain")


@dataclass(frozen=True)
class Plan:
    """What is simulated."""

    left_out: tuple[ManifestRow, ...]
    original: tuple[ManifestRow, ...]
    """Rows of the other sets."""
    base: Bundle
    out: Path
    rounds: int
    each: int
    test_share: float
    options: FineTuningOptions
    rule: PromotionRule


@dataclass(frozen=True)
class Scores:
    """What one model made of the test part and of the old sets."""

    test: tuple[FrameScore, ...]
    old: tuple[FrameScore, ...]
    clicks: float
    """Mean a lesion of the test part."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing, then write simulation.json, the plot and the table."""
    options = _arguments().parse_args(arguments)
    rows = read_manifest(options.manifest, options.root)
    tuning = FineTuningOptions.model_validate_json(options.config.read_text() if options.config else "{}")
    plan = Plan(
        tuple(row for row in rows if row.dataset == options.left_out and row.problem is None),
        tuple(row for row in rows if row.dataset != options.left_out and row.problem is None),
        load_bundle(options.model),
        options.out,
        options.rounds,
        options.each,
        options.test_share,
        tuning,
        PromotionRule(old_images=options.old_images),
    )
    plan = replace(plan, original=_drawn(plan))
    path = options.out / "simulation.json"
    done = read_simulation(path) or Simulation(left_out=options.left_out, base=plan.base.sha256, rounds=())
    for seed in map(int, options.seeds.split(",")):
        for strategy in options.strategies.split(","):
            if any(one.seed == seed and one.strategy == strategy and one.number == plan.rounds for one in done.rounds):
                continue
            kept = tuple(one for one in done.rounds if (one.seed, one.strategy) != (seed, strategy))
            for result in _simulated(plan, strategy, seed):
                kept = (*kept, result)
                done = done.model_copy(update={"rounds": kept})
                write_simulation(path, done)
                sys.stderr.write(f"{result.words}\n")
    print(table(done))
    write_plot(options.out, done)
    return 0


def _simulated(plan: Plan, strategy: str, seed: int):
    """The rounds of one seed and strategy, the first before any label."""
    folder = plan.out / f"{strategy}-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    pool, test = _split(plan, seed)
    old = _unseen(plan)
    base = before = _scores(plan.base, test, old)
    yield _result(plan, strategy, seed, 0, base, before, None, 0.0)
    in_use = plan.base
    cases: dict[str, ManifestRow] = {}
    with fixed_salt(bytes([seed + 1]) * 16), LabelStore.create(folder / "labels", encrypted=False) as store:
        for number in range(1, plan.rounds + 1):
            _read(store, cases, pool, in_use, plan.each, strategy, seed)
            started = time.perf_counter()
            candidate = train_from_labels(
                store,
                folder / f"round-{number}",
                query=LabelQuery(seed=seed),
                options=plan.options,
                rule=plan.rule,
                original=plan.original,
                parent=in_use,
            )
            seconds = time.perf_counter() - started
            scores = _scores(candidate.bundle, test, old)
            yield _result(plan, strategy, seed, number, base, scores, candidate, seconds)
            if candidate.judgement.offered:
                in_use = candidate.bundle


def _split(plan: Plan, seed: int) -> tuple[list[ManifestRow], list[ManifestRow]]:
    """Pool and test part, patients kept together, the pool in random order."""
    chance = random.Random(seed)
    patients = sorted({row.patient or row.name for row in plan.left_out})
    chance.shuffle(patients)
    held = set(patients[: round(len(patients) * plan.test_share)])
    pool = [row for row in plan.left_out if (row.patient or row.name) not in held]
    chance.shuffle(pool)
    return pool, [row for row in plan.left_out if (row.patient or row.name) in held]


def _drawn(plan: Plan) -> tuple[ManifestRow, ...]:
    """The images of the old sets that are replayed and those that judge, drawn once so that none is read in vain."""
    seen = replay_of(plan.original, plan.options)
    unseen = _unseen(plan)
    return (*seen, *random.Random(plan.rule.seed).sample(unseen, min(plan.rule.old_images, len(unseen))))


def _unseen(plan: Plan) -> list[ManifestRow]:
    return [row for row in plan.original if row.fold in plan.options.validation_folds]


def _read(
    store: LabelStore,
    cases: dict[str, ManifestRow],
    pool: list[ManifestRow],
    in_use: Bundle,
    each: int,
    strategy: str,
    seed: int,
) -> None:
    """Draft what is needed and accept the next `each` cases."""
    predictor = open_predictor(in_use)
    read = {row.name for case, row in cases.items() if store.get(case).kind == "accepted"}
    waiting = [row for row in pool if row.name not in read]
    for row in waiting if strategy != "random" else waiting[:each]:
        cases[put_draft(store, row, predictor)] = row
    if strategy == "random":
        names = {row.name for row in waiting[:each]}
        chosen = [case for case, row in cases.items() if row.name in names]
    else:
        chosen = list(Worklist(store, strategy=strategy, remember=False).order())[:each]
    for case in chosen:
        accept(store, case, cases[case])


def _scores(bundle: Bundle, test: Sequence[ManifestRow], old: Sequence[ManifestRow]) -> Scores:
    predictor = open_predictor(bundle)
    clicks = clicks_needed(test, predictor, Refiner(predictor.bundle, predictor.backend))
    return Scores(
        score_rows(test, predictor), score_rows(old, predictor), float(np.mean([one.to_target for one in clicks]))
    )


def _result(
    plan: Plan,
    strategy: str,
    seed: int,
    number: int,
    base: Scores,
    scores: Scores,
    candidate: Candidate | None,
    seconds: float,
) -> RoundResult:
    new, old = compare(base.test, scores.test), compare(base.old, scores.old)
    return RoundResult(
        strategy=strategy,
        seed=seed,
        number=number,
        labels=number * plan.each,
        dice=new.dice_after,
        gain=new.gain,
        interval=new.interval,
        auc=new.auc_after,
        clicks=scores.clicks,
        old_dice=old.dice_after,
        old_gain=old.gain,
        old_auc=old.auc_after,
        offered=None if candidate is None else candidate.judgement.offered,
        refused=() if candidate is None else candidate.judgement.refused,
        seconds=seconds,
        test_images=new.images,
        old_images=old.images,
    )


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What labels of a new hospital are worth.")
    parser.add_argument("--manifest", type=Path, required=True)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--left-out", required=True, help="data set that the model has not seen")
    parser.add_argument("--model", type=Path, required=True, help="bundle trained without it")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--config", type=Path, help="FineTuningOptions as JSON")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--each", type=int, default=25)
    parser.add_argument("--test-share", type=float, default=0.4)
    parser.add_argument("--old-images", type=int, default=100)
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    return parser


if __name__ == "__main__":
    sys.exit(main())
