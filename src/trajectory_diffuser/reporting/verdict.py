"""What the numbers say, in sentences that are computed from them."""

from dataclasses import dataclass

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.statistics import REFERENCE, SUBJECT, Comparison, compare

CLAIMED_SPEEDUP = 3.0  # the lower end of the paper's "3-10x faster"
QUESTIONS = {
    "full_diffusion": "the planner it claims to be faster than",
    "draft": "does refinement add anything?",
    "ddim": "is it just a fast sampler?",
    "warm_start": "is a learned draft needed, or does the previous plan do?",
    "no_sampling_noise": "does the noise that it draws help?",
    "four_actions": "is a new plan needed for every action?",
    "one_call": "is one call, which draws no noise, as good as five?",
    "carried_draft": "are carried-over drafts, refined without noise, as good?",
    "carried_draft_one_call": "are carried-over drafts, refined in one call, as good?",
}
FINDINGS = {
    "higher": "higher score",
    "no detectable difference": "no detectable difference in score",
    "lower": "lower score",
}


@dataclass(frozen=True)
class Verdict:
    """trajectory_diffuser against one opponent: a summary, then a sentence for every task."""

    opponent: str
    question: str
    summary: str
    details: list[str]


def claim(results: Results) -> str:
    """Whether the run bears out `faster than full diffusion at an equal or better score`."""
    missing = [planner for planner in (SUBJECT, REFERENCE) if planner not in results.planners]
    if missing:
        return f"The claim cannot be judged: {' and '.join(missing)} did not run."
    comparisons = compare(results, REFERENCE)
    count = len(comparisons)
    fast = sum(comparison.times_faster >= CLAIMED_SPEEDUP for comparison in comparisons)
    not_lower = sum(comparison.finding != "lower" for comparison in comparisons)
    both = sum(
        comparison.times_faster >= CLAIMED_SPEEDUP and comparison.finding != "lower"
        for comparison in comparisons
    )
    times = _range([comparison.times_faster for comparison in comparisons])
    answer = "holds" if both == count else "does not hold" if both == 0 else "holds in part"
    return (
        f"The claim, planning at least {CLAIMED_SPEEDUP:g} times faster than full diffusion at an equal or "
        f"better score, {answer} here: {SUBJECT} is that much faster on {fast} of {count} tasks ({times}), "
        f"and its score is not detectably lower on {not_lower} of {count}."
    )


def verdicts(results: Results) -> list[Verdict]:
    """trajectory_diffuser against every other planner of the run, the known controls first."""
    if SUBJECT not in results.planners:
        return []
    known = [planner for planner in QUESTIONS if planner in results.planners]
    others = [planner for planner in results.planners if planner not in QUESTIONS and planner != SUBJECT]
    return [_verdict(results, opponent) for opponent in known + others]


def _verdict(results: Results, opponent: str) -> Verdict:
    comparisons = compare(results, opponent)
    confidence = results.params["make_report"]["confidence"]
    parts = []
    for finding, words in FINDINGS.items():
        tasks = [comparison.task for comparison in comparisons if comparison.finding == finding]
        if tasks:
            parts.append(f"{words} on {' and '.join(tasks)}")
    times = [comparison.times_faster for comparison in comparisons]
    summary = f"{'; '.join(parts)}; plans {_speed(times)}."
    return Verdict(
        opponent=opponent,
        question=QUESTIONS.get(opponent, ""),
        summary=f"{summary[0].upper()}{summary[1:]}",
        details=[_detail(comparison, confidence) for comparison in comparisons],
    )


def _detail(comparison: Comparison, confidence: float) -> str:
    return (
        f"{comparison.task}: {comparison.finding}: {comparison.difference:+.1f} normalised points "
        f"({100 * confidence:g} % interval {comparison.low:+.1f} to {comparison.high:+.1f}, "
        f"{comparison.episodes} paired episodes); plans {_speed([comparison.times_faster])}."
    )


def _speed(times_faster: list[float]) -> str:
    slowest, fastest = min(times_faster), max(times_faster)
    if slowest >= 0.95 and fastest <= 1.05:
        return "about as fast"
    if slowest >= 1:
        return f"{_range(times_faster)} faster"
    if fastest <= 1:
        return f"{_range([1 / times for times in times_faster])} slower"
    return f"{_range(times_faster)} as fast"


def _range(times: list[float]) -> str:
    low, high = f"{min(times):.1f}", f"{max(times):.1f}"
    return f"{low} times" if low == high else f"{low} to {high} times"
