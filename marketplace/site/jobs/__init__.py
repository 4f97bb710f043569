"""Scheduled jobs: the timetable, the scheduler that runs each slot once, and the record of runs."""
