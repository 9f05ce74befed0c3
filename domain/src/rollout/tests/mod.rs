//! The machines, held to the rules of the domain.

mod approvals;
mod audit;
mod cadence;
mod decisions;
mod document;
mod drift;
mod evidence;
mod guard;
mod hold;
mod incidents;
mod lowering;
mod notices;
mod promotions;
mod random;
mod rca;
mod restored;
mod rollbacks;
mod stored;
mod storm;
mod table;
mod verdict;
mod watch;
mod world;
