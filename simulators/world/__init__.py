"""People who own the simulated cars: who they are, what they do and who was told what, with the truth of it known."""
