"""What reviews praise and criticise, with the words that say so."""
