"""The training loop stops at any step and resumes to the same bits."""

import json
import signal

import pytest
import torch

from beecam.models.pollen.networks import precision
from beecam.models.pollen.training.optimization import muon
from beecam.models.pollen.training.optimization.loop import Loop
from beecam.models.pollen.training.optimization.muon import Muon


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(4, 1)


def loop(path):
    training = Loop({"line": Line()}, path, rate=1e-2, betas=(0.9, 0.99), decay=0.9)
    training.resume()
    return training


def loss(run):
    x = torch.randn(8, 4, generator=run.generator)
    return ((run.modules["line"].layer(x) - x.sum(1, keepdim=True)) ** 2).mean()


def state(run):
    run.use_average()
    return run.modules["line"].state_dict()


@pytest.mark.parametrize("finish", [False, True])
def test_stopped_training_resumes_to_the_same_bits(tmp_path, finish):
    complete = loop(tmp_path / "complete.pt")
    complete.run(loss, steps=60)
    complete.run(loss, steps=60, finish=finish)
    part = loop(tmp_path / "part.pt")
    part.run(loss, steps=60)
    for turn in range(2):
        part = loop(tmp_path / "part.pt")
        if finish and not turn:
            # a finish has its end from its first call on
            part._finish = (80, 40)
        part.run(loss, steps=30, finish=finish)
    assert part.step == complete.step == 120
    for name, value in state(complete).items():
        assert torch.equal(value, state(part)[name]), name


@pytest.fixture
def sigint():
    """Handle SIGINT as in the foreground; in a script's background job it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("sigint")
@pytest.mark.parametrize("finish", [False, True])
def test_an_interrupted_step_is_finished_and_saved(tmp_path, finish, capsys):
    complete = loop(tmp_path / "complete.pt")
    complete.run(loss, steps=60, finish=finish)

    def interrupted(run):
        if run.step == 39:
            signal.raise_signal(signal.SIGINT)
        return loss(run)

    part = loop(tmp_path / "part.pt")
    with pytest.raises(KeyboardInterrupt):
        part.run(interrupted, steps=60, finish=finish)
    assert "stops after this step" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    part = loop(tmp_path / "part.pt")
    assert part.step == 40
    assert part.finishing == finish
    part.run(loss, steps=20, finish=finish)
    for name, value in state(complete).items():
        assert torch.equal(value, state(part)[name]), name


def test_an_ignored_interrupt_stays_ignored(tmp_path):
    def interrupted(run):
        signal.raise_signal(signal.SIGINT)
        return loss(run)

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        part = loop(tmp_path / "part.pt")
        part.run(interrupted, steps=3)
    finally:
        signal.signal(signal.SIGINT, before)
    assert part.step == 3


@pytest.mark.usefixtures("sigint")
def test_a_second_interrupt_stops_at_once(tmp_path):
    def interrupt_twice(run):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        pytest.fail("it continued")

    with pytest.raises(KeyboardInterrupt):
        loop(tmp_path / "part.pt").run(interrupt_twice, steps=2)
    assert not (tmp_path / "part.pt").exists()


def test_matrices_within_blocks_are_trained_by_muon_and_the_rest_by_adam(tmp_path):
    class Blocks(torch.nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.first = torch.nn.Linear(4, 8)
            self.blocks = torch.nn.ModuleList([torch.nn.Linear(8, 8)])

    def go(run):
        x = torch.randn(8, 4, generator=run.generator)
        part = run.modules["part"]
        return ((part.blocks[0](part.first(x))[:, :1] - x.sum(1, keepdim=True)) ** 2).mean()

    training = Loop(
        {"part": Blocks()},
        tmp_path / "a.pt",
        rate=1e-3,
        betas=(0.9, 0.99),
        decay=0.9,
        matrices=1e-2,
    )
    before = training.modules["part"].blocks[0].weight.detach().clone()
    training.run(go, steps=60)
    part = training.modules["part"]
    assert [p.shape for p in training._optimizers[1].param_groups[0]["params"]] == [(8, 8)]
    others = {id(p) for p in training._optimizers[0].param_groups[0]["params"]}
    assert others == {id(part.first.weight), id(part.first.bias), id(part.blocks[0].bias)}
    assert (part.blocks[0].weight - before).abs().max() > 0.01
    resumed = Loop(
        {"part": Blocks()},
        tmp_path / "a.pt",
        rate=1e-3,
        betas=(0.9, 0.99),
        decay=0.9,
        matrices=1e-2,
    )
    assert resumed.resume()
    for run in (training, resumed):
        run.run(go, steps=20)
    for parameter, two in zip(training.average, resumed.average, strict=True):
        assert torch.equal(parameter, two)


@pytest.mark.parametrize(
    ("device", "instructions", "expected"),
    [
        ("cpu", {"avx2": True, "avx512_bf16": True, "amx_bf16": False}, torch.bfloat16),
        ("cpu", {"neon": True, "bf16": True}, torch.bfloat16),
        ("cpu", {"avx2": True, "avx512_f": True, "avx512_bf16": False}, torch.float32),
        ("cuda:0", {}, torch.bfloat16),
    ],
)
def test_training_is_in_bfloat16_only_where_the_processor_multiplies_in_it(
    monkeypatch, device, instructions, expected
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: instructions)
    precision.compute_dtype.cache_clear()
    try:
        assert precision.compute_dtype(device) == expected
        if device == "cpu":
            with precision.autocast(device):
                assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == expected
    finally:
        precision.compute_dtype.cache_clear()


@pytest.mark.parametrize(("bits", "near"), [(torch.bfloat16, 2e-4), (torch.float32, 2e-3)])
def test_muon_matches_torchs_on_batched_matrices(monkeypatch, bits, near):
    monkeypatch.setattr(muon, "compute_dtype", lambda _: bits)  # torch's is always in bfloat16

    def matrices():
        g = torch.Generator().manual_seed(0)
        shapes = [(24, 24), (48, 24), (24, 48), (24, 24), (48, 24)]
        return [torch.nn.Parameter(torch.randn(shape, generator=g)) for shape in shapes]

    ours, theirs, before = matrices(), matrices(), matrices()
    each = [
        (ours, Muon(ours, 1e-2)),
        (theirs, torch.optim.Muon(theirs, 1e-2, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")),
    ]
    for turn in range(4):
        for parameters, optimizer in each:
            g = torch.Generator().manual_seed(turn)
            for parameter in parameters:
                parameter.grad = torch.randn(parameter.shape, generator=g)
            parameters[3].grad = parameters[3].grad if turn else None  # a matrix may have none
            for group in optimizer.param_groups:
                group["lr"] = 1e-2 / (turn + 1)
            optimizer.step()
    for parameter, other, first in zip(ours, theirs, before, strict=True):
        torch.testing.assert_close(parameter, other, atol=near, rtol=0)
        assert (parameter - first).abs().mean() > 1e-3
    with pytest.raises(ValueError, match=r"matrices: one of shape \(3,\)"):
        Muon([torch.zeros(3)], 1e-2)


def test_training_resumes_at_its_own_rates(tmp_path, capsys):
    first = loop(tmp_path / "a.pt")
    first.run(loss, steps=10)
    other = Loop({"line": Line()}, tmp_path / "a.pt", rate=0.5, betas=(0.9, 0.99), decay=0.9)
    assert other.resume()
    assert "a: resumes at its own learning rates, 0.01 and 0.01" in capsys.readouterr().out
    for run in (first, other):
        run.run(loss, steps=10)
    assert torch.equal(state(first)["layer.weight"], state(other)["layer.weight"])


def test_training_learns_and_logs(tmp_path):
    run = loop(tmp_path / "a.pt")
    run.run(loss, steps=400)
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(50, 401, 50))
    assert lines[-1]["loss"] < lines[0]["loss"] / 3


def test_a_finish_ends_at_a_rate_of_zero_and_training_continues_after_it(tmp_path):
    run = loop(tmp_path / "a.pt")
    run.run(loss, steps=200, finish=True)
    assert run.step == 200
    assert run._optimizers[0].param_groups[0]["lr"] < 2e-4
    run = loop(tmp_path / "a.pt")
    run.run(loss, steps=10)
    assert run.step == 210
    assert run._optimizers[0].param_groups[0]["lr"] == 1e-2
