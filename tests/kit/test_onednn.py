"""Products through oneDNN: the same numbers to rounding, and a network that is left as it was."""

import threading

import pytest
import torch

from beecam.models.speed.onednn import PackedLinears, available

pytestmark = pytest.mark.skipif(not available(), reason="this PyTorch has no oneDNN")


@pytest.fixture
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(40, 70), torch.nn.GELU(), torch.nn.Linear(70, 33, bias=False)
    )


def test_they_give_the_same_to_rounding_and_leave_the_network_as_it_was(network):
    x = torch.randn(5, 7, 40)
    with torch.no_grad():
        plain = network(x)
        packed = PackedLinears(network)
        with packed.used():
            assert "forward" in vars(network[0])
            found = network(x)
        assert torch.allclose(found, plain, atol=1e-5)
        assert torch.equal(network(x), plain)
    assert "forward" not in vars(network[0])


def test_a_rows_bits_do_not_depend_on_its_neighbours(network):
    x = torch.randn(6, 40)
    with torch.no_grad(), PackedLinears(network).used():
        every = network(x)
        other = network(torch.cat([torch.randn(3, 40), x[:3]]))
    assert torch.equal(every[:3], other[3:])


def test_changed_weights_are_packed_anew(network):
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


def test_it_ends_with_the_last_of_several_users(network):
    packed = PackedLinears(network)
    inside, leave = threading.Event(), threading.Event()

    def use():
        with packed.used():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=use)
    thread.start()
    assert inside.wait(10)
    with packed.used():
        pass
    assert "forward" in vars(network[0]), "the other one is not done"
    leave.set()
    thread.join(10)
    assert "forward" not in vars(network[0])


def test_other_layers_are_passed_over(network):
    half = network[0].to(torch.bfloat16)
    with PackedLinears(torch.nn.Sequential(half)).used():
        assert "forward" not in vars(half)
    with PackedLinears(None).used():
        pass
