"""What is true: marketplaces and their months, terms, enrolments, and one outcome for each unit and contact."""
