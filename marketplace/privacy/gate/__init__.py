"""The release gate: what a partner could learn, tried on a release before anyone has it."""
