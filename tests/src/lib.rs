//! Drivers shared by the integration tests: processes, peers, transcripts.
