"""What answers for an agent."""
