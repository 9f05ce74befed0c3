//! What cannot wait goes first. In a storm there is ten times as much to tell and to write down as there is to roll back, and all of
//! it wants the same processor and the same store: it gives way, but for so long only that nobody waits for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Other work gives way no longer than this.
const AT_MOST: Duration = Duration::from_secs(10);

/// How much of that is under way in a process, at one database.
#[derive(Debug, Clone, Default)]
pub struct Precedence(Arc<watch::Sender<usize>>);

/// Other work gives way until this is dropped.
#[derive(Debug)]
pub struct First(Precedence);

impl Precedence {
    /// Begins something that cannot wait.
    #[must_use]
    pub fn first(&self) -> First {
        self.0.send_modify(|under_way| *under_way += 1);
        First(self.clone())
    }

    /// Waits until nothing is under way that cannot wait, or for long enough.
    pub async fn give_way(&self) {
        let mut under_way = self.0.subscribe();
        tokio::time::timeout(AT_MOST, under_way.wait_for(|it| *it == 0)).await.ok();
    }
}

impl Drop for First {
    fn drop(&mut self) {
        self.0.0.send_modify(|under_way| *under_way -= 1);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn other_work_gives_way_and_not_for_ever() {
        let precedence = Precedence::default();
        assert!(precedence.give_way().now_or_never().is_some(), "nothing is under way");
        let (one, other) = (precedence.first(), precedence.first());
        let mut waiting = Box::pin(precedence.give_way());
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(one);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(other);
        waiting.await;
        let begun = tokio::time::Instant::now();
        let _never_ends = precedence.first();
        precedence.give_way().await;
        assert_eq!(begun.elapsed(), AT_MOST);
    }
}
