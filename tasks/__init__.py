"""What is trained and what it predicts: one folder for each kind of task."""
