//! Progress on stderr: a bar where it is a terminal, else a line now and then.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cubeflight_index::{Progress, Tally};
use cubeflight_storage::Root;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinHandle;

/// How often the bar is drawn.
const FRAME: Duration = Duration::from_millis(200);
/// How often a line is logged.
const LINE: Duration = Duration::from_secs(30);

/// A bar over the products of an archive.
#[cfg(feature = "demo")]
pub(crate) struct Bar(ProgressBar);

/// A bar that shows nothing until it is told of progress, and nothing at all without a terminal.
#[cfg(feature = "demo")]
pub(crate) fn bar(message: &'static str) -> Bar {
    let bar = ProgressBar::new(0).with_message(message);
    Bar(styled(bar, "{msg} [{bar:32}] {pos}/{len} {elapsed}, {eta} left"))
}

#[cfg(feature = "demo")]
impl Bar {
    /// Takes what the archive says.
    pub(crate) fn show(&self, progress: cubeflight_testkit::archive::Progress<'_>) {
        self.0.set_length(progress.total as u64);
        self.0.set_position(progress.done as u64);
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.0.finish_and_clear();
    }
}

/// A template that does not parse leaves the default style.
fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("=> ")),
        Err(_) => bar,
    }
}

/// Who tells how far an indexer is.
pub(crate) struct Watch {
    task: JoinHandle<()>,
    bar: ProgressBar,
}

impl Watch {
    /// Begins to tell.
    pub(crate) fn start(tally: Arc<Tally>, archive: Root) -> Self {
        let bar = styled(ProgressBar::new(0), "[{bar:24}] {percent}% {elapsed} {msg}");
        let shown = bar.clone();
        let task = tokio::spawn(async move {
            let terminal = std::io::stderr().is_terminal();
            let begin = Instant::now();
            let mut ticks = tokio::time::interval(if terminal { FRAME } else { LINE });
            ticks.tick().await;
            loop {
                ticks.tick().await;
                let progress = tally.progress();
                let text = said(&progress, archive.counters().requests, begin.elapsed());
                if terminal {
                    shown.set_length(progress.work as u64);
                    shown.set_position(progress.work_done as u64);
                    shown.set_message(text);
                } else {
                    tracing::info!("{text}");
                }
            }
        });
        Self { task, bar }
    }

    /// Ends it and removes the bar.
    pub(crate) fn finish(self) {
        self.task.abort();
        self.bar.finish_and_clear();
    }
}

fn said(progress: &Progress, requests: u64, elapsed: Duration) -> String {
    let Progress { found, known, scanned, failed, work, work_done, all_found } = *progress;
    let seconds = elapsed.as_secs_f64().max(1e-3);
    let more = if all_found { "" } else { "+" };
    let mut text = format!(
        "{} of {found}{more} files, {:.1} files/s, {:.0} requests/s",
        scanned + known,
        scanned as f64 / seconds,
        requests as f64 / seconds
    );
    if failed > 0 {
        text.push_str(&format!(", {failed} failed"));
    }
    if work_done > 0 {
        let left = seconds * work.saturating_sub(work_done) as f64 / work_done as f64;
        text.push_str(&format!(", {}{more} left", clock(left)));
    }
    text
}

fn clock(seconds: f64) -> String {
    let minutes = (seconds / 60.0).round() as u64;
    match minutes {
        0..2 => format!("{seconds:.0} s"),
        2..120 => format!("{minutes} min"),
        _ => format!("{} h {:02} min", minutes / 60, minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said() {
        let progress = Progress {
            found: 100,
            known: 20,
            scanned: 40,
            failed: 1,
            work: 3_000,
            work_done: 1_000,
            all_found: false,
        };
        assert_eq!(
            said(&progress, 1_200, Duration::from_secs(40)),
            "60 of 100+ files, 1.0 files/s, 30 requests/s, 1 failed, 80 s+ left"
        );
        assert_eq!((clock(300.0), clock(9_000.0)), ("5 min".to_owned(), "2 h 30 min".to_owned()));
    }
}
