//! The queue of messages under way.

use std::collections::{BTreeMap, VecDeque};

use bevy::prelude::*;
use borsh::{BorshDeserialize, BorshSerialize};
use gridloom_contract::ControlOrder;
use gridloom_model::scene::{LinkSpec, LinksSpec};
use gridloom_units::{SimTime, Stream, draw_f64, draw_u64};

use crate::edge::{GridState, Strategy};
use crate::truth::Quality;
use crate::view::{HopView, Place};

/// Messages under way at most; more are refused and counted.
const QUEUE_LIMIT: usize = 1 << 16;

/// Times a message is sent before it is given up.
const ATTEMPTS: u64 = 8;

/// Pause before a lost message is sent again, ms.
const RETRY_MS: u64 = 1_000;

/// Hops kept for display.
const RECENT_LIMIT: usize = 512;

/// Latency and loss of every class of link.
#[derive(Resource, Clone, Copy, Debug)]
pub struct LinkTable {
    links: LinksSpec,
    seed: u64,
}

impl LinkTable {
    /// From the scene's links and seed.
    #[must_use]
    pub fn new(links: LinksSpec, seed: u64) -> Self {
        Self { links, seed }
    }

    fn between(&self, from: Place, to: Place) -> LinkSpec {
        match (from, to) {
            (Place::Home(_) | Place::SharedBattery(_), _)
            | (_, Place::Home(_) | Place::SharedBattery(_)) => self.links.meter,
            (Place::Cloud, _) | (_, Place::Cloud) => self.links.cloud,
            _ => self.links.mlmd,
        }
    }
}

/// What a message carries.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub enum Body {
    /// A signed reading as an encoded ledger transaction.
    Reading {
        /// Index of the meter.
        meter: u32,
        /// End of the interval, ms.
        interval_end_ms: u64,
        /// The signed transaction.
        transaction: Vec<u8>,
        /// What the meter measured besides energy.
        quality: Quality,
    },
    /// Energy into the area of one M-LMD over an interval.
    AreaLoad {
        /// Index of the M-LMD.
        mlmd: u32,
        /// End of the interval, ms.
        interval_end_ms: u64,
        /// Energy into the area, Wh (negative when the area gives).
        energy_wh: i64,
        /// Mean voltage of its three phases over the interval, micro-pu; zeros
        /// unless all were live all the time.
        phases_upu: [u32; 3],
    },
    /// Area loads of a cluster, sent to the cloud.
    ClusterLoad {
        /// Index of the cluster.
        cluster: u32,
        /// Per interval: its end (ms) and the energy into the cluster's areas since
        /// the start (Wh), oldest first.
        loads: Vec<(u64, i64)>,
    },
    /// The cloud's answer to a report.
    GridState {
        /// It has the reports up to here, ms.
        through_ms: u64,
        /// How it wants to be told.
        strategy: Strategy,
        /// What it knows of the whole.
        grid: GridState,
    },
    /// Control information of a contract run for the meter's equipment.
    Orders {
        /// Index of the meter.
        meter: u32,
        /// Slot of the price.
        slot: u32,
        /// When the price was final, ms.
        final_ms: u64,
        /// What to do.
        orders: Vec<ControlOrder>,
    },
    /// The meter's answer to orders.
    Ack {
        /// Index of the meter.
        meter: u32,
        /// When the price was final, ms.
        final_ms: u64,
        /// Orders taken.
        accepted: u32,
        /// Orders refused.
        refused: u32,
    },
    /// A message for the meter's display (paper A8).
    Notice {
        /// Index of the meter.
        meter: u32,
        /// What it shows.
        text: String,
    },
}

impl Body {
    fn label(&self) -> &'static str {
        match self {
            Self::Reading { .. } => "reading",
            Self::AreaLoad { .. } => "area load",
            Self::ClusterLoad { .. } => "cluster load",
            Self::GridState { .. } => "grid state",
            Self::Orders { .. } => "control",
            Self::Ack { .. } => "acknowledgement",
            Self::Notice { .. } => "notice",
        }
    }
}

/// A message that arrives.
#[derive(Clone, Debug, BorshSerialize, BorshDeserialize)]
pub struct Delivery {
    /// Sender.
    pub from: Place,
    /// Receiver.
    pub to: Place,
    /// When its author sent it, ms.
    pub sent_ms: u64,
    /// When it arrives, ms.
    pub arrives_ms: u64,
    /// Contents.
    pub body: Body,
}

impl Delivery {
    fn uses_cloud(&self) -> bool {
        self.from == Place::Cloud || self.to == Place::Cloud
    }
}

/// Messages under way, ordered by arrival.
#[derive(Resource, Clone, Debug, Default, BorshSerialize, BorshDeserialize)]
pub struct DataPlane {
    next: u64,
    due: BTreeMap<(u64, u64), Delivery>,
    /// Messages sent.
    pub sent: u64,
    /// Transmissions lost and repeated.
    pub repeated: u64,
    /// Messages given up after every attempt was lost.
    pub lost: u64,
    /// Messages refused because the queue was full.
    pub refused: u64,
    /// Messages that found the link to the cloud cut.
    pub cut_off: u64,
    /// Whether the link to the cloud is cut.
    cloud_cut: bool,
}

impl DataPlane {
    /// Cuts the link to the cloud, with what is under way on it, or mends it.
    pub fn cut_cloud(&mut self, cut: bool) {
        self.cloud_cut = cut;
        if cut {
            let before = self.due.len();
            self.due.retain(|_, delivery| !delivery.uses_cloud());
            self.cut_off += (before - self.due.len()) as u64;
        }
    }

    /// Whether the cloud can be reached.
    #[must_use]
    pub const fn reaches_cloud(&self) -> bool {
        !self.cloud_cut
    }

    /// Sends a message at `now_ms`; returns whether it will arrive.
    pub fn send(
        &mut self,
        links: &LinkTable,
        recent: &mut RecentHops,
        now_ms: u64,
        from: Place,
        to: Place,
        body: Body,
    ) -> bool {
        self.send_from(links, recent, now_ms, now_ms, (from, to), body)
    }

    /// Sends or passes on a message that first left its author at `first_ms`.
    pub fn send_from(
        &mut self,
        links: &LinkTable,
        recent: &mut RecentHops,
        now_ms: u64,
        first_ms: u64,
        (from, to): (Place, Place),
        body: Body,
    ) -> bool {
        if self.due.len() >= QUEUE_LIMIT {
            self.refused += 1;
            return false;
        }
        let number = self.next;
        self.next += 1;
        self.sent += 1;
        if self.cloud_cut && (from == Place::Cloud || to == Place::Cloud) {
            self.cut_off += 1;
            return false;
        }
        let link = links.between(from, to);
        let loss = f64::from(link.loss_permille) / 1_000.0;
        let lost_attempts = (0..ATTEMPTS)
            .take_while(|&n| draw_f64(links.seed, number, n, Stream::LinkLoss) < loss)
            .count() as u64;
        self.repeated += lost_attempts.min(ATTEMPTS - 1);
        if lost_attempts == ATTEMPTS {
            self.lost += 1;
            return false;
        }
        let (low, high) = link.latency_ms;
        let spread = high.saturating_sub(low) + 1;
        let latency = low + draw_u64(links.seed, number, 0, Stream::LinkLatency) % spread;
        let arrives_ms = now_ms + lost_attempts * RETRY_MS + latency;
        recent.push(HopView {
            from,
            to,
            sent: SimTime(now_ms),
            arrives: SimTime(arrives_ms),
            what: body.label(),
        });
        let delivery = Delivery {
            from,
            to,
            sent_ms: first_ms,
            arrives_ms,
            body,
        };
        self.due.insert((arrives_ms, number), delivery);
        true
    }

    /// Takes the next message that arrives before `until_ms`.
    pub fn receive(&mut self, until_ms: u64) -> Option<Delivery> {
        let entry = self.due.first_entry()?;
        (entry.key().0 < until_ms).then(|| entry.remove())
    }

    /// Messages under way.
    #[must_use]
    pub fn under_way(&self) -> usize {
        self.due.len()
    }
}

/// The newest hops for the moving markers; derived, never part of the state.
#[derive(Resource, Clone, Debug, Default)]
pub struct RecentHops {
    /// Blue: data exchange.
    pub data: VecDeque<HopView>,
    /// Orange: transactions.
    pub ledger: VecDeque<HopView>,
}

impl RecentHops {
    fn push(&mut self, hop: HopView) {
        if self.data.len() == RECENT_LIMIT {
            self.data.pop_front();
        }
        self.data.push_back(hop);
    }

    /// Records a transaction hop.
    pub fn push_ledger(&mut self, hop: HopView) {
        if self.ledger.len() == RECENT_LIMIT {
            self.ledger.pop_front();
        }
        self.ledger.push_back(hop);
    }

    /// Forgets everything (after a rewind).
    pub fn clear(&mut self) {
        self.data.clear();
        self.ledger.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(loss_permille: u32) -> LinkTable {
        let link = LinkSpec {
            latency_ms: (20, 80),
            loss_permille,
        };
        LinkTable::new(
            LinksSpec {
                meter: link,
                mlmd: link,
                cloud: link,
            },
            5,
        )
    }

    fn ack(n: u32) -> Body {
        Body::Ack {
            meter: n,
            final_ms: 0,
            accepted: 1,
            refused: 0,
        }
    }

    #[test]
    fn messages_arrive_in_order_of_time_within_the_latency_range() {
        let (mut plane, mut recent) = (DataPlane::default(), RecentHops::default());
        for n in 0..100 {
            assert!(plane.send(
                &links(0),
                &mut recent,
                1_000,
                Place::Home(0),
                Place::Mlmd(0),
                ack(n)
            ));
        }
        let mut last = 0;
        let mut count = 0;
        while let Some(delivery) = plane.receive(2_000) {
            assert!(delivery.arrives_ms >= last && (1_020..=1_080).contains(&delivery.arrives_ms));
            last = delivery.arrives_ms;
            count += 1;
        }
        assert_eq!(count, 100);
    }

    #[test]
    fn a_cut_takes_what_is_under_way_to_the_cloud_and_nothing_else() {
        let (mut plane, mut recent) = (DataPlane::default(), RecentHops::default());
        let mut send = |plane: &mut DataPlane, to| {
            plane.send(&links(0), &mut recent, 0, Place::Aggregator(0), to, ack(0))
        };
        assert!(send(&mut plane, Place::Cloud) && send(&mut plane, Place::Mlmd(0)));
        plane.cut_cloud(true);
        assert_eq!((plane.under_way(), plane.cut_off), (1, 1));
        assert!(!send(&mut plane, Place::Cloud) && send(&mut plane, Place::Mlmd(0)));
        plane.cut_cloud(false);
        assert!(send(&mut plane, Place::Cloud));
        assert_eq!((plane.under_way(), plane.cut_off), (3, 2));
    }

    #[test]
    fn loss_delays_and_total_loss_is_counted() {
        let (mut plane, mut recent) = (DataPlane::default(), RecentHops::default());
        for n in 0..1_000 {
            plane.send(
                &links(500),
                &mut recent,
                0,
                Place::Home(0),
                Place::Mlmd(0),
                ack(n),
            );
        }
        assert!((800..1_300).contains(&plane.repeated), "{}", plane.repeated);
        // Chance of losing all eight is 1 in 256.
        assert!((1..20).contains(&plane.lost), "{}", plane.lost);
        assert_eq!(plane.under_way() as u64 + plane.lost, 1_000);
        assert_eq!(recent.data.len(), RECENT_LIMIT);
    }
}
