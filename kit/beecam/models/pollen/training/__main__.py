"""Run a stage of the training: `python -m beecam.models.pollen.training STAGE`."""

from beecam.models.pollen.training.command_line.stages import main

if __name__ == "__main__":
    main()
