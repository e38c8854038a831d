//! Meter truth: which meter of an area does not tell the truth, and how.
//!
//! An M-LMD measures the energy into its area; the meters behind it report
//! theirs; a network model says what the conductors lose and which voltage
//! each meter should see if the reports are true. Two residuals remain per
//! interval (paper rows A8, T3e, T3f):
//!
//! - **energy**: area less losses less reports, Wh: what no meter reported;
//! - **voltage**: measured less computed, V: a hidden load pulls the voltage
//!   down where it hangs, so it says *where*.
//!
//! [`suspects`] explains both at once by as few causes as possible: forward
//! selection of weighted least-squares candidates, each judged by the Bayesian
//! information criterion. A measuring M-LMD that drifts has an energy residual
//! in proportion to the area's load and no voltage residual, which tells a
//! decoy from a thief. Technique: residual-based bad-data identification as in
//! weighted-least-squares state estimation (Abur and Expósito, *Power System
//! State Estimation*, 2004, ch. 5), restricted to one radial area.
#![deny(missing_docs)]

mod explain;
mod pattern;
mod search;
mod window;

pub use explain::{Cause, Limits, Suspect, Who, suspects};
pub use pattern::Pattern;
pub use window::{Interval, Window};
