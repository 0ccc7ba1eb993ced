"""What runs and when: definitions, jobs, schedules, runs over a range, and the command line."""
