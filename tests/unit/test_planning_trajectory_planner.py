import pytest
import torch
import torch.nn.functional as F
from small_models import (
    ACTION,
    DIFFUSION_STEPS,
    HISTORY,
    HORIZON,
    STATE,
    as_module,
    continued,
    history,
    make_diffusion,
    make_models,
    make_planner,
    padded,
    plan_from,
    plan_noise,
)

from trajectory_diffuser.common.errors import UserError
from trajectory_diffuser.evaluation.network_cost import record_calls
from trajectory_diffuser.models.mlp import InverseDynamics
from trajectory_diffuser.models.temporal_unet import TemporalUNet
from trajectory_diffuser.planning.trajectory_planner import LONGEST_CHAIN, LONGEST_DRAFT, Plan


class Chain:
    """A denoising network that keeps what it is shown and predicts nothing."""

    def __init__(self):
        self.calls = []

    def __call__(self, x_t, t, return_to_go, conditional):
        self.calls.append((x_t.clone(), int(t[0]), return_to_go.clone()))
        return torch.zeros_like(x_t)


def drafted(models, states, returns_to_go):
    """The draft, the present in front [B, H, state + 1], made without keeping keys and values."""
    tokens = torch.cat([states, returns_to_go[..., None]], dim=-1)
    future = continued(models.transformer, tokens, models.horizon - 1)
    return torch.cat([tokens[:, -1:], future], dim=1)


def some_plan(batch):
    return Plan(torch.randn(batch, HORIZON, STATE), torch.zeros(batch, ACTION), None)


def assert_near(ours, theirs):
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("forward_noise", [False, True])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_no_refinement_steps_return_the_draft_exactly(forward_noise, length):
    models, inputs = make_models(), history(length=length)
    plan = plan_from(make_planner(models, refine_steps=0, forward_noise=forward_noise), *inputs)
    assert_near(plan.draft, drafted(models, *inputs))
    assert torch.equal(plan.states, plan.draft[..., :-1])


@pytest.mark.parametrize("length", [1, 3])
def test_what_stands_for_steps_that_have_not_been_makes_no_difference(length):
    planner = make_planner()
    (tokens, padding), noise = padded(*history(length=length)), plan_noise(planner, 2)
    before = planner.plan(tokens, padding, noise)
    tokens[:, :padding] = 1e3 * torch.randn(2, int(padding), STATE + 1)
    after = planner.plan(tokens, padding, noise)
    assert torch.equal(before.states, after.states)
    assert torch.equal(before.action, after.action)


LENGTHS = [1, 2, LONGEST_DRAFT, LONGEST_DRAFT + 1, 2 * LONGEST_DRAFT, 2 * LONGEST_DRAFT + 3]


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("steps", [2, 4])
def test_a_draft_of_any_length_is_drafted_as_if_nothing_were_kept(length, steps):
    models, inputs = make_models(horizon=length + 1), history(length=steps)
    plan = plan_from(make_planner(models, refine_steps=0), *inputs)
    assert plan.draft.shape == (2, length + 1, STATE + 1)
    assert_near(plan.draft, drafted(models, *inputs))


def test_no_network_call_drafts_or_denoises_more_than_is_to_be_compiled():
    steps = 2 * LONGEST_CHAIN + 3
    models = make_models(horizon=2 * LONGEST_DRAFT, diffusion=make_diffusion(Chain(), steps=steps))
    planner = make_planner(models, refine_steps="all")
    calls = record_calls(planner, lambda: plan_from(planner, *history()))
    lengths = [each.module.settings.get("length", 1) for each in planner.runtime.functions.values()]
    assert max(lengths) == LONGEST_DRAFT
    chains = [len(inputs[1]) - 1 for function, inputs in calls if function is planner.denoise]
    assert sum(chains) == steps
    assert max(chains) == LONGEST_CHAIN


@pytest.mark.parametrize("guidance", [1.0, 1.5])
@pytest.mark.parametrize("temperature", [1.0, 0.5])
@pytest.mark.parametrize("steps", [1, DIFFUSION_STEPS, 2 * LONGEST_CHAIN + 3])
def test_all_steps_from_noise_are_ordinary_sampling(guidance, temperature, steps):
    diffusion = make_diffusion(TemporalUNet(STATE, 8, [1, 2]), prediction="velocity", steps=steps)
    models, (states, returns) = make_models(diffusion=diffusion.eval().requires_grad_(False)), history()
    planner = make_planner(
        models, start="noise", refine_steps="all", guidance=guidance, temperature=temperature
    )
    plan = plan_from(planner, states, returns, seed=7)
    noise = plan_noise(planner, 2, seed=7)
    assert noise.shape == (2, steps + 1, HORIZON, STATE)
    x_t = torch.cat([states[:, -1:], noise[:, 0, 1:]], dim=1)
    for step, t in enumerate(range(steps, 0, -1)):
        following, more = torch.tensor([t, t - 1]), noise[:, step + 1 : step + 2]
        x_t = models.diffusion.denoise(x_t, following, returns[:, -1], more, guidance, 1.0)
    assert_near(plan.states, x_t)
    assert plan.draft is None


@pytest.mark.parametrize("length", [1, HISTORY])
@pytest.mark.parametrize("row", [{}, {"forward_noise": True}, {"start": "noise", "candidates": 2}])
def test_past_states_stand_before_the_plan_at_every_step_and_are_not_part_of_it(row, length):
    network, past = Chain(), HISTORY - 1
    models = make_models(diffusion=make_diffusion(network, past_states=past))
    states, returns = history(length=length)
    plan = plan_from(make_planner(models, refine_steps=3, **row), states, returns)
    before = F.pad(states, (0, 0, HISTORY - length, 0))  # 0 for what has not been
    before = before.repeat_interleave(row.get("candidates", 1), 0)
    assert len(network.calls) == 3
    for x_t, _, _ in network.calls:
        assert x_t.shape[1:] == (past + HORIZON, STATE)
        assert torch.equal(x_t[:, : past + 1], before)
    without = make_models(diffusion=make_diffusion(Chain()))
    assert_near(plan.states, plan_from(make_planner(without, refine_steps=3, **row), states, returns).states)


def test_the_draft_enters_the_chain_at_the_level_of_its_first_step():
    network = Chain()
    models = make_models(diffusion=make_diffusion(network))
    inputs = history()
    plan = plan_from(make_planner(models, refine_steps=3), *inputs)
    entered, _, target = network.calls[0]
    expected = models.diffusion.alpha_bar[3].sqrt() * drafted(models, *inputs)[..., :-1]
    assert [call[1] for call in network.calls] == [3, 2, 1]
    assert_near(entered[:, 1:], expected[:, 1:])
    assert torch.equal(entered[:, 0], inputs[0][:, -1])
    assert torch.equal(target, inputs[1][:, -1])
    assert_near(plan.draft, drafted(models, *inputs))


def test_forward_noise_has_the_level_of_the_first_step():
    network = Chain()
    models = make_models(diffusion=make_diffusion(network))
    inputs = history(batch=3)
    planner = make_planner(models, refine_steps=3, forward_noise=True, temperature=0.5)
    plan_from(planner, *inputs)
    signal = models.diffusion.alpha_bar[3]
    draft = drafted(models, *inputs)[..., :-1]
    noise = (network.calls[0][0] - signal.sqrt() * draft) / (1 - signal).sqrt()
    torch.testing.assert_close(noise[:, 1:], plan_noise(planner, 3)[:, 0, 1:], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("moved", [1, 3])
def test_a_previous_plan_is_moved_on_by_as_many_steps_as_were_taken(moved):
    network = Chain()
    models = make_models(diffusion=make_diffusion(network))
    states, returns = history()
    previous, planner = some_plan(2), make_planner(models, start="previous_plan", refine_steps=3)
    plan = plan_from(planner, states, returns, previous, moved)
    assert plan.draft is None
    assert [call[1] for call in network.calls] == [3, 2, 1]
    for row, before in enumerate(previous.states):
        expected = torch.stack([*before[moved + 1 :], *[before[-1]] * moved])
        entered = network.calls[0][0][row]
        assert torch.equal(entered[0], states[row, -1])
        torch.testing.assert_close(entered[1:], models.diffusion.alpha_bar[3].sqrt() * expected)


@pytest.mark.parametrize("moved", [1, 2, 3, HORIZON - 1])
def test_a_draft_that_is_carried_over_keeps_its_later_states_and_drafts_what_is_missing(moved):
    models = make_models()
    planner = make_planner(models, redraft_every=3)
    first = plan_from(planner, *history())
    states, returns = history(seed=1)
    second = plan_from(planner, states, returns, first, moved)
    kept = HORIZON - 1 - moved
    assert torch.equal(second.draft[:, 0, :-1], states[:, -1])
    assert torch.equal(second.draft[:, 1 : 1 + kept], first.draft[:, 1 + moved :])
    # The transformer reads history and carried draft, all of it anew and without a cache, for each new state.
    tokens = torch.cat([states, returns[..., None]], dim=-1)
    tokens = torch.cat([tokens, first.draft[:, 1 + moved :]], dim=1)
    assert_near(second.draft[:, 1 + kept :], continued(models.transformer, tokens, moved))


def test_a_draft_is_carried_over_from_an_episodes_first_steps_too():
    models = make_models()
    planner = make_planner(models, redraft_every=3)
    first = plan_from(planner, *history(length=1))
    states, returns = history(length=2, seed=1)
    second = plan_from(planner, states, returns, first)
    tokens = torch.cat([states, returns[..., None]], dim=-1)
    tokens = torch.cat([tokens, first.draft[:, 2:]], dim=1)
    assert_near(second.draft[:, -1:], continued(models.transformer, tokens, 1))


def test_every_so_many_plans_are_drafted_from_scratch():
    models = make_models()
    planner, previous, scratch, ages = make_planner(models, redraft_every=3), None, [], []
    for step in range(7):
        inputs = history(seed=step)
        previous = plan_from(planner, *inputs, previous)
        scratch.append(torch.allclose(previous.draft, drafted(models, *inputs), atol=1e-5))
        ages.append(previous.age)
    assert scratch == [True, False, False, True, False, False, True]
    assert ages == [0, 1, 2, 0, 1, 2, 0]


def test_without_a_previous_plan_the_first_plan_goes_from_noise_through_the_whole_chain():
    network = Chain()
    models = make_models(diffusion=make_diffusion(network))
    plan = plan_from(make_planner(models, start="previous_plan", refine_steps=3), *history())
    assert plan.draft is None
    assert [call[1] for call in network.calls] == list(range(DIFFUSION_STEPS, 0, -1))


@pytest.mark.parametrize("start", ["draft", "noise", "previous_plan"])
@pytest.mark.parametrize("candidates", [1, 3])
def test_the_plan_begins_with_the_present_state_and_has_one_row_per_environment(start, candidates):
    states, returns = history(batch=4)
    row = {"start": start, "refine_steps": "all", "candidates": candidates}
    plan = plan_from(make_planner(**row), states, returns, some_plan(4))
    assert plan.states.shape == (4, HORIZON, STATE)
    assert plan.action.shape == (4, ACTION)
    assert torch.equal(plan.states[:, 0], states[:, -1])


def test_the_action_leads_from_the_first_state_to_the_second():
    models = make_models()
    plan = plan_from(make_planner(models), *history())
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
    planner = make_planner(models, start="noise", refine_steps="all", candidates=candidates)
    plan = plan_from(planner, states, returns)
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


def test_by_softmax_each_candidate_is_taken_as_often_as_its_value_says():
    batch, values = 4000, torch.tensor([0.0, 1.0, 2.0])
    made = {}

    def value(state, action):
        made["actions"] = action
        return values.repeat(batch)

    row = {"candidates": 3, "selection": "softmax"}
    planner = make_planner(make_models(value=as_module(value)), **row)
    plan = plan_from(planner, *history(batch=batch))
    candidates = made["actions"].unflatten(0, (batch, 3))  # [B, C, action]
    taken = (candidates == plan.action[:, None]).all(dim=2).float()  # [B, C]
    torch.testing.assert_close(taken.mean(dim=0), values.softmax(dim=0), atol=0.03, rtol=0)


@pytest.mark.parametrize("temperature", [1.0, 0.1])
def test_what_softmax_draws_with_moves_no_plan(temperature):
    row = {"start": "noise", "refine_steps": "all", "temperature": temperature}
    planner, inputs = make_planner(**row), padded(*history())
    noise = plan_noise(planner, 2)
    other = noise.clone()
    other[:, :, 0] = 7.0
    assert torch.equal(planner.plan(*inputs, noise).states, planner.plan(*inputs, other).states)


@pytest.mark.parametrize("row", [{}, {"forward_noise": True}, {"start": "noise"}])
def test_candidates_are_repeated_once_where_the_chain_is_entered(row):
    network = Chain()
    states, returns = history(batch=3)
    models = make_models(diffusion=make_diffusion(network))
    plan_from(make_planner(models, candidates=2, **(row | {"refine_steps": "all"})), states, returns)
    assert len(network.calls) == DIFFUSION_STEPS
    for x_t, _, target in network.calls:
        # Each asks for the return of its own environment.
        assert torch.equal(target, returns[:, -1].repeat_interleave(2))
        assert torch.equal(x_t[:, 0], states[:, -1].repeat_interleave(2, dim=0))
    entered, denoised = network.calls[0][0], network.calls[1][0]
    assert torch.equal(entered[::2], entered[1::2]) == (not row)  # until noise tells them apart
    assert len(denoised.unique(dim=0)) == 6


@pytest.mark.parametrize("guidance", [1.0, 1.5])
@pytest.mark.parametrize("candidates", [2, 4])
@pytest.mark.parametrize("row", [{}, {"forward_noise": True}, {"start": "noise", "refine_steps": "all"}])
def test_candidates_are_what_as_many_copies_of_the_environment_become(guidance, candidates, row):
    made = {}

    def remember(state, action):
        made["states"], made["actions"] = state, action
        return action.sum(dim=-1)

    models = make_models(value=as_module(remember))
    inputs = history(batch=3)
    planner = make_planner(models, candidates=candidates, guidance=guidance, **row)
    plan = plan_from(planner, *inputs)
    copies = [each.repeat_interleave(candidates, dim=0) for each in inputs]
    alone = plan_from(make_planner(models, guidance=guidance, **row), *copies)
    torch.testing.assert_close(made["actions"], alone.action, atol=1e-4, rtol=1e-4)
    best = alone.action.sum(dim=-1).view(3, candidates).argmax(dim=1) + candidates * torch.arange(3)
    torch.testing.assert_close(plan.states, alone.states[best], atol=1e-4, rtol=1e-4)
    assert len(alone.states.unique(dim=0)) == 3 * candidates


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
    many, one = (plan_from(make_planner(models, candidates=each, **row), *history()) for each in (4, 1))
    assert torch.equal(many.states, one.states)
    assert torch.equal(many.action, one.action)


def test_noise_has_one_part_to_enter_with_and_one_for_each_step():
    planner = make_planner(start="previous_plan", refine_steps=3, forward_noise=True, candidates=2)
    assert planner.noise_shape(5, None) == (10, DIFFUSION_STEPS + 1, HORIZON, STATE)
    assert planner.noise_shape(5, some_plan(5)) == (10, 4, HORIZON, STATE)


@pytest.mark.parametrize(
    ("row", "models", "why"),
    [
        ({"start": "previous_plan"}, {"stride": 2}, "states of these models' plans are 2 steps apart"),
        ({"redraft_every": 2}, {"stride": 4}, "4 steps apart"),
        ({"actions_per_plan": 2}, {"stride": 2}, "2 steps apart"),
        ({"actions_per_plan": HORIZON}, {}, f"actions_per_plan: {HORIZON} are more"),
        ({"refine_steps": DIFFUSION_STEPS + 1}, {}, f"the chain has {DIFFUSION_STEPS}"),
        ({"refine_steps": 4, "last_steps": 3}, {}, "4 of the last 3 steps"),
    ],
)
def test_a_row_that_the_models_cannot_plan_by_is_refused(row, models, why):
    with pytest.raises(UserError, match=why):
        make_planner(make_models(**models), **row)


def test_a_plan_depends_on_what_is_passed_in_alone():
    planner = make_planner(redraft_every=2)
    inputs = (*padded(*history()), plan_noise(planner, 2))
    first = planner.plan(*inputs)
    kept = [each.clone() for each in (*inputs, first.states, first.draft)]
    torch.manual_seed(1)
    plan_from(planner, *history(seed=3), first, seed=5)
    second = planner.plan(*inputs)
    assert torch.equal(first.states, second.states)
    assert torch.equal(first.action, second.action)
    for before, after in zip(kept, (*inputs, first.states, first.draft), strict=True):
        assert torch.equal(before, after)
    assert not torch.equal(first.states, plan_from(planner, *history(), seed=1).states)
