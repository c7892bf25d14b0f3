use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

#[test]
fn a_task_that_gives_up_leaves_its_place_to_the_next_one() {
    let state = Mutex::new(Waiting::default());
    for _ in 0..1000 {
        let mut gives_up = Box::pin(wait(&state, |waiting| waiting, |_| Poll::<()>::Pending));
        assert!(gives_up.as_mut().poll(&mut Context::from_waker(&woken_by(&Counter::default()))).is_pending());
    }

    assert_eq!(lock(&state).tasks.len(), 0);
}

#[test]
fn a_place_in_the_middle_is_used_again() {
    let (mut waiting, mut places) = (Waiting::default(), [None; 3]);
    let waker = woken_by(&Counter::default());
    for place in &mut places {
        waiting.add(place, &Context::from_waker(&waker));
    }
    let [_, second, _] = places;

    waiting.leave(second.unwrap()).unwrap();
    waiting.add(&mut None, &Context::from_waker(&waker));

    assert_eq!((waiting.tasks.len(), waiting.holes), (3, 0));
    let mut woken = Vec::new();
    waiting.take(&mut woken);
    assert_eq!(woken.len(), 3);
}

#[test]
fn a_task_that_is_polled_again_is_woken_once_and_by_its_last_waker() {
    let (before, after) = (Counter::default(), Counter::default());
    let state = Mutex::new(Waiting::default());
    let mut future = pin!(wait(&state, |waiting| waiting, |_| Poll::<()>::Pending));
    assert!(future.as_mut().poll(&mut Context::from_waker(&woken_by(&before))).is_pending());
    assert!(future.as_mut().poll(&mut Context::from_waker(&woken_by(&after))).is_pending());

    wake_all(&state);

    assert_eq!((before.count(), after.count()), (0, 1));
}

#[test]
fn who_was_woken_and_gives_up_does_not_push_out_whoever_came_later() {
    let (early, late) = (Counter::default(), Counter::default());
    let state = Mutex::new(Waiting::default());
    let mut first = Box::pin(wait(&state, |waiting| waiting, |_| Poll::<()>::Pending));
    assert!(first.as_mut().poll(&mut Context::from_waker(&woken_by(&early))).is_pending());
    wake_all(&state);
    let mut second = Box::pin(wait(&state, |waiting| waiting, |_| Poll::<()>::Pending));
    assert!(second.as_mut().poll(&mut Context::from_waker(&woken_by(&late))).is_pending());

    drop(first);
    wake_all(&state);

    assert_eq!((early.count(), late.count()), (1, 1));
}

#[test]
fn all_tasks_that_wait_for_a_stream_are_woken_and_no_others() {
    let (stream, other) =
        (StreamId::from(quinn_proto::VarInt::from_u32(0)), StreamId::from(quinn_proto::VarInt::from_u32(4)));
    let waker = woken_by(&Counter::default());
    let cx = Context::from_waker(&waker);
    let mut all = AllByStream::default();
    let mut names = [None; 3];
    let [first, second, third] = &mut names;
    all.add(stream, first, &cx);
    all.add(stream, first, &cx);
    all.add(stream, second, &cx);
    all.add(other, third, &cx);

    let mut woken = Vec::new();
    all.take(stream, &mut woken);

    assert_eq!(woken.len(), 2);
    assert!(all.leave(stream, first.unwrap()).is_none());
    assert!(all.leave(other, third.unwrap()).is_some());
    assert!(all.tasks.is_empty());
}

fn wake_all(state: &Mutex<Waiting>) {
    let mut woken = Vec::new();
    lock(state).take(&mut woken);
    woken.into_iter().for_each(Waker::wake);
}

#[derive(Default, Clone)]
struct Counter(Arc<Woken>);

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Counter {
    fn count(&self) -> usize {
        self.0.0.load(Ordering::Relaxed)
    }
}

fn woken_by(counter: &Counter) -> Waker {
    Waker::from(Arc::clone(&counter.0))
}
