"""Parameters, arguments, error texts: no stage depends on these files, the engines track the values."""
