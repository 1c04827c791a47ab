"""Online fine-tuning: planners collect episodes, and their networks train on with them."""
