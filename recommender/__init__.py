"""What to show, and why: datasets, models, metrics, explained recommendations."""
