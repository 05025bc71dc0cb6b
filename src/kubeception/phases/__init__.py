"""What each step of a workflow wants, and the condition that ends it. Pure: one file a phase."""
