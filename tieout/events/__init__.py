"""Events as they happen: taken in durably, applied to the live state, proven against the batch."""
