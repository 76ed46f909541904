"""A search that looks at a metric while it runs: each trial trains a cell in a warm group, and the search's own engine, beside
it, answers for it before the trial reports.

    Suggestions (what next) --> Tune trial <--value-- Judged (thread of the driver: engine, judge)
            |                                            ^
            +--add--> SearchQueue --> worker groups --end-+

With `asha` a group also waits at each look, until the scheduler has said whether the cell goes on; one that does not is no cell,
and leaves a line in the report and nothing else.

What a trial leaves are ordinary cells, so all that is not searched for is done by the pipeline afterwards, over the cells that
were tried. A driver that was killed finds them in the store (`lib/runtime/suggest`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lib.errors import RetriableError, UserError
from lib.plan import Lookup, make_plan
from lib.plan.points import Point, point_of, sampled, space_of
from lib.plan.tried import Look, read_looks, read_tried
from lib.progress import Progress
from lib.runtime.cell_engine import CellJob, Trained
from lib.runtime.halving import Halving
from lib.runtime.look import Answering, Looker, NotServed
from lib.runtime.observer import Observer
from lib.runtime.pipeline import Finish, Outcomes, raise_failures, run, unfinished
from lib.runtime.search_queue import SearchQueue
from lib.runtime.search_state import Found, Searching, Trial
from lib.runtime.session import Session
from lib.runtime.suggest import Listed, Suggestions, chosen, optuna_sampler
from lib.runtime.train import TRIAL_NAMES, groups_for, run_config, worker_groups
from lib.runtime.train_worker import look_folder, look_key
from lib.store import Store
from lib.study.part import seconds
from lib.study.schema import Study
from lib.training.loop import METHODS

POLL_S = 0.5


def search(study: Study, progress: Progress, finish: Finish) -> None:
    """Search for each model, then go over all cells that were tried as any sweep does.

    Args:
        finish: called with what came of it.

    Raises:
        UserError: the study is wrong, or a cell failed for a reason that the user can mend.
        RetriableError: the machine failed more often than was allowed.
    """
    begun, budget = time.monotonic(), study.sweep.time_budget
    lookup = Lookup(Store(study.storage))
    with Session(study.cluster, progress, Observer(study), store=lookup.store) as session:
        run(study, progress, until="mix", session=session)
        session.last_start = begun + seconds(budget) if budget else None
        found = Found(study, read_looks(study))
        over = [_search_model(study, model.name, session, found) for model in study.models]
        found.write()
        failed: Outcomes = dict(found.failed)
        session.last_start = None
        run(study, progress, failed=failed, session=session)
    whole = make_plan(study, lookup, online=True)
    finish(unfinished(whole, failed), lookup)
    if any(over) and not failed:
        progress.say(f"time budget {budget} is over: the same command goes on with the search")
    raise_failures(failed, whole.labels)


def _search_model(study: Study, model: str, session: Session, found: Found) -> bool:
    """The search for one model. Was it over before all was tried?"""
    rules, space, lookup = study.sweep.search, space_of(study.sweep), Lookup(Store(study.storage))
    plan = make_plan(study, lookup, online=True, points=[])
    goal = plan.objective
    if goal is None:
        raise UserError("the prompt sets of this study cannot be read: a search needs them")
    looker = Looker(study, model, goal)
    asked = next(cell for cell in plan.cells if cell.model == model).generate[goal.prompts]
    base, served = lookup.address(asked.inputs["model"]), dict(asked.identity or {})
    state = Searching(study, looker, found, session)
    engine = Answering(session, study, base, model, served["dtype"], served["adapters"] == "rows")
    beside = max(0, session.gpus - engine.settings.gpus)
    groups = groups_for(rules.trials, beside, study.train.workers, study.sweep.max_concurrent)
    points = [replace(one, model=model) for one in sampled(study.sweep)]
    if state.looking:
        suggestions = Suggestions(
            Listed([{"number": number} for number in range(len(points))]), trials=len(points), width=len(points),
            at_once=groups, over=state.over, begin=lambda choice: state.begin(points[choice["number"]]),
        )  # fmt: skip
    else:
        suggestions = Suggestions(
            optuna_sampler(space, rules.seed), trials=rules.trials, width=groups, at_once=groups, over=state.over,
            begin=lambda choice: state.begin(point_of({"model": model, **chosen(space, choice)})),
        )  # fmt: skip
    have = (state.looking and _complete(state, points)) or not suggestions.any_to_begin()
    told = "have" if have else "at most"
    session.progress.say(f"search {rules.method} {model}: {told} {suggestions.trials} trials; looks at {goal.words}")
    if have:
        return state.over()
    _run(study, state, engine, suggestions, groups, base)
    return not suggestions.done


def _complete(state: Searching, points: Sequence[Point]) -> bool:
    """Has `asha` tried all of these? Then it is not gone through again, and who was stopped stays so."""
    looker = state.looker
    plan = make_plan(looker.study, looker.lookup, online=True, points=points)
    wanted = {str(cell.train.key) for cell in plan.cells if cell.train}
    own = [one for one in read_tried(looker.study) or () if one.key in wanted and one.state != "failed"]
    values = {one.key: looker.known(one.point) for one in own if one.state == "done"}
    if {one.key for one in own} != wanted or None in values.values():
        return False
    for one in own:
        looks = state.found.looks.get(looker.name_looks(one.key), [])
        ended = looks[-1] if one.state == "stopped" else None
        state.found.trials[one.key] = Trial(
            one.point, one.label, one.key, values.get(one.key), looks=looks, stopped=ended
        )
    return True


def _run(study: Study, state: Searching, engine: Answering, suggestions: Suggestions, groups: int, model: str) -> None:
    """Train, answer, judge and ask again, until the searcher has no more to ask."""
    import ray
    from ray import tune

    session, rules = state.session, study.sweep.search
    session.start()
    queue: Any = ray.remote(max_concurrency=1000, **session.beside_driver())(SearchQueue).remote(
        study.train.retries + 1, stop_on_error=study.sweep.on_cell_error == "stop"
    )
    state.start(queue)
    store, train = Store(study.storage), study.train
    with worker_groups(
        session, store, queue, groups, state.labels, model=model, title=state.looker.model, workers=train.workers,
        retries=train.retries, study=study, total=suggestions.trials,
    ) as scratch:  # fmt: skip
        judged = Judged(state, engine)
        judged.start()
        try:
            tune.Tuner(
                tune.with_resources(tune.with_parameters(_trial, queue=queue), {"cpu": 0.001}),
                tune_config=tune.TuneConfig(
                    search_alg=suggestions, num_samples=suggestions.trials,
                    scheduler=Halving(state.decided, factor=rules.factor, end=state.end) if state.looking else None,
                    **TRIAL_NAMES,
                ),
                run_config=run_config(study, scratch),
            ).fit()  # fmt: skip
        finally:
            queue.close.remote()  # groups that wait for a cell may go
            judged.stop()
            engine.stop()
    for trial in state.found.trials.values():
        if trial.stopped:  # its group may have ended before it could
            for folder in (
                store.checkpoints(trial.key),
                *(look_folder(store, trial.key, one.time).parent for one in trial.looks),
            ):
                store.remove(folder)
    if judged.broken:
        raise judged.broken


class Judged(threading.Thread):
    """Has cells answered and judged, those at a look and those at their end, one after the other, and tells their trials."""

    def __init__(self, state: Searching, engine: Answering) -> None:
        super().__init__(daemon=True)
        self.state, self.engine = state, engine
        self.looker = Looker(state.study, state.looker.model, state.looker.objective)
        self.broken: Exception | None = None
        """What ended the search."""
        self._ending = threading.Event()

    def stop(self) -> None:
        """End when what is at work has ended."""
        self._ending.set()
        self.join(timeout=5)

    def run(self) -> None:
        import ray

        seen = 0
        while not self._ending.wait(POLL_S):
            try:
                seen, events = ray.get(self.state.queue.since.remote(seen))
                for event in events:
                    if event["kind"] in ("look", "end") and "stopped" not in event:
                        self._judge(event, self.state.found.trials[event["key"]])
            except ray.exceptions.RayActorError:  # the queue has gone: the search is over
                return
            except Exception as error:  # the storage is full, say: nobody may be left waiting
                self.broken, self.state.found.over = error, True
                ray.get(self.state.queue.drop.remote(self.state.lost))
                return

    def _judge(self, event: dict[str, Any], trial: Trial) -> None:
        try:
            if event["kind"] == "look":
                self._look(event, trial)
            elif "metrics" in event:
                trial.value = self.looker.find_out(trial.point, self.engine)
                self._say(trial, "", trial.value.value)
            elif "error" in event:
                trial.failed = {"error": event["error"], "user": event["user"]}
                self.state.found.over |= "over" in event
        except UserError as error:
            trial.failed = {"error": str(error), "user": True}
        except NotServed as error:
            trial.failed = {"error": str(error), "user": False}
        except Exception as error:  # without its engine a search cannot go on
            self.broken = (
                error if isinstance(error, RetriableError) else RetriableError(f"the search's engine: {error}")
            )
            trial.failed = {"error": str(self.broken), "user": False}
            self.state.found.over = True
        if event["kind"] == "end" or trial.failed:
            self.state.tell_end(trial)
        if event["kind"] == "look" and trial.failed:  # nobody decides of a look that failed, and its group waits
            self.state.give_back(trial.key, event["time"])

    def _look(self, event: dict[str, Any], trial: Trial) -> None:
        """A cell waits, its weights written: what they are worth. The weights go."""
        now, store = event["time"], Store(self.state.study.storage)
        if any(look.time == now for look in trial.looks):
            return
        key, folder = look_key(trial.key, now), look_folder(store, trial.key, now)
        form = METHODS[trial.method].FOLDER
        weights = CellJob(cell=Trained(key=key, folder=store.address(folder), form=form), jobs=())
        value = self.looker.look(weights, key, self.engine)
        store.remove(folder.parent)
        self._say(trial, f" after step {event['step']}", value.value)
        self.state.tell_look(trial, Look(now, event["step"], value.value, value.over_refusal))

    def _say(self, trial: Trial, when: str, value: float) -> None:
        self.state.session.progress.say(f"search {trial.label}{when}: {self.looker.objective.metric} {value:.4g}")


def _trial(config: dict[str, Any], queue: Any) -> None:
    """A Tune trial: reports the values of its cell."""
    import ray
    from ray import tune

    key, seen, ended = config["cell"]["key"], 0, False
    while not ended:
        values, ended = ray.get(queue.values_of.remote(key, seen))
        seen += len(values)
        for value in values:
            tune.report(value)
