"""Measure the tiny pipelines and write FACTS.md.

Run `PYTHONPATH=tests python -m tiny.facts`, with ftfy installed.
"""

import functools
import importlib.util
import inspect
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers

import tiny
from beecam.models.diffusers.families.table import FAMILIES

# The others are only compared with plain calls, one clip at a time.
TESTED = [name for family in FAMILIES for name in family.classes]
PROMPTS = ["a bee over the meadow", "a moth at night"]
OUTPUT = Path(__file__).with_name("FACTS.md")
# The axis of the channels where sizes are ambiguous, from the code of `prepare_latents`.
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
TOLERANCE = 1e-4  # between a clip of a batch of two and the clip alone
HEAD = """# Measured behaviour of the tiny pipelines

Written by `PYTHONPATH=tests python -m tiny.facts` with diffusers {diffusers}, transformers
{transformers} and torch {torch}; each call with the arguments in `tiny.SHAPES`, two steps, `output_type="np"`.

- **Two in one call**: a list of 2 prompts with a list of 2 generators; the largest difference of
  each clip from the clip alone (frames are 0 to 1), or the last line of the traceback.
- **One prompt twice**: the same with one prompt in the list twice, so that no prompt is longer.
- **Images twice**: two prompts, and the image or video in a list twice as well.
- **Latents**: the shape of the sample that `scheduler.step` receives, and the axis of its channels.
- **Steps**: calls of `scheduler.step` for each denoising step.
- **Callback**: the latents that `callback_on_step_end` gets, and the tensors that it may request.
- **prepare_latents**, **encode_prompt**: the shapes of what they return.

"""


def describe(value):
    if isinstance(value, torch.Tensor | np.ndarray):
        return str(tuple(value.shape)).replace(" ", "")
    if isinstance(value, tuple | list):
        brackets = "tuple({})" if isinstance(value, tuple) else "list({})"
        return brackets.format(", ".join(map(describe, value)))
    return "None" if value is None else type(value).__name__


def call(pipe, name, prompts=PROMPTS[0], seeds=0, *, repeat_inputs=False, **more):
    arguments = {**tiny.SHAPES[name], **more}
    for argument in ("image", "video"):
        if repeat_inputs and argument in arguments:
            arguments[argument] = [arguments[argument]] * len(prompts)
    if "prompt" in inspect.signature(pipe.__call__).parameters:
        arguments["prompt"] = prompts
    one = torch.Generator().manual_seed
    generators = (
        [torch.Generator().manual_seed(s) for s in seeds] if isinstance(seeds, list) else one(seeds)
    )
    return pipe(generator=generators, output_type="np", **arguments)


def record_calls(owner, name, seen):
    """Record the result and the arguments of each call of a method."""
    method = getattr(owner, name, None)
    if method is None:
        return

    @functools.wraps(method)
    def recorded(*args, **kwargs):
        output = method(*args, **kwargs)
        argument = inspect.signature(method).bind(*args, **kwargs).arguments
        seen.setdefault(name, []).append((output, argument))
        return output

    setattr(owner, name, recorded)


def batch(pipe, name, prompts, **more):
    try:
        both = np.asarray(call(pipe, name, prompts, [0, 1], **more)[0])
        alone = [np.asarray(call(pipe, name, p, s)[0])[0] for s, p in enumerate(prompts)]
        if both.shape[0] != len(PROMPTS):
            return f"no: {both.shape[0]} clip comes back"
        differences = [float(np.abs(a - b).max()) for a, b in zip(both, alone, strict=True)]
    except Exception as error:  # noqa: BLE001 - any error is a result
        last = str(error).strip().splitlines() or [""]
        return f"**no**: `{type(error).__name__}: {last[0]}`"
    verdict = "yes" if max(differences) <= TOLERANCE else "**runs, but not the same**"
    return f"{verdict} ({differences[0]:.0e}, {differences[1]:.0e})"


def latents(seen, pipe, name):
    shape = tuple(seen["step"][0][1]["sample"].shape)
    config = pipe.vae.config
    channels = {config[key] for key in ("latent_channels", "z_dim") if config.get(key)}
    axes = [axis for axis, size in enumerate(shape) if axis and size in channels]
    axis = axes[0] if len(axes) == 1 else CHANNELS[name]
    return f"{describe(np.empty(shape))} axis {axis}"


def measure(name):
    needs = tiny.NEEDS.get(name)
    if needs and importlib.util.find_spec(needs) is None:
        return [name, f"not measured: no {needs}"]
    pipe, seen = tiny.make(name), {}
    scheduler = type(pipe.scheduler).__name__
    two = batch(pipe, name, PROMPTS)
    same_prompt = batch(pipe, name, PROMPTS[:1] * 2)
    if "**no**" in two and hasattr(pipe.vae, "use_slicing"):
        pipe.vae.use_slicing = True
        if "**no**" not in (sliced := batch(pipe, name, PROMPTS)):
            two += f"; with `vae.enable_slicing()` {sliced}"
        pipe.vae.use_slicing = False
    inputs = {"image", "video"} & set(tiny.SHAPES[name])
    repeat_inputs = batch(pipe, name, PROMPTS, repeat_inputs=True) if inputs else ""
    for method in ("encode_prompt", "prepare_latents"):
        record_calls(pipe, method, seen)
    # On the class: LTX-2 steps its sound with a deep copy of the scheduler.
    scheduler_class = type(pipe.scheduler)
    step = scheduler_class.step
    record_calls(scheduler_class, "step", seen)
    latents_seen = []

    def record(_pipe, _step, _time, tensors):
        latents_seen.append(describe(tensors["latents"]))
        return {}

    has = "callback_on_step_end" in inspect.signature(pipe.__call__).parameters
    try:
        output = call(pipe, name, **({"callback_on_step_end": record} if has else {}))
    finally:
        scheduler_class.step = step
    steps = 2  # in SHAPES: videos start half way through 4
    names = ", ".join(getattr(pipe, "_callback_tensor_inputs", []))
    callback = f"{latents_seen[0]}; {names}" if has else "none"
    fields = ", ".join(f"{k}: {type(v).__name__} {describe(v)}" for k, v in output.items())
    returned = {
        key: describe(seen[key][0][0]) if key in seen else "not called"
        for key in ("encode_prompt", "prepare_latents")
    }
    return [
        name,
        two,
        same_prompt,
        repeat_inputs,
        scheduler,
        latents(seen, pipe, name),
        returned["prepare_latents"],
        returned["encode_prompt"],
        f"{type(output).__name__}({fields})",
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
    lines += [measure(name) for name in TESTED]
    versions = {
        m.__name__: m.__version__.partition("+")[0] for m in (diffusers, transformers, torch)
    }
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    previous = OUTPUT.read_text("utf-8") if OUTPUT.exists() else ""
    _, _, notes = previous.partition("\n## ")
    ending = f"\n\n## {notes}" if notes else "\n"
    OUTPUT.write_text(HEAD.format(**versions) + table + ending, "utf-8")


if __name__ == "__main__":
    main()
