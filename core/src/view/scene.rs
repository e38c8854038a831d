//! Facts of the loaded scene that do not change during a run.

use gridloom_units::DeviceId;

/// Index into [`SceneView::homes`].
pub type HomeIndex = usize;

/// Facts of the loaded scene that do not change during a run.
#[derive(Clone, Debug, Default)]
pub struct SceneView {
    /// Title of the scene.
    pub title: String,
    /// What a person should learn or watch.
    pub objective: String,
    /// Calendar day, `YYYY-MM-DD`.
    pub date: String,
    /// Length of a tick, ms.
    pub tick_ms: u64,
    /// Length of the run, ms.
    pub duration_ms: u64,
    /// Length of a market slot, ms.
    pub slot_ms: u64,
    /// Time between two readings of a meter, ms.
    pub reading_ms: u64,
    /// Buses with map position, m (x to the right, y up, after the layout's rotation).
    pub buses: Vec<BusView>,
    /// Line segments in file order.
    pub lines: Vec<LineView>,
    /// Transformers.
    pub transformers: Vec<TransformerView>,
    /// Customers in scene order.
    pub homes: Vec<HomeView>,
    /// Shared batteries.
    pub shared_batteries: Vec<SharedBatteryView>,
    /// M-LMD breakers.
    pub mlmds: Vec<MlmdView>,
    /// Clusters.
    pub clusters: Vec<ClusterView>,
    /// Name of the load law used by the solver, for the legend.
    pub load_law: String,
    /// Every alarm the run can raise.
    pub catalogue: Vec<super::CatalogueRow>,
}

/// A bus on the map.
#[derive(Clone, Debug, Default)]
pub struct BusView {
    /// Name in the grid file.
    pub name: String,
    /// Position, m.
    pub pos_m: (f64, f64),
    /// Whether the position comes from the data (else it was interpolated).
    pub surveyed: bool,
    /// Nominal line-to-neutral voltage, V.
    pub v_nominal: f64,
}

/// A line segment on the map.
#[derive(Clone, Debug, Default)]
pub struct LineView {
    /// Name in the grid file.
    pub name: String,
    /// Bus indices.
    pub from: usize,
    /// Bus indices.
    pub to: usize,
    /// Length, m.
    pub length_m: f64,
    /// Rating per phase, A.
    pub rating_a: f64,
    /// Id of the conductor run this segment belongs to: consecutive segments
    /// between two junctions or ends share one, so labels and chevrons can be
    /// spaced along the whole run.
    pub run: usize,
    /// Hops from the source, for drawing order and tracing.
    pub depth: usize,
    /// Whether the segment only serves one customer (a service drop).
    pub service: bool,
}

/// A transformer.
#[derive(Clone, Debug, Default)]
pub struct TransformerView {
    /// Name.
    pub name: String,
    /// Upstream bus index.
    pub from: usize,
    /// Downstream bus index.
    pub to: usize,
    /// Rating, kVA.
    pub rating_kva: f64,
    /// Line-to-line voltage upstream, kV.
    pub kv_from: f64,
    /// Line-to-line voltage downstream, kV.
    pub kv_to: f64,
}

/// A customer.
#[derive(Clone, Debug, Default)]
pub struct HomeView {
    /// Device id of the meter.
    pub device: DeviceId,
    /// Id (`"H17"`).
    pub id: String,
    /// Kind of building.
    pub kind: gridloom_model::scene::HomeKind,
    /// Bus index.
    pub bus: usize,
    /// Conductor, 0..3.
    pub phase: u8,
    /// Index of the M-LMD whose area it is in.
    pub mlmd: usize,
    /// Index of the cluster.
    pub cluster: usize,
    /// Installed PV, kW; zero without.
    pub pv_kw: f64,
    /// Battery energy, kWh; zero without.
    pub battery_kwh: f64,
    /// Heater power, kW; zero without.
    pub heater_kw: f64,
    /// Charger power, kW; zero without.
    pub ev_kw: f64,
    /// Name of the preference set.
    pub preferences: String,
    /// Ledger account, short form.
    pub account: String,
}

/// A shared battery.
#[derive(Clone, Debug, Default)]
pub struct SharedBatteryView {
    /// Device id of its meter.
    pub device: DeviceId,
    /// Id (`"BESS"`).
    pub id: String,
    /// Bus index.
    pub bus: usize,
    /// Energy, kWh.
    pub capacity_kwh: f64,
    /// Largest power, kW.
    pub max_kw: f64,
    /// M-LMD index.
    pub mlmd: usize,
    /// Cluster index.
    pub cluster: usize,
}

/// An M-LMD breaker.
#[derive(Clone, Debug, Default)]
pub struct MlmdView {
    /// Device id.
    pub device: DeviceId,
    /// Id (`"M1"`).
    pub id: String,
    /// Line index it sits on.
    pub line: usize,
    /// Bus index of its location.
    pub bus: usize,
    /// Limit per phase, A.
    pub limit_a: f64,
    /// Cluster index.
    pub cluster: usize,
    /// Homes directly in its area (nearest M-LMD upstream).
    pub homes: Vec<HomeIndex>,
    /// Homes anywhere behind it.
    pub customers_behind: usize,
    /// Index of the M-LMD upstream of it, if any.
    pub parent: Option<usize>,
}

/// A cluster.
#[derive(Clone, Debug, Default)]
pub struct ClusterView {
    /// Id (`"A"`).
    pub id: String,
    /// Id of the LG-Aggregator.
    pub aggregator: String,
    /// Device id of the LG-Aggregator.
    pub device: DeviceId,
    /// Suggested map position of the aggregator, m (centre of its M-LMDs).
    pub pos_m: (f64, f64),
    /// Number of validators.
    pub validators: usize,
}
