"""Events that are retracted: of an erased person, of a line, or of everyone, in an interval of instants."""
