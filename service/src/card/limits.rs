//! Caps of the card, each with its reason. It draws nothing.

/// Units of one PNG: beyond, nobody reads it, and the HTML page has a table of contents.
pub(super) const PNG_UNITS: usize = 16;

/// Height in px: what image viewers still open, and at the full width 115 MB while it is drawn.
pub(super) const PNG_HEIGHT: u64 = 12_000;
