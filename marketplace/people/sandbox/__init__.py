"""Sandbox: another installation with made-up data and test money, which partners of this one enter by a signed pass."""
