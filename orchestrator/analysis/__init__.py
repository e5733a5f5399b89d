"""What can be known of a plan before it runs."""
