//! History: key index, revisions, write transactions, views, compaction, watch hub.
