//! The model checkers' twins of what `sync.rs` names.
