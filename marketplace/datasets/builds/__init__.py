"""The event store, ingestion, and counting on DuckDB, the kernel or Spark: files, no PostgreSQL."""
