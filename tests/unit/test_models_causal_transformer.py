import pytest
import torch
from small_models import continued

from trajectory_diffuser.models.causal_transformer import CausalTransformer

STATE, CONTEXT = 3, 12
NOTHING = torch.tensor(0)


@pytest.fixture(scope="module")
def transformer():
    torch.manual_seed(0)
    return (
        CausalTransformer(STATE, CONTEXT, width=16, layers=2, heads=2, dropout=0.1)
        .eval()
        .requires_grad_(False)
    )


def some_tokens(length, batch=2, seed=0):
    return torch.randn(batch, length, STATE + 1, generator=torch.Generator().manual_seed(seed))


def drafted(transformer, tokens, length, padding=0):
    """The `length` tokens that are drafted after a history."""
    whole = transformer.draft(tokens, torch.tensor(padding), length)
    assert torch.equal(whole[:, : tokens.shape[1]], tokens)
    return whole[:, tokens.shape[1] :]


@pytest.mark.parametrize("changed", range(1, 8))
@pytest.mark.parametrize("number", range(STATE + 1))  # of the state, and the return-to-go
def test_changing_a_token_changes_nothing_before_it_and_everything_from_it_on(transformer, changed, number):
    tokens = some_tokens(8)
    before = transformer(tokens)
    tokens[:, changed, number] += 1.0
    after = transformer(tokens)
    assert torch.equal(before[:, :changed], after[:, :changed])
    moved = (before - after)[..., [other for other in range(STATE + 1) if other != number]]
    moved = moved.abs().amax(dim=(0, 2))  # [T]
    assert (moved[changed:] > 1e-6).all()


def test_causality_holds_in_training_mode():
    transformer = CausalTransformer(STATE, CONTEXT, width=16, layers=2, heads=2, dropout=0.0).train()
    tokens = some_tokens(6)
    before = transformer(tokens)
    tokens[:, 4] += 1.0
    torch.testing.assert_close(before[:, :4], transformer(tokens)[:, :4])


def test_without_a_causal_mask_a_token_changes_those_before_it_too(transformer):
    unmasked = CausalTransformer(STATE, CONTEXT, 16, layers=2, heads=2, dropout=0.1, causal=False).eval()
    unmasked.load_state_dict(transformer.state_dict())
    tokens = some_tokens(8)
    before = unmasked(tokens)
    tokens[:, 5] += 1.0
    assert ((before - unmasked(tokens)).abs().amax(dim=(0, 2)) > 1e-6).all()


@pytest.mark.parametrize("padding", [0, 3])
def test_without_a_causal_mask_each_drafted_token_follows_from_all_before_it(transformer, padding):
    unmasked = CausalTransformer(STATE, CONTEXT, 16, layers=2, heads=2, dropout=0.1, causal=False).eval()
    unmasked.load_state_dict(transformer.state_dict())
    tokens = some_tokens(6)
    expected = continued(unmasked, tokens[:, padding:], 5)  # the whole sequence again for each
    torch.testing.assert_close(drafted(unmasked, tokens, 5, padding), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("past", [1, 2, 5])
@pytest.mark.parametrize("length", [1, 2, 7])
def test_drafting_with_keys_and_values_kept_is_drafting_without(transformer, past, length):
    tokens = some_tokens(past)
    expected = continued(transformer, tokens, length)  # the whole sequence again for each, nothing kept
    torch.testing.assert_close(drafted(transformer, tokens, length), expected, atol=1e-5, rtol=0)


def test_what_was_drafted_can_be_read_like_a_history_to_draft_on(transformer):
    tokens, padding = some_tokens(4), torch.tensor(2)
    whole = transformer.draft(transformer.draft(tokens, padding, 3), padding, 4)
    torch.testing.assert_close(whole, transformer.draft(tokens, padding, 7), atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", [1, 2, 4])
def test_a_padded_history_gives_what_it_gives_alone(transformer, length, padding):
    tokens = some_tokens(length)
    expected = continued(transformer, tokens, 4)
    for seed in (1, 2):
        in_front = 100 * some_tokens(padding, seed=seed)  # whatever stands there
        predicted = drafted(transformer, torch.cat([in_front, tokens], dim=1), 4, padding)
        torch.testing.assert_close(predicted, expected, atol=1e-5, rtol=0)


def test_a_state_and_a_return_to_go_are_predicted_for_each_token(transformer):
    assert transformer(some_tokens(5, batch=4)).shape == (4, 5, STATE + 1)
    assert transformer.draft(some_tokens(5, batch=4), NOTHING, 2).shape == (4, 7, STATE + 1)


def test_the_whole_context_can_be_used_and_not_a_token_more(transformer):
    transformer(some_tokens(CONTEXT))
    with pytest.raises(
        ValueError, match=f"{CONTEXT + 1} tokens do not fit the transformer's context of {CONTEXT}"
    ):
        transformer(some_tokens(CONTEXT + 1))


def test_a_draft_can_use_the_whole_context_and_a_history_not_a_token_more(transformer):
    tokens = some_tokens(5)
    predicted = drafted(transformer, tokens, CONTEXT - 4)  # the last prediction is not read again
    expected = continued(transformer, tokens, CONTEXT - 4)
    torch.testing.assert_close(predicted, expected, atol=1e-5, rtol=0)
    with pytest.raises(IndexError):
        transformer.draft(some_tokens(CONTEXT + 1), NOTHING, 1)


def test_the_same_token_means_something_else_at_another_position(transformer):
    predicted = transformer(torch.ones(1, 3, STATE + 1))
    assert (predicted[:, 0] - predicted[:, 1]).abs().max() > 1e-4


def test_dropout_acts_in_training_only(transformer):
    tokens = some_tokens(5)
    noisy = CausalTransformer(STATE, CONTEXT, 16, 1, 2, dropout=0.5)
    assert not torch.equal(noisy.train()(tokens), noisy(tokens))
    assert torch.equal(noisy.eval()(tokens), noisy(tokens))
