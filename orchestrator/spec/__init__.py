"""What a user writes (plans, roles), read and checked."""
