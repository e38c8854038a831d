//! The grid file: buses, conductors and what connects them.
//!
//! A node is a pair (bus, conductor). Conductors 1 to 3 are the phases, 4 is
//! the neutral by convention, higher numbers are free, 0 is earth. A neutral
//! is a node like any other; earthing is an impedance or a connection to
//! conductor 0.

use serde::{Deserialize, Serialize};

use super::Terminal;

/// The grid format this crate reads and writes.
pub const GRID_FORMAT: u32 = 1;

/// One network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridCase {
    /// Version of the file format; must be [`GRID_FORMAT`].
    pub format: u32,
    /// Name shown to people.
    pub name: String,
    /// Where the figures come from: publication, repository, commit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: String,
    /// Licence of the figures.
    #[serde(default, skip_serializing_if = "is_default")]
    pub licence: String,
    /// Frequency at which every reactance is stated, Hz.
    pub base_frequency_hz: f64,
    /// Buses; the order is the order of dense indices.
    pub buses: Vec<Bus>,
    /// Voltage sources behind their short-circuit impedance.
    pub sources: Vec<VoltageSource>,
    /// Impedances that lines refer to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub line_codes: Vec<LineCode>,
    /// Lines, cables and low-impedance links.
    #[serde(default, skip_serializing_if = "is_default")]
    pub lines: Vec<Line>,
    /// Switching devices at line ends.
    #[serde(default, skip_serializing_if = "is_default")]
    pub switches: Vec<Switch>,
    /// Transformers of one phase or more and two windings or more.
    #[serde(default, skip_serializing_if = "is_default")]
    pub transformers: Vec<Transformer>,
    /// Voltage regulators that move transformer taps.
    #[serde(default, skip_serializing_if = "is_default")]
    pub regulators: Vec<Regulator>,
    /// Capacitor banks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub capacitors: Vec<Capacitor>,
    /// Controls that switch capacitor banks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub capacitor_controls: Vec<CapacitorControl>,
    /// Reactors and earthing impedances.
    #[serde(default, skip_serializing_if = "is_default")]
    pub reactors: Vec<Reactor>,
    /// Loads.
    #[serde(default, skip_serializing_if = "is_default")]
    pub loads: Vec<Load>,
    /// Generators, photovoltaic plants and storage with a stated output.
    #[serde(default, skip_serializing_if = "is_default")]
    pub generators: Vec<Generator>,
}

/// A place where conductors meet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bus {
    /// Id, unique among buses; never contains a dot.
    pub id: String,
    /// Voltage base phase to neutral, kV; 0 where none is known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kv_ln: f64,
    /// Position `(x, y)` in the units of the source.
    #[serde(default, skip_serializing_if = "is_default")]
    pub xy: Option<(f64, f64)>,
}

/// A voltage source behind its short-circuit impedance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoltageSource {
    /// Id, unique among sources.
    pub id: String,
    /// Where it feeds in; one conductor per phase.
    pub at: Terminal,
    /// Where its return conductors are; earth when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub from: Option<Terminal>,
    /// Rated voltage, kV: line to line for two phases and more, across the source for one.
    pub kv: f64,
    /// Voltage behind the impedance, per unit of `kv`.
    #[serde(default = "one")]
    pub v_pu: f64,
    /// Angle of the first phase, degrees.
    #[serde(default, skip_serializing_if = "is_default")]
    pub angle_deg: f64,
    /// Impedance behind which the source stands.
    pub impedance: SourceImpedance,
}

/// Short-circuit data of a source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum SourceImpedance {
    /// Short-circuit powers, MVA, with reactance-to-resistance ratios.
    ShortCircuit {
        /// Three-phase short-circuit power, MVA.
        mva3: f64,
        /// Single-phase short-circuit power, MVA.
        mva1: f64,
        /// X1/R1.
        x1r1: f64,
        /// X0/R0.
        x0r0: f64,
    },
    /// Sequence impedances, ohm.
    Sequence {
        /// Positive-sequence resistance, ohm.
        r1: f64,
        /// Positive-sequence reactance, ohm.
        x1: f64,
        /// Zero-sequence resistance, ohm.
        r0: f64,
        /// Zero-sequence reactance, ohm.
        x0: f64,
    },
}

/// Named line impedance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineCode {
    /// Id, unique among line codes.
    pub id: String,
    /// Number of conductors.
    pub conductors: u8,
    /// Impedance per kilometre.
    pub per_km: LineImpedance,
    /// Continuous current rating, A; 0 where none is known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub norm_amps: f64,
}

/// Series impedance and shunt capacitance of a line per unit of length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum LineImpedance {
    /// Sequence values, ohm and nF.
    Sequence {
        /// Positive-sequence resistance, ohm.
        r1: f64,
        /// Positive-sequence reactance, ohm.
        x1: f64,
        /// Zero-sequence resistance, ohm.
        r0: f64,
        /// Zero-sequence reactance, ohm.
        x0: f64,
        /// Positive-sequence capacitance, nF.
        #[serde(default, skip_serializing_if = "is_default")]
        c1_nf: f64,
        /// Zero-sequence capacitance, nF.
        #[serde(default, skip_serializing_if = "is_default")]
        c0_nf: f64,
    },
    /// Lower triangles row by row (`[[a], [b, c], ...]`), ohm and nF.
    Matrix {
        /// Resistance, ohm.
        r: Vec<Vec<f64>>,
        /// Reactance, ohm.
        x: Vec<Vec<f64>>,
        /// Nodal capacitance, nF; empty for none.
        #[serde(default, skip_serializing_if = "is_default")]
        c_nf: Vec<Vec<f64>>,
    },
}

/// A line, cable or link between two buses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Id, unique among lines.
    pub id: String,
    /// First end; one conductor per row of the impedance.
    pub from: Terminal,
    /// Second end.
    pub to: Terminal,
    /// Line code, or empty with `per_km` given.
    #[serde(default, skip_serializing_if = "is_default")]
    pub code: String,
    /// Own impedance per kilometre instead of a code.
    #[serde(default, skip_serializing_if = "is_default")]
    pub per_km: Option<LineImpedance>,
    /// Length, km.
    pub km: f64,
    /// Continuous current rating, A; that of the code when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub norm_amps: Option<f64>,
    /// Mode of construction, for the drawing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub is_link: bool,
}

/// Which end of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LineEnd {
    /// The `from` end.
    #[default]
    From,
    /// The `to` end.
    To,
}

/// A breaker or switch that opens every conductor at one end of a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Id, unique among switches.
    pub id: String,
    /// The line it is mounted on.
    pub line: String,
    /// The end it is mounted at.
    #[serde(default, skip_serializing_if = "is_default")]
    pub end: LineEnd,
    /// Position at the start.
    #[serde(default = "yes")]
    pub closed: bool,
}

/// Winding or load connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Connection {
    /// Phase to the common last conductor.
    #[default]
    Wye,
    /// Phase to next phase.
    Delta,
}

/// A transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transformer {
    /// Id, unique among transformers.
    pub id: String,
    /// Number of phases.
    pub phases: u8,
    /// Windings, first one gives the power base.
    pub windings: Vec<Winding>,
    /// Short-circuit reactances, % on the base of winding 1, in the order
    /// 1-2, 1-3, ..., 2-3, ...
    pub x_percent: Vec<f64>,
    /// No-load losses, % of the base.
    #[serde(default, skip_serializing_if = "is_default")]
    pub no_load_loss_percent: f64,
    /// Magnetising current, % of the base.
    #[serde(default, skip_serializing_if = "is_default")]
    pub magnetising_percent: f64,
    /// Reactive admittance to earth at every winding end, millionths of the
    /// base, which keeps windings without earth reference determined.
    #[serde(default = "one")]
    pub antifloat_ppm: f64,
    /// Delta side leads on the high-voltage side (European) instead of lagging.
    #[serde(default, skip_serializing_if = "is_default")]
    pub high_leads: bool,
    /// Bank that single-phase units form, for the drawing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bank: String,
}

/// One winding of a transformer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Winding {
    /// Conductors: one per phase, and for wye and single-phase windings the
    /// return conductor last (0 = earth).
    pub at: Terminal,
    /// Connection.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connection: Connection,
    /// Rated voltage, kV: line to line for two- and three-phase units, across the winding for one.
    pub kv: f64,
    /// Rated power, kVA.
    pub kva: f64,
    /// Resistance, % on the base of winding 1.
    pub r_percent: f64,
    /// Tap, per unit of `kv`.
    #[serde(default = "one")]
    pub tap_pu: f64,
    /// Tap range and number of steps for tap changers.
    #[serde(default, skip_serializing_if = "is_default")]
    pub taps: TapRange,
    /// Impedance `(r, x)` ohm from the star point to earth beside what the conductor connects.
    #[serde(default, skip_serializing_if = "is_default")]
    pub neutral_ohm: Option<(f64, f64)>,
}

/// Range of a tap changer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapRange {
    /// Lowest tap, per unit.
    pub min_pu: f64,
    /// Highest tap, per unit.
    pub max_pu: f64,
    /// Steps between them.
    pub steps: u16,
}

impl Default for TapRange {
    fn default() -> Self {
        Self {
            min_pu: 0.9,
            max_pu: 1.1,
            steps: 32,
        }
    }
}

/// A voltage regulator control on a transformer winding.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Regulator {
    /// Id, unique among regulators.
    pub id: String,
    /// Transformer it watches and moves.
    pub transformer: String,
    /// Winding it watches, from 1.
    pub winding: u8,
    /// Winding whose tap it moves, from 1.
    pub tap_winding: u8,
    /// Phase of the winding it watches, from 1; 0 = highest, 255 = lowest.
    #[serde(default = "first_phase")]
    pub phase: u8,
    /// Set point on the secondary side of the voltage transformer, V.
    pub v_set: f64,
    /// Bandwidth, V.
    pub band_v: f64,
    /// Ratio of the voltage transformer.
    pub pt_ratio: f64,
    /// Primary rating of the current transformer, A.
    pub ct_primary_a: f64,
    /// Line-drop compensator `(r, x)`, V at rated current.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ldc_v: (f64, f64),
    /// Remote bus whose voltage is regulated, instead of the winding's own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub remote: Option<Terminal>,
    /// Delay before the first tap, s.
    pub delay_s: f64,
    /// Delay between taps, s.
    pub tap_delay_s: f64,
    /// Most taps in one operation.
    #[serde(default = "many_taps")]
    pub max_taps: u16,
    /// Highest voltage on the secondary side of the transformer at the winding, V; 0 for no limit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub v_limit: f64,
    /// In service.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// A capacitor bank.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capacitor {
    /// Id, unique among capacitors.
    pub id: String,
    /// Conductors, one per phase.
    pub at: Terminal,
    /// Other side; earth for wye when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub to: Option<Terminal>,
    /// Connection.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connection: Connection,
    /// Phases.
    pub phases: u8,
    /// Rated voltage, kV: line to line for two and three phases, across the bank for one.
    pub kv: f64,
    /// Rated power, kvar.
    pub kvar: f64,
    /// Series resistance, ohm per phase.
    #[serde(default, skip_serializing_if = "is_default")]
    pub r_ohm: f64,
    /// Equal steps it is switched in.
    #[serde(default = "one_step", skip_serializing_if = "is_one_step")]
    pub steps: u16,
    /// Position at the start.
    #[serde(default = "yes")]
    pub closed: bool,
}

/// What a capacitor control looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CapacitorSignal {
    /// Reactive power of all phases into the line, kvar.
    Kvar,
    /// Voltage of one phase, V on the secondary side.
    Voltage,
    /// Current of one phase, A on the secondary side.
    Current,
}

/// A control that switches a capacitor bank, a step at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapacitorControl {
    /// Id, unique among capacitor controls.
    pub id: String,
    /// The bank.
    pub capacitor: String,
    /// Line at whose end it measures.
    pub line: String,
    /// That end.
    #[serde(default, skip_serializing_if = "is_default")]
    pub end: LineEnd,
    /// What it looks at.
    pub signal: CapacitorSignal,
    /// Conductor of the line, from 1, whose voltage or current it looks at.
    #[serde(default = "first_phase")]
    pub phase: u8,
    /// Value beyond which it switches a step on: above for kvar and current, below for voltage.
    pub on: f64,
    /// Value beyond which it switches a step off: below for kvar and current, above for voltage.
    pub off: f64,
    /// Ratio of the voltage transformer.
    pub pt_ratio: f64,
    /// Ratio of the current transformer.
    pub ct_ratio: f64,
    /// Voltages `(lowest, highest)` on the secondary side that overrule the signal.
    #[serde(default, skip_serializing_if = "is_default")]
    pub voltage_override: Option<(f64, f64)>,
    /// Delay before it switches on, s.
    pub delay_s: f64,
    /// Delay before it switches off, s.
    pub delay_off_s: f64,
    /// In service.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// A reactor or earthing impedance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reactor {
    /// Id, unique among reactors.
    pub id: String,
    /// Conductors, one per phase.
    pub at: Terminal,
    /// Other side; earth for wye when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub to: Option<Terminal>,
    /// Connection.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connection: Connection,
    /// Phases.
    pub phases: u8,
    /// Resistance, ohm per phase.
    pub r_ohm: f64,
    /// Reactance, ohm per phase.
    pub x_ohm: f64,
    /// Parallel conductance, S per phase.
    #[serde(default, skip_serializing_if = "is_default")]
    pub g_parallel_s: f64,
}

/// A load.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// Id, unique among loads.
    pub id: String,
    /// Conductors: one per phase and, for wye, the return conductor last (0 = earth).
    pub at: Terminal,
    /// Phases.
    pub phases: u8,
    /// Connection.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connection: Connection,
    /// Rated voltage, kV: line to line for two and three phases and delta, across the load for one.
    pub kv: f64,
    /// Rated active power of all phases, kW.
    pub kw: f64,
    /// Rated reactive power of all phases, kvar.
    pub kvar: f64,
    /// How power depends on voltage.
    #[serde(default, skip_serializing_if = "is_default")]
    pub law: LoadLaw,
    /// Voltages between which the law holds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub band: VoltageBand,
    /// Impedance `(r, x)` ohm from the star point to earth.
    #[serde(default, skip_serializing_if = "is_default")]
    pub neutral_ohm: Option<(f64, f64)>,
    /// Profile series that multiplies the rated power; empty for none.
    #[serde(default, skip_serializing_if = "is_default")]
    pub profile: String,
}

/// Voltage band of a load law: outside it the load continues as an impedance.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoltageBand {
    /// Below this the current falls linearly towards `low_pu`, per unit.
    pub min_pu: f64,
    /// Above this the load is the impedance that draws rated power at this voltage, per unit.
    pub max_pu: f64,
    /// Below this the load is its rated impedance, per unit.
    pub low_pu: f64,
}

impl VoltageBand {
    /// A band wide enough that the law holds at every normal voltage.
    pub const WIDE: Self = Self {
        min_pu: 0.0,
        max_pu: 2.0,
        low_pu: 0.0,
    };
}

impl Default for VoltageBand {
    fn default() -> Self {
        Self {
            min_pu: 0.95,
            max_pu: 1.05,
            low_pu: 0.5,
        }
    }
}

/// How a load's power depends on its voltage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum LoadLaw {
    /// Constant active and reactive power.
    #[default]
    ConstPower,
    /// Constant impedance.
    ConstImpedance,
    /// Constant current magnitude at constant power factor.
    ConstCurrent,
    /// Constant active power, reactive power of a constant reactance.
    PowerAndReactance,
    /// Constant active power, rated reactive power whatever the multiplier.
    PowerFixedQ,
    /// Constant active power, reactance of the rated reactive power whatever the multiplier.
    PowerFixedReactance,
    /// P ~ V^p, Q ~ V^q.
    Exponential {
        /// Exponent of active power.
        p: f64,
        /// Exponent of reactive power.
        q: f64,
    },
    /// Shares of impedance, current and power.
    Zip {
        /// Shares of active power: impedance, current, power.
        p: (f64, f64, f64),
        /// Shares of reactive power: impedance, current, power.
        q: (f64, f64, f64),
        /// Voltage below which the load drops out, per unit; 0 for never.
        cutoff_pu: f64,
    },
}

/// What kind of machine a generator is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GeneratorKind {
    /// Anything with a stated output.
    #[default]
    Generator,
    /// Photovoltaic plant.
    Pv,
    /// Battery or other storage.
    Storage,
}

/// Base of reactive power curves of an inverter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ReactiveBase {
    /// Rated apparent power (IEEE 1547-2018).
    #[default]
    Rating,
    /// What the rating leaves beside the active power.
    Available,
    /// Stated values, kvar.
    Stated {
        /// When injecting, kvar.
        inject: f64,
        /// When absorbing, kvar.
        absorb: f64,
    },
}

/// Functions of an inverter that follows the grid (IEEE 1547-2018). Curves are
/// points `(x, y)` with rising `x`, empty for none.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InverterControl {
    /// Rated active power, kW: base of volt-watt, watt-var and frequency-watt.
    pub p_rated_kw: f64,
    /// Base of reactive power curves.
    #[serde(default, skip_serializing_if = "is_default")]
    pub q_base: ReactiveBase,
    /// Most reactive power `(injected, absorbed)`, kvar.
    pub q_most_kvar: (f64, f64),
    /// Reactive power, per unit of its base, over voltage, per unit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub volt_var: Vec<(f64, f64)>,
    /// Limit of active power, per unit, over voltage, per unit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub volt_watt: Vec<(f64, f64)>,
    /// Reactive power, per unit of its base, over active power, per unit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub watt_var: Vec<(f64, f64)>,
    /// Constant power factor; negative absorbs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub power_factor: Option<f64>,
    /// Frequency-droop `(deadband Hz, droop pu)`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub frequency_watt: Option<(f64, f64)>,
    /// Reactive power gives way at the rating, instead of active power.
    #[serde(default, skip_serializing_if = "is_default")]
    pub watt_priority: bool,
}

/// A plant with a stated output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generator {
    /// Id, unique among generators.
    pub id: String,
    /// Conductors: one per phase and, for wye, the return conductor last (0 = earth).
    pub at: Terminal,
    /// Phases.
    pub phases: u8,
    /// Connection.
    #[serde(default, skip_serializing_if = "is_default")]
    pub connection: Connection,
    /// Kind.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kind: GeneratorKind,
    /// Rated voltage, kV, as for loads.
    pub kv: f64,
    /// Active power delivered, kW.
    pub kw: f64,
    /// Reactive power delivered, kvar.
    pub kvar: f64,
    /// Rated apparent power, kVA; 0 where none is known.
    #[serde(default, skip_serializing_if = "is_default")]
    pub kva: f64,
    /// How output depends on voltage.
    #[serde(default, skip_serializing_if = "is_default")]
    pub law: LoadLaw,
    /// Voltages between which the law holds.
    #[serde(default, skip_serializing_if = "is_default")]
    pub band: VoltageBand,
    /// Largest current in a fault, per unit of the rated current; none when absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub current_limit_pu: Option<f64>,
    /// Functions of its inverter.
    #[serde(default, skip_serializing_if = "is_default")]
    pub control: Option<InverterControl>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one() -> f64 {
    1.0
}

fn one_step() -> u16 {
    1
}

fn is_one_step(steps: &u16) -> bool {
    *steps == 1
}

fn yes() -> bool {
    true
}

fn first_phase() -> u8 {
    1
}

fn many_taps() -> u16 {
    16
}
