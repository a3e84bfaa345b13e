"""Linear layers through oneDNN: equal up to rounding, and the network is restored."""

import threading

import pytest
import torch

from beecam.models.speed.onednn import PackedLinears, available
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
