"""What is owed: performance, fee lines, adjustments, statements and the journal, and the books of closed periods."""
