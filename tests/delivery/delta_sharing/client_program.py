"""What the official client does with each profile; run in an environment of its own. Arguments: profile, address of the site."""

import json
import os
import sys

import delta_sharing
from delta_sharing.delta_sharing import SharingClient

profile, table = sys.argv[1], sys.argv[2]
where = f"{profile}#{table}"
found: dict[str, object] = {}
client = SharingClient(profile)
found["tables"] = [f"{one.share}.{one.schema}.{one.name}" for one in client.list_all_tables()]
found["version"] = delta_sharing.get_table_version(where)
if "--tables" not in sys.argv:
    order = ["zone", "starts_at", "segment"]
    parquet = delta_sharing.load_as_pandas(where).sort_values(order).reset_index(drop=True)
    delta = delta_sharing.load_as_pandas(where, use_delta_format=True).sort_values(order).reset_index(drop=True)
    batches = delta_sharing.load_as_pandas(where, convert_in_batches=True)
    found["rows"] = [len(parquet), len(delta), len(batches)]
    found["people"] = [int(frame["people"].sum()) for frame in (parquet, delta, batches)]
    found["limited"] = len(delta_sharing.load_as_pandas(where, limit=7))
    found["comment"] = delta_sharing.get_table_metadata(where).schema_string.count("comment")
    for name, more in (("changes", {}), ("delta_changes", {"use_delta_format": True})):
        changes = delta_sharing.load_table_changes_as_pandas(where, starting_version=0, **more)
        found[name] = changes.groupby(["_commit_version", "_change_type"]).size().tolist()
    found["first"] = len(delta_sharing.load_as_pandas(where, version=0))
    try:
        delta_sharing.load_as_pandas(where, version=99)
    except Exception as error:  # noqa: BLE001 (whatever the client raises)
        found["absent"] = str(error)
print(json.dumps(found), flush=True)
os._exit(0)  # Without waiting for Arrow's threads, which now and then abort a program that ends (its issue 50482).
