"""Measures what FACTS.md says: `PYTHONPATH=tests python -m tiny.facts`, with ftfy installed."""

import functools
import importlib.util
import inspect
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers

import tiny

PROMPTS = ["a bee over the meadow", "a moth at night"]
BESIDES = Path(__file__).with_name("FACTS.md")
NEAR = 1e-4  # between a clip of two and the clip alone
HEAD = """# What was measured of every tiny pipeline

Written by `PYTHONPATH=tests python -m tiny.facts` with diffusers {diffusers}, transformers
{transformers} and torch {torch}; every call with the arguments in `tiny.SHAPES`, two steps, `output_type="np"`.

- **Two in one call**: a list of 2 prompts with a list of 2 generators; the greatest difference of
  each clip from the clip alone (frames are 0 to 1), or the last line of the traceback.
- **Latents**: what `scheduler.step` is given as the sample. B batch, C channels, T frames, H x W,
  N tokens.
- **Steps**: calls of `scheduler.step` for each denoising step.
- **Callback**: the tensors that `callback_on_step_end` may ask for.
- Shapes of what `encode_prompt` and `prepare_latents` return; `None` is None.

"""


def shown(value):
    if isinstance(value, torch.Tensor | np.ndarray):
        return str(tuple(value.shape)).replace(" ", "")
    if isinstance(value, tuple | list):
        brackets = "tuple({})" if isinstance(value, tuple) else "list({})"
        return brackets.format(", ".join(map(shown, value)))
    return "None" if value is None else type(value).__name__


def call(pipe, name, prompts=PROMPTS[0], seeds=0, **more):
    arguments = {**tiny.SHAPES[name], **more}
    if "prompt" in inspect.signature(pipe.__call__).parameters:
        arguments["prompt"] = prompts
    elif isinstance(prompts, list):  # pictures take the place of words
        arguments["image"] = [arguments["image"]] * len(prompts)
    one = torch.Generator().manual_seed
    made = [torch.Generator().manual_seed(s) for s in seeds] if isinstance(seeds, list) else one(seeds)
    return pipe(generator=made, output_type="np", **arguments)


def watch(owner, name, seen):
    """What the method returned, and the tensors that it was given."""
    method = getattr(owner, name, None)
    if method is None:
        return

    @functools.wraps(method)
    def watched(*args, **kwargs):
        out = method(*args, **kwargs)
        given = [a for a in [*args, *kwargs.values()] if isinstance(a, torch.Tensor)]
        seen.setdefault(name, []).append((out, given))
        return out

    setattr(owner, name, watched)


def batch(pipe, name):
    try:
        both = np.asarray(call(pipe, name, PROMPTS, [0, 1])[0])
        alone = [np.asarray(call(pipe, name, p, s)[0])[0] for s, p in enumerate(PROMPTS)]
        if both.shape[0] != len(PROMPTS):
            return f"no: {both.shape[0]} clip comes back"
        off = [float(np.abs(a - b).max()) for a, b in zip(both, alone, strict=True)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the fact
        last = str(error).strip().splitlines() or [""]
        return f"**no**: `{type(error).__name__}: {last[0][:160]}`"
    verdict = "yes" if max(off) <= NEAR else "**runs, but not the same**"
    return f"{verdict} ({off[0]:.0e}, {off[1]:.0e})"


def latents(seen, pipe):
    samples = [tuple(g.shape) for _, given in seen["step"] for g in given if g.ndim >= 3][1::2]
    shape = samples[0] if samples else ()
    denoiser = getattr(pipe, "transformer", None) or pipe.unet
    both = {**denoiser.config, **pipe.vae.config}
    wanted = {both[key] for key in ("latent_channels", "z_dim") if both.get(key)}
    axes = [axis for axis, size in enumerate(shape) if axis and size in wanted]
    return shown(np.empty(shape)), f"axis {' or '.join(map(str, axes))}" if axes else "packed"


def row(name):
    needs = tiny.NEEDS.get(name)
    if needs and importlib.util.find_spec(needs) is None:
        return [name, f"not measured: no {needs}"]
    pipe, seen = tiny.make(name), {}
    scheduler = type(pipe.scheduler).__name__
    two = batch(pipe, name)
    for method in ("encode_prompt", "prepare_latents"):
        watch(pipe, method, seen)
    # On the class: LTX-2 steps its sound with a deep copy of the scheduler.
    kind = type(pipe.scheduler)
    step = kind.step
    watch(kind, "step", seen)
    try:
        out = call(pipe, name)
    finally:
        kind.step = step
    steps = 2  # of the calls in SHAPES: films begin half way through 4
    names = ", ".join(getattr(pipe, "_callback_tensor_inputs", []))
    callback = names if "callback_on_step_end" in inspect.signature(pipe.__call__).parameters else "none"
    fields = ", ".join(f"{k}: {type(v).__name__} {shown(v)}" for k, v in out.items())
    shape, axis = latents(seen, pipe)
    returned = {key: shown(seen[key][0][0]) if key in seen else "not called" for key in
                ("encode_prompt", "prepare_latents")}  # fmt: skip
    return [name, two, scheduler, f"{shape} {axis}", returned["prepare_latents"],
            returned["encode_prompt"], f"{type(out).__name__}({fields})",
            f"{len(seen['step']) / steps:g}", callback, needs or ""]  # fmt: skip


def main():
    torch.set_num_threads(1)
    lines = [["Class", "Two in one call", "Scheduler", "Latents", "prepare_latents",
              "encode_prompt", "Output", "Steps", "Callback", "Needs"]]  # fmt: skip
    lines += [["---"] * len(lines[0])]
    lines += [row(name) for name in tiny.NAMES]
    versions = {m.__name__: m.__version__.partition("+")[0] for m in (diffusers, transformers, torch)}
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    known = BESIDES.read_text("utf-8") if BESIDES.exists() else ""
    _, _, notes = known.partition("\n## ")
    ending = f"\n\n## {notes}" if notes else "\n"
    BESIDES.write_text(HEAD.format(**versions) + table + ending, "utf-8")


if __name__ == "__main__":
    main()
