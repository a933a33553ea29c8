//! How far it is, for whoever looks on.

use halligan_engine::audit::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Shorter logs are through before anybody looks.
const WORTH_A_BAR: u64 = 10_000;

/// A bar on stderr; nothing where that is no terminal, or the log is short.
pub struct Bar(Option<ProgressBar>);

impl Bar {
    pub const fn new() -> Self {
        Self(None)
    }

    pub fn show(&mut self, Progress { entries, size }: Progress) {
        if size < WORTH_A_BAR {
            return;
        }
        let bar = self.0.get_or_insert_with(|| {
            let style = ProgressStyle::with_template("{bar:40} {human_pos} of {human_len} entries, {eta} left");
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(size).with_style(style)
        });
        bar.set_position(entries);
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
