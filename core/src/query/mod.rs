//! Expressions over a running twin: breakpoints, checks, conditional events.
//!
//! [`Query::new`] resolves every name once; [`Query::value`] reads the world
//! without writing. The names are those of [`NAMES`].

mod probe;

use bevy::prelude::*;
use gridloom_model::expr::{self, Expr, Value};
use gridloom_model::scene::LoadedScene;

use self::probe::Probe;

/// Names a query may use, with what they mean, for help and errors.
pub const NAMES: [(&str, &str); 52] = [
    ("time", "seconds since the start of the run"),
    ("tick", "number of the tick"),
    ("f", "frequency, Hz"),
    ("tied", "1 while connected to the upstream grid"),
    ("solar", "solar generation, kW"),
    ("demand", "demand, kW"),
    ("storage", "storage, kW, discharging positive"),
    ("exchange", "from the upstream grid, kW"),
    ("losses", "losses of the network, kW"),
    ("soc", "stored share of all batteries, or soc(ID)"),
    ("dark", "customers without supply"),
    ("vmin", "lowest customer voltage, pu"),
    ("vmax", "highest customer voltage, pu"),
    (
        "loading",
        "highest line loading, or loading(LINE or transformer), 1 = rating",
    ),
    ("cloud", "irradiance factor, 1 = as in the profile"),
    ("uplink", "1 while the cloud can be reached"),
    (
        "alone",
        "clusters that act without the cloud, or alone(cluster)",
    ),
    (
        "backlog",
        "backlog(cluster): intervals that wait for the cloud",
    ),
    ("silent", "meters that are silent, or silent(ID)"),
    (
        "alarms",
        "active alarms, or alarms(1), alarms(2), alarms(3)",
    ),
    ("unacked", "active alarms nobody acknowledged"),
    ("raised", "alarms raised since the start"),
    ("books_off", "settled slots that did not balance"),
    ("v", "v(ID): voltage of a home, battery, M-LMD or bus, pu"),
    (
        "p",
        "p(ID): power of a home or battery, through an M-LMD or line, kW",
    ),
    ("i", "i(ID): current of an M-LMD or line, A"),
    ("live", "live(ID): 1 while supplied"),
    (
        "age",
        "age(ID): age of the last reading, or of a ledger's last block, s",
    ),
    ("pv", "pv(ID): solar output of a home, kW"),
    ("load", "load(ID): uncontrolled load of a home, kW"),
    ("closed", "closed(M-LMD): 1 while the breaker conducts"),
    (
        "residual",
        "residual(M-LMD): physics against meters and ledger, %",
    ),
    ("price", "price(cluster): ct/kWh"),
    ("between", "energy traded between clusters so far, kWh"),
    ("slot", "slot(cluster): the last one that has a price"),
    (
        "import",
        "import(cluster): what the grid asks in the priced slot, ct/kWh",
    ),
    (
        "feed_in",
        "feed_in(cluster): what the grid pays in the priced slot, ct/kWh",
    ),
    (
        "margin",
        "margin(cluster): what the wholesale agent earned so far, EUR",
    ),
    (
        "bill",
        "bill(ID): received less paid of a home or battery so far, EUR",
    ),
    (
        "local",
        "local(ID): energy a home or battery bought inside its cluster so far, kWh",
    ),
    (
        "orders",
        "orders(ID): orders of a home that the ledger took",
    ),
    ("height", "height(ledger)"),
    ("round", "round(ledger): highest round any validator is in"),
    ("up", "up(ledger): validators that run"),
    ("pending", "pending(ledger): transactions that wait"),
    (
        "lag",
        "lag(cluster): from the end of an interval to its final record, 95 % of the newest, s",
    ),
    (
        "late",
        "late(cluster): records that came later than the coupling allows",
    ),
    (
        "orphans",
        "orphans(ledger): blocks that are in no longest chain",
    ),
    (
        "differing",
        "differing(ledger): transactions whose simulated results differed",
    ),
    ("kept", "kept(ledger): what a node keeps in blocks, MB"),
    (
        "outside",
        "outside(ledger): data in the store outside of the blocks, MB",
    ),
    ("evidence", "evidence(ledger): proofs of equivocation"),
];

/// A resolved expression.
#[derive(Clone, Debug)]
pub struct Query {
    /// The text it came from.
    pub text: String,
    expr: Expr,
    probes: Vec<(String, Option<String>, Probe)>,
}

impl Query {
    /// Reads and resolves an expression.
    ///
    /// # Errors
    /// Names what cannot be read or is not known in this scene.
    pub fn new(text: &str, loaded: &LoadedScene) -> Result<Self, String> {
        let expr = expr::parse(text).map_err(|error| error.to_string())?;
        let mut probes: Vec<(String, Option<String>, Probe)> = Vec::new();
        let mut unknown = None;
        expr.visit_names(&mut |name, id| {
            if probes
                .iter()
                .any(|(n, i, _)| n == name && i.as_deref() == id)
            {
                return;
            }
            match Probe::resolve(name, id, loaded) {
                Ok(probe) => probes.push((name.to_owned(), id.map(str::to_owned), probe)),
                Err(reason) => {
                    unknown.get_or_insert(reason);
                }
            }
        });
        match unknown {
            Some(reason) => Err(reason),
            None => Ok(Self {
                text: text.to_owned(),
                expr,
                probes,
            }),
        }
    }

    /// The value at the present moment of a world.
    #[must_use]
    pub fn value(&self, world: &World) -> Value {
        self.expr.eval(&|name: &str, id: Option<&str>| {
            self.probes
                .iter()
                .find(|(n, i, _)| n == name && i.as_deref() == id)
                .map_or(Value::Nothing, |(_, _, probe)| probe.read(world))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Command, Twin, TwinOptions};
    use gridloom_units::Tick;

    fn twin() -> Twin {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../scenes/two_houses.scene.ron"
        );
        let loaded = gridloom_model::scene::load(path.as_ref()).expect("the scene loads");
        Twin::new(loaded, TwinOptions::default()).expect("the scene can be built")
    }

    #[test]
    fn queries_read_the_world() {
        let mut twin = twin();
        twin.run_until(Tick(30));
        let scene = twin.scene().scene.clone();
        let (home, mlmd) = (scene.homes[0].id.clone(), scene.mlmds[0].id.clone());
        let holds = |twin: &Twin, text: String| {
            let query = Query::new(&text, twin.scene()).expect(&text);
            query.value(twin.world()).is_true()
        };
        for text in [
            format!("v({home}) > 0.9 and v({home}) < 1.1 and live({home})"),
            format!("closed({mlmd}) and i({mlmd}) >= 0 and f = 50"),
            "time = 30 * tick / tick".to_owned(),
            "abs(solar - demand + storage + exchange + losses) < 1 %".to_owned(),
            "dark = 0 and alarms = 0 and up(root) >= 1 and vmin <= vmax".to_owned(),
        ] {
            assert!(holds(&twin, text.clone()), "{text}");
        }
        let device = twin.device(&mlmd).expect("known");
        twin.send(Command::OpenBreaker(device));
        twin.run_until(Tick(35));
        assert!(holds(
            &twin,
            format!("not closed({mlmd}) and dark > 0 and alarms > 0")
        ));
    }

    #[test]
    fn unknown_names_are_explained() {
        let twin = twin();
        for (text, word) in [
            ("voltage(H1) < 1", "voltage"),
            ("v(NOBODY) < 1", "NOBODY"),
            ("price(ZZ) > 1", "ZZ"),
            ("v(", "expected"),
        ] {
            let error = Query::new(text, twin.scene()).expect_err(text);
            assert!(error.contains(word), "{text}: {error}");
        }
    }

    #[test]
    fn every_listed_name_is_known() {
        let twin = twin();
        let scene = twin.scene().scene.clone();
        for (name, _) in NAMES {
            let ids = [
                scene.homes[0].id.clone(),
                scene.mlmds[0].id.clone(),
                scene.clusters[0].id.clone(),
            ];
            let known = Query::new(name, twin.scene()).is_ok()
                || ids
                    .iter()
                    .any(|id| Query::new(&format!("{name}({id})"), twin.scene()).is_ok());
            assert!(known, "{name}");
        }
    }
}
