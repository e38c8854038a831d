//! Emulated devices at the addresses a scene binds.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use gridloom_core::Twin;
use gridloom_core::view::ViewModel;
use gridloom_hardware::twin_device::{Entity, EntityState, TwinServer, TwinServerConfig};
use gridloom_hardware::{Emulator, EmulatorConfig, Profile, Protocol, tools};
use gridloom_model::scene::BindingMode;

use crate::cli::output;

/// Emulated devices at the addresses a scene binds.
#[derive(Default)]
pub(super) struct Emulated {
    devices: Vec<(Of, Device)>,
}

/// What a device belongs to, by its place in the scene.
#[derive(Clone, Copy)]
enum Of {
    Home(usize),
    Mlmd(usize),
}

enum Device {
    /// A meter with a register map.
    Map(Box<Emulator>, Vec<String>),
    /// A SunSpec device.
    SunSpec(Box<TwinServer>),
}

impl Emulated {
    /// Starts a device for every binding of the scene.
    pub(super) fn start(twin: &Twin) -> Result<Self> {
        let loaded = twin.scene();
        let mut devices = Vec::new();
        for binding in &loaded.scene.bindings {
            let scene = &loaded.scene;
            let named = |id: &String| *id == binding.entity;
            let home = scene.homes.iter().position(|home| named(&home.id));
            let mlmd = scene.mlmds.iter().position(|mlmd| named(&mlmd.id));
            let of = home.map(Of::Home).or(mlmd.map(Of::Mlmd)).ok_or_else(|| {
                anyhow!(
                    "`{}` is neither a home nor an M-LMD: it is not emulated",
                    binding.entity
                )
            })?;
            let profile = Profile::load(Path::new(&binding.profile))?;
            let listen = vec![
                tools::listen(&binding.address, profile.line)
                    .with_context(|| format!("emulating `{}`", binding.entity))?,
            ];
            let device = match profile.protocol {
                Protocol::Modbus => {
                    let ids = profile
                        .points
                        .iter()
                        .map(|point| point.id.clone())
                        .collect();
                    let emulator = Emulator::start(EmulatorConfig {
                        listen,
                        unit: binding.unit,
                        serial: 1_000 + devices.len() as u64,
                        ..EmulatorConfig::loopback(profile)
                    })?;
                    Device::Map(Box::new(emulator), ids)
                }
                Protocol::SunSpec => {
                    let pv = home.and_then(|home| scene.homes[home].pv);
                    let entity = Entity {
                        id: binding.entity.clone(),
                        model: "emulated".into(),
                        // An inverter profile reads what the inverter gives.
                        inverter_w: pv.map_or(0.0, |pv| pv.inverter_kva * 1_000.0),
                        battery_wh: 0.0,
                        battery_w: 0.0,
                        breaker: false,
                        scale_w: 20_000.0,
                    };
                    let config = TwinServerConfig {
                        listen,
                        mqtt: None,
                        writable: binding.mode == BindingMode::Control,
                    };
                    Device::SunSpec(Box::new(TwinServer::start(config, vec![entity])?))
                }
                other => bail!("`{}`: {other:?} devices are not emulated", binding.entity),
            };
            devices.push((of, device));
        }
        output::line(&format!("{} devices emulated", devices.len()));
        Ok(Self { devices })
    }

    /// Devices measure what their home does, each a little off.
    pub(super) fn show(&self, view: &ViewModel) {
        for (of, device) in &self.devices {
            let home = match of {
                Of::Home(home) => home,
                Of::Mlmd(mlmd) => {
                    position(device, view, *mlmd);
                    continue;
                }
            };
            let (Some(fact), Some(state)) = (view.scene.homes.get(*home), view.homes.get(*home))
            else {
                continue;
            };
            let nominal = view
                .scene
                .buses
                .get(fact.bus)
                .map_or(230.0, |bus| bus.v_nominal);
            let v = state.v_pu.unwrap_or(0.0) * nominal;
            // A meter of class 1 is off by up to one percent, always the same way.
            let off = 1.0 + (*home as f64 % 7.0 - 3.0) / 300.0;
            let p_w = state.net_kw * 1_000.0 * off;
            match device {
                Device::Map(emulator, ids) => {
                    let values: Vec<(&str, f64)> = ids
                        .iter()
                        .map(|id| {
                            let value = match id.as_str() {
                                "ac/p" | "ac/l1/p" => p_w,
                                "ac/l1/v" | "ac/l2/v" | "ac/l3/v" => v,
                                "ac/l1/i" if v > 0.0 => p_w / v,
                                "ac/f" => view.grid.frequency_hz,
                                "e/imp" => state.import_wh as f64 / 1_000.0,
                                "e/exp" => state.export_wh as f64 / 1_000.0,
                                _ => 0.0,
                            };
                            (id.as_str(), value)
                        })
                        .collect();
                    if let Err(error) = emulator.set(&values) {
                        tracing::warn!("emulated device of {}: {error}", fact.id);
                    }
                }
                Device::SunSpec(server) => server.update(&[EntityState {
                    p_w,
                    v_v: [v, 0.0, 0.0],
                    f_hz: view.grid.frequency_hz,
                    import_wh: state.import_wh as f64,
                    export_wh: state.export_wh as f64,
                    // As if the whole home stood behind the inverter.
                    pv_w: -p_w,
                    battery_w: 0.0,
                    soc: 0.0,
                    closed: true,
                }]),
            }
        }
    }
}

/// A breaker's contacts are where the model has them.
fn position(device: &Device, view: &ViewModel, mlmd: usize) {
    let (Device::Map(emulator, ids), Some(state)) = (device, view.mlmds.get(mlmd)) else {
        return;
    };
    let closed = f64::from(u8::from(state.closed));
    let values: Vec<(&str, f64)> = ids.iter().map(|id| (id.as_str(), closed)).collect();
    if let Err(error) = emulator.set(&values) {
        tracing::warn!("emulated breaker: {error}");
    }
}
