"""What only the schema's owner may do: a test says so statement by statement, and is the role that serves in all else."""

from marketplace.core.database import execute, transaction


async def as_owner(sql: str, *values: object) -> int:
    """Run `sql` as the role that owns the schema, in the open transaction or one of its own; return how many rows it touched.

    It is for tampering that an invariant must find, for a fault that a test plants in the schema, and for showing that a
    trigger refuses even the owner.
    """
    async with transaction():
        await execute("SET LOCAL ROLE partage")
        touched = await execute(sql, *values)
        await execute("RESET ROLE")  # to the one that the connection began with
    return touched
