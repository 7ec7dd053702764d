"""One file a model: its paper, its formula, its shapes."""
