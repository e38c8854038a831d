//! What programs outside and the run say to each other: one JSON object a line.

use gridloom_core::market::agents::{ClusterFacts, SlotFacts};
use gridloom_market::{MAX_STEPS, Step};
use serde::{Deserialize, Serialize};

/// Version of the messages.
pub const VERSION: u32 = 1;
/// Longest line a program may send, bytes.
pub const MAX_LINE: usize = 16 * 1024;
/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 64;
/// Orders a home may place for one slot through here, changes and cancels included.
pub const ORDERS_PER_SLOT: u32 = 8;
/// Requests of all programs that may wait for the next tick.
pub const QUEUE: usize = 1_024;
/// Answers that may wait for a program that reads slowly.
pub const ANSWERS: usize = 256;
/// Lines that are no request after which a connection is closed.
pub const MAX_MALFORMED: u32 = 16;

/// What a program may ask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// The first line: who it is.
    Hello {
        /// Version it speaks.
        version: u32,
        /// Home or shared battery it acts for; without one it only watches.
        #[serde(default)]
        home: Option<String>,
        /// The home's token, where the run asks for one.
        #[serde(default)]
        token: Option<String>,
    },
    /// It wants to be told of every slot.
    Subscribe {},
    /// The home bids in a coming slot.
    Place {
        /// Chosen by the program; comes back with the answers.
        #[serde(default, rename = "ref")]
        reference: u64,
        /// The slot.
        slot: u32,
        /// Steps of what it buys; absent: the limit of its contract.
        #[serde(default)]
        buy: Option<Vec<Step>>,
        /// Steps of what it sells; absent: the limit of its contract.
        #[serde(default)]
        sell: Option<Vec<Step>>,
    },
    /// The home takes its order for a slot back.
    Cancel {
        /// Chosen by the program; comes back with the answers.
        #[serde(default, rename = "ref")]
        reference: u64,
        /// The slot.
        slot: u32,
    },
    /// The program has said what it wants to say in this slot.
    Done {
        /// The running slot.
        slot: u32,
    },
    /// How the endpoint is.
    Status {},
}

/// What a program is told.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// To [`Request::Hello`].
    Welcome(Box<Welcome>),
    /// To [`Request::Subscribe`].
    Subscribed {},
    /// A slot is priced and the one before settled (or half of it is over).
    Slot(Box<SlotFacts>),
    /// An order waits for the next tick.
    Taken {
        /// Of the request.
        #[serde(rename = "ref")]
        reference: u64,
        /// Its slot.
        slot: u32,
        /// The tick that hands it in.
        tick: u64,
    },
    /// An order stands: it is final on the ledger.
    Placed {
        /// Of the request.
        #[serde(rename = "ref")]
        reference: u64,
        /// Its slot.
        slot: u32,
        /// Height of the block.
        height: u64,
        /// Simulated time at which it was seen, ms.
        time_ms: u64,
    },
    /// An order does not stand.
    Refused {
        /// Of the request.
        #[serde(rename = "ref")]
        reference: u64,
        /// Its slot.
        slot: u32,
        /// Why.
        reason: String,
    },
    /// To [`Request::Status`].
    Status(Counts),
    /// The run is over.
    Over {
        /// Simulated time, ms.
        time_ms: u64,
    },
    /// A request that cannot be answered; the connection stays unless it says so.
    Error {
        /// Why.
        reason: String,
    },
}

/// What a program learns first.
#[derive(Clone, Debug, Serialize)]
pub struct Welcome {
    /// Version of the messages.
    pub version: u32,
    /// Title of the scene.
    pub scene: String,
    /// The home it acts for.
    pub home: Option<String>,
    /// Every cluster with its members.
    pub clusters: Vec<ClusterFacts>,
    /// Length of a slot, ms.
    pub slot_ms: u64,
    /// Simulated time, ms.
    pub time_ms: u64,
    /// End of the run, ms.
    pub end_ms: u64,
    /// What the utility pays, micro-EUR/kWh.
    pub feed_in: i64,
    /// What the utility asks, micro-EUR/kWh.
    pub import: i64,
    /// How long the run waits for its `done` in each slot, ms of the wall clock;
    /// absent when it does not wait.
    pub lockstep_ms: Option<u64>,
    /// What it has to keep to.
    pub limits: Limits,
}

/// Limits of the endpoint.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Limits {
    /// Longest line, bytes.
    pub line_bytes: usize,
    /// Most steps on a side of an order.
    pub steps: usize,
    /// Most orders of a home for one slot.
    pub orders_per_slot: u32,
    /// Most connections.
    pub connections: usize,
}

impl Limits {
    /// Those of this version.
    pub const THESE: Self = Self {
        line_bytes: MAX_LINE,
        steps: MAX_STEPS,
        orders_per_slot: ORDERS_PER_SLOT,
        connections: MAX_CONNECTIONS,
    };
}

/// What the endpoint has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Connections now.
    pub connected: u64,
    /// Connections so far.
    pub came: u64,
    /// Connections refused because there were too many.
    pub turned_away: u64,
    /// Orders handed to the run.
    pub orders: u64,
    /// Orders final on the ledger.
    pub placed: u64,
    /// Orders that came to nothing.
    pub refused: u64,
    /// Lines longer than allowed.
    pub too_long: u64,
    /// Lines that are no request.
    pub malformed: u64,
    /// Requests refused because too many waited.
    pub busy: u64,
    /// Connections closed because their answers were not read.
    pub slow: u64,
    /// Slots told to programs.
    pub slots: u64,
    /// Of those, how many ended the waiting by time.
    pub timeouts: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_read_as_the_documents_write_them() {
        let read = |text: &str| serde_json::from_str::<Request>(text);
        assert_eq!(
            read(r#"{"hello":{"version":1,"home":"H2"}}"#).ok(),
            Some(Request::Hello {
                version: 1,
                home: Some("H2".into()),
                token: None
            })
        );
        let placed = read(
            r#"{"place":{"ref":7,"slot":5,"buy":[{"limit":150000,"wh":500,"kind":"Solar"},{"limit":90000}]}}"#,
        );
        let Ok(Request::Place { buy, sell, .. }) = placed else {
            panic!("{placed:?}");
        };
        assert_eq!((buy.map(|steps| steps.len()), sell), (Some(2), None));
        for bad in [
            "",
            "{}",
            "[]",
            r#"{"place":{"slot":-1}}"#,
            r#"{"place":{"slot":1,"price":4}}"#,
            r#"{"shout":{}}"#,
            r#"{"place":{"slot":1,"buy":[{"limit":1e99}]}}"#,
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
