"""How long a run of many jobs will still take, told by the jobs of it that have ended."""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

Kind = tuple[str, ...]


class TimeLeft(logging.Handler):
    """A handler of Snakemake's log that says after each job how much time is left.

    A job that has not ended takes as long as those like it have on average: of the same rule and the same
    wildcards but for the seed; if none of these has ended, of the same rule and row (planner, policy,
    experiment); if none, of the rule. Rules of which nothing has ended yet are counted, not guessed.

    Args:
        waiting: the jobs that are to run: rule and wildcards by their number in Snakemake's log.
        say: takes the sentence.
        clock: seconds.
    """

    def __init__(
        self,
        waiting: Mapping[int, tuple[str, Mapping[str, str]]],
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self.waiting, self.say, self.clock = dict(waiting), say, clock
        self.began, self.busy, self.started = clock(), 0.0, dict[int, float]()
        self.seconds: dict[Kind, list[float]] = defaultdict(list)

    def emit(self, record: logging.LogRecord) -> None:
        """Note the beginnings and ends of jobs, and say what is left when Snakemake tells its progress."""
        event = getattr(record, "event", None)
        if event == "job_info":
            self.started[record.jobid] = self.clock()
        elif event == "job_finished" and record.job_id in self.waiting:
            job, start = self.waiting.pop(record.job_id), self.started.pop(record.job_id, None)
            if start is not None:  # jobs of a group have no beginnings of their own
                self._note(_kinds(*job), self.clock() - start)
        elif event == "job_error":
            self.busy += self.clock() - self.started.pop(record.jobid, self.clock())
        elif event == "progress" and self.waiting:
            self.say(self.sentence())

    def _note(self, kinds: list[Kind], seconds: float) -> None:
        self.busy += seconds
        for kind in kinds:
            self.seconds[kind].append(seconds)

    def sentence(self) -> str:
        """What is left, of the jobs that are running too."""
        now, left, unknown = self.clock(), 0.0, set[str]()
        for number, (rule, wildcards) in self.waiting.items():
            like_it = next(
                (self.seconds[kind] for kind in _kinds(rule, wildcards) if kind in self.seconds), None
            )
            if like_it is None:
                unknown.add(rule)
            else:
                elapsed = now - self.started.get(number, now)
                left += max(0.0, sum(like_it) / len(like_it) - elapsed)
        busy = self.busy + sum(now - start for start in self.started.values())
        at_a_time = max(1.0, busy / max(now - self.began, 1e-9))
        minutes = round(left / at_a_time / 60)
        if unknown:
            known = f"at least {minutes} min left" if minutes else "time left is not known yet"
            return f"{known}; stages of which nothing has ended: {len(unknown)}"
        return f"about {max(1, minutes)} min left"


def _kinds(rule: str, wildcards: Mapping[str, str]) -> list[Kind]:
    """What a job is like, from the nearest to the widest."""
    near = {name: value for name, value in wildcards.items() if name != "seed"}
    row = {name: value for name, value in near.items() if name != "task"}
    return [(rule, *near.values()), (rule, "row", *row.values()), (rule,)]
