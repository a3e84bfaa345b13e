"""Evaluate pollen: `python -m beecam.models.pollen.evaluation STAGE`."""

from beecam.models.pollen.evaluation.score import main

if __name__ == "__main__":
    main()
