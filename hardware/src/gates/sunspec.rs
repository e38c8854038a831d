//! The SunSpec server beside pysunspec2, mbpoll and our own client.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::Gate;
use super::peers::{Peers, run_program, run_script};
use crate::HardwareError;
use crate::profile::Area;
use crate::serve::{Exception, Listen, Registers, Server, Units};
use crate::sunspec::{Image, Type, Value, models, place};
use crate::twin_device::{Entity, EntityState, Request, TwinServer, TwinServerConfig};

const READ: &str = include_str!("../../peers/sunspec_read.py");
const WRITE: &str = include_str!("../../peers/sunspec_write.py");
const LIMIT: Duration = Duration::from_secs(60);

struct Fixed(Image);

impl Registers for Fixed {
    fn read(&self, area: Area, addr: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let first = addr.checked_sub(self.0.base()).map(usize::from);
        first
            .filter(|_| area == Area::Holding)
            .and_then(|first| self.0.words().get(first..first + usize::from(count)))
            .map(<[u16]>::to_vec)
            .ok_or(Exception::Address)
    }
}

/// Every known model with a value in every point.
fn everything() -> Result<Image, String> {
    let mut all: Vec<(u16, Vec<(String, Value)>)> = Vec::new();
    let mut number = 1_i128;
    for model in models().values() {
        let count = |path: &str, _: usize| match path {
            "NCrv" | "NCrvSet" | "NCtl" | "NPrt" | "NStr" => Some(2),
            "NPt" => Some(3),
            _ => None,
        };
        let length = if model.id == 160 {
            Some(8 + 2 * 20)
        } else {
            None
        };
        let mut values = Vec::new();
        for point in place(model, &count, length) {
            if matches!(point.path.as_str(), "ID" | "L") || point.def.ty == Type::Pad {
                continue;
            }
            number += 1;
            let value = match (point.def.ty, count(&point.path, 0)) {
                (_, Some(times)) => Value::Int(i128::from(times)),
                (Type::Sunssf, _) => Value::Int(number % 5 - 3),
                (Type::String, _) => Value::Text(format!("t{number}")),
                (Type::Float32 | Type::Float64, _) => Value::Float(number as f64 * 0.5),
                (Type::Int16, _) => Value::Int(number % 20_000 - 10_000),
                (Type::Int32 | Type::Int64, _) => Value::Int(-number * 1_000),
                (Type::Uint64 | Type::Acc64, _) => Value::Int(number << 33),
                (Type::Uint32 | Type::Acc32, _) => Value::Int(number << 17),
                _ => Value::Int(number % 30_000),
            };
            let value = if model.id == 160 && point.path == "N" {
                Value::Int(2)
            } else {
                value
            };
            values.push((point.path, value));
        }
        all.push((model.id, values));
    }
    let borrowed: Vec<(u16, Vec<(&str, Value)>)> = all
        .iter()
        .map(|(id, values)| {
            let values = values
                .iter()
                .map(|(path, value)| (path.as_str(), value.clone()));
            (*id, values.collect())
        })
        .collect();
    Image::encode(40_000, &borrowed).map_err(|error| error.to_string())
}

fn inverter() -> Entity {
    Entity {
        id: "H17".into(),
        model: "house".into(),
        inverter_w: 5_000.0,
        battery_wh: 10_000.0,
        battery_w: 4_000.0,
        breaker: false,
        scale_w: 12_000.0,
    }
}

fn twin_server(writable: bool) -> Result<TwinServer, HardwareError> {
    let server = TwinServer::start(
        TwinServerConfig {
            listen: vec![Listen::Tcp(([127, 0, 0, 1], 0).into()), Listen::Pty],
            mqtt: None,
            writable,
        },
        vec![inverter()],
    )?;
    server.update(&[EntityState {
        p_w: -1_234.0,
        v_v: [231.5, 0.0, 0.0],
        f_hz: 49.98,
        import_wh: 123_456.0,
        export_wh: 65_432.0,
        pv_w: 2_345.0,
        battery_w: 1_000.0,
        soc: 0.55,
        closed: true,
    }]);
    Ok(server)
}

pub(super) fn gates(peers: &Peers, say: &mut dyn FnMut(&str)) -> Vec<Gate> {
    let mut gates = Vec::new();
    match peers.python_with("pysunspec2") {
        None => say("left out: pysunspec2 is not installed"),
        Some(python) => {
            gates.extend(whole(python));
            gates.extend(twin(python));
        }
    }
    if peers.has("mbpoll") {
        gates.extend(mbpoll());
    } else {
        say("left out: mbpoll is not installed");
    }
    gates
}

/// Every point of every model, read by pysunspec2.
fn whole(python: &Path) -> Vec<Gate> {
    let case = "every model, read by pysunspec2";
    let image = match everything() {
        Ok(image) => image,
        Err(why) => return vec![Gate::failed(case, "points_differing", &why)],
    };
    let units = Units::from([(1, Arc::new(Fixed(image.clone())) as Arc<dyn Registers>)]);
    let places = [Listen::Tcp(([127, 0, 0, 1], 0).into()), Listen::Pty];
    match Server::start(units, &places) {
        Ok(server) => both(&server, case, python, &image),
        Err(error) => vec![Gate::failed(case, "points_differing", &error.to_string())],
    }
}

fn both(server: &Server, case: &str, python: &Path, image: &Image) -> Vec<Gate> {
    let port = server.addr().map_or(0, |addr| addr.port()).to_string();
    let pty = server.ptys().first().cloned().unwrap_or_default();
    [("tcp", port.as_str()), ("rtu", pty.as_str())]
        .into_iter()
        .flat_map(|(kind, at)| {
            let case = format!("{case}, {kind}");
            match run_script(python, READ, &[kind, at], LIMIT) {
                Ok(text) => compare(&case, image, &text),
                Err(why) => vec![Gate::failed(case, "points_differing", &why)],
            }
        })
        .collect()
}

fn compare(case: &str, image: &Image, theirs: &str) -> Vec<Gate> {
    let contents = image.contents();
    let (mut equal, mut differing, mut first) = (0, 0, String::new());
    for (model, path, ours) in &contents {
        let prefix = format!("{model}\t{path}\t");
        let read = theirs.lines().find_map(|line| line.strip_prefix(&prefix));
        if read.is_some_and(|read| same(read, ours.as_deref())) {
            equal += 1;
        } else {
            differing += 1;
            if first.is_empty() {
                first = format!("first: {model} {path}: ours {ours:?}, theirs {read:?}");
            }
        }
    }
    vec![
        Gate::figure(case, "points_differing", f64::from(differing), "points")
            .at_most(0.0)
            .note(first),
        Gate::figure(case, "points_equal", f64::from(equal), "points").at_least(1.0),
    ]
}

fn same(theirs: &str, ours: Option<&str>) -> bool {
    match ours {
        None => theirs == "None",
        Some(ours) if ours == theirs => true,
        Some(ours) => match (ours.parse::<f64>(), theirs.parse::<f64>()) {
            (Ok(ours), Ok(theirs)) => ours == theirs,
            _ => false,
        },
    }
}

/// An entity of the twin: read, and written within and beyond its limits.
fn twin(python: &Path) -> Vec<Gate> {
    let case = "entity of the twin, pysunspec2";
    let failed = |why: &str| vec![Gate::failed(case, "writes_wrong", why)];
    let (served, read_only) = match (twin_server(true), twin_server(false)) {
        (Ok(served), Ok(read_only)) => (served, read_only),
        (Err(error), _) | (_, Err(error)) => return failed(&error.to_string()),
    };
    let (Some(server), Some(image)) = (served.server(), served.image(1)) else {
        return failed("no server");
    };
    let mut gates = both(server, case, python, &image);
    for (kind, expected) in [("tcp", true), ("rtu", true), ("tcp", false)] {
        let of = if expected { &served } else { &read_only };
        let Some(server) = of.server() else { continue };
        let at = if kind == "tcp" {
            server.addr().map_or(0, |addr| addr.port()).to_string()
        } else {
            server.ptys().first().cloned().unwrap_or_default()
        };
        let case = format!(
            "{case}, {kind}, {}",
            if expected { "writable" } else { "read-only" }
        );
        gates.push(match run_script(python, WRITE, &[kind, &at], LIMIT) {
            Ok(text) => judge_writes(&case, &text, of, expected),
            Err(why) => Gate::failed(case, "writes_wrong", &why),
        });
    }
    gates
}

fn judge_writes(case: &str, text: &str, of: &TwinServer, writable: bool) -> Gate {
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split('\t').collect())
        .collect();
    let line = |at: usize, field: usize| {
        lines
            .get(at)
            .and_then(|line| line.get(field))
            .copied()
            .unwrap_or("")
    };
    let requests: Vec<Request> = of.requests().collect();
    let limited = requests.contains(&Request::Limit {
        entity: "H17".into(),
        permille: Some(600),
    });
    let exception = |at: usize, code: &str| line(at, 1).contains(code);
    let checks: Vec<(&str, bool)> = if writable {
        vec![
            ("60 % accepted", line(0, 1) == "accepted"),
            ("60 % read back", line(1, 1).parse() == Ok(60.0)),
            ("60 % reached the twin", limited),
            ("110 % refused with exception 3", exception(2, "3")),
            ("60 % still holds", line(3, 1).parse() == Ok(60.0)),
            (
                "a read-only point refused with exception 2",
                exception(4, "2"),
            ),
        ]
    } else {
        vec![
            ("60 % refused with exception 1", exception(0, "1")),
            ("nothing reached the twin", requests.is_empty()),
        ]
    };
    let wrong: Vec<&str> = checks
        .iter()
        .filter(|(_, met)| !met)
        .map(|(name, _)| *name)
        .collect();
    let note = if wrong.is_empty() {
        let names: Vec<&str> = checks.iter().map(|(name, _)| *name).collect();
        names.join(", ")
    } else {
        format!(
            "not met: {}; it said: {}",
            wrong.join(", "),
            text.replace(['\n', '\t'], " ")
        )
    };
    Gate::figure(case, "writes_wrong", wrong.len() as f64, "checks")
        .at_most(0.0)
        .note(note)
}

/// libmodbus reads the mark.
fn mbpoll() -> Vec<Gate> {
    let case = "mbpoll (libmodbus) reads the SunSpec mark";
    let served = match twin_server(false) {
        Ok(served) => served,
        Err(error) => return vec![Gate::failed(case, "reads_wrong", &error.to_string())],
    };
    let Some(server) = served.server() else {
        return Vec::new();
    };
    let port = server.addr().map_or(0, |addr| addr.port()).to_string();
    let pty = server.ptys().first().cloned().unwrap_or_default();
    let read = "-a 1 -t 4 -0 -r 40000 -c 2 -1";
    let tcp = format!("-m tcp -p {port} {read} 127.0.0.1");
    let rtu = format!("-m rtu -b 19200 -P none {read} {pty}");
    [("tcp", tcp), ("rtu", rtu)]
        .into_iter()
        .map(|(kind, line)| {
            let arguments: Vec<&str> = line.split(' ').collect();
            let case = format!("{case}, {kind}");
            match run_program("mbpoll", &arguments) {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&output.stdout).into_owned();
                    let seen = text.contains("21365") && text.contains("28243");
                    let wrong = f64::from(u8::from(!seen));
                    Gate::figure(case, "reads_wrong", wrong, "reads").at_most(0.0)
                }
                Err(why) => Gate::failed(case, "reads_wrong", &why),
            }
        })
        .collect()
}
