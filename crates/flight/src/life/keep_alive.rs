//! Signs of life of a stream that has nothing to send.
//!
//! Proxies end streams that are silent for long, and do not count HTTP/2 pings. An empty record
//! batch is the one message that every reader passes over: one without a batch ends the stream for
//! some.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow_flight::FlightData;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream};
use futures::{FutureExt, Stream, StreamExt};
use tokio::time::{Instant, Sleep, sleep};
use tonic::Status;

type Messages = BoxStream<'static, Result<FlightData, Status>>;

/// A stream that gives an empty message after each interval without another one.
#[derive(Debug)]
pub(crate) struct KeepAlive<S> {
    inner: S,
    empty: FlightData,
    interval: Duration,
    silence: Pin<Box<Sleep>>,
}

impl<S> KeepAlive<S> {
    pub(crate) fn new(inner: S, empty: FlightData, interval: Duration) -> Self {
        Self { inner, empty, interval, silence: Box::pin(sleep(interval)) }
    }

    fn begin_again(&mut self) {
        // An interval too long to be added is as good as none.
        if let Some(end) = Instant::now().checked_add(self.interval) {
            self.silence.as_mut().reset(end);
        }
    }
}

impl<S> Stream for KeepAlive<S>
where
    S: Stream<Item = Result<FlightData, Status>> + Unpin,
{
    type Item = Result<FlightData, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Poll::Ready(item) = Pin::new(&mut self.inner).poll_next(context) {
            self.begin_again();
            return Poll::Ready(item);
        }
        if self.silence.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        self.begin_again();
        Poll::Ready(Some(Ok(self.empty.clone())))
    }
}

/// The messages of a stream that is still being planned.
pub(crate) fn late(planning: BoxFuture<'static, Result<Messages, Status>>) -> Messages {
    let rows = planning.map(|planned| match planned {
        Ok(messages) => messages,
        Err(status) => stream::once(async { Err(status) }).boxed(),
    });
    rows.flatten_stream().boxed()
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::sync::mpsc;
    use tokio_stream::wrappers::ReceiverStream;

    use super::*;

    const INTERVAL: Duration = Duration::from_millis(40);

    fn message(note: &'static str) -> FlightData {
        FlightData::new().with_app_metadata(note)
    }

    async fn note(stream: &mut (impl Stream<Item = Result<FlightData, Status>> + Unpin)) -> String {
        let message = stream.next().await.unwrap().unwrap();
        String::from_utf8(message.app_metadata.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn silence_is_broken_after_each_interval_and_by_nothing_else() {
        let (sender, receiver) = mpsc::channel(4);
        let mut stream = KeepAlive::new(ReceiverStream::new(receiver), message("-"), INTERVAL);
        let begun = Instant::now();
        for _ in 0..3 {
            assert_eq!(note(&mut stream).await, "-");
        }
        assert!(begun.elapsed() >= 3 * INTERVAL);
        // a row begins the interval anew
        sender.send(Ok(message("row"))).await.unwrap();
        assert_eq!(note(&mut stream).await, "row");
        let begun = Instant::now();
        assert_eq!(note(&mut stream).await, "-");
        assert!(begun.elapsed() >= INTERVAL);
        // rows that are there go first, however long nobody has asked
        sleep(3 * INTERVAL).await;
        sender.send(Err(Status::data_loss("x"))).await.unwrap();
        assert!(stream.next().await.unwrap().is_err());
        drop(sender);
        assert!(stream.next().await.is_none());
    }

    #[tokio::test]
    async fn planning_may_be_late_and_may_fail() {
        let slow = async {
            sleep(3 * INTERVAL).await;
            Ok(stream::iter([Ok(message("row"))]).boxed())
        };
        let stream = KeepAlive::new(late(slow.boxed()), message("-"), INTERVAL);
        let mut notes: Vec<_> = stream.map(|message| message.unwrap().app_metadata).collect().await;
        assert_eq!(notes.pop().unwrap(), "row");
        assert!(!notes.is_empty() && notes.iter().all(|note| note == "-"));

        let mut failing = late(async { Err(Status::unavailable("x")) }.boxed());
        assert_eq!(failing.next().await.unwrap().unwrap_err().message(), "x");
        assert!(failing.next().await.is_none());
    }
}
