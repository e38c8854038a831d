//! The endpoint beside a small scene: what it answers, and what it does not bear.

use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::TcpStream;
use std::path::Path;

use gridloom_core::TwinOptions;
use serde_json::Value;

use super::wire::{MAX_CONNECTIONS, MAX_LINE, MAX_MALFORMED, ORDERS_PER_SLOT};
use super::*;

fn twin() -> Twin {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenes/wholesale.scene.ron");
    let loaded = gridloom_model::scene::load(&path).expect("the scene loads");
    Twin::new(loaded, TwinOptions::default()).expect("it can be built")
}

fn hub(conduct: Conduct) -> AgentHub {
    let place = Place::parse("127.0.0.1:0").expect("loopback");
    AgentHub::open(&place, conduct).expect("a free port")
}

struct Client {
    reader: BufReader<TcpStream>,
    line: String,
}

impl Client {
    fn new(hub: &AgentHub) -> Self {
        let stream = TcpStream::connect(hub.address()).expect("connected");
        stream
            .set_read_timeout(Some(Duration::from_millis(10)))
            .expect("set");
        Self {
            reader: BufReader::new(stream),
            line: String::new(),
        }
    }

    fn send(&mut self, text: &str) {
        let stream = self.reader.get_mut();
        stream.write_all(text.as_bytes()).expect("written");
        stream.write_all(b"\n").expect("written");
    }

    /// The next message, while the hub works; `Null` when the connection ends.
    fn hear(&mut self, hub: &mut AgentHub, twin: &mut Twin) -> Value {
        for _ in 0..2_000 {
            hub.before_tick(twin);
            match self.reader.read_line(&mut self.line) {
                Ok(0) => return Value::Null,
                Ok(_) if self.line.ends_with('\n') => {
                    let line = std::mem::take(&mut self.line);
                    return serde_json::from_str(&line).expect("a JSON object");
                }
                Ok(_) => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return Value::Null,
            }
        }
        panic!("no answer");
    }

    fn ask(&mut self, hub: &mut AgentHub, twin: &mut Twin, text: &str) -> Value {
        self.send(text);
        self.hear(hub, twin)
    }
}

fn reason(answer: &Value) -> String {
    let inside = answer.as_object().and_then(|object| object.values().next());
    inside.map_or_else(String::new, |inside| inside["reason"].to_string())
}

const HELLO: &str = r#"{"hello":{"version":1,"home":"H2"}}"#;

#[test]
fn a_program_says_who_it_is_bids_and_learns_what_became_of_it() {
    let (mut twin, mut hub) = (twin(), hub(Conduct::default()));
    twin.run_until(gridloom_units::Tick(310));
    let mut client = Client::new(&hub);
    let mut ask = |hub: &mut AgentHub, twin: &mut Twin, text: &str| client.ask(hub, twin, text);
    let early = ask(&mut hub, &mut twin, r#"{"place":{"slot":2,"buy":[]}}"#);
    assert!(reason(&early).contains("say hello first"), "{early}");
    let unknown = ask(
        &mut hub,
        &mut twin,
        r#"{"hello":{"version":1,"home":"H9"}}"#,
    );
    assert!(reason(&unknown).contains("no home `H9`"), "{unknown}");
    let version = ask(&mut hub, &mut twin, r#"{"hello":{"version":2}}"#);
    assert!(reason(&version).contains("version 2"), "{version}");
    let welcome = ask(&mut hub, &mut twin, HELLO);
    assert_eq!(welcome["welcome"]["home"], "H2", "{welcome}");
    assert_eq!(welcome["welcome"]["clusters"][0]["members"][1], "H2");
    assert_eq!(welcome["welcome"]["clusters"][0]["wholesale"], true);
    let other = Client::new(&hub).ask(&mut hub, &mut twin, HELLO);
    assert!(reason(&other).contains("another program acts"), "{other}");

    let past = ask(
        &mut hub,
        &mut twin,
        r#"{"place":{"ref":1,"slot":1,"buy":[]}}"#,
    );
    assert_eq!(past["refused"]["ref"], 1, "{past}");
    let none = ask(&mut hub, &mut twin, r#"{"place":{"ref":2,"slot":2}}"#);
    assert!(reason(&none).contains("use cancel"), "{none}");
    let good = r#"{"place":{"ref":3,"slot":2,"buy":[{"limit":150000,"wh":900,"kind":"Solar"}]}}"#;
    let taken = ask(&mut hub, &mut twin, good);
    assert_eq!(taken["taken"]["tick"], 310, "{taken}");
    let dear = ask(
        &mut hub,
        &mut twin,
        r#"{"place":{"ref":4,"slot":2,"sell":[{"limit":310000}]}}"#,
    );
    assert_eq!(dear["taken"]["ref"], 4, "{dear}");
    for _ in 0..30 {
        hub.before_tick(&mut twin);
        twin.step();
        hub.after_tick(&mut twin);
    }
    // What can never stand is refused with the tick, the other one is final some blocks later.
    let refused = client.hear(&mut hub, &mut twin);
    assert_eq!(refused["refused"]["ref"], 4, "{refused}");
    assert!(reason(&refused).contains("not between"), "{refused}");
    let placed = client.hear(&mut hub, &mut twin);
    assert_eq!(placed["placed"]["ref"], 3, "{placed}");
    let counts = hub.counts();
    assert_eq!((counts.orders, counts.placed, counts.came), (2, 1, 2));
    assert_eq!(hub.finish(&twin).placed, 1);
}

#[test]
fn bad_input_is_answered_counted_and_harmless() {
    let (mut twin, mut hub) = (twin(), hub(Conduct::default()));
    let mut client = Client::new(&hub);
    for n in 1..=MAX_MALFORMED {
        let text = ["{", "\u{0}\u{1}", "null", "[1e999]", "{\"hello\":7}"][n as usize % 5];
        let answer = client.ask(&mut hub, &mut twin, text);
        assert!(reason(&answer).contains("not a request"), "{answer}");
    }
    assert_eq!(client.hear(&mut hub, &mut twin), Value::Null);
    let mut client = Client::new(&hub);
    let answer = client.ask(&mut hub, &mut twin, &"x".repeat(MAX_LINE + 1));
    assert!(reason(&answer).contains("a line may have"), "{answer}");
    let counts = hub.counts();
    assert_eq!(
        (counts.malformed, counts.too_long),
        (u64::from(MAX_MALFORMED), 1)
    );
    // Others are served as before.
    let welcome = Client::new(&hub).ask(&mut hub, &mut twin, HELLO);
    assert_eq!(welcome["welcome"]["version"], 1);
}

#[test]
fn connections_and_orders_are_limited() {
    let (mut twin, mut hub) = (twin(), hub(Conduct::default()));
    let mut first = Client::new(&hub);
    assert!(first.ask(&mut hub, &mut twin, HELLO)["welcome"].is_object());
    for n in 0..=ORDERS_PER_SLOT {
        let text = format!(r#"{{"place":{{"ref":{n},"slot":1,"buy":[]}}}}"#);
        let answer = first.ask(&mut hub, &mut twin, &text);
        assert_eq!(
            answer["refused"].is_object(),
            n == ORDERS_PER_SLOT,
            "{answer}"
        );
    }
    let mut all: Vec<Client> = (1..MAX_CONNECTIONS).map(|_| Client::new(&hub)).collect();
    for client in &mut all {
        let answer = client.ask(&mut hub, &mut twin, r#"{"hello":{"version":1}}"#);
        assert!(answer["welcome"].is_object(), "{answer}");
        let watcher = client.ask(&mut hub, &mut twin, r#"{"cancel":{"slot":1}}"#);
        assert!(reason(&watcher).contains("acts for no home"), "{watcher}");
    }
    let answer = Client::new(&hub).hear(&mut hub, &mut twin);
    assert!(reason(&answer).contains("no more"), "{answer}");
    assert_eq!(hub.counts().turned_away, 1);
}

#[test]
fn homes_with_tokens_need_them() {
    let conduct = Conduct {
        tokens: read_tokens("# homes\nH2 secret\n").expect("tokens"),
        ..Conduct::default()
    };
    let (mut twin, mut hub) = (twin(), hub(conduct));
    let mut client = Client::new(&hub);
    for text in [
        HELLO,
        r#"{"hello":{"version":1,"home":"H2","token":"guess"}}"#,
        r#"{"hello":{"version":1,"home":"H1","token":"secret"}}"#,
    ] {
        let answer = client.ask(&mut hub, &mut twin, text);
        assert!(reason(&answer).contains("the token"), "{answer}");
    }
    let right = r#"{"hello":{"version":1,"home":"H2","token":"secret"}}"#;
    assert!(client.ask(&mut hub, &mut twin, right)["welcome"].is_object());
    for bad in ["", "H1", "H1 a b", "H1 a\nH1 b"] {
        assert!(read_tokens(bad).is_err(), "{bad}");
    }
}

#[test]
fn in_lockstep_the_run_waits_for_a_done_but_not_for_ever() {
    let conduct = Conduct {
        lockstep: Some(Duration::from_millis(300)),
        ..Conduct::default()
    };
    let (mut twin, mut hub) = (twin(), hub(conduct));
    let mut client = Client::new(&hub);
    assert!(client.ask(&mut hub, &mut twin, HELLO)["welcome"].is_object());
    assert!(client.ask(&mut hub, &mut twin, r#"{"subscribe":{}}"#)["subscribed"].is_object());
    // Done ahead of time for slot 0: no waiting there. Nobody is done with slot 1.
    client.send(r#"{"done":{"slot":0}}"#);
    let mut waited = Vec::new();
    while twin.time().0 < 460_000 {
        hub.before_tick(&mut twin);
        twin.step();
        let began = Instant::now();
        let slots = hub.counts().slots;
        hub.after_tick(&mut twin);
        if hub.counts().slots > slots {
            waited.push(began.elapsed() >= Duration::from_millis(300));
        }
    }
    assert_eq!(waited, [false, true]);
    assert_eq!(hub.counts().timeouts, 1);
    let slot = client.hear(&mut hub, &mut twin);
    assert_eq!(slot["slot"]["slot"], 0, "{slot}");
    let slot = client.hear(&mut hub, &mut twin);
    assert_eq!(slot["slot"]["home"]["id"], "H2", "{slot}");
    assert!(
        slot["slot"]["home"]["taken_wh"].as_i64() > Some(50),
        "{slot}"
    );
}
