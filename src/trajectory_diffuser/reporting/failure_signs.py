"""Signs of failure that plans show before scores do, each with its number, its limit and the answer."""

import math
from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.style import INK, SEED_LINES, panels
from trajectory_diffuser.reporting.tables import Table

POOR_DRAFT = 0.5  # of the data's spread: what a guess of the states' mean would be wrong by is 1
COPIED = 0.1  # of the distance that held-out episodes have from the training data
COLLAPSED = 0.5  # of the distance between plans with a weight of 1
FEWEST_DRAFTS = 20


@dataclass(frozen=True)
class Sign:
    """One thing that may have failed, with a value for each training seed of which it can be told."""

    name: str
    of: str
    values: list[float]
    limit: float
    above: bool  # whether it fails above the limit, or below

    @property
    def shows(self) -> bool:
        """Whether any seed is beyond the limit, or no number."""
        beyond = [value > self.limit if self.above else value < self.limit for value in self.values]
        return any(beyond) or not all(map(math.isfinite, self.values))


def failure_signs(results: Results, task: str) -> list[Sign]:
    """Poor drafts, plans copied from the training data, diversity lost to guidance.

    Left out is what cannot be told: drafts of which too few go on in held-out episodes, copying without such
    episodes, and lost diversity of planners that draw no noise or have a weight of at most 1.
    """
    diagnoses = [results.diagnoses[task, seed] for seed in results.seeds]
    signs = [Sign("poor drafts", "draft", draft_errors(results, task), POOR_DRAFT, True)]
    rows = {
        planner: [plans.set_index("planner").loc[planner] for _, plans in diagnoses]
        for planner in results.with_plans
    }
    for planner, of_seeds in rows.items():
        near = [row["nearness"] for row in of_seeds if not math.isnan(row["nearness"])]
        signs.append(Sign("plans copied from the data", planner, near, COPIED, False))
    for planner, of_seeds in rows.items():
        guided = [row for row in of_seeds if row["guidance"] > 1 and row["distance_at_1"] > 0]
        left = [row["plan_distance"] / row["distance_at_1"] for row in guided]
        signs.append(Sign("choice lost to guidance", planner, left, COLLAPSED, False))
    return [sign for sign in signs if sign.values]


def draft_errors(results: Results, task: str) -> list[float]:
    """Of each seed of which it can be told: how far drafts are off in the end, as a share of the spread."""
    tables = [results.diagnoses[task, seed][0] for seed in results.seeds]
    enough = [drafts[drafts["drafts"] >= FEWEST_DRAFTS] for drafts in tables]
    furthest = [table.iloc[-1] for table in enough if len(table)]
    return [row["error"] / row["spread"] for row in furthest]


def sign_table(results: Results, task: str) -> Table:
    """A row for each sign."""
    rows = [
        [
            sign.name,
            sign.of,
            f"{min(sign.values):.2f} to {max(sign.values):.2f}",
            f"{'above' if sign.above else 'below'} {sign.limit:g}",
            "yes" if sign.shows else "no",
        ]
        for sign in failure_signs(results, task)
    ]
    return Table(["sign", "of", "lowest and highest seed", "fails", "shows"], rows, names=2)


def shown_signs(results: Results) -> str:
    """In a sentence or two: which signs show, of what, on which task, and where some cannot."""
    shown = sign_rows(results)
    names = [f"{row.sign} ({row.of}, {row.task})" for row in shown[shown["shows"]].itertuples(name="Sign")]
    said = f"Shown: {'; '.join(names)}." if names else "None shows."
    told = {(row.task, row.sign) for row in shown.itertuples()}
    for sign, what in (("poor drafts", "drafts"), ("plans copied from the data", "copies")):
        if blind := [task for task in results.tasks if (task, sign) not in told]:
            said += f" On {', '.join(blind)} too little is held out to tell of {what}."
    return said


def sign_rows(results: Results) -> pd.DataFrame:
    """The same of all tasks, in numbers."""
    rows = [
        {"task": task, "sign": sign.name, "of": sign.of, "lowest": min(sign.values)}
        | {"highest": max(sign.values), "limit": sign.limit, "shows": sign.shows}
        for task in results.tasks
        for sign in failure_signs(results, task)
    ]
    return pd.DataFrame(rows, columns=["task", "sign", "of", "lowest", "highest", "limit", "shows"])


def draft_error_figure(results: Results) -> Figure:
    """One panel per task: how far drafts are from what followed, by step, and the data's own spread."""
    figure, axes = panels(len(results.tasks), columns=2, width=4.2, height=2.6)
    for axis, task in zip(axes, results.tasks, strict=True):
        for index, seed in enumerate(results.seeds):
            table = results.diagnoses[task, seed][0]
            style = SEED_LINES[index % len(SEED_LINES)]
            axis.plot(table["step"], table["error"], style, color="tab:blue", label=f"draft, seed {seed}")
        # The data's, and so every seed's.
        spread = results.diagnoses[task, results.seeds[0]][0]
        axis.plot(spread["step"], spread["spread"], color=INK, linewidth=0.8, label="spread of the data")
        axis.set(title=task, xlabel="planned state", ylabel="error", ylim=(0, None))
        axis.legend(fontsize="small")
    return figure
