use std::collections::HashMap;
use std::sync::mpsc;
use std::sync::{Barrier, Mutex};

use futures::future::join_all;
use proptest::prelude::*;

use super::*;

fn queue(threads: usize) -> Queue {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).panic_handler(|_| ());
    Queue::new(Arc::new(pool.build().unwrap()))
}

/// Keeps a thread busy until the sender sends or is dropped; returns when the thread has begun.
fn occupy(flow: &Flow) -> (mpsc::Sender<()>, Queued<()>) {
    let (gate, opened) = mpsc::channel();
    let (begun, has_begun) = mpsc::channel();
    let job = flow.run(0, 1, move || {
        begun.send(()).unwrap();
        let _ = opened.recv();
    });
    has_begun.recv().unwrap();
    (gate, job)
}

#[tokio::test]
async fn jobs_of_a_stream_run_by_order_then_as_queued() {
    let queue = queue(1);
    let flow = queue.flow("one".into(), 1);
    let (gate, first) = occupy(&flow);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let jobs = [(3, 'd'), (1, 'a'), (2, 'c'), (1, 'b'), (3, 'e')].map(|(order, name)| {
        let seen = Arc::clone(&seen);
        flow.run(order, 1, move || seen.lock().unwrap().push(name))
    });
    drop(gate);
    assert_eq!(first.await, Ok(()));
    assert!(join_all(jobs).await.iter().all(Result::is_ok));
    assert_eq!(*seen.lock().unwrap(), ['a', 'b', 'c', 'd', 'e']);
}

#[tokio::test]
async fn all_threads_work_and_none_has_two_jobs() {
    let queue = queue(3);
    let flow = queue.flow("one".into(), 1);
    // None of a round returns before all three have begun: with a thread less this would not end.
    let together = Arc::new(Barrier::new(3));
    let jobs = (0..30).map(|number| {
        let (together, inner) = (Arc::clone(&together), Arc::clone(&flow.inner));
        flow.run(number, 1, move || {
            let running = inner.lock().running;
            together.wait();
            running
        })
    });
    let running = join_all(jobs.collect::<Vec<_>>()).await;
    assert!(running.iter().all(|running| running.is_ok_and(|running| running <= 3)));
}

#[tokio::test]
async fn a_dropped_future_takes_its_job_out() {
    let queue = queue(1);
    let flow = queue.flow("one".into(), 1);
    let (gate, first) = occupy(&flow);
    let payload = Arc::new(());
    let held = Arc::clone(&payload);
    let unwanted = flow.run(0, 1, move || drop(held));
    let wanted = flow.run(0, 1, || 7);
    assert_eq!(Arc::strong_count(&payload), 2);
    drop(unwanted);
    assert_eq!(Arc::strong_count(&payload), 1, "taken out while the only thread was busy");
    drop(gate);
    assert_eq!((first.await, wanted.await), (Ok(()), Ok(7)));
}

#[tokio::test]
async fn a_closed_stream_loses_its_jobs_and_nobody_elses() {
    let queue = queue(1);
    let (flow, other) = (queue.flow("one".into(), 1), queue.flow("one".into(), 1));
    let (gate, first) = occupy(&flow);
    let (mine, theirs) = (flow.run(0, 1, || 1), other.run(0, 1, || 2));
    flow.close();
    assert_eq!(mine.await, Err(Gone), "told at once, not when its turn would have come");
    assert_eq!(flow.run(0, 1, || 3).await, Err(Gone));
    drop((flow, gate));
    assert_eq!((first.await, theirs.await), (Ok(()), Ok(2)), "what had begun is not stopped");
}

#[tokio::test]
async fn a_panic_is_told_to_its_waiter_only() {
    let queue = queue(1);
    let flow = queue.flow("one".into(), 1);
    let (gate, first) = occupy(&flow);
    let bad = flow.run(0, 1, || -> u8 { panic!("on purpose") });
    let good = flow.run(1, 1, || 7_u8);
    drop(gate);
    assert_eq!((first.await, bad.await, good.await), (Ok(()), Err(Gone), Ok(7)));
    assert_eq!(flow.run(0, 1, || 8_u8).await, Ok(8));
}

#[tokio::test]
async fn a_tenant_with_a_thousand_jobs_does_not_hold_up_another() {
    let queue = queue(1);
    let (busy, quiet) = (queue.flow("busy".into(), 1), queue.flow("quiet".into(), 1));
    let (gate, first) = occupy(&busy);
    let done = Arc::new(Mutex::new(0));
    let many: Vec<_> = (0..1000)
        .map(|number| {
            let done = Arc::clone(&done);
            busy.run(number, 10, move || *done.lock().unwrap() += 1)
        })
        .collect();
    let counter = Arc::clone(&done);
    let one = quiet.run(0, 10, move || *counter.lock().unwrap());
    drop(gate);
    assert!(one.await.unwrap() <= 1, "the other tenant's job is among the first two");
    assert!(join_all(many).await.iter().all(Result::is_ok));
    assert_eq!(first.await, Ok(()));
}

/// What a test does to a schedule.
#[derive(Debug, Clone)]
enum Step {
    Push { stream: usize, order: u64, cost: u64 },
    Pop,
    Remove { nth: usize },
}

const MAX_COST: u64 = 1000;

fn steps(streams: usize) -> impl Strategy<Value = Vec<Step>> {
    let push = (0..streams, 0..5_u64, 0..=MAX_COST);
    let step = prop_oneof![
        6 => push.prop_map(|(stream, order, cost)| Step::Push { stream, order, cost }),
        4 => Just(Step::Pop),
        1 => any::<usize>().prop_map(|nth| Step::Remove { nth }),
    ];
    prop::collection::vec(step, 1..400)
}

/// A job as the test knows it: who queued it, and for how much.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Known {
    number: usize,
    stream: usize,
    cost: u64,
}

proptest! {
    /// While two tenants both have jobs, what they get by weight differs by less than their
    /// greatest jobs do; and so do streams of a tenant. (Goyal et al., theorem 1.)
    #[test]
    fn shares_are_by_weight(
        weights in prop::collection::vec(1_u32..10, 2..5),
        steps in steps(8),
    ) {
        let mut schedule = Schedule::default();
        let tenant_of = |stream: usize| stream % weights.len();
        let streams: Vec<u64> = (0..8)
            .map(|stream| {
                let tenant = tenant_of(stream);
                schedule.open(tenant.to_string().into(), weights[tenant])
            })
            .collect();
        let mut queued: Vec<(Known, Turn)> = Vec::new();
        // by pair of tenants or of streams: what each got since both have jobs without a pause
        let mut got: HashMap<(bool, usize, usize), [f64; 2]> = HashMap::new();
        for (number, step) in steps.into_iter().enumerate() {
            let mut popped = None;
            match step {
                Step::Push { stream, order, cost } => {
                    let known = Known { number, stream, cost };
                    let turn = schedule.push(streams[stream], order, cost, known).unwrap();
                    queued.push((known, turn));
                }
                Step::Remove { nth } if !queued.is_empty() => {
                    let (known, turn) = queued.remove(nth % queued.len());
                    prop_assert_eq!(schedule.remove(streams[known.stream], turn), Some(known));
                    prop_assert_eq!(schedule.remove(streams[known.stream], turn), None);
                }
                Step::Remove { .. } => (),
                Step::Pop => {
                    popped = schedule.pop();
                    prop_assert_eq!(popped.is_none(), queued.is_empty(), "work conserving");
                }
            }
            if let Some(known) = popped {
                // in its stream it is the first by order, then by number
                let of_stream = queued.iter().filter(|(it, _)| it.stream == known.stream);
                let first = of_stream.min_by_key(|(_, turn)| *turn).map(|(it, _)| *it);
                prop_assert_eq!(first, Some(known));
                for (&(by_tenant, left, right), sums) in &mut got {
                    let (owner, weight) = match by_tenant {
                        true => (tenant_of(known.stream), weights[tenant_of(known.stream)]),
                        false => (known.stream, 1),
                    };
                    let side = [left, right].iter().position(|it| *it == owner);
                    if let Some(side) = side {
                        sums[side] += known.cost.max(1) as f64 / f64::from(weight);
                        let weight_of = |it| if by_tenant { weights[it] } else { 1 };
                        let bound = [left, right].map(|it| MAX_COST as f64 / f64::from(weight_of(it)));
                        let apart = (sums[0] - sums[1]).abs();
                        prop_assert!(apart <= bound[0] + bound[1] + 1.0, "{} apart", apart);
                    }
                }
                queued.retain(|(it, _)| *it != known);
            }
            let has_stream = |stream: usize| queued.iter().any(|(it, _)| it.stream == stream);
            let has_tenant = |tenant| queued.iter().any(|(it, _)| tenant_of(it.stream) == tenant);
            got.retain(|&(by_tenant, left, right), _| match by_tenant {
                true => has_tenant(left) && has_tenant(right),
                false => has_stream(left) && has_stream(right),
            });
            for (left, right) in (0..8).flat_map(|left| (0..left).map(move |right| (left, right))) {
                if left < weights.len() && has_tenant(left) && has_tenant(right) {
                    got.entry((true, left, right)).or_default();
                }
                if tenant_of(left) == tenant_of(right) && has_stream(left) && has_stream(right) {
                    got.entry((false, left, right)).or_default();
                }
            }
        }
    }

    /// Nothing stays of those who left, once nobody works.
    #[test]
    fn tenants_are_forgotten(steps in steps(4), tail in 0_usize..50) {
        let mut schedule = Schedule::default();
        let streams: Vec<u64> =
            (0..4).map(|tenant| schedule.open(tenant.to_string().into(), 1)).collect();
        for step in steps {
            match step {
                Step::Push { stream, order, cost } => {
                    schedule.push(streams[stream], order, cost, ()).unwrap();
                }
                _ => drop(schedule.pop()),
            }
        }
        for _ in 0..tail {
            schedule.pop();
        }
        streams.iter().for_each(|stream| drop(schedule.close(*stream)));
        prop_assert_eq!(schedule.pop(), None);
        schedule.settle();
        prop_assert_eq!(schedule.tenants(), 0);
        prop_assert_eq!(schedule.push(streams[0], 0, 1, ()), Err(()));
    }
}

/// A tenant that opens a stream for every job gets no more than one that keeps its stream.
#[test]
fn a_new_stream_is_no_way_to_the_front() {
    let mut schedule = Schedule::default();
    let steady = schedule.open("steady".into(), 1);
    for number in 0..100 {
        schedule.push(steady, number, 10, "steady").unwrap();
    }
    let mut counts: HashMap<&str, u32> = HashMap::new();
    for _ in 0..100 {
        let new = schedule.open("new".into(), 1);
        schedule.push(new, 0, 10, "new").unwrap();
        let mut got = "steady";
        while got == "steady" {
            got = schedule.pop().unwrap();
            *counts.entry(got).or_default() += 1;
            if counts.values().sum::<u32>() == 100 {
                let difference = counts["new"].abs_diff(counts["steady"]);
                assert!(difference <= 2, "{counts:?}");
                return;
            }
        }
        schedule.close(new);
    }
}

/// Who was alone does not pay for it later, and who was away has saved nothing.
#[test]
fn a_pause_neither_costs_nor_saves() {
    let mut schedule = Schedule::default();
    let (alone, late) = (schedule.open("alone".into(), 1), schedule.open("late".into(), 1));
    for number in 0..1000 {
        schedule.push(alone, number, 10, "alone").unwrap();
    }
    for _ in 0..500 {
        assert_eq!(schedule.pop(), Some("alone"));
    }
    for number in 0..1000 {
        schedule.push(late, number, 10, "late").unwrap();
    }
    let next: Vec<&str> = std::iter::from_fn(|| schedule.pop()).take(200).collect();
    let late = next.iter().filter(|who| **who == "late").count();
    assert!((99..=101).contains(&late), "{late} of 200");
}
