"""Areas and prices of plates."""
