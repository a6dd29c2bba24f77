"""What people read: each report reads published tables by name and knows nothing of how they were made."""
