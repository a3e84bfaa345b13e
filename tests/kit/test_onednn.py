"""Linear layers through oneDNN: equal up to rounding, and the network is restored."""

import threading

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from beecam.models.speed.onednn import PackedLinears, available, multiplies_bfloat16
from helpers import PATIENCE

pytestmark = pytest.mark.skipif(not available(), reason="this PyTorch has no oneDNN")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(40, 70), torch.nn.GELU(), torch.nn.Linear(70, 33, bias=False)
    )


def test_outputs_are_equal_up_to_rounding_and_the_network_is_restored(network):
    x = torch.randn(5, 7, 40)
    with torch.no_grad():
        plain = network(x)
        packed = PackedLinears(network)
        with packed.used():
            assert "forward" in vars(network[0])
            result = network(x)
        assert torch.allclose(result, plain, atol=1e-5)
        assert torch.equal(network(x), plain)
    assert "forward" not in vars(network[0])


def test_bits_of_a_row_do_not_depend_on_other_rows(network):
    x = torch.randn(6, 40)
    with torch.no_grad(), PackedLinears(network).used():
        outputs = network(x)
        others = network(torch.cat([torch.randn(3, 40), x[:3]]))
    assert torch.equal(outputs[:3], others[3:])


BFLOAT16 = [
    False,
    pytest.param(
        True,
        marks=pytest.mark.skipif(not multiplies_bfloat16(), reason="no instructions for it here"),
    ),
]


@pytest.mark.parametrize("bfloat16", BFLOAT16)
@given(rows=st.lists(st.integers(1, 40), min_size=2, max_size=4), seed=st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_bits_of_a_clip_do_not_depend_on_those_beside_it(bfloat16, rows, seed):
    torch.manual_seed(seed)
    network = torch.nn.Sequential(torch.nn.Linear(64, 96), torch.nn.Linear(96, 48))
    PackedLinears(network, bfloat16=bfloat16).use()
    clips = torch.randn(len(rows), max(rows), 64)
    with torch.no_grad():
        together = network(clips)
        again = network(clips.flip(0)).flip(0)
    assert torch.equal(together, again)


@pytest.mark.skipif(not multiplies_bfloat16(), reason="no instructions for it here")
def test_blocks_multiply_in_bfloat16_and_all_else_stays_float32(network):
    whole = torch.nn.ModuleDict({"time": torch.nn.Linear(40, 40), "blocks": network})
    x = torch.randn(5, 40)
    with torch.no_grad():
        time, blocks = whole["time"](x), network(x)
        with PackedLinears(whole, bfloat16=True).used():
            assert torch.allclose(whole["time"](x), time, atol=1e-5)
            found = network(x)
            assert found.dtype == torch.float32
            assert not torch.allclose(found, blocks, atol=1e-5)
            assert torch.allclose(found, blocks, atol=0.05)
        assert torch.equal(network(x), blocks)
        assert network[0].weight.dtype == torch.float32


def test_looking_for_instructions_leaves_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    available()
    multiplies_bfloat16.cache_clear()
    multiplies_bfloat16()
    assert torch.equal(torch.randn(3), expected)


def test_changed_weights_are_packed_again(network):
    packed = PackedLinears(network)
    x = torch.randn(3, 40)
    with torch.no_grad():
        with packed.used():
            before = network(x)
        network[0].weight.mul_(2)
        with packed.used():
            after = network(x)
        assert torch.allclose(after, network(x), atol=1e-5)
    assert not torch.allclose(before, after, atol=1e-2)


def test_the_network_is_restored_after_the_last_user(network):
    packed = PackedLinears(network)
    entered, leave = threading.Event(), threading.Event()

    def use():
        with packed.used():
            entered.set()
            leave.wait(PATIENCE)

    thread = threading.Thread(target=use)
    thread.start()
    assert entered.wait(PATIENCE)
    with packed.used():
        pass
    assert "forward" in vars(network[0]), "the other user is still inside"
    leave.set()
    thread.join(PATIENCE)
    assert "forward" not in vars(network[0])


def test_other_layers_are_left_unchanged(network):
    bfloat16_layer = network[0].to(torch.bfloat16)
    with PackedLinears(torch.nn.Sequential(bfloat16_layer)).used():
        assert "forward" not in vars(bfloat16_layer)
    with PackedLinears(None).used():
        pass
