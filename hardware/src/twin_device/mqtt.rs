//! Entities as topics: `gridloom/ID` with a JSON object per tick.

use std::thread::JoinHandle;
use std::time::Duration;

use rumqttc::{AsyncClient, MqttOptions, QoS};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Entity, EntityState};
use crate::HardwareError;

/// Messages that may wait for the broker; newer ones are left out, and the
/// next tick brings newer ones still.
const WAITING: usize = 512;
/// Pause after a failure of the broker.
const PAUSE: Duration = Duration::from_secs(1);

/// Publishes to a broker. Stops when dropped.
pub struct MqttExport {
    client: AsyncClient,
    stop: watch::Sender<bool>,
    thread: Option<JoinHandle<()>>,
}

/// The message of an entity.
#[must_use]
pub fn payload(state: &EntityState) -> String {
    let round = |value: f64| (value * 1_000.0).round() / 1_000.0;
    serde_json::json!({
        "p_w": round(state.p_w),
        "voltage_v": round(state.v_v.iter().copied().fold(0.0, f64::max)),
        "frequency_hz": round(state.f_hz),
        "import_wh": round(state.import_wh),
        "export_wh": round(state.export_wh),
        "pv_w": round(state.pv_w),
        "battery_w": round(state.battery_w),
        "soc": round(state.soc),
        "closed": state.closed,
    })
    .to_string()
}

impl MqttExport {
    /// Starts publishing to a broker, `host:port`.
    ///
    /// # Errors
    /// Fails when the address is none or the thread cannot start.
    pub fn start(broker: &str) -> Result<Self, HardwareError> {
        let (host, port) = broker
            .rsplit_once(':')
            .and_then(|(host, port)| Some((host.to_owned(), port.parse::<u16>().ok()?)))
            .ok_or_else(|| HardwareError::BadAddress {
                address: broker.to_owned(),
            })?;
        let failed = |source| HardwareError::Start {
            what: "mqtt",
            source,
        };
        let id = format!("gridloom-twin-{}", std::process::id());
        let mut options = MqttOptions::new(id, host, port);
        options.set_keep_alive(Duration::from_secs(5));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(failed)?;
        let (client, mut events) = AsyncClient::new(options, WAITING);
        let (stop, mut stopped) = watch::channel(false);
        let thread = std::thread::Builder::new()
            .name("mqtt".into())
            .spawn(move || {
                runtime.block_on(async {
                    while !*stopped.borrow() {
                        let polled = tokio::select! {
                            polled = timeout(PAUSE, events.poll()) => polled,
                            _ = stopped.wait_for(|stop| *stop) => return,
                        };
                        if let Ok(Err(_)) = polled {
                            tokio::select! {
                                () = sleep(PAUSE) => {}
                                _ = stopped.wait_for(|stop| *stop) => return,
                            }
                        }
                    }
                });
            })
            .map_err(failed)?;
        Ok(Self {
            client,
            stop,
            thread: Some(thread),
        })
    }

    pub(super) fn publish<'a>(&self, states: impl Iterator<Item = (&'a Entity, &'a EntityState)>) {
        for (entity, state) in states {
            let topic = format!("gridloom/{}", entity.id);
            let _ = self
                .client
                .try_publish(topic, QoS::AtMostOnce, false, payload(state));
        }
    }
}

impl Drop for MqttExport {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
