"""COMPARE (pure): the provider's lines against our subscriptions and their change logs, each difference explained."""
