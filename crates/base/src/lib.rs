//! Words of the domain: ids, revisions, key ranges, error codes, limits.
