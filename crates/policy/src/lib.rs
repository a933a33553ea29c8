//! Who may do what: policies in Cedar, loaded with strict validation, and
//! decisions that say why.
//!
//! Nothing here reads a clock, a file or a socket: policies come in as texts,
//! and what is known of an occasion comes in with each question.
//!
//! **Permits grant, forbids tighten.** Whatever nothing permits is refused. A permit
//! that can't be evaluated doesn't count, a forbid that can't be evaluated does.

mod decide;
pub mod diff;
mod doubt;
pub mod explain;
mod index;
mod load;
mod mentions;
mod question;
mod set;
mod stack;
pub mod testing;
mod translate;
mod vocabulary;
mod wording;
mod world;

pub use decide::{Decision, Obligation};
pub use load::{DEFAULT, Known, LoadError, Source};
pub use question::{Action, Context, GateIn, IncidentIn, MachineIn, PersonIn, Question, Resource, SignInMethod, Who};
pub use set::PolicySet;
pub use vocabulary::SCHEMA;
pub use world::{Broker, Incident, Log, Machine, Occasion, Person, World};
