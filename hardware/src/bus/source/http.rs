//! Devices that answer JSON over HTTP.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::{End, Source};
use crate::bus::status::Direction;
use crate::bus::{Endpoint, with_status};
use crate::profile::PollGroup;
use crate::reading::BadReason;

/// Longest answer, bytes.
const MOST: usize = 256 * 1_024;

/// Where the numbers of an answer go: unit, key and pointer.
type Wanted = Vec<(usize, usize, String)>;

pub(super) async fn serve(source: &mut Source) -> End {
    let Endpoint::Http(address) = source.task.config.endpoint.clone() else {
        return End::Lost(BadReason::ConfigMismatch, "not a web server".to_owned());
    };
    let client = reqwest::Client::builder()
        .connect_timeout(source.task.config.connect_timeout)
        .pool_max_idle_per_host(1)
        .no_proxy()
        .build();
    let client = match client {
        Ok(client) => client,
        Err(error) => return End::Lost(BadReason::ConfigMismatch, error.to_string()),
    };
    source.connection(true);
    let mut turn = 0_u64;
    loop {
        let began = Instant::now();
        if !source.take_messages() || *source.task.stop.borrow() {
            return End::Stopped;
        }
        let Some(first) = source.units.first() else {
            return End::Stopped;
        };
        let (interval, timeout_ms) = (
            first.bound.config.poll_interval,
            first.bound.config.profile.timeout_ms,
        );
        for (path, wanted) in due(source, turn) {
            let limit = Duration::from_millis(timeout_ms);
            let url = format!("http://{address}{path}");
            match get(source, &client, &url, limit).await {
                Ok(body) => take(source, &body, &wanted, began.elapsed()),
                Err((reason, text)) => return End::Lost(reason, text),
            }
        }
        source.flush();
        turn += 1;
        let rest = interval.saturating_sub(began.elapsed());
        tokio::select! {
            () = sleep(rest) => {}
            _ = source.task.stop.wait_for(|stop| *stop) => return End::Stopped,
        }
    }
}

/// Paths to be asked for in a turn, with what their answers hold.
fn due(source: &Source, turn: u64) -> BTreeMap<String, Wanted> {
    let mut paths: BTreeMap<String, Wanted> = BTreeMap::new();
    for (at, unit) in source.units.iter().enumerate() {
        for (index, key) in unit.keys().iter().enumerate() {
            let due = match PollGroup::every(key.poll) {
                Some(every) => turn.is_multiple_of(every),
                None => turn == 0,
            };
            if let Some((path, pointer)) = key.key.split_once('#')
                && due
            {
                let wanted = (at, index, pointer.to_owned());
                paths.entry(path.to_owned()).or_default().push(wanted);
            }
        }
    }
    paths
}

async fn get(
    source: &Source,
    client: &reqwest::Client,
    url: &str,
    limit: Duration,
) -> Result<Vec<u8>, (BadReason, String)> {
    source.task.wire.note(Direction::Out, url.as_bytes());
    let failed = |error: reqwest::Error| {
        let reason = if error.is_timeout() {
            BadReason::Timeout
        } else {
            BadReason::Comm
        };
        (reason, error.to_string())
    };
    let mut answer = client
        .get(url)
        .timeout(limit)
        .send()
        .await
        .map_err(failed)?;
    if !answer.status().is_success() {
        return Err((BadReason::Malformed, format!("status {}", answer.status())));
    }
    let mut body = Vec::new();
    while let Some(part) = answer.chunk().await.map_err(failed)? {
        body.extend_from_slice(&part);
        if body.len() > MOST {
            return Err((BadReason::Malformed, format!("more than {MOST} bytes")));
        }
    }
    source.task.wire.note(Direction::In, &body);
    Ok(body)
}

fn take(source: &mut Source, body: &[u8], wanted: &Wanted, took: Duration) {
    let now = Instant::now();
    let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let mut answered: Vec<usize> = Vec::new();
    for (at, index, pointer) in wanted {
        let unit = &mut source.units[*at];
        match &json {
            None => {
                with_status(&unit.bound.status, |status| {
                    status.errors.shape += 1;
                    status.last_error = Some("the answer is no JSON".to_owned());
                });
                unit.publisher
                    .publish(*index, Err(BadReason::Malformed), now);
            }
            Some(json) => {
                answered.push(*at);
                unit.publish(*index, number_at(json, pointer), now);
            }
        }
    }
    answered.dedup();
    for at in answered {
        source.units[at].answered(Some(took));
    }
}

/// The number at a JSON pointer; switches count as 0 and 1, numbers in quotes
/// as numbers.
pub(crate) fn number_at(json: &serde_json::Value, pointer: &str) -> Option<f64> {
    match json.pointer(pointer)? {
        serde_json::Value::Number(number) => number.as_f64().filter(|n| n.is_finite()),
        serde_json::Value::Bool(on) => Some(f64::from(u8::from(*on))),
        serde_json::Value::String(text) => text
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite()),
        _ => None,
    }
}
