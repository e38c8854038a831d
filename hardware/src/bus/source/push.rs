//! Meters that send telegrams by themselves, over a serial line or a socket.

use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{End, Source};
use crate::bus::status::Direction;
use crate::bus::{Endpoint, open_serial, with_status};
use crate::push::{Ear, Heard, Sent, same_code};
use crate::reading::BadReason;

/// How often silence is looked for.
const TICK: Duration = Duration::from_millis(100);

pub(super) async fn serve(source: &mut Source) -> End {
    match &source.task.config.endpoint {
        Endpoint::Serial(path) => match open_serial(path, &source.task.config.line) {
            Ok(stream) => listen(source, stream).await,
            Err(error) => End::Lost(BadReason::Comm, error.to_string()),
        },
        Endpoint::Tcp(address) | Endpoint::RtuOverTcp(address) => {
            let connect = TcpStream::connect(address.clone());
            match timeout(source.task.config.connect_timeout, connect).await {
                Ok(Ok(stream)) => listen(source, stream).await,
                Ok(Err(error)) => End::Lost(BadReason::Comm, error.to_string()),
                Err(_) => End::Lost(BadReason::Timeout, "no connection in time".to_owned()),
            }
        }
        Endpoint::Http(_) | Endpoint::Mqtt(_) => {
            End::Lost(BadReason::ConfigMismatch, "not a line".to_owned())
        }
    }
}

async fn listen(source: &mut Source, mut stream: impl AsyncRead + Unpin) -> End {
    source.connection(true);
    let since = Instant::now();
    let mut ears = ears(source);
    source.changed = false;
    let mut chunk = [0; 1_024];
    loop {
        if !source.take_messages() || *source.task.stop.borrow() {
            return End::Stopped;
        }
        if std::mem::take(&mut source.changed) {
            ears = self::ears(source);
        }
        let read = tokio::select! {
            read = timeout(TICK, stream.read(&mut chunk)) => read,
            _ = source.task.stop.wait_for(|stop| *stop) => return End::Stopped,
        };
        match read {
            Err(_) => {}
            Ok(Ok(0)) => return End::Lost(BadReason::Comm, "the line was closed".to_owned()),
            Ok(Err(error)) => return End::Lost(BadReason::Comm, error.to_string()),
            Ok(Ok(count)) => {
                source.task.wire.note(Direction::In, &chunk[..count]);
                for (at, ear) in ears.iter_mut().enumerate() {
                    for heard in ear.hear(&chunk[..count]) {
                        take(source, at, &heard);
                    }
                }
            }
        }
        for unit in &mut source.units {
            unit.watch(since);
        }
        source.flush();
    }
}

fn ears(source: &Source) -> Vec<Ear> {
    source
        .units
        .iter()
        .filter_map(|unit| Ear::of(unit.protocol(), unit.bound.config.profile.needs_crc))
        .collect()
}

fn take(source: &mut Source, at: usize, heard: &Heard) {
    let Some(unit) = source.units.get_mut(at) else {
        return;
    };
    let now = Instant::now();
    match heard {
        Heard::Telegram(sent) => {
            unit.answered(None);
            for index in 0..unit.keys().len() {
                let number = number_of(&unit.keys()[index].key, sent);
                unit.publish(index, number, now);
            }
        }
        // A broken telegram says nothing about the values: they grow old.
        Heard::Checksum | Heard::Shape => with_status(&unit.bound.status, |status| {
            let class = if *heard == Heard::Checksum {
                &mut status.errors.checksum
            } else {
                &mut status.errors.shape
            };
            *class += 1;
            status.last_error = Some("a broken telegram".to_owned());
        }),
    }
}

/// The number under a code.
pub(crate) fn number_of(key: &str, sent: &[Sent]) -> Option<f64> {
    sent.iter()
        .find(|sent| same_code(key, &sent.code))
        .map(|sent| sent.value)
}
