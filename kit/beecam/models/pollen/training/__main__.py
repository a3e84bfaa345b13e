"""Run a stage of the training: `python -m beecam.models.pollen.training STAGE`."""

from __future__ import annotations

import torch

from beecam.models.pollen.training.command_line.options import parse
from beecam.models.pollen.training.command_line.plan import plan
from beecam.models.pollen.training.command_line.stages import STAGES, run_all


def main(arguments: list[str] | None = None) -> None:
    """Run the stage that the command line names, or print the plan.

    >>> main(["render", "--clips", "8"])  # doctest: +SKIP
    """
    options = parse(arguments)
    if options.device != "cpu":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")  # most is in bfloat16 anyway
    print(
        f"{options.stage or 'plan'} in {options.folder} on {options.device}, "
        f"{torch.get_num_threads()} threads",
        flush=True,
    )
    if options.stage is None:
        print("\n".join(plan(options)))
    elif options.stage == "all":
        run_all(options)
    else:
        STAGES[options.stage](options)


if __name__ == "__main__":
    main()
