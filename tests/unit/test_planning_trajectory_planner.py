import pytest
import torch
from small_models import (
    ACTION,
    DIFFUSION_STEPS,
    HORIZON,
    STATE,
    as_module,
    history,
    make_diffusion,
    make_models,
    make_planner,
)

from trajectory_diffuser.models.mlp import InverseDynamics
from trajectory_diffuser.planning.trajectory_planner import Plan


class Chain:
    """A denoising network that keeps what it is shown and predicts nothing."""

    def __init__(self):
        self.calls = []

    def __call__(self, plan, step, return_to_go, conditional):
        self.calls.append((plan.clone(), int(step[0]), return_to_go.clone()))
        return torch.zeros_like(plan)


def drafted(models, states, returns_to_go):
    """The draft with the present state in front [B, H, state]."""
    future, _ = models.transformer.draft(states, returns_to_go, HORIZON - 1)
    return torch.cat([states[:, -1:], future], dim=1)


def some_plan(batch):
    return Plan(torch.randn(batch, HORIZON, STATE), None, torch.zeros(batch, ACTION))


@pytest.mark.parametrize("forward_noise", [False, True])
@pytest.mark.parametrize("length", [1, 4])
def test_no_refinement_steps_return_the_draft_exactly(forward_noise, length):
    models, inputs = make_models(), history(length=length)
    plan = make_planner(models, refine_steps=0, forward_noise=forward_noise).plan(*inputs)
    assert torch.equal(plan.states, drafted(models, *inputs))
    assert torch.equal(plan.states, plan.draft)


@pytest.mark.parametrize("guidance", [1.0, 1.5])
def test_all_steps_from_noise_are_ordinary_sampling(guidance):
    models, (states, returns) = make_models(), history()
    plan = make_planner(models, seed=7, start="noise", refine_steps="all", guidance=guidance).plan(
        states, returns
    )
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn(2, HORIZON, STATE, generator=generator)
    noise[:, 0] = states[:, -1]
    chain = models.diffusion.chain(list(range(DIFFUSION_STEPS - 1, -1, -1)), "ddpm")
    expected = models.diffusion.denoise(noise, chain, returns[:, -1], guidance, 1.0, generator)
    assert torch.equal(plan.states, expected)
    assert plan.draft is None


def test_the_draft_enters_the_chain_at_the_level_of_its_first_step():
    network = Chain()
    models = make_models(diffusion=make_diffusion(network))
    inputs = history()
    plan = make_planner(models, refine_steps=3).plan(*inputs)
    entered, _, target = network.calls[0]
    draft = drafted(models, *inputs)
    expected = models.diffusion.alpha_bar[2].sqrt() * draft
    assert [call[1] for call in network.calls] == [2, 1, 0]
    torch.testing.assert_close(entered[:, 1:], expected[:, 1:])
    assert torch.equal(entered[:, 0], inputs[0][:, -1])
    assert torch.equal(target, inputs[1][:, -1])
    assert torch.equal(plan.draft, draft)


def test_forward_noise_has_the_level_of_the_first_step_and_the_temperature():
    network = Chain()
    models = make_models(diffusion=make_diffusion(network))
    states, returns = history(batch=400)
    make_planner(models, refine_steps=3, forward_noise=True, temperature=0.5).plan(states, returns)
    signal = models.diffusion.alpha_bar[2]
    noise = (network.calls[0][0] - signal.sqrt() * drafted(models, states, returns)) / (1 - signal).sqrt()
    assert float(noise[:, 1:].std()) == pytest.approx(0.5, rel=0.05)
    assert float(noise[:, 1:].mean()) == pytest.approx(0, abs=0.03)


def test_a_previous_plan_is_moved_on_by_one_step():
    network = Chain()
    models = make_models(diffusion=make_diffusion(network))
    states, returns = history()
    previous = some_plan(2)
    plan = make_planner(models, start="previous_plan", refine_steps=3).plan(states, returns, previous)
    for row, before in enumerate(previous.states):
        assert torch.equal(plan.draft[row], torch.stack([states[row, -1], *before[2:], before[-1]]))
    assert [call[1] for call in network.calls] == [2, 1, 0]
    torch.testing.assert_close(
        network.calls[0][0][:, 1:], models.diffusion.alpha_bar[2].sqrt() * plan.draft[:, 1:]
    )


def test_a_previous_plan_is_moved_on_by_as_many_steps_as_were_taken():
    states, returns = history()
    previous = some_plan(2)
    plan = make_planner(start="previous_plan", refine_steps=3).plan(states, returns, previous, 3)
    for row, before in enumerate(previous.states):
        expected = [states[row, -1], *before[4:], before[-1], before[-1], before[-1]]
        assert torch.equal(plan.draft[row], torch.stack(expected))


@pytest.mark.parametrize("moved", [1, 3])
def test_a_draft_that_is_carried_over_keeps_its_later_states_and_drafts_what_is_missing(moved):
    models = make_models()
    planner = make_planner(models, redraft_every=3)
    first = planner.plan(*history())
    states, returns = history(seed=1)
    second = planner.plan(states, returns, first, moved)
    kept = HORIZON - 1 - moved
    assert torch.equal(second.draft[:, 0], states[:, -1])
    assert torch.equal(second.draft[:, 1 : 1 + kept], first.draft[:, 1 + moved :])
    # The transformer reads history and carried draft, all of it anew and without a cache, for each new state.
    states = torch.cat([states, first.draft[:, 1 + moved :]], dim=1)
    returns = torch.cat([returns, first.draft_returns[:, 1 + moved :]], dim=1)
    tokens = torch.cat([states, returns[..., None]], dim=-1)
    for index in range(moved):
        following = models.transformer(tokens)[:, -1]
        torch.testing.assert_close(second.draft[:, 1 + kept + index], following[:, :-1])
        torch.testing.assert_close(second.draft_returns[:, 1 + kept + index], following[:, -1])
        tokens = torch.cat([tokens, following[:, None]], dim=1)


def test_every_so_many_plans_are_drafted_from_scratch():
    models = make_models()
    planner, previous, scratch = make_planner(models, redraft_every=3), None, []
    for step in range(7):
        inputs = history(seed=step)
        previous = planner.plan(*inputs, previous)
        scratch.append(torch.equal(previous.draft, drafted(models, *inputs)))
    assert scratch == [True, False, False, True, False, False, True]


def test_without_a_previous_plan_the_first_plan_goes_from_noise_through_the_whole_chain():
    network = Chain()
    models = make_models(diffusion=make_diffusion(network))
    plan = make_planner(models, start="previous_plan", refine_steps=3).plan(*history())
    assert plan.draft is None
    assert [call[1] for call in network.calls] == list(range(DIFFUSION_STEPS - 1, -1, -1))


@pytest.mark.parametrize("start", ["draft", "noise", "previous_plan"])
@pytest.mark.parametrize("candidates", [1, 3])
def test_the_plan_begins_with_the_present_state_and_has_one_row_per_environment(start, candidates):
    states, returns = history(batch=4)
    row = {"start": start, "refine_steps": "all", "candidates": candidates}
    plan = make_planner(**row).plan(states, returns, some_plan(4))
    assert plan.states.shape == (4, HORIZON, STATE)
    assert plan.action.shape == (4, ACTION)
    assert torch.equal(plan.states[:, 0], states[:, -1])


def test_the_action_leads_from_the_first_state_to_the_second():
    models = make_models()
    plan = make_planner(models).plan(*history())
    torch.testing.assert_close(plan.action, models.inverse_dynamics(plan.states[:, 0], plan.states[:, 1]))


def test_of_the_candidates_the_one_of_highest_value_is_chosen_for_each_environment():
    batch, candidates = 5, 6
    made = {}
    inverse_dynamics = InverseDynamics(STATE, ACTION, 8, 1)

    def remember_action(state, next_state):
        made["next_state"], made["action"] = next_state, inverse_dynamics(state, next_state)
        return made["action"]

    def remember_value(state, action):
        made["state"], made["value"] = state, action.sum(dim=-1) + state.sum(dim=-1)
        return made["value"]

    models = make_models(inverse_dynamics=as_module(remember_action), value=as_module(remember_value))
    states, returns = history(batch=batch)
    plan = make_planner(models, start="noise", refine_steps="all", candidates=candidates).plan(
        states, returns
    )
    assert len(made["value"]) == batch * candidates
    winners = set()
    for environment in range(batch):
        rows = [row for row, state in enumerate(made["state"]) if torch.equal(state, states[environment, -1])]
        assert len(rows) == candidates
        best = max(rows, key=lambda row: float(made["value"][row]))
        winners.add(rows.index(best))
        assert torch.equal(plan.action[environment], made["action"][best])
        assert torch.equal(plan.states[environment, 1], made["next_state"][best])
    assert len(winners) > 1


@pytest.mark.parametrize(("row", "first"), [({}, 1), ({"forward_noise": True}, 2), ({"start": "noise"}, 2)])
def test_candidates_are_one_plan_until_noise_tells_them_apart(row, first):
    network = Chain()
    states, returns = history(batch=3)
    models = make_models(diffusion=make_diffusion(network))
    make_planner(models, candidates=2, **(row | {"refine_steps": "all"})).plan(states, returns)
    assert len(network.calls) == DIFFUSION_STEPS
    for index, (plan, _, target) in enumerate(network.calls):
        copies = 2 if index else first
        # Each asks for the return of its own environment.
        assert torch.equal(target, returns[:, -1].repeat_interleave(copies))
        assert torch.equal(plan[:, 0], states[:, -1].repeat_interleave(copies, dim=0))


@pytest.mark.parametrize(
    "row",
    [
        {"refine_steps": 0},
        {"refine_steps": 1, "last_steps": 3},
        {"temperature": 0.0},
        {"temperature": 0.0, "forward_noise": True},
        {"temperature": 0.0, "start": "noise", "refine_steps": "all"},
        {"temperature": 0.0, "start": "previous_plan"},
    ],
)
def test_where_no_noise_is_drawn_there_is_one_candidate_and_nothing_to_choose(row):
    models = make_models(value=as_module(lambda *_: pytest.fail("chooses among equal plans")))
    many, one = (make_planner(models, candidates=each, **row).plan(*history()) for each in (4, 1))
    assert torch.equal(many.states, one.states)
    assert torch.equal(many.action, one.action)


def plans(temperature, seed, sampler="ddpm", forward_noise=False):
    row = {"temperature": temperature, "sampler": sampler, "forward_noise": forward_noise}
    return make_planner(seed=seed, **row).plan(*history()).states


@pytest.mark.parametrize("forward_noise", [False, True])
def test_without_temperature_a_draft_is_refined_without_chance(forward_noise):
    assert torch.equal(plans(0.0, 1, forward_noise=forward_noise), plans(0.0, 2, forward_noise=forward_noise))


def test_with_temperature_the_noise_comes_from_the_planners_own_generator():
    torch.manual_seed(0)
    first = plans(1.0, 1)
    torch.manual_seed(1)
    assert torch.equal(first, plans(1.0, 1))
    assert not torch.equal(first, plans(1.0, 2))
