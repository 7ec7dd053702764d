"""Re-ranking: the best of what was retrieved in the order of what one model of several tasks expects to happen."""
