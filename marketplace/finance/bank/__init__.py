"""Bank statements, their lines, what each line is; rules that book lines alike."""
