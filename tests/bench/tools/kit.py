"""beecam, as in its README: load, sweep, run."""

import functools
import tempfile

import beecam as bc

# Arguments of pipelines that have another name in a shot.
_RENAMED = {"frame_rate": "fps", "frames": "num_frames", "video_length": "num_frames"}


@functools.cache
def load_model(model, device):
    return record_frames(bc.load(model, device=device))


def record_frames(model):
    """Let a model record the frames that it generates, in `model.recorded` by shot key.

    The library stores H.264; only these frames can be compared pixel by pixel.
    """
    model.recorded = {}
    original = model.generate

    @functools.wraps(original)
    def generate(shots, *args, **kwargs):
        generated = original(shots, *args, **kwargs)
        model.recorded.update(
            {shot.key: clip.frames for shot, clip in zip(shots, generated, strict=True)}
        )
        return generated

    model.generate = generate
    return model


def run_sweep(model, prompts, seeds, *, exact=False, **settings):
    """Generate a clip of every prompt with every seed into a new library; return their frames.

    `model` is one that `record_frames` returned.
    """
    settings = {_RENAMED.get(name, name): value for name, value in settings.items()}
    model.recorded.clear()
    with tempfile.TemporaryDirectory() as folder, bc.library(folder) as library:
        sweep = bc.sweep(list(prompts), seed=list(seeds), **settings)
        run = bc.run(sweep, model, library=library, exact=exact)
        try:
            run.wait()
        except BaseException:
            run.cancel()
            raise
        if run.errors:
            raise RuntimeError(f"{len(run.errors)} cells: {next(iter(run.errors.values()))}")
        return [model.recorded[clip.shot.key] for clip in run.clips]


def make(prompts, seeds, *, model, device, **settings):
    """Generate a clip of every prompt with every seed."""
    return run_sweep(load_model(model, device), prompts, seeds, **settings)
