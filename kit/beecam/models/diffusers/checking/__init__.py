"""What `sweep.check` finds in the shots of a pipeline: problems, and notes on what is lost."""
