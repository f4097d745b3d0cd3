//! The half of a stream that waits for row-blocks and hands them out.

use std::collections::BTreeSet;
use std::sync::Arc;

use cubeflight_plan::Layout;
use cubeflight_sentinel2::Order;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;

use crate::block::OpenBlock;
use crate::{Block, Error, Result};

/// What the half that reads passes to the half that hands out: blocks in order, or why there are no
/// more.
pub(crate) type Opened = Result<Arc<OpenBlock>>;

/// Sends the open blocks on as they are finished, until there are no more or nobody listens.
///
/// # Errors
/// What ends the cube.
pub(crate) async fn hand_out(
    order: Order,
    layout: &Layout,
    open: mpsc::Receiver<Opened>,
    sender: &mpsc::Sender<Result<Block>>,
) -> Result<()> {
    match order {
        Order::Time => in_time_order(layout, open, sender).await,
        Order::Completion => as_completed(layout, open, sender).await,
    }
}

async fn in_time_order(
    layout: &Layout,
    mut open: mpsc::Receiver<Opened>,
    sender: &mpsc::Sender<Result<Block>>,
) -> Result<()> {
    while let Some(opened) = open.recv().await {
        let block = opened?.finish(layout).await?;
        if sender.send(Ok(block)).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Step and row-block.
type Place = (usize, u16);
/// Of an error that comes after all blocks that are open.
const AFTER_ALL: Place = (usize::MAX, u16::MAX);

/// Gives any block that is complete. When one cannot be given, those before it are still waited for, so
/// that as much is given as in time order; of several errors the earliest counts.
///
/// Nothing more is taken from `open` then, and the blocks waited for are finished all the same: reads
/// begin in the order of the first block that they fill, so the memory that those of earlier blocks
/// may still have to wait for is that of blocks which are given here.
async fn as_completed(
    layout: &Layout,
    mut open: mpsc::Receiver<Opened>,
    sender: &mpsc::Sender<Result<Block>>,
) -> Result<()> {
    let mut waiting = FuturesUnordered::new();
    let mut places: BTreeSet<Place> = BTreeSet::new();
    let mut end: Option<(Place, Error)> = None;
    let mut more = true;
    loop {
        if let Some((place, _)) = &end
            && places.first().is_none_or(|first| first > place)
        {
            break;
        }
        tokio::select! {
            biased;
            Some((place, outcome)) = waiting.next() => {
                places.remove(&place);
                match outcome {
                    Ok(block) => if sender.send(Ok(block)).await.is_err() {
                        return Ok(());
                    },
                    Err(error) => {
                        more = false;
                        if end.as_ref().is_none_or(|(earliest, _)| place < *earliest) {
                            end = Some((place, error));
                        }
                    }
                }
            }
            opened = open.recv(), if more => match opened {
                Some(Ok(block)) => {
                    let place = block.place();
                    places.insert(place);
                    waiting.push(async move { (place, block.finish(layout).await) });
                }
                Some(Err(error)) => {
                    more = false;
                    end = Some((AFTER_ALL, error));
                }
                None => more = false,
            },
            else => break,
        }
    }
    match end {
        Some((_, error)) => Err(error),
        None => Ok(()),
    }
}
