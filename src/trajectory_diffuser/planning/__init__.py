"""The planner: draft, refine, act."""
