//! The entities of a running scene as devices of others.

use anyhow::Result;
use gridloom_core::view::ViewModel;
use gridloom_core::{Command, Twin};
use gridloom_hardware::serve::Listen;
use gridloom_hardware::twin_device::{
    Entity, EntityState, MOST_ENTITIES, Request, TwinServer, TwinServerConfig,
};

use crate::cli::output;

/// The entities of a scene behind Modbus and MQTT, units 1, 2, … in the order
/// homes, shared batteries, M-LMDs.
pub(in crate::cli) struct Served {
    server: TwinServer,
    count: usize,
    writable: bool,
}

/// What a client asked for.
pub(in crate::cli) struct Asked {
    /// The entity.
    pub(in crate::cli) entity: String,
    /// For people.
    pub(in crate::cli) what: String,
    /// For the twin.
    pub(in crate::cli) command: Command,
}

/// A device without anything that can be set.
fn plain(id: &str, model: &str, scale_w: f64) -> Entity {
    Entity {
        id: id.to_owned(),
        model: model.to_owned(),
        inverter_w: 0.0,
        battery_wh: 0.0,
        battery_w: 0.0,
        breaker: false,
        scale_w,
    }
}

fn entities(twin: &Twin) -> Vec<Entity> {
    let scene = &twin.scene().scene;
    let homes = scene.homes.iter().map(|home| {
        let battery = home.battery.as_ref();
        Entity {
            inverter_w: home.pv.map_or(0.0, |pv| pv.inverter_kva * 1_000.0),
            battery_wh: battery.map_or(0.0, |b| b.capacity_kwh * 1_000.0),
            battery_w: battery.map_or(0.0, |b| b.max_kw * 1_000.0),
            ..plain(&home.id, "home", 20_000.0)
        }
    });
    let batteries = scene.shared_batteries.iter().map(|battery| {
        let max_w = battery.battery.max_kw * 1_000.0;
        Entity {
            battery_wh: battery.battery.capacity_kwh * 1_000.0,
            battery_w: max_w,
            ..plain(&battery.id, "battery", max_w)
        }
    });
    let breakers = scene.mlmds.iter().map(|mlmd| Entity {
        breaker: true,
        ..plain(&mlmd.id, "M-LMD", 1_000_000.0)
    });
    homes.chain(batteries).chain(breakers).collect()
}

impl Served {
    /// Starts serving a twin's entities.
    pub(in crate::cli) fn start(
        listen: Vec<Listen>,
        mqtt: Option<String>,
        writable: bool,
        twin: &Twin,
    ) -> Result<Self> {
        let mut entities = entities(twin);
        if entities.len() > MOST_ENTITIES {
            output::note(&format!(
                "{} entities: the first {MOST_ENTITIES} are served",
                entities.len()
            ));
            entities.truncate(MOST_ENTITIES);
        }
        let count = entities.len();
        let config = TwinServerConfig {
            listen,
            mqtt,
            writable,
        };
        Ok(Self {
            server: TwinServer::start(config, entities)?,
            count,
            writable,
        })
    }

    /// Says where.
    pub(in crate::cli) fn announce(&self) {
        let Some(modbus) = self.server.server() else {
            return;
        };
        let rights = if self.writable {
            "writable"
        } else {
            "read-only"
        };
        let places = modbus.addrs().iter().map(ToString::to_string);
        for place in places.chain(modbus.ptys().iter().cloned()) {
            output::line(&format!(
                "{count} entities as units 1 to {count} on {place}, {rights}",
                count = self.count
            ));
        }
    }

    /// Port of the first TCP place.
    pub(in crate::cli) fn port(&self) -> Option<u16> {
        Some(self.server.server()?.addr()?.port())
    }

    /// Shows a tick.
    pub(in crate::cli) fn show(&self, view: &ViewModel) {
        let nominal = |bus: usize| view.scene.buses.get(bus).map_or(230.0, |bus| bus.v_nominal);
        let on = |phase: u8, v: f64| {
            let mut phases = [0.0; 3];
            phases[usize::from(phase).min(2)] = v;
            phases
        };
        let f_hz = view.grid.frequency_hz;
        let homes = view
            .scene
            .homes
            .iter()
            .zip(&view.homes)
            .map(|(fact, state)| EntityState {
                p_w: state.net_kw * 1_000.0,
                v_v: on(fact.phase, state.v_pu.unwrap_or(0.0) * nominal(fact.bus)),
                f_hz,
                import_wh: state.import_wh as f64,
                export_wh: state.export_wh as f64,
                pv_w: state.pv_kw * 1_000.0,
                battery_w: state.battery_kw * 1_000.0,
                soc: state.battery_soc,
                closed: true,
            });
        let batteries = view
            .scene
            .shared_batteries
            .iter()
            .zip(&view.shared_batteries)
            .map(|(fact, state)| EntityState {
                p_w: state.p_kw * 1_000.0,
                v_v: [state.v_pu.unwrap_or(0.0) * nominal(fact.bus); 3],
                f_hz,
                battery_w: state.p_kw * 1_000.0,
                soc: state.soc,
                closed: true,
                ..EntityState::default()
            });
        let breakers = view
            .scene
            .mlmds
            .iter()
            .zip(&view.mlmds)
            .map(|(fact, state)| EntityState {
                p_w: state.through_kw * 1_000.0,
                v_v: [state.v_pu.unwrap_or(0.0) * nominal(fact.bus); 3],
                f_hz,
                closed: state.closed,
                ..EntityState::default()
            });
        let states: Vec<EntityState> = homes.chain(batteries).chain(breakers).collect();
        self.server.update(&states);
    }

    /// What clients asked for, as commands of the twin.
    pub(in crate::cli) fn asked(&self, twin: &Twin) -> Vec<Asked> {
        self.server
            .requests()
            .filter_map(|request| asked(request, twin))
            .collect()
    }
}

fn asked(request: Request, twin: &Twin) -> Option<Asked> {
    let (entity, what) = match &request {
        Request::Limit { entity, permille } => {
            let limit = permille.map(|p| format!("limit {:.1} %", f64::from(p) / 10.0));
            (entity, limit.unwrap_or_else(|| "no limit".to_owned()))
        }
        Request::Battery { entity, p_w } => {
            let power = p_w.map(|w| format!("battery at {w} W"));
            (
                entity,
                power.unwrap_or_else(|| "battery on its own".to_owned()),
            )
        }
        Request::Breaker { entity, close } => {
            let verb = if *close { "close" } else { "open" };
            (entity, format!("{verb} the breaker"))
        }
    };
    let (entity, device) = (entity.clone(), twin.device(entity)?);
    let command = match request {
        Request::Limit { permille, .. } => Command::LimitSolar { device, permille },
        Request::Battery { p_w, .. } => Command::SetBattery { device, p_w },
        Request::Breaker { close: true, .. } => Command::CloseBreaker(device),
        Request::Breaker { close: false, .. } => Command::OpenBreaker(device),
    };
    Some(Asked {
        entity,
        what,
        command,
    })
}

/// What the twin shows of an entity that clients can set.
pub(in crate::cli) fn shown(view: &ViewModel, entity: &str) -> String {
    let scene = &view.scene;
    if let Some(at) = scene.homes.iter().position(|home| home.id == entity) {
        return view.homes.get(at).map_or_else(String::new, |home| {
            format!(
                "solar {:.2} kW, battery {:+.2} kW",
                home.pv_kw, home.battery_kw
            )
        });
    }
    if let Some(at) = scene.shared_batteries.iter().position(|b| b.id == entity) {
        let battery = view.shared_batteries.get(at);
        return battery.map_or_else(String::new, |b| format!("battery {:+.2} kW", b.p_kw));
    }
    let at = scene.mlmds.iter().position(|mlmd| mlmd.id == entity);
    at.and_then(|at| view.mlmds.get(at))
        .map_or_else(String::new, |mlmd| {
            let position = if mlmd.closed { "closed" } else { "open" };
            format!("{position}, {:.2} kW", mlmd.through_kw)
        })
}
