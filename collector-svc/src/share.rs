//! Which of several collectors at one database reads a target, where each of them could: it saves work and decides nothing. Whoever
//! commits first was right (TE-5), and a target that is not read in time is read by any.

use service_kit::forms::Replica;
use shared_types::TargetName;
use tokio::sync::watch;
use xxhash_rust::xxh3::xxh3_64;

/// This collector's share of the targets.
#[derive(Debug, Clone)]
pub struct Share {
    own: String,
    living: watch::Receiver<Vec<String>>,
}

impl Share {
    /// Among those that live beside a replica.
    #[must_use]
    pub fn of(replica: &Replica) -> Self {
        Self::among(replica.id(), replica.living())
    }

    /// Of the one called `own`, among those that live.
    #[must_use]
    pub fn among(own: &str, living: watch::Receiver<Vec<String>>) -> Self {
        Self { own: own.to_owned(), living }
    }

    /// All of it.
    #[must_use]
    pub fn all() -> Self {
        Self::among("", watch::Sender::default().subscribe())
    }

    /// Whether a target falls to this collector: when one comes or goes, only those move that come to it or were its own
    /// (rendezvous hashing).
    #[must_use]
    pub fn has(&self, target: &TargetName) -> bool {
        let living = self.living.borrow();
        let weight = |id: &str| (xxh3_64(format!("{target} {id}").as_bytes()), id == self.own);
        let heaviest = living.iter().map(|id| weight(id)).max();
        heaviest.is_none_or(|heaviest| heaviest <= weight(&self.own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(living: &[&str], own: &str) -> Share {
        let living: Vec<String> = living.iter().map(|id| (*id).to_owned()).collect();
        Share::among(own, watch::Sender::new(living).subscribe())
    }

    /// CO-1: each target falls to one collector, to each about as many, and only those of one that goes move.
    #[test]
    fn each_target_falls_to_one() {
        let (all, without) = (["a", "b", "c", "d"], ["a", "b", "d"]);
        let mut of_each = [0; 4];
        for n in 0..1000 {
            let target = TargetName::parse(&format!("t{n}")).unwrap();
            let takers: Vec<usize> = (0..4).filter(|at| among(&all, all[*at]).has(&target)).collect();
            assert_eq!(takers.len(), 1, "{target}");
            of_each[takers[0]] += 1;
            if all[takers[0]] != "c" {
                assert!(among(&without, all[takers[0]]).has(&target), "{target}");
            }
        }
        assert!(of_each.iter().all(|targets| (200..300).contains(targets)), "{of_each:?}");
        assert!(Share::all().has(&TargetName::parse("t").unwrap()));
    }
}
