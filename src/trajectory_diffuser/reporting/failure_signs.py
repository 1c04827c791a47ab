"""Signs of failure that plans show before scores do, each with its number, its limit and the answer."""

from dataclasses import dataclass

from matplotlib.figure import Figure

from trajectory_diffuser.reporting.artefacts import Results
from trajectory_diffuser.reporting.style import INK, SEED_LINES, panels
from trajectory_diffuser.reporting.tables import Table

POOR_DRAFT = 0.5  # of the data's spread: what a guess of the states' mean would be wrong by is 1
COPIED = 0.1  # of the distance that held-out windows have from the training data
COLLAPSED = 0.5  # of the distance between plans without guidance


@dataclass(frozen=True)
class Sign:
    """One thing that may have failed, with a value for each training seed."""

    name: str
    of: str
    values: list[float]
    limit: float
    above: bool  # whether it fails above the limit, or below

    @property
    def shows(self) -> bool:
        """Whether any seed is beyond the limit."""
        return any(value > self.limit if self.above else value < self.limit for value in self.values)


def failure_signs(results: Results, task: str) -> list[Sign]:
    """Poor drafts, plans copied from the training data, diversity lost to guidance.

    What cannot be told is left out: copying without held-out episodes, lost diversity of planners that draw
    no noise or are not guided.
    """
    drafts, plans, held_out = zip(*(results.diagnoses[task, seed] for seed in results.seeds), strict=True)
    furthest = [table.dropna().iloc[-1] for table in drafts]
    errors = [row["error"] / row["spread"] for row in furthest]
    signs = [Sign("poor drafts", "draft", errors, POOR_DRAFT, True)]
    for planner in results.with_plans:
        rows = [table.set_index("planner").loc[planner] for table in plans]
        if None not in held_out:
            copied = [row["nearest"] / known for row, known in zip(rows, held_out, strict=True)]
            signs.append(Sign("plans copied from the data", planner, copied, COPIED, False))
        left = [
            row["plan_distance"] / row["unguided_distance"] for row in rows if row["unguided_distance"] > 0
        ]
        if left:
            signs.append(Sign("choice lost to guidance", planner, left, COLLAPSED, False))
    return sorted(signs, key=lambda sign: [each.name for each in signs].index(sign.name))


def sign_table(results: Results, task: str) -> Table:
    """A row for each sign."""
    rows = [
        [
            sign.name,
            sign.of,
            f"{sum(sign.values) / len(sign.values):.2f}",
            f"{min(sign.values):.2f} to {max(sign.values):.2f}",
            f"{'above' if sign.above else 'below'} {sign.limit:g}",
            "yes" if sign.shows else "no",
        ]
        for sign in failure_signs(results, task)
    ]
    return Table(["sign", "of", "mean", "seeds", "fails", "shows"], rows, names=2)


def draft_error_figure(results: Results) -> Figure:
    """One panel per task: how far drafts are from what followed, by step, and the data's own spread."""
    figure, axes = panels(len(results.tasks), columns=2, width=4.2, height=2.6)
    for axis, task in zip(axes, results.tasks, strict=True):
        for index, seed in enumerate(results.seeds):
            table = results.diagnoses[task, seed][0]
            style = SEED_LINES[index % len(SEED_LINES)]
            axis.plot(table["step"], table["error"], style, color="tab:blue", label=f"draft, seed {seed}")
        axis.plot(table["step"], table["spread"], color=INK, linewidth=0.8, label="spread of the data")
        axis.set(title=task, xlabel="planned state", ylabel="error", ylim=(0, None))
        axis.legend(fontsize="small")
    return figure
