"""The only importer of stripe: commands out, events in, balance transactions mirrored."""
