"""From the files that a run leaves to the page that a person reads."""
