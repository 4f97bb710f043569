-- name: list_last_runs
-- For each job in $1 that ran at least once: its last finished run, and whether its latest one failed or is still
-- running.
SELECT
    job,
    latest.error IS NOT NULL AS is_failing,
    latest.error IS NULL AND latest.finished_at IS NULL AS is_running,
    latest.started_at,
    finished.finished_at,
    finished.found
FROM unnest($1::text[]) AS job
CROSS JOIN LATERAL (
    SELECT error, started_at, finished_at
    FROM job_run
    WHERE job_run.job = job.job
    ORDER BY slot DESC
    LIMIT 1
) AS latest
LEFT JOIN LATERAL (
    SELECT finished_at, found
    FROM job_run
    WHERE job_run.job = job.job AND finished_at IS NOT NULL
    ORDER BY slot DESC
    LIMIT 1
) AS finished ON true
ORDER BY job;
