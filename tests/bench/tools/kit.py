"""beecam, as its README says: load, sweep, run."""

import functools
import tempfile

import beecam as bc

# Where a pipeline calls something by another name than a shot does.
_RENAMED = {"frame_rate": "fps", "frames": "num_frames", "video_length": "num_frames"}


@functools.cache
def loaded(model, device):
    return keeping(bc.load(model, device=device))


def keeping(model):
    """Have a model keep the frames that it makes, in `model.kept` by the keys of their shots.

    Clips are kept as H.264; only these frames can be compared pixel by pixel.
    """
    model.kept = {}
    original = model.generate

    @functools.wraps(original)
    def generate(shots, *args, **kwargs):
        made = original(shots, *args, **kwargs)
        model.kept.update({shot.key: one.frames for shot, one in zip(shots, made, strict=True)})
        return made

    model.generate = generate
    return model


def swept(model, prompts, seeds, *, exact=False, **settings):
    """Make a clip of every prompt with every seed, into a new library; `model` is a keeping one."""
    settings = {_RENAMED.get(name, name): value for name, value in settings.items()}
    model.kept.clear()
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
        return [model.kept[clip.shot.key] for clip in run.clips]


def make(prompts, seeds, *, model, device, **settings):
    """Make a clip of every prompt with every seed."""
    return swept(loaded(model, device), prompts, seeds, **settings)
