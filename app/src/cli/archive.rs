//! Writes what a run decided into the cloud's database, slot by slot.

use anyhow::{Context, Result};
use gridloom_cloud::{Batch, Store, Table, Value};
use gridloom_core::Twin;
use gridloom_core::archive::{Archive, Fact};
use gridloom_units::EnergyType;

/// Median greenhouse gas intensity over the life of a plant, g CO2-equivalent
/// per kWh: IPCC AR5, Working Group III, Annex III, table A.III.2 (2014);
/// stored energy counts as the photovoltaics that fills the batteries here,
/// hydro stands for hydro and biomass, gas for fossil plants. The grid mix is
/// the European Union's generation of 2022 (European Environment Agency).
fn co2_g_per_kwh(kind: EnergyType) -> u32 {
    match kind {
        EnergyType::Solar | EnergyType::Battery => 41,
        EnergyType::Wind => 11,
        EnergyType::HydroBio => 24,
        EnergyType::Fossil => 490,
        EnergyType::Nuclear => 12,
        EnergyType::GridMix => 251,
    }
}

/// A run on its way into a database.
pub struct Recorder {
    store: Store,
    archive: Archive,
    run_id: i64,
    /// Slots whose facts are on disk.
    pub slots: u64,
}

impl Recorder {
    /// Opens the database and registers the run with its parties and policies.
    ///
    /// # Errors
    /// When the database cannot be opened or written.
    pub fn open(url: &str, twin: &mut Twin) -> Result<Self> {
        let mut store = Store::open(url).context("the run's database")?;
        let run_id = store.next_run()?;
        let archive = Archive::new(twin);
        store.write(&registration(run_id, &archive, twin)?)?;
        Ok(Self {
            store,
            archive,
            run_id,
            slots: 0,
        })
    }

    /// Writes at the end of a slot; returns whether it did.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn observe(&mut self, twin: &mut Twin) -> Result<bool> {
        if !self.archive.is_due(twin) {
            return Ok(false);
        }
        self.flush(twin)?;
        self.slots += 1;
        Ok(true)
    }

    /// Writes what there is.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn flush(&mut self, twin: &mut Twin) -> Result<()> {
        let mut batch = Batch::default();
        for fact in self.archive.take(twin) {
            add(&mut batch, self.run_id, fact)?;
        }
        self.store.write(&batch)?;
        Ok(())
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.store.rows_written
    }

    /// Number of the run in the database.
    pub fn run_id(&self) -> i64 {
        self.run_id
    }
}

/// Numbers of a run fit the database's 64 bits; one that does not is an error.
fn int(value: impl TryInto<i64>) -> Result<Value> {
    value
        .try_into()
        .map(Value::Int)
        .map_err(|_| anyhow::anyhow!("a figure of the run is larger than the database's integers"))
}

fn registration(run_id: i64, archive: &Archive, twin: &Twin) -> Result<Batch> {
    let scene = &twin.scene().scene;
    let market = &scene.market;
    let mut batch = Batch::default();
    batch.push(
        Table::Run,
        [
            run_id.into(),
            scene.title.as_str().into(),
            // A seed is any 64 bits.
            Value::Int(twin.seed().cast_signed()),
            Value::Int(i64::from(market.slot_min) * 60_000),
            Value::Int(i64::from(market.reading_s) * 1_000),
        ],
    );
    for party in archive.parties(twin) {
        batch.push(
            Table::Participant,
            [
                run_id.into(),
                party.number.into(),
                party.name.into(),
                party.kind.into(),
                party.cluster.into(),
                party.mlmd.into(),
            ],
        );
    }
    let mut policy = |name: String, value: String| {
        batch.push(Table::Policy, [run_id.into(), name.into(), value.into()]);
    };
    policy(
        "utility buys at micro_eur_per_kwh".into(),
        market.feed_in.to_string(),
    );
    policy(
        "utility sells at micro_eur_per_kwh".into(),
        market.import.to_string(),
    );
    policy(
        "largest price step micro_eur_per_kwh".into(),
        market.max_step.to_string(),
    );
    policy(
        "contract version".into(),
        scene.contract.version.to_string(),
    );
    policy(
        "contract terms".into(),
        ron::to_string(&scene.contract).context("the contract as text")?,
    );
    for kind in EnergyType::ALL {
        policy(
            format!("co2 g_per_kwh {}", kind.label()),
            co2_g_per_kwh(kind).to_string(),
        );
    }
    Ok(batch)
}

fn add(batch: &mut Batch, run_id: i64, fact: Fact) -> Result<()> {
    let run = || Value::Int(run_id);
    match fact {
        Fact::Reading {
            party,
            interval_end_ms,
            import_wh,
            export_solar_wh,
            export_battery_wh,
            height,
        } => batch.push(
            Table::Reading,
            [
                run(),
                party.into(),
                int(interval_end_ms)?,
                import_wh.into(),
                export_solar_wh.into(),
                export_battery_wh.into(),
                int(height)?,
            ],
        ),
        Fact::Price {
            cluster,
            slot,
            start_ms,
            kind,
            price,
            height,
        } => batch.push(
            Table::Price,
            [
                run(),
                cluster.into(),
                slot.into(),
                kind.label().into(),
                int(start_ms)?,
                price.into(),
                int(height)?,
            ],
        ),
        Fact::Trade {
            cluster,
            slot,
            line,
            start_ms,
            buyer,
            seller,
            kind,
            reason,
            energy_wh,
            price,
            money,
            height,
        } => batch.push(
            Table::Trade,
            [
                run(),
                cluster.into(),
                slot.into(),
                int(line)?,
                int(start_ms)?,
                buyer.into(),
                seller.into(),
                kind.label().into(),
                reason.into(),
                energy_wh.into(),
                price.into(),
                int(money)?,
                int(height)?,
            ],
        ),
        Fact::Forecast {
            cluster,
            slot,
            start_ms,
            quantity,
            expected_wh,
            last_wh,
            method,
            height,
        } => batch.push(
            Table::Forecast,
            [
                run(),
                cluster.into(),
                slot.into(),
                quantity.into(),
                int(start_ms)?,
                expected_wh.into(),
                last_wh.into(),
                method.into(),
                int(height)?,
            ],
        ),
        Fact::AreaLoad {
            mlmd,
            interval_end_ms,
            energy_wh,
            height,
        } => batch.push(
            Table::AreaLoad,
            [
                run(),
                mlmd.into(),
                int(interval_end_ms)?,
                energy_wh.into(),
                int(height)?,
            ],
        ),
        Fact::Outage {
            party,
            start_ms,
            minutes,
        } => batch.push(
            Table::Outage,
            [run(), party.into(), int(start_ms)?, minutes.into()],
        ),
        Fact::Event {
            number,
            time_ms,
            kind,
            text,
        } => batch.push(
            Table::Event,
            [run(), int(number)?, int(time_ms)?, kind.into(), text.into()],
        ),
    }
    Ok(())
}
