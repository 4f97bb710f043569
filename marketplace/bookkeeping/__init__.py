"""The books for those who close and check them: journal, trial balance, months, exports."""
