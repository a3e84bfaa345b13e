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
# Where sizes coincide, the axis of the channels as `prepare_latents` is written.
CHANNELS = {
    "LTXImageToVideoPipeline": 1,
    "CogVideoXPipeline": 2,
    "CogVideoXImageToVideoPipeline": 2,
    "CogVideoXVideoToVideoPipeline": 2,
    "HunyuanVideo15Pipeline": 1,
    "HunyuanVideo15ImageToVideoPipeline": 1,
    "AnimateDiffPipeline": 1,
    "AnimateDiffVideoToVideoPipeline": 1,
    "LattePipeline": 1,
}
NEAR = 1e-4  # between a clip of two and the clip alone
HEAD = """# What was measured of every tiny pipeline

Written by `PYTHONPATH=tests python -m tiny.facts` with diffusers {diffusers}, transformers
{transformers} and torch {torch}; every call with the arguments in `tiny.SHAPES`, two steps, `output_type="np"`.

- **Two in one call**: a list of 2 prompts with a list of 2 generators; the greatest difference of
  each clip from the clip alone (frames are 0 to 1), or the last line of the traceback.
- **One prompt twice**: the same with one prompt in the list twice, so that no prompt is longer.
- **Images twice**: two prompts, and the image or video in a list twice as well.
- **Latents**: what `scheduler.step` is given as the sample, and which axis its channels are.
- **Steps**: calls of `scheduler.step` for each denoising step.
- **Callback**: the latents that `callback_on_step_end` gets, and the tensors it may ask for.
- Shapes of what `encode_prompt` and `prepare_latents` return; `None` is None.

"""


def shown(value):
    if isinstance(value, torch.Tensor | np.ndarray):
        return str(tuple(value.shape)).replace(" ", "")
    if isinstance(value, tuple | list):
        brackets = "tuple({})" if isinstance(value, tuple) else "list({})"
        return brackets.format(", ".join(map(shown, value)))
    return "None" if value is None else type(value).__name__


def call(pipe, name, prompts=PROMPTS[0], seeds=0, *, twice=False, **more):
    arguments = {**tiny.SHAPES[name], **more}
    for given in ("image", "video"):
        if twice and given in arguments:
            arguments[given] = [arguments[given]] * len(prompts)
    if "prompt" in inspect.signature(pipe.__call__).parameters:
        arguments["prompt"] = prompts
    one = torch.Generator().manual_seed
    made = (
        [torch.Generator().manual_seed(s) for s in seeds] if isinstance(seeds, list) else one(seeds)
    )
    return pipe(generator=made, output_type="np", **arguments)


def watch(owner, name, seen):
    """What the method returned, and the tensors that it was given."""
    method = getattr(owner, name, None)
    if method is None:
        return

    @functools.wraps(method)
    def watched(*args, **kwargs):
        out = method(*args, **kwargs)
        given = inspect.signature(method).bind(*args, **kwargs).arguments
        seen.setdefault(name, []).append((out, given))
        return out

    setattr(owner, name, watched)


def batch(pipe, name, prompts, **more):
    try:
        both = np.asarray(call(pipe, name, prompts, [0, 1], **more)[0])
        alone = [np.asarray(call(pipe, name, p, s)[0])[0] for s, p in enumerate(prompts)]
        if both.shape[0] != len(PROMPTS):
            return f"no: {both.shape[0]} clip comes back"
        off = [float(np.abs(a - b).max()) for a, b in zip(both, alone, strict=True)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the fact
        last = str(error).strip().splitlines() or [""]
        return f"**no**: `{type(error).__name__}: {last[0]}`"
    verdict = "yes" if max(off) <= NEAR else "**runs, but not the same**"
    return f"{verdict} ({off[0]:.0e}, {off[1]:.0e})"


def latents(seen, pipe, name):
    shape = tuple(seen["step"][0][1]["sample"].shape)
    config = pipe.vae.config
    wanted = {config[key] for key in ("latent_channels", "z_dim") if config.get(key)}
    axes = [axis for axis, size in enumerate(shape) if axis and size in wanted]
    axis = axes[0] if len(axes) == 1 else CHANNELS[name]
    return f"{shown(np.empty(shape))} axis {axis}"


def row(name):
    needs = tiny.NEEDS.get(name)
    if needs and importlib.util.find_spec(needs) is None:
        return [name, f"not measured: no {needs}"]
    pipe, seen = tiny.make(name), {}
    scheduler = type(pipe.scheduler).__name__
    two = batch(pipe, name, PROMPTS)
    alike = batch(pipe, name, PROMPTS[:1] * 2)
    if "**no**" in two and hasattr(pipe.vae, "use_slicing"):
        pipe.vae.use_slicing = True
        if "**no**" not in (sliced := batch(pipe, name, PROMPTS)):
            two += f"; with `vae.enable_slicing()` {sliced}"
        pipe.vae.use_slicing = False
    pictures = {"image", "video"} & set(tiny.SHAPES[name])
    twice = batch(pipe, name, PROMPTS, twice=True) if pictures else ""
    for method in ("encode_prompt", "prepare_latents"):
        watch(pipe, method, seen)
    # On the class: LTX-2 steps its sound with a deep copy of the scheduler.
    kind = type(pipe.scheduler)
    step = kind.step
    watch(kind, "step", seen)
    kept = []

    def keep(_pipe, _step, _time, tensors):
        kept.append(shown(tensors["latents"]))
        return {}

    has = "callback_on_step_end" in inspect.signature(pipe.__call__).parameters
    try:
        out = call(pipe, name, **({"callback_on_step_end": keep} if has else {}))
    finally:
        kind.step = step
    steps = 2  # of the calls in SHAPES: videos start half way through 4
    names = ", ".join(getattr(pipe, "_callback_tensor_inputs", []))
    callback = f"{kept[0]}; {names}" if has else "none"
    fields = ", ".join(f"{k}: {type(v).__name__} {shown(v)}" for k, v in out.items())
    returned = {
        key: shown(seen[key][0][0]) if key in seen else "not called"
        for key in ("encode_prompt", "prepare_latents")
    }
    return [
        name,
        two,
        alike,
        twice,
        scheduler,
        latents(seen, pipe, name),
        returned["prepare_latents"],
        returned["encode_prompt"],
        f"{type(out).__name__}({fields})",
        f"{len(seen['step']) / steps:g}",
        callback,
        needs or "",
    ]


def main():
    torch.set_num_threads(1)
    lines = [
        [
            "Class",
            "Two in one call",
            "One prompt twice",
            "Images twice",
            "Scheduler",
            "Latents",
            "prepare_latents",
            "encode_prompt",
            "Output",
            "Steps",
            "Callback",
            "Needs",
        ]
    ]
    lines += [["---"] * len(lines[0])]
    lines += [row(name) for name in tiny.NAMES]
    versions = {
        m.__name__: m.__version__.partition("+")[0] for m in (diffusers, transformers, torch)
    }
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    known = BESIDES.read_text("utf-8") if BESIDES.exists() else ""
    _, _, notes = known.partition("\n## ")
    ending = f"\n\n## {notes}" if notes else "\n"
    BESIDES.write_text(HEAD.format(**versions) + table + ending, "utf-8")


if __name__ == "__main__":
    main()
