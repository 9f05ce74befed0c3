//! How well the gate tells bad versions from bad luck: labelled rollouts, judged by the product's own functions and played
//! by its own rules. `docs/judgement.md` holds what comes out.

pub mod batch;
pub mod bound;
pub mod chart;
pub mod compare;
pub mod corpus;
pub mod python;
pub mod row;
pub mod score;
pub mod table;
pub mod walk;
