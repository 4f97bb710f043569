"""Pure: what a release reveals and how sure its figures are; the gate before publication, simulated people."""
