//! The device page: find, probe, bind, test and arm physical devices; lines
//! with their raw frames; residuals of shadows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use egui::{Grid, RichText, ScrollArea, TextEdit, Ui};
use gridloom_hardware::{Direction, Endpoint};
use gridloom_model::scene::{BindingMode, BindingSpec};
use gridloom_units::DeviceId;

use super::device_tools::{find, probe_units, start, test};
use crate::devices::{DeviceAsk, DeviceView, DevicesView};
use crate::window::state::UiAction;
use crate::window::ui::Cx;

/// How long a person arms a device for.
const LEASE: Duration = Duration::from_secs(600);
/// Frames shown of a line.
const FRAMES: usize = 12;

/// What the page remembers.
#[derive(Default)]
pub struct Page {
    /// Whether it is open.
    pub open: bool,
    /// The devices as the session last told.
    pub seen: Arc<DevicesView>,
    chosen: Option<DeviceId>,
    person: String,
    value: BTreeMap<String, String>,
    entity: String,
    profile: String,
    address: String,
    unit: String,
    control: bool,
    /// What the last probe found; filled by its thread.
    probed: Arc<Mutex<String>>,
}

/// Shows the page when it is open.
pub fn show(ui: &Ui, cx: &mut Cx<'_>) {
    if !cx.state.devices.open {
        return;
    }
    let mut page = std::mem::take(&mut cx.state.devices);
    let mut open = true;
    let mut asks = Vec::new();
    egui::Window::new("Devices")
        .open(&mut open)
        .default_size([860.0, 520.0])
        .show(ui.ctx(), |ui| {
            let seen = Arc::clone(&page.seen);
            bind_row(ui, &mut page, &mut asks);
            ui.separator();
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                table(ui, cx, &seen, &mut page);
                let chosen = page.chosen;
                if let Some(device) = seen.devices.iter().find(|d| Some(d.device) == chosen) {
                    ui.separator();
                    detail(ui, cx, device, &mut page, &mut asks);
                    line(ui, &seen, device);
                }
                ui.separator();
                for text in seen.log.iter().rev().take(8) {
                    ui.label(RichText::new(text).small());
                }
            });
        });
    page.open = open;
    cx.state.devices = page;
    cx.actions.extend(asks.into_iter().map(UiAction::Device));
}

/// Find and probe an address, and bind it to an entity.
fn bind_row(ui: &mut Ui, page: &mut Page, asks: &mut Vec<DeviceAsk>) {
    ui.horizontal_wrapped(|ui| {
        let field = |ui: &mut Ui, text: &mut String, hint: &'static str, width: f32| {
            ui.add(
                TextEdit::singleline(text)
                    .hint_text(hint)
                    .desired_width(width),
            );
        };
        field(ui, &mut page.entity, "entity, H17", 80.0);
        field(ui, &mut page.profile, "profile file", 240.0);
        field(ui, &mut page.address, "host:port or /dev/ttyUSB0", 180.0);
        field(ui, &mut page.unit, "unit 1", 44.0);
        ui.checkbox(&mut page.control, "control");
        if ui.button("Find").clicked() {
            start(&page.probed, "looking for lines and profiles", find);
        }
        if ui.button("Probe").clicked() {
            let address = page.address.trim().to_owned();
            let what = format!("asking {address} …");
            start(&page.probed, &what, move || probe_units(&address));
        }
        if ui.button("Test").clicked() {
            let (profile, address) = (
                page.profile.trim().to_owned(),
                page.address.trim().to_owned(),
            );
            let unit = page.unit.trim().parse().ok();
            let what = format!("reading {address} once …");
            start(&page.probed, &what, move || test(&profile, &address, unit));
        }
        if ui.button("Bind").clicked() {
            asks.push(DeviceAsk::Bind(Box::new(BindingSpec {
                entity: page.entity.trim().to_owned(),
                profile: page.profile.trim().to_owned(),
                address: page.address.trim().to_owned(),
                unit: page.unit.trim().parse().unwrap_or(1),
                poll_ms: 1_000,
                mode: if page.control {
                    BindingMode::Control
                } else {
                    BindingMode::Shadow
                },
                serial: None,
            })));
        }
    });
    let probed = page.probed.lock().unwrap_or_else(PoisonError::into_inner);
    if !probed.is_empty() {
        ui.label(RichText::new(probed.as_str()).small());
    }
}

fn table(ui: &mut Ui, cx: &Cx<'_>, seen: &DevicesView, page: &mut Page) {
    if seen.devices.is_empty() {
        ui.label("No device is bound. A scene binds them in `bindings`, and the row above does.");
        return;
    }
    Grid::new("devices")
        .striped(true)
        .num_columns(9)
        .show(ui, |ui| {
            for head in [
                "", "entity", "device", "at", "mode", "power", "quality", "age", "residual",
            ] {
                ui.label(RichText::new(head).strong());
            }
            ui.end_row();
            for device in &seen.devices {
                let power = device
                    .points
                    .iter()
                    .find(|p| p.reading.point.contains("ac/p"));
                let chosen = page.chosen == Some(device.device);
                if ui
                    .selectable_label(chosen, if device.armed { "●" } else { "○" })
                    .clicked()
                {
                    page.chosen = Some(device.device);
                }
                ui.label(&device.entity);
                ui.label(&device.profile);
                ui.label(&device.endpoint);
                ui.label(format!("{:?}", device.mode));
                let value = power.and_then(|p| p.reading.value);
                ui.label(value.map_or_else(|| "–".to_owned(), |w| format!("{w:.0} W")));
                let (quality, ink) = match power {
                    Some(p) if p.quality.is_good() => (p.quality.label(), cx.theme.text1),
                    Some(p) => (p.quality.label(), cx.theme.text3),
                    None => ("no power point".to_owned(), cx.theme.text3),
                };
                ui.label(RichText::new(quality).color(ink));
                let age = power.and_then(|p| p.age);
                ui.label(age.map_or_else(
                    || "–".to_owned(),
                    |age| format!("{:.1} s", age.as_secs_f64()),
                ));
                ui.label(device.residual_w.map_or_else(
                    || "–".to_owned(),
                    |w| format!("{w:+.0} W, off {:.0} s", device.violated_for.as_secs_f64()),
                ));
                ui.end_row();
            }
        });
}

fn detail(
    ui: &mut Ui,
    cx: &Cx<'_>,
    device: &DeviceView,
    page: &mut Page,
    asks: &mut Vec<DeviceAsk>,
) {
    ui.horizontal(|ui| {
        ui.label(RichText::new(format!("{} · {}", device.entity, device.profile)).strong());
        if ui.button("Unbind").clicked() {
            asks.push(DeviceAsk::Unbind(device.device));
        }
    });
    let status = &device.status;
    let errors: Vec<String> = status
        .errors
        .classes()
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(class, count)| format!("{class} {count}"))
        .collect();
    ui.label(format!(
        "{} polls, {} missed, errors: {}, {} connects, round trip {}",
        status.polls,
        status.missed,
        if errors.is_empty() {
            "none".to_owned()
        } else {
            errors.join(", ")
        },
        status.connects,
        status.round_trip.map_or_else(
            || "–".to_owned(),
            |t| format!("{:.1} ms", t.as_secs_f64() * 1e3)
        ),
    ));
    if let Some(serial) = &status.serial {
        ui.label(format!("serial number {serial}"));
    }
    if let Some(error) = &status.last_error {
        ui.label(RichText::new(format!("last error: {error}")).small());
    }
    on_ledger(ui, cx, device);
    Grid::new("points").striped(true).show(ui, |ui| {
        for point in &device.points {
            ui.label(&*point.reading.point);
            let value = point.reading.value;
            ui.label(value.map_or_else(
                || "–".to_owned(),
                |value| format!("{value:.3} {}", point.reading.unit),
            ));
            ui.label(point.quality.label());
            ui.end_row();
        }
    });
    if !device.trend.is_empty() {
        trend(ui, &device.trend);
    }
    let Some(control) = &device.control else {
        return;
    };
    ui.label(control);
    ui.horizontal(|ui| {
        let person = TextEdit::singleline(&mut page.person).hint_text("your name");
        ui.add(person.desired_width(120.0));
        if ui.button("Arm for 10 min").clicked() {
            asks.push(DeviceAsk::Arm {
                device: device.device,
                by: page.person.clone(),
                lease: LEASE,
            });
        }
        if ui.button("Disarm").clicked() {
            asks.push(DeviceAsk::Disarm {
                device: device.device,
                by: page.person.clone(),
            });
        }
    });
    for point in &device.writable {
        ui.horizontal(|ui| {
            let text = page.value.entry(point.clone()).or_default();
            ui.label(point);
            ui.add(TextEdit::singleline(text).desired_width(80.0));
            let value = text.trim().parse::<f64>().ok();
            let set = ui.add_enabled(device.armed && value.is_some(), egui::Button::new("Set"));
            if set.clicked()
                && let Some(value) = value
            {
                asks.push(DeviceAsk::Set {
                    device: device.device,
                    point: point.clone(),
                    value,
                });
            }
        });
    }
}

/// What the ledger says of the device's signed readings.
fn on_ledger(ui: &mut Ui, cx: &Cx<'_>, device: &DeviceView) {
    let homes = cx.view.scene.homes.iter().zip(&cx.view.homes);
    let mut of = homes.filter(|(fact, _)| fact.device == device.device);
    let Some(bound) = of.next().and_then(|(_, home)| home.bound.as_ref()) else {
        return;
    };
    if bound.recorded + bound.refused == 0 {
        return;
    }
    ui.label(format!(
        "ledger: {} signed readings taken, {} refused",
        bound.recorded, bound.refused
    ));
    if !bound.refusal.is_empty() {
        ui.label(RichText::new(&bound.refusal).small());
    }
}

/// Residuals over time, zero in the middle.
fn trend(ui: &mut Ui, residuals: &[f64]) {
    let (rect, _) = ui.allocate_exact_size(egui::vec2(420.0, 48.0), egui::Sense::hover());
    let most = residuals.iter().fold(50.0_f64, |most, w| most.max(w.abs()));
    let ink = ui.visuals().text_color();
    let faint = ui.visuals().weak_text_color();
    ui.painter().hline(
        rect.x_range(),
        rect.center().y,
        egui::Stroke::new(1.0, faint),
    );
    let step = rect.width() / residuals.len().max(2) as f32;
    let points: Vec<egui::Pos2> = residuals
        .iter()
        .enumerate()
        .map(|(nth, w)| {
            let y = rect.center().y - (w / most) as f32 * rect.height() / 2.0;
            egui::pos2(rect.left() + nth as f32 * step, y)
        })
        .collect();
    ui.painter()
        .add(egui::Shape::line(points, egui::Stroke::new(1.5, ink)));
    ui.label(RichText::new(format!("model minus device, ±{most:.0} W")).small());
}

/// The line of a device and its last raw frames.
fn line(ui: &mut Ui, seen: &DevicesView, device: &DeviceView) {
    let Ok(full) = Endpoint::parse(&device.endpoint).map(|at| at.to_string()) else {
        return;
    };
    let Some(line) = seen.lines.iter().find(|line| line.endpoint == full) else {
        return;
    };
    let lived = line
        .since
        .map_or(0.0, |since| since.elapsed().as_secs_f64());
    ui.label(format!(
        "line {}: {} B out, {} B in, busy {:.1} %",
        line.endpoint,
        line.bytes_out,
        line.bytes_in,
        100.0 * line.busy.as_secs_f64() / lived.max(1e-3),
    ));
    let now = Instant::now();
    for frame in line.frames.iter().rev().take(FRAMES) {
        let way = if frame.direction == Direction::Out {
            "→"
        } else {
            "←"
        };
        let bytes: Vec<String> = frame
            .bytes
            .iter()
            .take(40)
            .map(|b| format!("{b:02x}"))
            .collect();
        let age = now.saturating_duration_since(frame.at).as_secs_f64();
        let text = format!("{age:>7.2} s {way} {}", bytes.join(" "));
        ui.label(RichText::new(text).monospace().small());
    }
}
