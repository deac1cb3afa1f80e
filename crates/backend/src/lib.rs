//! Working storage behind one door.
