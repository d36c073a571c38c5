"""What a user wrote, made into an `AppSpec`."""
