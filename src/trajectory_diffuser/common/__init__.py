"""What everything else stands on: parameters, files, seeds, devices, errors."""
