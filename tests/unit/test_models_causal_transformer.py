import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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


def drafted(transformer, tokens, lengths, padding=0):
    """The tokens after a history, in pieces of these lengths, and all keys and values that were kept."""
    known, padding = tokens.shape[1], torch.tensor(padding)
    predicted, keys_values = transformer.draft(tokens, padding, lengths[0])
    known += lengths[0] - 1
    for length in lengths[1:]:
        # What stands in the room for later ones is not to be read.
        room = torch.full((*keys_values.shape[:4], 3, keys_values.shape[5]), 1e3)
        with_room = torch.cat([keys_values, room], dim=4)
        past = torch.tensor(known)
        piece, new = transformer.roll_out(predicted[:, -1:], with_room, past, padding, length)
        predicted = torch.cat([predicted, piece], dim=1)
        keys_values = torch.cat([keys_values, new], dim=4)
        known += length
    return predicted, keys_values


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


@pytest.mark.parametrize("padding", [0, 3])
def test_causality_holds_for_the_keys_and_values_that_are_kept(transformer, padding):
    tokens = some_tokens(9)
    _, before = transformer.draft(tokens, torch.tensor(padding), 1)
    tokens[:, 7] += 1.0
    _, after = transformer.draft(tokens, torch.tensor(padding), 1)
    assert torch.equal(before[..., :7, :], after[..., :7, :])
    moved = (before - after).abs().amax(dim=(0, 1, 2, 3, 5))  # [T]
    assert (moved[7:] > 1e-6).all()


def test_causality_holds_in_training_mode():
    transformer = CausalTransformer(STATE, CONTEXT, width=16, layers=2, heads=2, dropout=0.0).train()
    tokens = some_tokens(6)
    before = transformer(tokens)
    tokens[:, 4] += 1.0
    torch.testing.assert_close(before[:, :4], transformer(tokens)[:, :4])


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 4), min_size=1, max_size=5).filter(lambda cuts: sum(cuts) <= CONTEXT))
def test_tokens_in_pieces_give_what_they_give_at_once(transformer, cuts):
    length, *pieces = cuts
    tokens = some_tokens(length)
    predicted, keys_values = drafted(transformer, tokens, [1, *pieces])
    whole = torch.cat([tokens, predicted[:, :-1]], dim=1)
    torch.testing.assert_close(predicted, transformer(whole)[:, length - 1 :], atol=1e-5, rtol=0)
    torch.testing.assert_close(keys_values, transformer.draft(whole, NOTHING, 1)[1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("past", [1, 4])
@pytest.mark.parametrize("pieces", [[7], [1, 6], [4, 3], [2, 1, 4], [1] * 7])
def test_drafting_with_keys_and_values_kept_is_drafting_without(transformer, past, pieces):
    tokens = some_tokens(past)
    expected = continued(transformer, tokens, 7)  # the whole sequence again for each, nothing kept
    torch.testing.assert_close(drafted(transformer, tokens, pieces)[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", [1, 2, 4])
def test_a_padded_history_gives_what_it_gives_alone(transformer, length, padding):
    tokens = some_tokens(length)
    expected = continued(transformer, tokens, 4)
    for seed in (1, 2):
        in_front = 100 * some_tokens(padding, seed=seed)  # whatever stands there
        predicted, _ = drafted(transformer, torch.cat([in_front, tokens], dim=1), [2, 2], padding)
        torch.testing.assert_close(predicted, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("padding", [0, 3])
def test_what_stands_in_the_padding_makes_no_difference(transformer, padding):
    tokens = some_tokens(6)
    before, _ = drafted(transformer, tokens, [2, 2], padding)
    tokens[:, :padding] = -1e3
    after, _ = drafted(transformer, tokens, [2, 2], padding)
    assert torch.equal(before, after)
    if padding:  # and one more would
        assert not torch.equal(before, drafted(transformer, tokens, [2, 2], padding - 1)[0])


def test_shapes(transformer):
    assert transformer(some_tokens(5, batch=4)).shape == (4, 5, STATE + 1)
    predicted, keys_values = transformer.draft(some_tokens(5, batch=4), NOTHING, 2)
    assert predicted.shape == (4, 2, STATE + 1)
    assert keys_values.shape == (4, 2, 2, 2, 6, 8)
    following, new = transformer.roll_out(predicted[:, -1:], keys_values, torch.tensor(6), NOTHING, 3)
    assert following.shape == (4, 3, STATE + 1)
    assert new.shape == (4, 2, 2, 2, 3, 8)


def test_the_whole_context_can_be_used_and_not_a_token_more(transformer):
    transformer(some_tokens(CONTEXT))
    with pytest.raises(
        ValueError, match=f"{CONTEXT + 1} tokens do not fit the transformer's context of {CONTEXT}"
    ):
        transformer(some_tokens(CONTEXT + 1))


def test_a_draft_can_use_the_whole_context_and_a_history_not_a_token_more(transformer):
    tokens = some_tokens(5)
    predicted, _ = drafted(transformer, tokens, [2, CONTEXT - 6])  # the last prediction is not read again
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
