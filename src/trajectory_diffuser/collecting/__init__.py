"""From a task's source to prepared arrays: actors, controllers, downloads, checks."""
