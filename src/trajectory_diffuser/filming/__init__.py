"""Films of planners at work: what they plan is drawn ahead of what is done."""
