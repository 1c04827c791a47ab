import pytest
import torch
from small_models import as_module

from trajectory_diffuser.training.objectives import inverse_dynamics_loss, transformer_loss, value_loss


def test_the_transformers_loss_is_over_known_successors_of_what_it_has_read():
    generator = torch.Generator().manual_seed(0)
    states, returns = torch.randn(2, 5, 3, generator=generator), torch.randn(2, 5, generator=generator)
    mask = torch.tensor([[True] * 5, [True, True, True, False, False]])
    read = {}

    def predict(states, returns_to_go):
        read["states"], read["returns"] = states, returns_to_go
        return 2 * states, returns_to_go + 1, None

    loss = transformer_loss(as_module(predict), states, returns, mask)
    assert torch.equal(read["states"], states[:, :-1])
    assert torch.equal(read["returns"], returns[:, :-1])
    terms = []
    for row in range(2):
        for time in range(4):
            if mask[row, time + 1]:
                error = sum((2 * states[row, time, i] - states[row, time + 1, i]) ** 2 for i in range(3)) / 3
                terms.append(float(error + (returns[row, time] + 1 - returns[row, time + 1]) ** 2))
    assert len(terms) == 4 + 2
    assert float(loss) == pytest.approx(sum(terms) / len(terms), rel=1e-5)


def test_what_lies_past_an_episodes_end_does_not_matter():
    states, returns = torch.randn(1, 4, 3), torch.randn(1, 4)
    mask = torch.tensor([[True, True, False, False]])
    model = as_module(lambda states, returns_to_go: (states, returns_to_go, None))
    before = transformer_loss(model, states, returns, mask)
    states[:, 2:], returns[:, 2:] = 100.0, 100.0
    assert torch.equal(transformer_loss(model, states, returns, mask), before)


def test_inverse_dynamics_and_value_losses_are_mean_squared_errors():
    state, next_state, action = torch.randn(3, 4, 2).unbind()
    inverse = as_module(lambda state, next_state: next_state - state)
    expected = ((next_state - state - action) ** 2).mean()
    torch.testing.assert_close(inverse_dynamics_loss(inverse, state, next_state, action), expected)
    value = as_module(lambda state, action: (state * action).sum(-1))
    returns = torch.randn(4)
    expected = (((state * action).sum(-1) - returns) ** 2).mean()
    torch.testing.assert_close(value_loss(value, state, action, returns), expected)
