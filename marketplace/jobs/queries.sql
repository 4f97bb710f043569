-- name: list_last_runs
-- Of each job in $1 that ever ran: its last finished run, and whether its latest one failed.
SELECT
    job,
    error IS NOT NULL AS is_failing,
    finished_at,
    found
FROM unnest($1::text[]) AS job
CROSS JOIN LATERAL (
    SELECT error
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
