//! What the analyzer does to the outside world.

mod deliver_decision;

use service_kit::client::Neighbour;
use service_kit::outbox::{EffectKind, Registry, Room};

pub use deliver_decision::DeliverDecision;

/// What it does its effects with.
#[derive(Debug, Clone)]
pub struct Effects {
    pub reporter: Neighbour,
}

impl Registry for Effects {
    const EFFECTS: &'static [EffectKind<Self>] = &[EffectKind::of::<DeliverDecision>()];

    fn room_of(_receiver: &str) -> Room {
        Room::NEIGHBOUR
    }
}
