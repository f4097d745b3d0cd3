//! Progress on stderr, where it is a terminal.

use cubeflight_testkit::archive::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar over the products of an archive.
pub(crate) struct Bar(ProgressBar);

/// A bar that shows nothing until it is told of progress, and nothing at all without a terminal.
pub(crate) fn bar(message: &'static str) -> Bar {
    let bar = ProgressBar::new(0).with_message(message);
    let style = ProgressStyle::with_template("{msg} [{bar:32}] {pos}/{len} {elapsed}, {eta} left");
    // A template that does not parse leaves the default style.
    Bar(match style {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    })
}

impl Bar {
    /// Takes what the archive says.
    pub(crate) fn show(&self, progress: Progress<'_>) {
        self.0.set_length(progress.total as u64);
        self.0.set_position(progress.done as u64);
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
