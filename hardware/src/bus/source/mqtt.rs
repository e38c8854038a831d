//! Devices that publish to a broker.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS};
use tokio::time::timeout;

use super::number_at;
use super::{End, Source};
use crate::bus::status::Direction;
use crate::bus::{Endpoint, with_status};
use crate::reading::BadReason;

/// How often silence and messages of the bus are looked for.
const TICK: Duration = Duration::from_millis(100);
/// Requests to the broker that may wait.
const REQUESTS: usize = 64;
/// Largest message, bytes.
const MOST: usize = 64 * 1_024;
/// Interval of the life sign both sides watch.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

pub(super) async fn serve(source: &mut Source) -> End {
    let Endpoint::Mqtt(address) = source.task.config.endpoint.clone() else {
        return End::Lost(BadReason::ConfigMismatch, "not a broker".to_owned());
    };
    let Some((host, port)) = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host.to_owned(), port.parse::<u16>().ok()?)))
    else {
        return End::Lost(BadReason::ConfigMismatch, format!("`{address}`"));
    };
    let id = format!("gridloom-{}-{}", std::process::id(), source.task.wire.line);
    let mut options = MqttOptions::new(id, host, port);
    options.set_keep_alive(KEEP_ALIVE);
    options.set_max_packet_size(MOST, MOST);
    let (client, mut events) = AsyncClient::new(options, REQUESTS);
    let since = Instant::now();
    let mut subscribed: BTreeSet<String> = BTreeSet::new();
    let mut up = false;
    loop {
        if !source.take_messages() || *source.task.stop.borrow() {
            return End::Stopped;
        }
        if up {
            for topic in topics(source) {
                if !subscribed.contains(&topic)
                    && client.try_subscribe(&topic, QoS::AtLeastOnce).is_ok()
                {
                    subscribed.insert(topic);
                }
            }
        }
        match timeout(TICK, events.poll()).await {
            Err(_) => {}
            Ok(Err(error)) => return End::Lost(BadReason::Comm, error.to_string()),
            Ok(Ok(Event::Incoming(Incoming::ConnAck(_)))) => {
                up = true;
                source.connection(true);
            }
            Ok(Ok(Event::Incoming(Incoming::Publish(message)))) => {
                take(source, &message.topic, &message.payload, message.retain);
            }
            Ok(Ok(_)) => {}
        }
        if !up && since.elapsed() > source.task.config.connect_timeout {
            return End::Lost(BadReason::Timeout, "no connection in time".to_owned());
        }
        for unit in &mut source.units {
            unit.watch(since);
        }
        source.flush();
    }
}

fn topics(source: &Source) -> BTreeSet<String> {
    source
        .units
        .iter()
        .flat_map(|unit| unit.keys())
        .map(|key| key.key.split('#').next().unwrap_or("").to_owned())
        .collect()
}

fn take(source: &mut Source, topic: &str, payload: &[u8], retained: bool) {
    source.task.wire.note(Direction::In, payload);
    let now = Instant::now();
    let json: Option<serde_json::Value> = serde_json::from_slice(payload).ok();
    for unit in &mut source.units {
        let mut answered = false;
        for index in 0..unit.keys().len() {
            let key = unit.keys()[index].key.clone();
            let (of, pointer) = key.split_once('#').unwrap_or((&key, ""));
            if of != topic {
                continue;
            }
            answered = true;
            match &json {
                // Nobody knows how old a kept message is: it is not good.
                _ if retained => unit
                    .publisher
                    .publish(index, Err(BadReason::NeverRead), now),
                Some(json) => unit.publish(index, number_at(json, pointer), now),
                None => {
                    with_status(&unit.bound.status, |status| status.errors.shape += 1);
                    unit.publisher
                        .publish(index, Err(BadReason::Malformed), now);
                }
            }
        }
        if answered {
            unit.answered(None);
        }
    }
}
