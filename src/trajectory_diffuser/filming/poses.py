"""The pose of a MuJoCo body from what a planner sees of it, or plans."""

import gymnasium
import numpy as np

from trajectory_diffuser.filming.renderer import CannotFilm


class Poses:
    """Reads joint positions out of observations, as Gymnasium's own walkers hold them.

    Their observations are joint positions, but for the first few (where on the plane the body is), and then
    joint velocities.

    Args:
        environment: says what its observations hold (`observation_structure`).

    Raises:
        CannotFilm: they hold no pose.
    """

    def __init__(self, environment: gymnasium.Env) -> None:
        inner = environment.unwrapped
        layout = getattr(inner, "observation_structure", {})
        self.hidden, self.shown = layout.get("skipped_qpos", 0), layout.get("qpos", 0)
        if not self.shown or self.hidden + self.shown != inner.model.nq:
            raise CannotFilm(
                f"{environment.spec.id}: its observations hold no MuJoCo pose, so plans cannot be drawn as "
                "bodies; those of Hopper, HalfCheetah, Walker2d and Swimmer do"
            )

    def of(self, observations: np.ndarray, place: np.ndarray, seconds: float) -> np.ndarray:
        """Joint positions [T, nq] of consecutive observations [T, obs].

        Args:
            observations: in the environment's units.
            place: the hidden positions [hidden] at the first of them; those of the others follow from the
                velocities, by the trapezoidal rule.
            seconds: between two of them.
        """
        velocities = observations[:, self.shown : self.shown + self.hidden]  # [T, hidden]
        moves = (velocities[1:] + velocities[:-1]) * (seconds / 2)  # [T - 1, hidden]
        places = np.cumsum(np.concatenate([place[None], moves]), axis=0)  # [T, hidden]
        return np.concatenate([places, observations[:, : self.shown]], axis=1)
