//! Users, roles, range permissions, tokens, and the one gate.
//!
//! Invariant: knows no clock, no randomness and no passwords in clear: whoever calls hashes, signs
//! and says what time it is.
